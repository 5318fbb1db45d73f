//! What stands behind a signal's value, as people and programs read it.

use compact_str::CompactString;
use serde::Serialize;

use crate::graph::Key;

/// A node as an answer names it. Answers name hundreds, most of them shortly: short texts are held in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRef {
    /// External key.
    pub id: Key,
    /// Kind.
    pub kind: CompactString,
    /// Label, or the key.
    pub name: CompactString,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Evidence {
    /// A walk through the graph from the source to the match.
    Path {
        /// Source first, match last.
        path: Vec<NodeRef>,
        /// The relation of each step; `<` before the name when it is walked against its direction. The last step of
        /// a `filter` is no edge, and named after the model; that of a `walk` with `steps` is any number of edges,
        /// and called `walk`.
        relations: Vec<CompactString>,
        /// What the path counts, before calibration: in [0, 1], but for `filter`, where it may be any number.
        strength: f64,
    },
    /// Closeness of two vectors.
    Similarity {
        /// The space.
        space: String,
        /// Cosine, in [-1, 1].
        similarity: f64,
    },
    /// Tags that both have.
    Tags {
        /// The attribute of the match.
        attribute: String,
        /// The tags in common, sorted.
        shared: Vec<String>,
        /// Tags in common that are not listed.
        left_out: usize,
    },
    /// The values compared.
    Values {
        /// The attribute of the match.
        attribute: String,
        /// The source's value.
        source: String,
        /// The match's value.
        target: String,
    },
    /// An average, drawn to the mean while observations are few.
    Prior {
        /// The attribute of the match.
        attribute: String,
        /// The value observed.
        observed: f64,
        /// How many observations it stands for.
        count: f64,
        /// The mean it is drawn to.
        mean: f64,
    },
    /// How long ago.
    Age {
        /// The attribute of the match.
        attribute: String,
        /// Days before the request's `as_of`.
        age_days: f64,
    },
    /// A shared neighbor that went with success before.
    Pattern {
        /// The shared neighbor.
        via: NodeRef,
        /// Mean success of pairs that shared it, drawn to the overall mean, in [0, 1].
        mean_success: f64,
        /// Pairs observed.
        observed: u64,
    },
    /// A term that both have.
    Term {
        /// The space.
        space: String,
        /// The term.
        term: String,
        /// What it adds to the cosine, in [0, 1]; all of them together are the signal's raw value.
        contribution: f64,
    },
    /// Where a random walk from the source ends up.
    Walk {
        /// Probability of being at the match, in [0, 1].
        probability: f64,
    },
    /// One summand of the log-odds of a probability; all of a signal's sum to `ln(p / (1 - p))` of its value `p` before
    /// calibration and rounding, also when a limit puts the smallest together as `other terms`.
    LogOdds {
        /// What it stands for.
        term: String,
        /// In natural logarithms.
        log_odds: f64,
    },
    /// How much of a value was left out to save work.
    Missing {
        /// The value without the saving is higher by at most this.
        missing_max: f64,
    },
    /// Given for matching only: it counts, and is not shown.
    Withheld {
        /// Why.
        withheld: &'static str,
    },
}

/// Evidence of one signal for one match.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EvidenceList {
    /// Strongest first.
    pub items: Vec<Evidence>,
    /// Pieces that the limit left out.
    pub left_out: usize,
}

/// The text of [`Evidence::Withheld`].
pub(crate) const MATCHING_ONLY: &str = "given for matching only";

impl EvidenceList {
    pub(crate) fn one(item: Evidence) -> Self {
        Self { items: vec![item], left_out: 0 }
    }

    pub(crate) fn withheld() -> Self {
        Self::one(Evidence::Withheld { withheld: MATCHING_ONLY })
    }
}
