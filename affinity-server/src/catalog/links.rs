use std::collections::HashMap;

use super::facts::{ForeignKeyFact, UniqueIndexFact};
use super::model::{ColumnId, Function, Identifier, Link, LinkVia, Relation, RelationId, Returns};

/// A relation that shows columns of a table: the table itself, or a view.
#[derive(Clone, Debug)]
pub(super) struct Showing {
    pub(super) relation: RelationId,
    /// The table's column, as `attnum`, to the relation's. A view that shows a column twice shows the first.
    pub(super) columns: HashMap<i16, ColumnId>,
}

impl Showing {
    /// Its columns for all of the table's `columns`, if it shows all.
    pub(super) fn all(&self, columns: &[i16]) -> Option<Vec<ColumnId>> {
        columns.iter().map(|column| self.columns.get(column).copied()).collect()
    }
}

/// The ways along foreign keys, in both directions, between whatever shows the columns on both sides.
pub(super) fn along_foreign_keys(
    keys: &[ForeignKeyFact],
    unique_indexes: &[UniqueIndexFact],
    showing: &HashMap<u32, Vec<Showing>>,
) -> Vec<Link> {
    let mut links = Vec::new();
    let none = Vec::new();
    for key in keys {
        let is_unique = unique_indexes.iter().any(|index| {
            index.relation == key.source
                && index.columns.iter().all(|column| key.source_columns.contains(column))
        });
        for source in showing.get(&key.source.0).unwrap_or(&none) {
            let Some(near) = source.all(&key.source_columns) else { continue };
            for target in showing.get(&key.target.0).unwrap_or(&none) {
                let Some(far) = target.all(&key.target_columns) else { continue };
                let pairs: Vec<_> = near.iter().copied().zip(far).collect();
                let reversed = pairs.iter().map(|(near, far)| (*far, *near)).collect();
                let name = Identifier::known(&key.name);
                links.push(Link {
                    from: source.relation,
                    to: target.relation,
                    name: name.clone(),
                    via: LinkVia::Columns { pairs, is_forward: true },
                    is_to_one: true,
                });
                links.push(Link {
                    from: target.relation,
                    to: source.relation,
                    name,
                    via: LinkVia::Columns { pairs: reversed, is_forward: false },
                    is_to_one: is_unique,
                });
            }
        }
    }
    links
}

/// The ways through junctions: two foreign keys of one relation that both lie in its primary key, neither of them
/// unique by itself.
pub(super) fn through_junctions(links: &[Link], relations: &[Relation]) -> Vec<Link> {
    let mut far_of: HashMap<RelationId, Vec<&Link>> = HashMap::new();
    let mut near_of: HashMap<RelationId, Vec<&Link>> = HashMap::new();
    for link in links {
        let LinkVia::Columns { is_forward, .. } = link.via else { continue };
        match is_forward {
            true => far_of.entry(link.from).or_default().push(link),
            false if !link.is_to_one => near_of.entry(link.to).or_default().push(link),
            false => {}
        }
    }
    let mut found = Vec::new();
    for (place, junction) in relations.iter().enumerate() {
        let table = RelationId::at(place);
        let (Some(near_links), Some(far_links)) = (near_of.get(&table), far_of.get(&table)) else { continue };
        let is_in_key = |column: &ColumnId| junction.primary_key.contains(column);
        for near_link in near_links {
            let near = pairs(near_link);
            if !near.iter().all(|(_, column)| is_in_key(column)) {
                continue;
            }
            // A far key that is unique by itself is no part of a junction: its row says all there is to say.
            let is_shared = |name: &Identifier| near_links.iter().any(|link| link.name == *name);
            for far_link in
                far_links.iter().filter(|link| link.name != near_link.name && is_shared(&link.name))
            {
                let far = pairs(far_link);
                if far.iter().all(|(column, _)| is_in_key(column)) {
                    found.push(Link {
                        from: near_link.from,
                        to: far_link.to,
                        name: near_link.name.clone(),
                        via: LinkVia::Junction {
                            table,
                            far_name: far_link.name.clone(),
                            near: near.to_vec(),
                            far: far.to_vec(),
                        },
                        is_to_one: false,
                    });
                }
            }
        }
    }
    found
}

fn pairs(link: &Link) -> &[(ColumnId, ColumnId)] {
    match &link.via {
        LinkVia::Columns { pairs, .. } => pairs,
        LinkVia::Junction { .. } | LinkVia::Function { .. } => &[],
    }
}

/// The way that a function makes, if it takes a row and gives rows; `gives_one` when it says that it gives one.
pub(super) fn computed(function: &Function, gives_one: bool) -> Option<Link> {
    let Returns::Rows { relation, is_set } = function.returns else { return None };
    Some(Link {
        from: function.takes_row_of()?,
        to: relation,
        name: function.name.clone(),
        via: LinkVia::Function { schema: function.schema.clone() },
        is_to_one: gives_one || !is_set,
    })
}
