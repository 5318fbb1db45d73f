use std::collections::{BTreeSet, HashSet};

use affinity_core::{Change, EdgeKey, EdgeRecord, Engine, Key, NodeRecord, Schema, Timestamp, Value};

use super::error::LearnError;
use super::past::Past;
use super::replay::{Ongoing, Replay};

/// What became of a match.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whom the match was for.
    pub source: Key,
    /// The match.
    pub target: Key,
    /// From 0 (rejected) to 1 (success).
    pub label: f64,
    /// When it began.
    pub at: Timestamp,
}

/// Today's data as it was before `cut`.
///
/// `changes` are those of today, `outcomes` all there are: what joins the two of an outcome from the cut on is left
/// out whatever its own time, since a time can be entered as earlier than it was.
pub fn changes_before<'a>(
    cut: Timestamp,
    changes: &'a [Change],
    outcomes: &'a [Outcome],
    replay: &'a Replay,
    schema: &'a Schema,
) -> impl Iterator<Item = Change> + 'a {
    let view = View::new(cut, changes, outcomes, replay, schema);
    changes.iter().filter_map(move |change| view.then(change))
}

impl Past {
    /// The engine of what was there before `cut`, its models fitted to that alone.
    ///
    /// # Errors
    /// [`LearnError::Engine`] when the data and the matchers do not go together.
    pub fn engine_before(&self, cut: Timestamp) -> Result<Engine, LearnError> {
        let changes = changes_before(cut, &self.changes, &self.outcomes, &self.replay, &self.schema);
        let builder = Engine::builder(self.schema.clone()).matchers(self.matchers.clone());
        Ok(builder.apply(changes)?.version(format!("before {cut}")).build()?)
    }
}

/// Today's data as it was before a cut.
struct View<'a> {
    cut: Timestamp,
    replay: &'a Replay,
    schema: &'a Schema,
    /// Kinds and keys of nodes that were not there yet.
    absent: HashSet<(&'a str, &'a Key)>,
    /// Sources and targets of outcomes from the cut on, in both orders.
    joined_later: HashSet<(&'a Key, &'a Key)>,
}

impl<'a> View<'a> {
    fn new(
        cut: Timestamp,
        changes: &'a [Change],
        outcomes: &'a [Outcome],
        replay: &'a Replay,
        schema: &'a Schema,
    ) -> Self {
        let later = |change: &'a Change| match change {
            Change::PutNode { kind, key, record } => {
                let created = replay.created_at(kind, &record.attributes);
                created.is_some_and(|at| at >= cut).then_some((kind.as_str(), key))
            }
            _ => None,
        };
        let pairs = outcomes.iter().filter(|outcome| outcome.at >= cut);
        let pairs = pairs.flat_map(|of| [(&of.source, &of.target), (&of.target, &of.source)]);
        Self {
            cut,
            replay,
            schema,
            absent: changes.iter().filter_map(later).collect(),
            joined_later: pairs.collect(),
        }
    }

    /// The change as it was then; `None` when there was no such thing.
    fn then(&self, change: &Change) -> Option<Change> {
        match change {
            Change::PutNode { kind, key, record } if !self.absent.contains(&(kind.as_str(), key)) => {
                Some(Change::PutNode {
                    kind: kind.clone(),
                    key: key.clone(),
                    record: self.node(kind, record),
                })
            }
            Change::PutEdge { edge, record } => {
                let record = self.edge(edge, record)?;
                Some(Change::PutEdge { edge: edge.clone(), record })
            }
            Change::PutVector { space, key, .. } => {
                let of = &self.schema.spaces()[self.schema.space(space)?.index()];
                self.was_there(of.kind, key).then(|| change.clone())
            }
            Change::PutTerms { space, key, .. } => {
                let of = &self.schema.term_spaces()[self.schema.term_space(space)?.index()];
                self.was_there(of.kind, key).then(|| change.clone())
            }
            // A reading of everything removes nothing.
            _ => None,
        }
    }

    fn was_there(&self, kind: affinity_core::KindId, key: &Key) -> bool {
        !self.absent.contains(&(self.schema.kinds()[kind.index()].name.as_str(), key))
    }

    fn node(&self, kind: &str, record: &NodeRecord) -> NodeRecord {
        let mut record = record.clone();
        record.attributes.retain(|name, _| !self.replay.without_history.contains(&format!("{kind}.{name}")));
        record
    }

    fn edge(&self, edge: &EdgeKey, record: &EdgeRecord) -> Option<EdgeRecord> {
        let relation = &self.schema.relations()[self.schema.relation(&edge.relation)?.index()];
        if !self.was_there(relation.from, &edge.source) || !self.was_there(relation.to, &edge.target) {
            return None;
        }
        let mut record = record.clone();
        if self.replay.recomputed.contains(&relation.name) {
            record.at = record.at.map(|at| at.min(self.cut));
            return Some(record);
        }
        if relation.timed
            && (record.at.is_some_and(|at| at >= self.cut)
                || self.joined_later.contains(&(&edge.source, &edge.target)))
        {
            return None;
        }
        if let Some(ongoing) = self.replay.ongoing.get(&relation.name) {
            self.undo(ongoing, &mut record);
        }
        Some(record)
    }

    /// Takes back what was known only once an edge had ended, if it had not.
    fn undo(&self, ongoing: &Ongoing, record: &mut EdgeRecord) {
        if matches!(record.attributes.get(&ongoing.until), Some(Value::Time(until)) if *until < self.cut) {
            return;
        }
        record.weight = ongoing.weight;
        let unknown: BTreeSet<&String> = ongoing.unknown.iter().collect();
        record.attributes.retain(|name, _| !unknown.contains(name));
        let set = ongoing.set.iter().map(|(name, value)| (name.clone(), Value::Category(value.clone())));
        record.attributes.extend(set);
    }
}
