use std::fmt;

use affinity_core::learning::LearningError;
use affinity_core::{EngineError, MatcherError, QueryError};

use crate::matchers::MatcherName;

/// Why a matcher cannot be evaluated or fitted.
#[derive(Debug)]
#[non_exhaustive]
pub enum LearnError {
    /// `replay.toml` is wrong.
    Replay {
        /// The platform.
        platform: String,
        /// Line and reason.
        source: Box<toml::de::Error>,
    },
    /// `replay.toml` names what the platform does not declare.
    ReplayName {
        /// The platform.
        platform: String,
        /// The field.
        field: &'static str,
        /// The name.
        got: String,
    },
    /// Nothing is known of what became of past matches.
    NoOutcomes {
        /// The matcher.
        matcher: MatcherName,
    },
    /// There are outcomes, but no success that followed a cut and whose source was there before it.
    NoSuccesses {
        /// The matcher.
        matcher: MatcherName,
        /// Outcomes of any kind.
        outcome_count: usize,
    },
    /// The engine of a cut cannot be made.
    Engine {
        /// What was met.
        source: EngineError,
    },
    /// A decision cannot be looked at.
    Query {
        /// What was met.
        source: QueryError,
    },
    /// Values and signals do not go together.
    Learning {
        /// What was met.
        source: LearningError,
    },
    /// A version's text cannot be read or written.
    Matcher {
        /// What was met.
        source: MatcherError,
    },
}

impl fmt::Display for LearnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replay { platform, .. } => {
                write!(f, "\"replay.toml\" of platform \"{platform}\" was refused")
            }
            Self::ReplayName { platform, field, got } => {
                write!(
                    f,
                    "\"replay.toml\" of platform \"{platform}\": field \"{field}\" names \"{got}\", which is not declared"
                )
            }
            Self::NoOutcomes { matcher } => write!(
                f,
                "{matcher} has no outcomes: nothing in the platform's affinity_outcomes and no feedback"
            ),
            Self::NoSuccesses { matcher, outcome_count } => write!(
                f,
                "{matcher} has {outcome_count} outcomes, and no success among the later ones of sources who were there before"
            ),
            Self::Engine { .. } => f.write_str("an engine of the past cannot be made"),
            Self::Query { .. } => f.write_str("a past decision cannot be looked at"),
            Self::Learning { .. } => f.write_str("nothing can be learned"),
            Self::Matcher { .. } => f.write_str("a matcher's version cannot be used"),
        }
    }
}

impl std::error::Error for LearnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Replay { source, .. } => Some(source),
            Self::Engine { source } => Some(source),
            Self::Query { source } => Some(source),
            Self::Learning { source } => Some(source),
            Self::Matcher { source } => Some(source),
            Self::ReplayName { .. } | Self::NoOutcomes { .. } | Self::NoSuccesses { .. } => None,
        }
    }
}

impl From<EngineError> for LearnError {
    fn from(source: EngineError) -> Self {
        Self::Engine { source }
    }
}

impl From<QueryError> for LearnError {
    fn from(source: QueryError) -> Self {
        Self::Query { source }
    }
}
