use std::fmt;

use affinity_core::{EngineError, MatcherError, SchemaError};

use crate::platform::PlatformError;

/// Why a platform's matchers cannot be read, stored or served.
#[derive(Debug)]
#[non_exhaustive]
pub enum MatchersError {
    /// The platform's declaration.
    Platform {
        /// What was met.
        source: PlatformError,
    },
    /// The relation of a matcher's feedback does not go with the declaration.
    Schema {
        /// What was met.
        source: SchemaError,
    },
    /// A matcher's text.
    Matcher {
        /// What was met.
        source: MatcherError,
    },
    /// The matchers do not go together.
    Engine {
        /// What was met.
        source: EngineError,
    },
    /// There is no such platform.
    UnknownPlatform {
        /// The name asked for.
        got: String,
        /// The names there are.
        allowed: Vec<String>,
    },
    /// The platform has no such matcher.
    UnknownMatcher {
        /// The platform.
        platform: String,
        /// The name asked for.
        got: String,
        /// The names there are.
        allowed: Vec<String>,
    },
    /// The matcher has no such version.
    UnknownVersion {
        /// The platform and the matcher.
        matcher: MatcherName,
        /// The version asked for.
        got: String,
        /// The versions there are, newest first.
        allowed: Vec<String>,
    },
    /// There is nothing to go back to.
    NothingBefore {
        /// The platform and the matcher.
        matcher: MatcherName,
    },
    /// The database.
    Database {
        /// What was being done.
        doing: &'static str,
        /// What went wrong underneath.
        source: sqlx::Error,
    },
}

/// A matcher with its platform, as messages and command lines write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherName {
    /// The platform.
    pub platform: String,
    /// The matcher.
    pub matcher: String,
}

impl fmt::Display for MatcherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.platform, self.matcher)
    }
}

impl MatchersError {
    pub(super) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}

impl fmt::Display for MatchersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { .. } => f.write_str("a platform's folder cannot be used"),
            Self::Schema { .. } => f.write_str("a platform declares a relation that its feedback needs"),
            Self::Matcher { .. } => f.write_str("a matcher cannot be used"),
            Self::Engine { .. } => f.write_str("the matchers do not go together"),
            Self::UnknownPlatform { got, allowed } => {
                write!(f, "no platform \"{got}\", expected one of: {}", allowed.join(", "))
            }
            Self::UnknownMatcher { platform, got, allowed } => {
                write!(
                    f,
                    "platform \"{platform}\" has no matcher \"{got}\", expected one of: {}",
                    allowed.join(", ")
                )
            }
            Self::UnknownVersion { matcher, got, allowed } => {
                write!(f, "{matcher} has no version \"{got}\", expected one of: {}", allowed.join(", "))
            }
            Self::NothingBefore { matcher } => {
                write!(f, "{matcher} is served as its file has it: there is nothing to go back to")
            }
            Self::Database { doing, .. } => write!(f, "the database could not {doing}"),
        }
    }
}

impl std::error::Error for MatchersError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Platform { source } => Some(source),
            Self::Schema { source } => Some(source),
            Self::Matcher { source } => Some(source),
            Self::Engine { source } => Some(source),
            Self::Database { source, .. } => Some(source),
            Self::UnknownPlatform { .. }
            | Self::UnknownMatcher { .. }
            | Self::UnknownVersion { .. }
            | Self::NothingBefore { .. } => None,
        }
    }
}
