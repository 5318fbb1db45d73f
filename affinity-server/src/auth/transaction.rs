use std::time::Duration;

use sqlx::{PgPool, Postgres, Transaction};

use super::caller::Caller;

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
    let mut names = vec!["request.jwt.claims", "affinity.actor", "statement_timeout"];
    let mut values = vec![
        serde_json::to_string(caller.claims()).unwrap_or_default(), // a map of JSON values: it cannot fail
        caller.id().map(|id| id.to_string()).unwrap_or_default(),
        format!("{}ms", settings.statement_timeout.as_millis()),
    ];
    for (name, value) in &settings.local {
        names.push(name);
        values.push(value.clone());
    }
    if let Some(role) = caller.role() {
        names.push("role"); // last: the settings before it are the server's own business
        values.push(role.to_owned());
    }
    sqlx::query(
        "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s(name, value, place) \
         ORDER BY place",
    )
    .bind(names)
    .bind(values)
    .execute(&mut *transaction)
    .await?;
    Ok(transaction)
}
