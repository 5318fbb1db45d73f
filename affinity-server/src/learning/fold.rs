use std::collections::{BTreeMap, HashMap, HashSet};

use affinity_core::evaluation::{cut_points, rolling_time_split};
use affinity_core::learning::{Candidate, Decision};
use affinity_core::{Engine, FeatureTable, Key, Query, QueryError, Timestamp};
use sha2::{Digest, Sha256};

use super::error::LearnError;
use super::history::Outcome;
use super::past::Past;
use crate::matching::node_viewer;

/// The latest share of outcomes that is predicted; what came before them only feeds.
const LABEL_SHARE: f64 = 0.6;
/// Decisions looked at in all folds together; of more, some are chosen by a hash.
const DECISIONS_MAX: usize = 4_000;

/// A cut in time and the decisions after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// What came from here on is not known.
    pub cut: Timestamp,
    /// By source.
    pub decisions: Vec<DecisionOf>,
    /// How often each target was chosen before the cut, which is an outcome above 0.
    pub chosen: HashMap<Key, u64>,
}

/// A source, and what became of its matches until the next cut.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionOf {
    /// Whom the matches were for.
    pub source: Key,
    /// By target; of several outcomes of a pair the newest counts.
    pub labels: BTreeMap<Key, f64>,
}

/// At most `fold_count` folds, oldest first; they share the latest outcomes evenly.
///
/// `outcomes` are oldest first. Depends on them alone.
#[must_use]
pub fn folds(outcomes: &[Outcome], fold_count: usize) -> Vec<Fold> {
    let times: Vec<Timestamp> = outcomes.iter().map(|outcome| outcome.at).collect();
    let cuts = cut_points(&times, fold_count, LABEL_SHARE);
    let mut folds: Vec<Fold> = rolling_time_split(&times, &cuts)
        .into_iter()
        .map(|split| {
            let mut chosen = HashMap::new();
            for outcome in split.feed.iter().map(|place| &outcomes[*place]).filter(|of| of.label > 0.0) {
                *chosen.entry(outcome.target.clone()).or_insert(0) += 1;
            }
            let mut by_source: BTreeMap<&Key, BTreeMap<Key, f64>> = BTreeMap::new();
            for outcome in split.labels.iter().map(|place| &outcomes[*place]) {
                by_source.entry(&outcome.source).or_default().insert(outcome.target.clone(), outcome.label);
            }
            let decision = |(source, labels): (&Key, _)| DecisionOf { source: source.clone(), labels };
            Fold { cut: split.cut, decisions: by_source.into_iter().map(decision).collect(), chosen }
        })
        .collect();
    thin(&mut folds);
    folds
}

/// Leaves at most [`DECISIONS_MAX`] decisions, those with the least hashes.
fn thin(folds: &mut [Fold]) {
    let hash = |cut: Timestamp, source: &Key| -> [u8; 32] {
        Sha256::new()
            .chain_update(cut.micros().to_le_bytes())
            .chain_update(source.to_string())
            .finalize()
            .into()
    };
    let of = |fold: &Fold| fold.decisions.iter().map(|of| hash(fold.cut, &of.source)).collect::<Vec<_>>();
    let mut hashes: Vec<[u8; 32]> = folds.iter().flat_map(of).collect();
    if hashes.len() <= DECISIONS_MAX {
        return;
    }
    hashes.sort_unstable();
    let limit = hashes[DECISIONS_MAX];
    for fold in folds {
        let cut = fold.cut;
        fold.decisions.retain(|decision| hash(cut, &decision.source) < limit);
    }
}

impl Past {
    /// Everyone a decision could have been about, by every signal, as the source saw it then; `None` when the source
    /// was not there yet.
    ///
    /// # Errors
    /// [`LearnError::Query`].
    pub(super) fn table(
        &self,
        engine: &Engine,
        cut: Timestamp,
        decision: &DecisionOf,
    ) -> Result<Option<FeatureTable>, LearnError> {
        let Some(matcher) = self.matcher() else { return Ok(None) };
        let targets: Vec<Key> = decision.labels.keys().cloned().collect();
        let viewer = node_viewer(engine, matcher.from_kind(), &decision.source);
        let query = Query::new(matcher.name(), &decision.source).as_of(cut).viewer(viewer);
        match engine.features(&query, &targets) {
            Err(QueryError::UnknownNode { .. }) => Ok(None),
            table => Ok(Some(table?)),
        }
    }
}

/// Only whom the matcher would have shown: whoever has a label besides would be ranked here and never be seen.
pub(super) fn shown(table: &FeatureTable, labels: &BTreeMap<Key, f64>) -> Decision {
    let rows = table.rows.iter().filter(|row| row.is_candidate);
    let candidate = |row: &affinity_core::FeatureRow| Candidate {
        id: row.id.clone(),
        values: row.values.clone(),
        label: labels.get(&row.id).copied(),
    };
    Decision { source: table.source.clone(), as_of: table.as_of, candidates: rows.map(candidate).collect() }
}

/// Successes among those who were there.
pub(super) fn wanted(table: &FeatureTable, labels: &BTreeMap<Key, f64>) -> HashSet<Key> {
    let ids = table.rows.iter().map(|row| &row.id);
    let is_success =
        |id: &&Key| labels.get(*id).is_some_and(|label| *label >= affinity_core::learning::SUCCESS_FROM);
    ids.filter(is_success).cloned().collect()
}
