use std::fmt;

use axum::http::StatusCode;

/// Why a request cannot be understood, in PostgREST's codes and words where it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// A parameter is not of the grammar.
    Syntax {
        /// The kind of parameter, such as `filter`.
        what: &'static str,
        /// The text.
        text: String,
        /// Where it went wrong, counted from 1.
        line: usize,
        /// Where in the line, in characters counted from 1.
        column: usize,
        /// What stands there, quoted, or `end of input`.
        unexpected: Option<String>,
        /// What could have stood there.
        expected: Vec<String>,
    },
    /// A parameter that says one thing says it twice.
    Repeated {
        /// Its name.
        parameter: String,
    },
    /// `limit` or `offset` is below zero, or the two and the header `Range` have no row in common.
    NegativeWindow {
        /// `Limit` or `Offset`.
        what: &'static str,
    },
    /// The header `Range` ends before it starts.
    ReversedRange,
    /// More was asked for than the server takes.
    LimitExceeded {
        /// The field of [`Limits`](super::Limits).
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// A parameter is about an embedding that `select` does not have.
    NotEmbedded {
        /// The embedding's name.
        relation: String,
    },
    /// The schema is not one that is served.
    UnknownSchema {
        /// The schema asked for.
        schema: String,
        /// Those served.
        served: Vec<String>,
    },
    /// No form of answer that the client accepts can be given.
    NotAcceptable {
        /// The media types that it accepts.
        accepted: Vec<String>,
    },
    /// The body is of a type that is not read.
    UnreadableBody {
        /// The header `Content-Type`.
        content_type: String,
    },
    /// Preferences that are not known, where they may not be ignored.
    UnknownPreferences {
        /// As they were written.
        preferences: Vec<String>,
    },
}

impl RequestError {
    /// What programs compare.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } | Self::Repeated { .. } => "PGRST100",
            Self::UnreadableBody { .. } => "PGRST102",
            Self::NegativeWindow { .. } | Self::ReversedRange => "PGRST103",
            Self::UnknownSchema { .. } => "PGRST106",
            Self::NotAcceptable { .. } => "PGRST107",
            Self::NotEmbedded { .. } => "PGRST108",
            Self::UnknownPreferences { .. } => "PGRST122",
            Self::LimitExceeded { .. } => "limit_exceeded",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NegativeWindow { .. } | Self::ReversedRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::UnknownSchema { .. } | Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong in particular.
    #[must_use]
    pub fn details(&self) -> Option<String> {
        match self {
            Self::Syntax { unexpected, expected, .. } => {
                Some(syntax_details(unexpected.as_deref(), expected))
            }
            Self::NegativeWindow { what } => Some(format!("{what} should be greater than or equal to zero.")),
            Self::ReversedRange => Some(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
                    .into(),
            ),
            Self::UnknownPreferences { preferences } => {
                Some(format!("Invalid preferences: {}", preferences.join(", ")))
            }
            Self::LimitExceeded { limit, max } => Some(format!("{limit} is {max}")),
            _ => None,
        }
    }

    /// What to try next.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotEmbedded { relation } => {
                Some(format!("Verify that '{relation}' is included in the 'select' query parameter."))
            }
            Self::UnknownSchema { served, .. } => {
                Some(format!("Only the following schemas are exposed: {}", served.join(", ")))
            }
            Self::Repeated { .. } => Some("Give it once, with all that it says.".into()),
            _ => None,
        }
    }
}

fn syntax_details(unexpected: Option<&str>, expected: &[String]) -> String {
    let unexpected = unexpected.map(|found| format!("unexpected {found}"));
    let expecting = match expected {
        [] => None,
        [only] => Some(format!("expecting {only}")),
        [most @ .., last] => Some(format!("expecting {} or {last}", most.join(", "))),
    };
    match (unexpected, expecting) {
        (None, None) => "unknown parse error".to_owned(),
        (Some(part), None) | (None, Some(part)) => part,
        (Some(unexpected), Some(expecting)) => format!("{unexpected} {expecting}"),
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { what, text, line, column, .. } => {
                write!(f, "\"failed to parse {what} ({text})\" (line {line}, column {column})")
            }
            Self::Repeated { parameter } => {
                write!(f, "the parameter \"{parameter}\" is given more than once")
            }
            Self::NegativeWindow { .. } | Self::ReversedRange => {
                f.write_str("Requested range not satisfiable")
            }
            Self::LimitExceeded { limit, .. } => write!(f, "the request exceeds the limit {limit}"),
            Self::NotEmbedded { relation } => {
                write!(f, "'{relation}' is not an embedded resource in this request")
            }
            Self::UnknownSchema { schema, .. } => write!(f, "Invalid schema: {schema}"),
            Self::NotAcceptable { accepted } => {
                write!(f, "None of these media types are available: {}", accepted.join(", "))
            }
            Self::UnreadableBody { content_type } => write!(f, "Content-Type not acceptable: {content_type}"),
            Self::UnknownPreferences { .. } => f.write_str("Invalid preferences given with handling=strict"),
        }
    }
}

impl std::error::Error for RequestError {}
