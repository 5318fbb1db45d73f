//! Why an assignment problem has no solution.

use std::fmt;

use serde::Serialize;

use crate::graph::Key;

/// One of the two sides of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who looks for matches.
    Source,
    /// Who is matched to.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// What is wrong with an assignment problem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssignmentError {
    /// More than a problem may have.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The most allowed.
        max: usize,
    },
    /// Two parties of one side have one key.
    RepeatedKey {
        /// The side.
        side: Side,
        /// The key.
        key: Key,
    },
    /// A capacity is 0 or too large.
    Capacity {
        /// The side.
        side: Side,
        /// Whose capacity.
        key: Key,
        /// The capacity found.
        got: u32,
        /// The largest allowed.
        max: u32,
    },
    /// A pair, lock, forbidden or previous pair names a position that its side does not have.
    NoSuchParty {
        /// The side.
        side: Side,
        /// The position found.
        got: u32,
        /// Parties of the side.
        count: usize,
    },
    /// A score is above 1.0.
    Score {
        /// Of the pair.
        source: Key,
        /// Of the pair.
        target: Key,
        /// In units of 2^-40.
        got: u64,
    },
    /// Scores for the other side are given, but not one per pair.
    TargetScoreCount {
        /// Scores found.
        got: usize,
        /// Pairs.
        expected: usize,
    },
    /// A pair is given twice.
    RepeatedPair {
        /// Of the pair.
        source: Key,
        /// Of the pair.
        target: Key,
    },
    /// A locked pair is not among the candidates.
    LockNotCandidate {
        /// Of the pair.
        source: Key,
        /// Of the pair.
        target: Key,
    },
    /// A locked pair is forbidden too.
    LockForbidden {
        /// Of the pair.
        source: Key,
        /// Of the pair.
        target: Key,
    },
    /// A locked pair is one more than a side can take.
    LockOverCapacity {
        /// Of the pair.
        source: Key,
        /// Of the pair.
        target: Key,
        /// The side that is full.
        side: Side,
        /// What it can take.
        capacity: u32,
    },
    /// The caller ended the search.
    Cancelled,
}

impl fmt::Display for AssignmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, got, max } => write!(f, "{got} {what}, at most {max}"),
            Self::RepeatedKey { side, key } => write!(f, "{side} \"{key}\" is given twice"),
            Self::Capacity { side, key, got, max } => {
                write!(f, "capacity of {side} \"{key}\" is {got}, expected 1 to {max}")
            }
            Self::NoSuchParty { side, got, count } => {
                write!(f, "no {side} at position {got}, expected less than {count}")
            }
            Self::Score { source, target, got } => {
                write!(f, "score of \"{source}\" and \"{target}\" is {got} units, expected at most 2^40")
            }
            Self::TargetScoreCount { got, expected } => {
                write!(f, "{got} scores for the targets, expected one per pair, {expected}")
            }
            Self::RepeatedPair { source, target } => {
                write!(f, "pair \"{source}\" and \"{target}\" is given twice")
            }
            Self::LockNotCandidate { source, target } => {
                write!(f, "locked pair \"{source}\" and \"{target}\" is not among the candidates")
            }
            Self::LockForbidden { source, target } => {
                write!(f, "locked pair \"{source}\" and \"{target}\" is forbidden too")
            }
            Self::LockOverCapacity { source, target, side, capacity } => write!(
                f,
                "locked pair \"{source}\" and \"{target}\" is one more than the {side}'s capacity of {capacity}"
            ),
            Self::Cancelled => f.write_str("assignment cancelled"),
        }
    }
}

impl std::error::Error for AssignmentError {}
