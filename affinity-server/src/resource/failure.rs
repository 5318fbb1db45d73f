use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use sqlx::postgres::PgDatabaseError;

use crate::auth::{Caller, Standing};
use crate::problem::Problem;

/// Why a transaction did not end as asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database refused.
    Database(sqlx::Error),
    /// We did.
    Refused(Problem),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl Failure {
    /// Whether it only lost against another transaction, and might win the next time.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self.code().as_deref(), Some("40001" | "40P01"))
    }

    pub(super) fn code(&self) -> Option<String> {
        match self {
            Self::Database(error) => error.as_database_error()?.code().map(Into::into),
            Self::Refused(_) => None,
        }
    }

    /// What the client learns: the database's words, never its rows.
    pub(super) fn into_problem(self, caller: &Caller) -> Problem {
        let error = match self {
            Self::Refused(problem) => return problem,
            Self::Database(error) => error,
        };
        let postgres =
            error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let Some(postgres) = postgres else {
            tracing::error!("the database did not answer: {error}");
            let unavailable = StatusCode::SERVICE_UNAVAILABLE;
            return Problem::rest(
                unavailable,
                "PGRST000",
                "Database connection error. Retrying the connection.",
            )
            .retry_after_seconds(1);
        };
        let code = postgres.code();
        if code == "PGRST"
            && let Some(problem) = raised(postgres)
        {
            return problem;
        }
        let status = status(code, postgres.message(), caller);
        let mut problem = Problem::rest(status, code.to_owned(), postgres.message());
        if let Some(details) = postgres.detail().filter(|_| tells_details(code)) {
            problem = problem.details(details);
        }
        if let Some(hint) = postgres.hint() {
            problem = problem.hint(hint);
        }
        if let Some(column) = postgres.column() {
            problem = problem.at(format!("/{}", pointer_part(column)), postgres.message());
        }
        if status == StatusCode::UNAUTHORIZED {
            problem = problem.header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if code == "57014" {
            problem = problem.hint("the server's statement_timeout_ms ended it; ask for less at once");
        }
        if code.starts_with("40") {
            problem = problem.retry_after_seconds(1);
        }
        problem
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
pub(super) fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether `DETAIL` says nothing of rows but keys that the caller named: that of violated checks lists the whole row.
fn tells_details(code: &str) -> bool {
    matches!(code, "23503" | "23505" | "P0001" | "22P02" | "42883" | "42601") || code.starts_with("PT")
}

/// PostgREST's table.
fn status(code: &str, message: &str, caller: &Caller) -> StatusCode {
    let number = match code {
        "23503" | "23505" => 409,
        "25006" => 405,
        "21000" if message.ends_with("requires a WHERE clause") => 400,
        "22023" if message.starts_with("role") && message.ends_with("does not exist") => 401,
        "22P05" => 422,
        "40001" | "40P01" => 503, // tried several times
        "42883"
            if message.starts_with("function xmlagg(") || message.starts_with("function st_asgeojson(") =>
        {
            406
        }
        "42P01" | "42883" => 404,
        "42P17" => 500,
        "42501" if caller.standing() == Standing::Anonymous => 401,
        "42501" => 403,
        "53400" => 500,
        "57P01" => 503,
        "P0001" => 400,
        _ => match code.get(..2).unwrap_or_default() {
            "PT" => code.get(2..).and_then(|status| status.parse().ok()).unwrap_or(500),
            "08" | "53" => 503,
            "0L" | "0P" | "28" => 403,
            "09" | "21" | "25" | "2D" | "38" | "39" | "3B" | "40" | "54" | "55" | "57" | "58" | "F0"
            | "HV" | "P0" | "XX" => 500,
            _ => 400,
        },
    };
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What `RAISE SQLSTATE 'PGRST'` asked us to answer.
fn raised(error: &PgDatabaseError) -> Option<Problem> {
    let message: serde_json::Value = serde_json::from_str(error.message()).ok()?;
    let detail: serde_json::Value = serde_json::from_str(error.detail()?).ok()?;
    let text = |key: &str| message.get(key).and_then(serde_json::Value::as_str);
    let status = detail.get("status")?.as_u64().and_then(|status| u16::try_from(status).ok())?;
    let mut problem =
        Problem::rest(StatusCode::from_u16(status).ok()?, text("code")?.to_owned(), text("message")?);
    if let Some(details) = text("details") {
        problem = problem.details(details);
    }
    if let Some(hint) = text("hint") {
        problem = problem.hint(hint);
    }
    for (name, value) in detail.get("headers").and_then(serde_json::Value::as_object).into_iter().flatten() {
        if let (Ok(name), Some(Ok(value))) =
            (HeaderName::try_from(name), value.as_str().map(HeaderValue::try_from))
        {
            problem = problem.header(name, value);
        }
    }
    Some(problem)
}
