//! The one form of every answer.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::graph::{Key, Timestamp, Value};
use crate::ranking::{DiversityCost, Dropped, Reciprocal};
use crate::signals::{Evidence, NodeRef};

/// What an answer was made with and for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Header {
    /// The schema's name.
    pub platform: String,
    /// The matcher's name.
    pub matcher: String,
    /// Names the matcher's text.
    pub matcher_version: String,
    /// Names the data.
    pub engine_version: String,
    /// Names the fitted statistics.
    pub models_version: String,
    /// The time that the answer is about, RFC 3339 in UTC.
    pub as_of: Timestamp,
    /// Whom the matches are for.
    pub source: NodeRef,
}

/// Ranked matches with their reasons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Names what was answered to whom: equal for equal matches made with the same data, see [`Answer::source_of`].
    pub id: String,
    /// What it was made with and for.
    #[serde(flatten)]
    pub header: Header,
    /// Best first.
    pub matches: Vec<Match>,
    /// How many candidates were left after each stage.
    pub funnel: BTreeMap<String, usize>,
    /// Microseconds per stage; empty unless the caller measures.
    pub timings_us: BTreeMap<String, u64>,
    /// Whether a cap left out candidates.
    pub truncated: bool,
    /// Which caps did.
    pub cuts: Vec<Cut>,
    /// Which sources of candidates searched approximately: some of the nearest can be missing there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approximate: Vec<String>,
    /// What could not be used.
    pub degraded: Vec<String>,
    /// What variety cost, when the matcher asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diversity: Option<DiversityCost>,
}

/// Digits of an answer's id that name its content.
const ID_DIGITS: usize = 16;

impl Answer {
    /// 16 hexadecimal digits that name header, matches and scores, then a full stop and the key of the source.
    pub(crate) fn id(header: &Header, matches: &[Match]) -> String {
        let mut digest = Sha256::new();
        let versions = [&header.matcher_version, &header.engine_version, &header.models_version];
        for part in [&header.platform, &header.matcher].into_iter().chain(versions) {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        digest.update(header.as_of.micros().to_le_bytes());
        for found in matches {
            digest.update(found.id.to_string().as_bytes());
            digest.update(found.score.to_le_bytes());
        }
        let digits: String =
            digest.finalize().iter().take(ID_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        format!("{digits}.{}", header.source.id)
    }

    /// The source in an answer's id; `None` when it is no such id, or of a source described on the spot.
    ///
    /// ```
    /// use affinity_core::Answer;
    /// assert_eq!(Answer::source_of("0123456789abcdef.mem_001"), Some("mem_001"));
    /// assert_eq!(Answer::source_of("0123456789abcdef."), None);
    /// assert_eq!(Answer::source_of("mem_001"), None);
    /// ```
    #[must_use]
    pub fn source_of(id: &str) -> Option<&str> {
        let (digits, source) = id.split_once('.')?;
        let is_digest = digits.len() == ID_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        (is_digest && !source.is_empty()).then_some(source)
    }
}

/// Why one node scores what it scores, whether or not it would be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// What it was made with and for.
    #[serde(flatten)]
    pub header: Header,
    /// The node asked about; it has no rank.
    #[serde(rename = "match")]
    pub target: Match,
    /// Where each is in the one-way list of the other, when the matches are two-sided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<MutualRanks>,
    /// Why it cannot be a match; absent when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    /// What could not be used.
    pub degraded: Vec<String>,
}

/// Where two nodes are in the one-way list of each other, from 1; `None` when not among the candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MutualRanks {
    /// Place of the match in the source's list.
    pub target_for_source: Option<usize>,
    /// Place of the source in the match's list, by the matcher that scores the way back.
    pub source_for_target: Option<usize>,
}

/// Which way a contribution of a two-sided match looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What the match is worth to the source.
    SourceToTarget,
    /// What the source is worth to the match.
    TargetToSource,
}

/// A candidate source that had more allowed candidates than its cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cut {
    /// The signal, or `all`.
    pub source: String,
    /// The cap.
    pub cap: usize,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Match {
    /// From 1; absent in an explanation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// External key.
    pub id: Key,
    /// Kind.
    pub kind: CompactString,
    /// Label, or the key.
    pub name: CompactString,
    /// The sum of the contributions, in [0, 1].
    pub score: f64,
    /// The chance of success that outcomes give this score, in [0, 1]; absent unless the matcher was fitted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// The main reasons in one plain sentence.
    pub sentence: String,
    /// One per signal, in the matcher's order, those of the way back last; adding them in any order gives the score.
    pub contributions: Vec<Contribution>,
    /// What both are worth to each other, when the matches are two-sided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reciprocal: Option<Reciprocal>,
    /// Attributes by name, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<BTreeMap<String, Value>>,
}

/// What one signal adds to a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The signal's name.
    pub signal: CompactString,
    /// As people read it.
    pub label: CompactString,
    /// In [0, 1], a multiple of 2^-24; 0 when absent.
    pub value: f64,
    /// Share of the score, a multiple of 2^-16.
    pub weight: f64,
    /// Value times weight, exactly; in a two-sided match its part of the score, a multiple of 2^-40.
    pub contribution: f64,
    /// Which way it looks, in a two-sided match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Whether the signal has nothing to say, which is not the same as 0.
    pub absent: bool,
    /// Strongest first.
    pub evidence: Vec<Evidence>,
    /// Pieces of evidence that are not listed.
    pub evidence_left_out: usize,
}
