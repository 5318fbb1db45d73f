use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};

use super::caller::Caller;
use crate::catalog::{Statement, set_locally};

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// It may not.
    Read,
    /// It may.
    Write,
}

/// What a request's transaction knows besides who is asking.
#[derive(Clone, Debug)]
pub struct RequestSettings<'a> {
    /// Whether it may write, if the caller may at all.
    pub access: Access,
    /// After how long PostgreSQL cancels a statement.
    pub statement_timeout: Duration,
    /// Further settings, local to the transaction, such as `request.method`, `affinity.ip_address` or `TimeZone`.
    pub local: Vec<(&'a str, String)>,
}

/// Begins a transaction in which the database knows who is asking: its role, the claims as PostgREST's
/// `request.jwt.claims`, and the actor of the audit, all in one round trip after `BEGIN`.
///
/// # Errors
/// When there is no connection, or the server's user may not take the caller's role.
pub async fn begin_as(
    pool: &PgPool,
    caller: &Caller,
    settings: &RequestSettings<'_>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let begin = match settings.access.min(caller.access()) {
        Access::Read => "BEGIN READ ONLY",
        Access::Write => "BEGIN",
    };
    let mut transaction = pool.begin_with(begin).await?;
    introduction(caller, settings).query().execute(&mut *transaction).await?;
    Ok(transaction)
}

/// What tells the database in a transaction who is asking, and what else it is to know.
#[must_use]
pub fn introduction(caller: &Caller, settings: &RequestSettings<'_>) -> Statement {
    let mut all = vec![
        ("request.jwt.claims", serde_json::to_string(caller.claims()).unwrap_or_default()), // it cannot fail
        ("affinity.actor", caller.id().map(|id| id.to_string()).unwrap_or_default()),
        ("statement_timeout", format!("{}ms", settings.statement_timeout.as_millis())),
    ];
    all.extend(settings.local.iter().cloned());
    if let Some(role) = caller.role() {
        all.push(("role", role.to_owned())); // last: the settings before it are the server's own business
    }
    set_locally(&all)
}
