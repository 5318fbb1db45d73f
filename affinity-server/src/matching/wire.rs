//! What clients send.

use std::collections::BTreeMap;

use affinity_core::assignment::Objective;
use affinity_core::{Combination, Condition};
use serde::{Deserialize, Serialize};

/// The query string of a GET.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchParams {
    pub(crate) limit: Option<usize>,
    /// RFC 3339; now when missing.
    pub(crate) as_of: Option<String>,
    /// Pieces of evidence per contribution.
    pub(crate) evidence: Option<usize>,
    /// `attributes`, or nothing.
    pub(crate) include: Option<Include>,
    /// Matches that want each other, and how both scores become one.
    pub(crate) two_sided: Option<Combination>,
    /// The matcher that scores the way back; the same one when missing.
    pub(crate) way_back: Option<String>,
}

/// What an answer may carry besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Include {
    Attributes,
}

/// The body of a POST.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatchBody {
    /// One source; or several, below.
    pub(super) source: Option<SourceBody>,
    /// Ids of nodes, each answered as if it had been asked for alone.
    pub(super) sources: Option<Vec<String>>,
    #[serde(default)]
    pub(super) filters: Vec<Condition>,
    #[serde(default)]
    pub(super) weights: BTreeMap<String, f64>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
    pub(super) limit: Option<usize>,
    pub(super) as_of: Option<String>,
    pub(super) evidence: Option<usize>,
    pub(super) include: Option<Include>,
    pub(super) two_sided: Option<Combination>,
    pub(super) way_back: Option<String>,
}

/// Whom matches are wanted for: a node by `id`, or one described on the spot.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SourceBody {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) attributes: BTreeMap<String, serde_json::Value>,
    /// Texts by space, embedded here.
    pub(super) texts: BTreeMap<String, String>,
    /// Vectors by space, already embedded.
    pub(super) vectors: BTreeMap<String, Vec<f32>>,
    pub(super) links: Vec<LinkBody>,
}

/// An edge of a source described on the spot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkBody {
    pub(super) relation: String,
    pub(super) id: String,
    #[serde(default)]
    pub(super) reversed: bool,
    pub(super) weight: Option<f32>,
    pub(super) at: Option<String>,
}

/// The body of a POST of feedback.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackBody {
    /// The answer that it is about; it names the source.
    pub(super) answer_id: Option<String>,
    /// The source, where no answer is named.
    pub(super) source: Option<String>,
    pub(super) target: String,
    pub(super) action: FeedbackAction,
    /// 1 (bad) to 5 (good), with `rate` alone.
    pub(super) rating: Option<i16>,
}

/// What is said of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FeedbackAction {
    /// Not this one: it is kept out of later answers, and counts as a failure.
    Dismiss,
    /// This one: it need not be offered again, and counts as a success.
    Accept,
    /// So good: a low rating keeps it out, each counts for what it is.
    Rate,
    /// What was said before is taken back.
    Withdraw,
}

/// The body of a POST that assigns many sources.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignBody {
    pub(super) sources: Vec<String>,
    /// The only targets; whomever the matcher finds when missing.
    pub(super) targets: Option<Vec<String>>,
    #[serde(default = "one")]
    pub(super) source_capacity: u32,
    #[serde(default = "one")]
    pub(super) target_capacity: u32,
    /// By id, those that can take more or fewer.
    #[serde(default)]
    pub(super) source_capacities: BTreeMap<String, u32>,
    #[serde(default)]
    pub(super) target_capacities: BTreeMap<String, u32>,
    /// Pairs that must be in,
    #[serde(default)]
    pub(super) locked: Vec<PairBody>,
    /// that must not,
    #[serde(default)]
    pub(super) forbidden: Vec<PairBody>,
    /// and that are to stay where the objective does not suffer.
    #[serde(default)]
    pub(super) previous: Vec<PairBody>,
    #[serde(default)]
    pub(super) objective: Objective,
    /// Best candidates of each source that can become matches.
    pub(super) candidates: Option<usize>,
    #[serde(default)]
    pub(super) filters: Vec<Condition>,
    #[serde(default)]
    pub(super) weights: BTreeMap<String, f64>,
    pub(super) as_of: Option<String>,
    pub(super) evidence: Option<usize>,
}

fn one() -> u32 {
    1
}

/// Two who are or are not to be matched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PairBody {
    pub(super) source: String,
    pub(super) target: String,
}
