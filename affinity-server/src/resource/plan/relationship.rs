use super::error::{PlanError, Way};
use super::nearest::nearest;
use super::planner::{Planner, Table};
use crate::catalog::{ColumnId, Link, LinkVia, RelationId, RelationKind};
use crate::resource::request::Embedding;

impl<'a> Planner<'a> {
    /// The way that an embedding means, by PostgREST's rules.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find_link(&self, from: Table<'a>, embedding: &Embedding) -> Result<&'a Link, PlanError> {
        let (target, hint) = (embedding.relation.as_str(), embedding.hint.as_deref());
        let known: Vec<&Link> = from.relation.map_or(Vec::new(), |from| self.links(from).collect());
        let computed = known.iter().find(|link| is_function(link) && link.name.name() == target);
        if let Some(link) = computed {
            return Ok(link); // whoever writes one means it to stand before what foreign keys say
        }
        let matching: Vec<&Link> =
            known.iter().copied().filter(|link| self.means(link, target, hint)).collect();
        let is_table = |link: &&Link| self.relation(link.to).kind == RelationKind::Table;
        let mut tables = matching.iter().copied().filter(is_table);
        if let (Some(link), None, None) = (tables.next(), tables.next(), hint)
            && self.relation(link.to).name.name() != target
        {
            return Ok(link); // a foreign key refers to its table, not to the views that show it
        }
        match matching.as_slice() {
            [link] => Ok(link),
            [] => Err(PlanError::NoRelationship {
                from: from.name.to_owned(),
                to: target.to_owned(),
                hint: hint.map(str::to_owned),
                schema: self.schema.name().to_owned(),
                nearest: nearest(target, known.iter().map(|link| self.relation(link.to).name.name()))
                    .map(str::to_owned),
            }),
            ways => Err(PlanError::AmbiguousRelationship {
                from: from.name.to_owned(),
                to: target.to_owned(),
                ways: ways.iter().map(|link| self.describe(link)).collect(),
            }),
        }
    }

    fn links(&self, from: RelationId) -> impl Iterator<Item = &'a Link> {
        let served = move |link: &&Link| {
            self.platform.relations.contains(&link.to)
                && (is_function(link) || self.relation(link.to).schema == *self.schema)
        };
        self.catalog.links_from(from).filter(served)
    }

    /// Whether `target` and `hint` mean this way.
    fn means(&self, link: &Link, target: &str, hint: Option<&str>) -> bool {
        let names_table = self.relation(link.to).name.name() == target;
        let single = |is_near: bool, name: &str| match &link.via {
            LinkVia::Columns { pairs, .. } => match pairs.as_slice() {
                [(near, _)] if is_near => self.relation(link.from).column(*near).name.name() == name,
                [(_, far)] => !is_near && self.relation(link.to).column(*far).name.name() == name,
                _ => false,
            },
            LinkVia::Junction { .. } | LinkVia::Function { .. } => false,
        };
        let (is_foreign_key, is_forward) = match &link.via {
            LinkVia::Columns { is_forward, .. } => (true, *is_forward),
            LinkVia::Junction { .. } => (false, false),
            LinkVia::Function { .. } => return false,
        };
        let is_self = link.from == link.to;
        match hint {
            // In a table that refers to itself, its name means the many and the column the one.
            None if is_self && is_foreign_key => {
                (names_table && !is_forward) || (is_forward && single(true, target))
            }
            None => {
                names_table
                    || (is_foreign_key && link.name.name() == target)
                    || (is_forward && single(true, target))
            }
            Some(hint) if is_self && is_foreign_key => {
                names_table && !is_forward && (single(false, hint) || link.name.name() == hint)
            }
            Some(hint) => {
                let by_junction = matches!(
                    &link.via,
                    LinkVia::Junction { table, .. } if self.relation(*table).name.name() == hint
                );
                names_table
                    && (by_junction
                        || single(true, hint)
                        || single(false, hint)
                        || (is_foreign_key && link.name.name() == hint))
            }
        }
    }

    fn describe(&self, link: &Link) -> Way {
        let (from, to) = (self.relation(link.from), self.relation(link.to));
        let listed = |names: Vec<&str>| format!("({})", names.join(", "));
        let columns = |relation: RelationId, ids: &mut dyn Iterator<Item = ColumnId>| {
            listed(ids.map(|id| self.relation(relation).column(id).name.name()).collect())
        };
        match &link.via {
            LinkVia::Columns { pairs, is_forward } => Way {
                cardinality: match (link.is_to_one, is_forward) {
                    (true, true) if self.is_unique(link.from, pairs) => "one-to-one",
                    (true, true) => "many-to-one",
                    (true, false) => "one-to-one",
                    (false, _) => "one-to-many",
                },
                relationship: format!(
                    "{} using {}{} and {}{}",
                    link.name.name(),
                    from.name.name(),
                    columns(link.from, &mut pairs.iter().map(|pair| pair.0)),
                    to.name.name(),
                    columns(link.to, &mut pairs.iter().map(|pair| pair.1)),
                ),
                hint: link.name.name().to_owned(),
            },
            LinkVia::Junction { table, far_name, near, far } => Way {
                cardinality: "many-to-many",
                relationship: format!(
                    "{} using {}{} and {}{}",
                    self.relation(*table).name.name(),
                    link.name.name(),
                    columns(*table, &mut near.iter().map(|pair| pair.1)),
                    far_name.name(),
                    columns(*table, &mut far.iter().map(|pair| pair.0)),
                ),
                hint: self.relation(*table).name.name().to_owned(),
            },
            LinkVia::Function { .. } => Way {
                cardinality: "computed",
                relationship: link.name.name().to_owned(),
                hint: link.name.name().to_owned(),
            },
        }
    }

    fn is_unique(&self, relation: RelationId, pairs: &[(ColumnId, ColumnId)]) -> bool {
        let relation = self.relation(relation);
        let near: Vec<ColumnId> = pairs.iter().map(|pair| pair.0).collect();
        let is_key = |key: &Vec<ColumnId>| !key.is_empty() && key.iter().all(|column| near.contains(column));
        is_key(&relation.primary_key) || relation.unique_keys.iter().any(is_key)
    }
}

fn is_function(link: &Link) -> bool {
    matches!(link.via, LinkVia::Function { .. })
}
