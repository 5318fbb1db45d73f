//! What is learned from: who could have been chosen, and what became of it.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::engine::FeatureTable;
use crate::graph::{Key, Timestamp};

/// Labels from here on are successes.
pub const SUCCESS_FROM: f64 = 0.5;

/// One source at one time, with everyone it could have been matched with.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Whom the matches were for.
    pub source: Key,
    /// When; what the values know ends here.
    pub as_of: Timestamp,
    /// In any order, without repetition.
    pub candidates: Vec<Candidate>,
}

/// Somebody who could have been chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// External key.
    pub id: Key,
    /// Calibrated values by signal, in [0, 1]; NaN is absent.
    pub values: Vec<f64>,
    /// What became of it, from 0 (rejected) to 1 (success). `None` is not known, which is not a rejection.
    pub label: Option<f64>,
}

/// How much there is to learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCounts {
    /// Decisions with a success.
    pub decisions: usize,
    /// Candidates that were a success.
    pub positives: usize,
}

impl OutcomeCounts {
    /// Of some decisions.
    #[must_use]
    pub fn of(decisions: &[Decision]) -> Self {
        let successes = |decision: &Decision| decision.candidates.iter().filter(|c| c.is_success()).count();
        let counts: Vec<usize> = decisions.iter().map(successes).collect();
        Self { decisions: counts.iter().filter(|count| **count > 0).count(), positives: counts.iter().sum() }
    }
}

impl Candidate {
    pub(super) fn is_success(&self) -> bool {
        self.label.is_some_and(|label| label >= SUCCESS_FROM)
    }

    /// The score under these weights, an absent value counting 0; exact for weights and values of the engine.
    #[must_use]
    pub fn score(&self, weights: &[f64]) -> f64 {
        let parts = self.values.iter().zip(weights);
        parts.map(|(value, weight)| if value.is_nan() { 0.0 } else { value * weight }).sum()
    }
}

impl Decision {
    /// The candidates of a query and whoever has a label, from [`Engine::features`](crate::Engine::features) with the
    /// keys of `labels` as its targets.
    #[must_use]
    pub fn from_features(table: FeatureTable, labels: &BTreeMap<Key, f64>) -> Self {
        let rows = table.rows.into_iter().map(|row| (labels.get(&row.id).copied(), row));
        let known = rows.filter(|(label, row)| label.is_some() || row.is_candidate);
        let candidates = known.map(|(label, row)| Candidate { id: row.id, values: row.values, label });
        Self { source: table.source, as_of: table.as_of, candidates: candidates.collect() }
    }

    /// The candidates by falling score under these weights, ties by key, as the engine ranks them.
    ///
    /// All weights 0 but one rank by that signal alone. Scores of 0 are left out.
    #[must_use]
    pub fn ranked(&self, weights: &[f64]) -> Vec<Key> {
        let scored = self.candidates.iter().map(|candidate| (candidate.score(weights), &candidate.id));
        let mut order: Vec<(f64, &Key)> = scored.filter(|(score, _)| *score > 0.0).collect();
        order.sort_unstable_by(|(a, a_key), (b, b_key)| b.total_cmp(a).then_with(|| a_key.cmp(b_key)));
        order.into_iter().map(|(_, key)| key.clone()).collect()
    }

    /// Who was a success.
    #[must_use]
    pub fn wanted(&self) -> HashSet<Key> {
        self.candidates.iter().filter(|candidate| candidate.is_success()).map(|c| c.id.clone()).collect()
    }
}
