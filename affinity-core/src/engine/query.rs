//! What is asked of an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::graph::{Condition, Key, Timestamp, Value, Viewer};
use crate::matcher::Combination;

/// Pieces of evidence per contribution when the query does not say.
const EVIDENCE_DEFAULT: usize = 5;
/// Pieces of evidence per contribution at most.
pub(super) const EVIDENCE_MAX: usize = 100;
/// Filters that a query may bring.
pub(super) const FILTERS_MAX: usize = 32;
/// Nodes that a query may leave out.
pub(super) const EXCLUDED_MAX: usize = 10_000;
/// Links of a source described on the spot.
pub(super) const LINKS_MAX: usize = 10_000;

/// A source described on the spot instead of one in the graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdHocSource {
    /// What answers call it.
    pub name: String,
    /// Values by attribute of the matcher's `from` kind.
    pub attributes: BTreeMap<String, Value>,
    /// Vectors by space of the same kind: texts already embedded.
    pub vectors: BTreeMap<String, Vec<f32>>,
    /// Edges it would have.
    pub links: Vec<Link>,
}

/// An edge of a source described on the spot.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The relation.
    pub relation: String,
    /// Whether the source is the relation's target instead of its source.
    pub reversed: bool,
    /// The node at the other end.
    pub key: Key,
    /// From 0; 1 where the relation has no weights.
    pub weight: f32,
    /// When; for relations with times.
    pub at: Option<Timestamp>,
}

/// Who asks for whom, and how the matcher is to be bent this once.
///
/// ```
/// use affinity_core::Query;
/// let query = Query::new("partners", "mem_001").limit(10);
/// assert_eq!(query.matcher, "partners");
/// ```
#[derive(Clone, Debug)]
pub struct Query {
    /// The matcher's name.
    pub matcher: String,
    /// Whom to find matches for.
    pub source: QuerySource,
    /// How many matches; `None` leaves it to the matcher.
    pub limit: Option<usize>,
    /// Filters besides the matcher's.
    pub filters: Vec<Condition>,
    /// Weights by signal that replace the matcher's.
    pub weights: BTreeMap<String, f64>,
    /// Nodes to leave out.
    pub excluded: Vec<Key>,
    /// Who is looking; an embedding application sees everything unless it says otherwise.
    pub viewer: Viewer,
    /// The time that the answer is about. The default, 1970, makes everything new: decay then has no effect.
    pub as_of: Timestamp,
    /// Pieces of evidence per contribution.
    pub evidence_max: usize,
    /// Whether matches carry their attributes.
    pub with_attributes: bool,
    /// Asks for matches that want each other, whatever the matcher says.
    pub two_sided: Option<TwoSidedQuery>,
    /// Set to true to end the request.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// How a query wants both sides to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoSidedQuery {
    /// How the scores of both directions become one.
    pub combine: Combination,
    /// The matcher that scores the way back; `None` is the one asked for, where it matches a kind with itself.
    pub way_back: Option<String>,
}

/// Whom to find matches for.
#[derive(Clone, Debug, PartialEq)]
pub enum QuerySource {
    /// A node of the graph.
    Node(Key),
    /// One described on the spot.
    AdHoc(Box<AdHocSource>),
}

impl Query {
    /// Matches for a node of the graph.
    pub fn new(matcher: impl Into<String>, source: impl Into<Key>) -> Self {
        Self::of(matcher.into(), QuerySource::Node(source.into()))
    }

    /// Matches for a source described on the spot.
    pub fn ad_hoc(matcher: impl Into<String>, source: AdHocSource) -> Self {
        Self::of(matcher.into(), QuerySource::AdHoc(Box::new(source)))
    }

    fn of(matcher: String, source: QuerySource) -> Self {
        Self {
            matcher,
            source,
            limit: None,
            filters: Vec::new(),
            weights: BTreeMap::new(),
            excluded: Vec::new(),
            viewer: Viewer::Operator,
            as_of: Timestamp::default(),
            evidence_max: EVIDENCE_DEFAULT,
            with_attributes: false,
            two_sided: None,
            cancel: None,
        }
    }

    /// Asks for this many matches.
    #[must_use]
    pub fn limit(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Sets the time that the answer is about.
    #[must_use]
    pub fn as_of(self, as_of: Timestamp) -> Self {
        Self { as_of, ..self }
    }

    /// Answers as this viewer sees it.
    #[must_use]
    pub fn viewer(self, viewer: Viewer) -> Self {
        Self { viewer, ..self }
    }

    /// Adds a filter.
    #[must_use]
    pub fn filter(mut self, filter: Condition) -> Self {
        self.filters.push(filter);
        self
    }

    /// Replaces the weight of a signal.
    #[must_use]
    pub fn weight(mut self, signal: impl Into<String>, weight: f64) -> Self {
        self.weights.insert(signal.into(), weight);
        self
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed))
    }
}
