use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;

use uuid::Uuid;

use super::ProjectionError;
use super::entry::{Anchor, Entry, Given};
use super::ledger_code::{decode_given, encode_given};

/// What each anchor gave the last time it was projected, so that projecting it again says what it gives no longer.
///
/// Compact: some 30 bytes per edge. Cheap to clone: what anchors gave is shared between clones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Per table and anchor, what it gave, sorted by entry and encoded.
    anchors: BTreeMap<String, HashMap<Uuid, Arc<[u8]>>>,
}

impl Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.anchors.iter().map(|(table, anchors)| (table, anchors.len()));
        f.debug_map().entries(counts).finish()
    }
}

/// How what an anchor gives differs from what it gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Given before and no longer, in order.
    pub gone: Vec<Entry>,
    /// Given now, and before not or not in this form, in order.
    pub fresh: Vec<Entry>,
}

impl Ledger {
    /// How many anchors gave something.
    #[must_use]
    pub fn anchor_count(&self) -> usize {
        self.anchors.values().map(HashMap::len).sum()
    }

    /// How many anchors of a table gave something.
    pub(super) fn anchor_count_of(&self, table: &str) -> usize {
        self.anchors.get(table).map_or(0, HashMap::len)
    }

    /// The anchors of a table that gave something, in no particular order.
    pub(super) fn anchors_of(&self, table: &str) -> impl Iterator<Item = Uuid> {
        self.anchors.get(table).into_iter().flat_map(HashMap::keys).copied()
    }

    /// What an anchor gave, sorted; empty when it gave nothing.
    #[must_use]
    pub fn given(&self, anchor: &Anchor) -> Vec<Given> {
        let encoded = self.anchors.get(&anchor.table).and_then(|anchors| anchors.get(&anchor.id));
        // What is in memory was encoded here or validated when read, so decoding always succeeds.
        encoded.and_then(|encoded| decode_given(encoded, anchor.id)).unwrap_or_default()
    }

    /// How `now`, sorted by entry, differs from what the anchor gave.
    pub(super) fn compare(&self, anchor: &Anchor, now: &[Given]) -> Difference {
        let before = self.given(anchor);
        let known: HashMap<&Entry, _> =
            before.iter().map(|given| (&given.entry, given.fingerprint)).collect();
        let kept: HashSet<&Entry> = now.iter().map(|given| &given.entry).collect();
        let fresh = now.iter().filter(|given| known.get(&given.entry) != Some(&given.fingerprint));
        let gone = before.iter().filter(|given| !kept.contains(&given.entry));
        Difference {
            fresh: fresh.map(|given| given.entry.clone()).collect(),
            gone: gone.map(|given| given.entry.clone()).collect(),
        }
    }

    /// Records what an anchor gives from now on; `now` is sorted by entry.
    pub(super) fn replace(&mut self, anchor: &Anchor, now: &[Given]) {
        if now.is_empty() {
            if let Some(anchors) = self.anchors.get_mut(&anchor.table) {
                anchors.remove(&anchor.id);
                if anchors.is_empty() {
                    self.anchors.remove(&anchor.table);
                }
            }
            return;
        }
        let mut encoded = Vec::new();
        for given in now {
            encode_given(&mut encoded, anchor.id, given);
        }
        self.insert_encoded(anchor, encoded.into());
    }

    pub(super) fn insert_encoded(&mut self, anchor: &Anchor, encoded: Arc<[u8]>) {
        if let Some(anchors) = self.anchors.get_mut(&anchor.table) {
            anchors.insert(anchor.id, encoded);
        } else {
            self.anchors.insert(anchor.table.clone(), HashMap::from([(anchor.id, encoded)]));
        }
    }

    /// Every anchor with what it gave, encoded; tables in order, anchors in none.
    pub(super) fn encoded(&self) -> impl Iterator<Item = (&str, Uuid, &Arc<[u8]>)> {
        self.anchors.iter().flat_map(|(table, anchors)| {
            anchors.iter().map(move |(id, encoded)| (table.as_str(), *id, encoded))
        })
    }

    /// Anchors that gave an entry which the engine still lacks.
    pub(super) fn owing(&self) -> Vec<Anchor> {
        let owing = self.encoded().filter_map(|(table, id, encoded)| {
            let given = decode_given(encoded, id)?;
            let owes = given.iter().any(|given| given.fingerprint == super::entry::Fingerprint::OWED);
            owes.then(|| Anchor { table: table.to_string(), id })
        });
        owing.collect()
    }
}

/// Collects what anchors give while the views are read in any order.
#[derive(Debug, Default)]
pub(super) struct LedgerBuilder {
    anchors: BTreeMap<String, HashMap<Uuid, Vec<u8>>>,
}

