use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::jwt::JwtError;
use crate::problem::Problem;

/// Why a request is not let in: a problem, and how to ask instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    problem: Problem,
    challenge: Option<HeaderValue>,
}

impl Refusal {
    /// Refuses what was shown (RFC 6750, 3.1).
    pub(super) fn invalid_token(code: &'static str, detail: &str) -> Self {
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{detail}\"");
        Self {
            problem: Problem::rest(StatusCode::UNAUTHORIZED, code, detail),
            challenge: HeaderValue::from_str(&challenge).ok(),
        }
    }

    /// Refuses who has shown nothing.
    pub(super) fn nothing_shown() -> Self {
        Self {
            problem: Problem::rest(StatusCode::UNAUTHORIZED, "not_signed_in", "sign in first")
                .hint("send a session's token or an API key as header Authorization: Bearer ..."),
            challenge: Some(HeaderValue::from_static("Bearer")),
        }
    }

    /// The database does not answer.
    pub(super) fn database(error: &sqlx::Error) -> Self {
        tracing::error!(%error, "who asks cannot be looked up");
        let message = "the server cannot look up who you are";
        Problem::rest(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message).retry_after_seconds(1).into()
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.problem.status()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, challenge: None }
    }
}

impl From<JwtError> for Refusal {
    fn from(error: JwtError) -> Self {
        Self::invalid_token(error.code(), &error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.problem.into_response();
        if let Some(challenge) = self.challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
