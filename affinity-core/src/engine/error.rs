//! What can go wrong with an engine and with a query.

use std::fmt;

use crate::graph::{AttributeType, ConditionError, GraphError, Key};
use crate::signals::MatcherError;
use crate::vector::VectorError;

/// Why an engine was not made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EngineError {
    /// A change does not fit the schema.
    Graph(GraphError),
    /// A vector does not fit its space.
    Vector(VectorError),
    /// A matcher does not fit the schema.
    Matcher(MatcherError),
    /// A two-sided matcher names no other that scores its way back: from its `to` to its `from`, and not two-sided
    /// with a third.
    NoWayBack {
        /// The two-sided matcher.
        matcher: String,
        /// The matcher that it names.
        got: String,
        /// The matchers that would do.
        allowed: Vec<String>,
    },
    /// Two matchers have one name.
    RepeatedMatcher {
        /// The name.
        name: String,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(_) => f.write_str("change refused"),
            Self::Vector(_) => f.write_str("vector refused"),
            Self::Matcher(_) => f.write_str("matcher refused"),
            Self::NoWayBack { matcher, got, allowed } => {
                let allowed = allowed.join(", ");
                write!(f, "way back of matcher \"{matcher}\" is \"{got}\", expected one of: {allowed}")
            }
            Self::RepeatedMatcher { name } => {
                write!(f, "matcher \"{name}\" is given twice, expected different names")
            }
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Graph(error) => Some(error),
            Self::Vector(error) => Some(error),
            Self::Matcher(error) => Some(error),
            Self::NoWayBack { .. } | Self::RepeatedMatcher { .. } => None,
        }
    }
}

impl From<GraphError> for EngineError {
    fn from(error: GraphError) -> Self {
        Self::Graph(error)
    }
}

impl From<VectorError> for EngineError {
    fn from(error: VectorError) -> Self {
        Self::Vector(error)
    }
}

impl From<MatcherError> for EngineError {
    fn from(error: MatcherError) -> Self {
        Self::Matcher(error)
    }
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum QueryError {
    /// A name of the query is not declared.
    UnknownName {
        /// What was looked for: `matcher`, `signal`, `attribute`, `relation` or `space`.
        what: &'static str,
        /// The name found.
        got: String,
        /// The names that would do.
        allowed: Vec<String>,
    },
    /// No node of this key, or none that the viewer may read.
    UnknownNode {
        /// The kind looked in.
        kind: String,
        /// The key looked for.
        key: Key,
    },
    /// A value has another type than its attribute.
    WrongType {
        /// The attribute.
        attribute: String,
        /// Of the schema.
        expected: AttributeType,
        /// Of the value.
        got: AttributeType,
    },
    /// A vector of the source does not fit its space.
    Vector(VectorError),
    /// A condition does not fit what it is put to.
    Condition(ConditionError),
    /// A number is out of its range.
    OutOfRange {
        /// The field.
        field: String,
        /// The value found.
        got: f64,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// More things than a query may bring.
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The most allowed.
        max: usize,
    },
    /// A two-sided matcher was asked for a source described on the spot: no candidate can score what is not there.
    NotInGraph {
        /// The matcher.
        matcher: String,
    },
    /// The caller's token ended the request.
    Cancelled,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { what, got, allowed } => {
                write!(f, "{what} \"{got}\" is not known, expected one of: {}", allowed.join(", "))
            }
            Self::UnknownNode { kind, key } => write!(f, "no {kind} \"{key}\""),
            Self::WrongType { attribute, expected, got } => {
                write!(f, "attribute \"{attribute}\" got a value of type {got}, expected {expected}")
            }
            Self::Vector(error) => error.fmt(f),
            Self::Condition(error) => error.fmt(f),
            Self::OutOfRange { field, got, expected } => {
                write!(f, "\"{field}\" is {got}, expected {expected}")
            }
            Self::TooMany { what, got, max } => write!(f, "{got} {what}, at most {max}"),
            Self::NotInGraph { matcher } => {
                write!(f, "matcher \"{matcher}\" is two-sided, expected a source in the graph")
            }
            Self::Cancelled => f.write_str("request cancelled"),
        }
    }
}

impl std::error::Error for QueryError {}

impl From<ConditionError> for QueryError {
    fn from(error: ConditionError) -> Self {
        Self::Condition(error)
    }
}

impl From<VectorError> for QueryError {
    fn from(error: VectorError) -> Self {
        Self::Vector(error)
    }
}
