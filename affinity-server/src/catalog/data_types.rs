use std::collections::HashMap;
use std::sync::Arc;

use super::facts::TypeFact;
use super::model::{DataType, RelationId};

/// Domains and arrays nest less deeply than this in any database that people made.
const DEPTH_MAX: usize = 32;

/// Every type that columns and arguments can have.
pub(super) struct DataTypes<'a> {
    types: HashMap<u32, &'a TypeFact>,
    relations: &'a HashMap<u32, RelationId>,
}

impl<'a> DataTypes<'a> {
    /// `relations` are those of the catalog, by their `oid`.
    pub(super) fn new(types: &'a [TypeFact], relations: &'a HashMap<u32, RelationId>) -> Self {
        Self { types: types.iter().map(|fact| (fact.oid.0, fact)).collect(), relations }
    }

    /// The type with this `oid` and modifier, which PostgreSQL writes as `sql`.
    pub(super) fn data_type(&self, oid: u32, modifier: i32, sql: &str) -> DataType {
        let (mut modifier, mut is_array) = (modifier, false);
        let mut base = None;
        for fact in self.layers(oid) {
            is_array |= fact.array_of.0 != 0;
            if modifier < 0 {
                modifier = fact.modifier;
            }
            base = Some(fact);
        }
        let name = base.map_or(sql, |base| base.name.as_str());
        DataType {
            sql: Arc::from(sql),
            base: Arc::from(name),
            is_array,
            numeric: numeric(name, modifier),
            length_max: length_max(name, modifier),
            labels: base.map_or_else(|| Arc::from([]), |base| Arc::from(base.labels.as_slice())),
            row_of: base.and_then(|base| self.relations.get(&base.relation.0)).copied(),
        }
    }

    /// Whether a domain forbids NULL.
    pub(super) fn forbids_null(&self, oid: u32) -> bool {
        self.domains(oid).any(|fact| fact.is_not_null)
    }

    /// The default of a domain.
    pub(super) fn default(&self, oid: u32) -> Option<String> {
        self.domains(oid).find_map(|fact| fact.default_sql.clone())
    }

    fn domains(&self, oid: u32) -> impl Iterator<Item = &'a TypeFact> {
        self.layers(oid).take_while(|fact| fact.domain_of.0 != 0)
    }

    /// The type and what it is made of, domains and arrays taken off one by one.
    fn layers(&self, oid: u32) -> impl Iterator<Item = &'a TypeFact> {
        let known = |oid: u32| self.types.get(&oid).copied();
        std::iter::successors(known(oid), move |fact| known(fact.domain_of.0.max(fact.array_of.0)))
            .take(DEPTH_MAX)
    }
}

/// Precision and scale as `numerictypmodout` reads them; `None` for a negative scale, which rounds left of the point.
fn numeric(base: &str, modifier: i32) -> Option<(u16, u16)> {
    let packed = modifier.checked_sub(4).filter(|packed| base == "numeric" && *packed >= 0)?;
    let scale = packed & 0x7ff;
    (scale < 0x400)
        .then(|| (u16::try_from(packed >> 16).ok(), u16::try_from(scale).ok()))
        .and_then(|(precision, scale)| Some((precision?, scale?)))
}

fn length_max(base: &str, modifier: i32) -> Option<u32> {
    let length = modifier.checked_sub(4).filter(|_| matches!(base, "varchar" | "bpchar"))?;
    u32::try_from(length).ok().filter(|length| *length > 0)
}