impl LedgerBuilder {
    pub(super) fn add(&mut self, anchor: &Anchor, given: &Given) {
        if !self.anchors.contains_key(&anchor.table) {
            self.anchors.insert(anchor.table.clone(), HashMap::new());
        }
        if let Some(anchors) = self.anchors.get_mut(&anchor.table) {
            encode_given(anchors.entry(anchor.id).or_default(), anchor.id, given);
        }
    }

    /// The ledger of all that was added.
    ///
    /// # Errors
    /// [`ProjectionError::Twice`] when an anchor gave an entry twice.
    pub(super) fn finish(self) -> Result<Ledger, ProjectionError> {
        let mut ledger = Ledger::default();
        for (table, anchors) in self.anchors {
            for (id, encoded) in anchors {
                let anchor = Anchor { table: table.clone(), id };
                let mut given = decode_given(&encoded, id).unwrap_or_default();
                sort_given(&anchor, &mut given)?;
                ledger.replace(&anchor, &given);
            }
        }
        Ok(ledger)
    }
}

/// Sorts what an anchor gives.
///
/// # Errors
/// [`ProjectionError::Twice`] when it gives an entry twice: which of the two counts would depend on their order.
pub(super) fn sort_given(anchor: &Anchor, given: &mut [Given]) -> Result<(), ProjectionError> {
    given.sort_unstable();
    match given.windows(2).find(|pair| pair[0].entry == pair[1].entry) {
        Some(pair) => {
            Err(ProjectionError::Twice { anchor: anchor.clone(), row: format!("{:?}", pair[0].entry) })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use affinity_core::{Key, KindId, RelationId};
    use uuid::Uuid;

    use super::{Ledger, LedgerBuilder, sort_given};
    use crate::projection::ProjectionError;
    use crate::projection::entry::{Anchor, Entry, Fingerprint, Given};

    fn anchor(id: u128) -> Anchor {
        Anchor { table: "rows".to_string(), id: Uuid::from_u128(id) }
    }

    fn node(key: &str, says: &str) -> Given {
        let entry = Entry::Node { kind: KindId::from_index(0).unwrap(), key: Key::from(key) };
        Given { entry, fingerprint: Fingerprint::of([says.as_bytes()]) }
    }

    fn edge(target: &str, says: &str) -> Given {
        let entry = Entry::Edge {
            relation: RelationId::from_index(3).unwrap(),
            source: Key::from("0190f5ae-7c3b-7000-8000-000000000001"),
            target: Key::from(target),
            origin: None,
        };
        Given { entry, fingerprint: Fingerprint::of([says.as_bytes()]) }
    }

    #[test]
    fn comparison_names_what_went_what_came_and_what_changed() {
        let mut ledger = Ledger::default();
        ledger.replace(&anchor(1), &[node("a", "1"), edge("b", "1"), edge("c", "1")]);
        let now = [node("a", "1"), edge("b", "2"), edge("d", "1")];
        let difference = ledger.compare(&anchor(1), &now);
        assert_eq!(difference.gone, [edge("c", "1").entry]);
        assert_eq!(difference.fresh, [edge("b", "2").entry, edge("d", "1").entry]);
    }

    #[test]
    fn anchor_that_gives_nothing_leaves_no_trace() {
        let mut ledger = Ledger::default();
        ledger.replace(&anchor(1), &[node("a", "1")]);
        let difference = ledger.compare(&anchor(1), &[]);
        assert_eq!(difference.gone, [node("a", "1").entry]);
        ledger.replace(&anchor(1), &[]);
        assert_eq!(ledger, Ledger::default());
    }

    #[test]
    fn builder_makes_the_same_ledger_in_any_order() {
        let rows = [(anchor(1), node("a", "1")), (anchor(2), edge("b", "1")), (anchor(1), edge("c", "1"))];
        let build = |rows: &mut dyn Iterator<Item = &(Anchor, Given)>| {
            let mut builder = LedgerBuilder::default();
            rows.for_each(|(anchor, given)| builder.add(anchor, given));
            builder.finish().unwrap()
        };
        let ledger = build(&mut rows.iter());
        assert_eq!(ledger, build(&mut rows.iter().rev()));
        assert_eq!(ledger.given(&anchor(1)), [node("a", "1"), edge("c", "1")]);
        assert_eq!(ledger.anchor_count(), 2);
    }

    #[test]
    fn anchor_that_gives_an_entry_twice_is_named() {
        let mut given = vec![node("a", "1"), node("b", "1"), node("a", "2")];
        let error = sort_given(&anchor(7), &mut given).unwrap_err();
        assert!(matches!(error, ProjectionError::Twice { anchor: named, .. } if named == anchor(7)));
    }

    #[test]
    fn anchors_with_an_owed_entry_are_found() {
        let mut ledger = Ledger::default();
        ledger.replace(&anchor(1), &[node("a", "1")]);
        ledger.replace(&anchor(2), &[Given { fingerprint: Fingerprint::OWED, ..node("b", "1") }]);
        assert_eq!(ledger.owing(), [anchor(2)]);
    }
}
