//! Why nothing could be learned.

use std::fmt;

use super::decision::OutcomeCounts;

/// Why nothing could be learned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LearningError {
    /// Too little to learn from; the weights stay.
    TooFewOutcomes {
        /// What there is.
        got: OutcomeCounts,
        /// What it takes: that many successes, in that many decisions.
        needed: OutcomeCounts,
    },
    /// A candidate has more or fewer values than there are signals.
    WrongValueCount {
        /// The candidate.
        candidate: String,
        /// Its values.
        got: usize,
        /// The signals.
        expected: usize,
    },
}

impl fmt::Display for LearningError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewOutcomes { got, needed } => write!(
                f,
                "{} successes in {} decisions, expected at least {} in {}",
                got.positives, got.decisions, needed.positives, needed.decisions
            ),
            Self::WrongValueCount { candidate, got, expected } => {
                write!(f, "candidate \"{candidate}\" has {got} values, expected {expected}")
            }
        }
    }
}

impl std::error::Error for LearningError {}
