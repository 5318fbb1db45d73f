//! What goes wrong with a match request, as problem documents.

use affinity_core::QueryError;
use axum::http::StatusCode;

use super::pool::PoolError;
use crate::embedding::EmbeddingError;
use crate::problem::Problem;

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        let bad = |code: &'static str| Self::new(StatusCode::BAD_REQUEST, code, detail.clone());
        match error {
            QueryError::UnknownName { what: "matcher", allowed, .. } => {
                Self::new(StatusCode::NOT_FOUND, "unknown_matcher", detail).allowed(allowed)
            }
            QueryError::UnknownName { allowed, .. } => bad("unknown_name").allowed(allowed),
            QueryError::UnknownNode { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_node", detail),
            QueryError::WrongType { expected, got, .. } => {
                bad("wrong_type").expected(expected.to_string(), got.to_string())
            }
            QueryError::OutOfRange { expected, got, .. } => {
                bad("out_of_range").expected(expected, got.to_string())
            }
            QueryError::TooMany { got, max, .. } => {
                bad("too_many").expected(format!("at most {max}"), got.to_string())
            }
            QueryError::Vector(_) => bad("bad_vector"),
            QueryError::NotInGraph { .. } => bad("not_in_graph"),
            QueryError::Condition(_) => bad("bad_condition"),
            QueryError::Cancelled => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "cancelled", detail).retry_after_seconds(1)
            }
            _ => bad("bad_query"),
        }
    }
}

impl From<PoolError> for Problem {
    fn from(error: PoolError) -> Self {
        let detail = error.to_string();
        match error {
            PoolError::Full { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", detail).retry_after_seconds(1)
            }
            PoolError::Deadline { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "deadline", detail).retry_after_seconds(1)
            }
            PoolError::Panicked => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail),
        }
    }
}

/// The problem of a text that could not be embedded.
pub(super) fn embedding_failed(error: &EmbeddingError) -> Problem {
    tracing::warn!("a text of a request was not embedded: {error}");
    Problem::new(StatusCode::BAD_GATEWAY, "embedding_failed", "the texts of the source could not be embedded")
        .hint("send vectors instead of texts, or try again")
        .retry_after_seconds(5)
}

/// The problem of an answer that could not be written as JSON.
pub(super) fn unwritable() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an answer could not be written")
}
