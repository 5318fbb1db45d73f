//! The values behind a ranking, for learning from outcomes: every candidate by every signal.

use crate::graph::{Key, NodeId, Timestamp};
use crate::scoring::FeatureMatrix;
use crate::signals::Scratch;

use super::error::QueryError;
use super::query::Query;
use super::recommend::{candidates, read};
use super::version::Engine;

/// Calibrated values of the candidates of one query.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureTable {
    /// Whom the matches are for.
    pub source: Key,
    /// The time that the values are about.
    pub as_of: Timestamp,
    /// Names of the signals, in the matcher's order.
    pub signals: Vec<String>,
    /// Weights of the signals, multiples of 2^-16: the query's where it brings one, else the matcher's.
    pub weights: Vec<f64>,
    /// By key.
    pub rows: Vec<FeatureRow>,
}

/// One candidate or node asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// External key.
    pub id: Key,
    /// Whether the matcher finds it and nothing keeps it out; otherwise it is there because it was asked about.
    pub is_candidate: bool,
    /// One per signal, in [0, 1]; NaN is absent.
    pub values: Vec<f64>,
}

impl Engine {
    /// All candidates of a query, before any limit, and `targets`, with the values that their scores are made of.
    ///
    /// A target is measured whether or not it would be a match; one that is not there or that the viewer may not read
    /// is left out, as is the source. The query's limit does not count.
    ///
    /// # Errors
    /// As [`Engine::recommend`].
    pub fn features(&self, query: &Query, targets: &[Key]) -> Result<FeatureTable, QueryError> {
        let mut scratch = Scratch::default();
        let matcher = self.matcher(&query.matcher)?;
        let weights = self.weights(query, matcher)?;
        let source = self.source(query, matcher)?;
        let is_cancelled = || query.is_cancelled();
        let context = self.context(query, matcher, &source, &is_cancelled);
        let allowed = self.allowed(query, matcher, context)?;
        let readings = read(matcher, context, &mut scratch);
        let (found, ..) = candidates(self, matcher, &allowed, &readings);
        let nodes = self.graph.nodes(matcher.to);
        let is_source = |node: NodeId| matcher.from == matcher.to && source.node == Some(node);
        let asked = targets.iter().filter_map(|key| nodes.find(key));
        let asked = asked.filter(|node| allowed.is_visible(*node) && !is_source(*node));
        let mut all: Vec<NodeId> = found.iter().copied().chain(asked).collect();
        all.sort_unstable_by(|a, b| nodes.key(*a).cmp(nodes.key(*b)));
        all.dedup();
        let features = FeatureMatrix::measure(&matcher.signals, &readings, &all);
        for reading in readings {
            reading.release(&mut scratch);
        }
        if is_cancelled() {
            return Err(QueryError::Cancelled);
        }
        let value = |signal, row| features.value(signal, row).unwrap_or(f64::NAN);
        let row = |(position, node): (usize, &NodeId)| FeatureRow {
            id: nodes.key(*node).clone(),
            is_candidate: found.binary_search(node).is_ok(),
            values: (0..matcher.signals.len()).map(|signal| value(signal, position)).collect(),
        };
        Ok(FeatureTable {
            source: context.source_ref().id,
            as_of: query.as_of,
            signals: matcher.signals.iter().map(|signal| signal.name.clone()).collect(),
            weights,
            rows: all.iter().enumerate().map(row).collect(),
        })
    }
}
