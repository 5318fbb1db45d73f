use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use sqlx::{FromRow, PgConnection, Postgres, Transaction};
use std::time::Duration;
use uuid::Uuid;

use super::account::Account;
use crate::auth::authority::Authority;
use crate::auth::caller::{Caller, Standing};
use crate::auth::mail::{Letter, post};
use crate::auth::transaction::{Access, RequestSettings, begin_as};
use crate::auth::visit::Visit;
use crate::catalog::{AccountStatements, account_sql};
use crate::problem::Problem;

/// How long a statement about an account may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// One request about accounts of one platform.
pub(in crate::auth) struct Desk<'a> {
    pub(in crate::auth) authority: &'a Authority,
    pub(in crate::auth) platform: &'a str,
    pub(in crate::auth) statements: &'a AccountStatements,
    pub(in crate::auth) visit: &'a Visit,
}

/// Whose session a request shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::auth) struct SignedIn {
    pub(in crate::auth) account: Uuid,
    pub(in crate::auth) session: Uuid,
}

impl<'a> Desk<'a> {
    /// The desk of `platform`.
    ///
    /// # Errors
    /// 404 when the platform has no accounts.
    pub(in crate::auth) fn of(
        authority: &'a Authority,
        platform: &'a str,
        visit: &'a Visit,
    ) -> Result<Self, Problem> {
        let statements = authority.platform(platform).and_then(|known| known.accounts.as_ref());
        let no_accounts = || {
            let detail = format!("there is no platform \"{platform}\" that people sign in to");
            Problem::new(StatusCode::NOT_FOUND, "unknown_platform", detail)
        };
        Ok(Self { authority, platform, statements: statements.ok_or_else(no_accounts)?, visit })
    }

    /// A transaction that may touch accounts; audit rows say that `actor` wrote, from where the request comes.
    pub(in crate::auth) async fn begin(
        &self,
        actor: Option<Uuid>,
    ) -> Result<Transaction<'static, Postgres>, Problem> {
        let claims = actor.map(|actor| ("sub".to_owned(), actor.to_string().into()));
        // The server's own user: what is asked here is checked here, and no role may read a password's hash.
        let caller = Caller::new(Standing::Service, None, Map::from_iter(claims));
        let settings = RequestSettings {
            access: Access::Write,
            statement_timeout: STATEMENT_TIMEOUT,
            local: self.visit.settings(),
        };
        begin_as(&self.authority.pool, &caller, &settings).await.map_err(database)
    }

    pub(in crate::auth) async fn account(
        &self,
        connection: &mut PgConnection,
        id: Uuid,
    ) -> Result<Option<Account>, Problem> {
        let found = sqlx::query_as(account_sql(&self.statements.account_by_id)).bind(id);
        found.fetch_optional(connection).await.map_err(database)
    }

    /// Puts a letter into the outbox, unless its recipient has had many in the last hour.
    pub(in crate::auth) async fn post(&self, tx: &mut PgConnection, letter: &Letter) -> Result<(), Problem> {
        match self.authority.limits.letter(letter.recipient()) {
            true => post(tx, letter).await.map_err(database),
            false => Ok(()),
        }
    }

    /// What an account is told of itself; null when there is none.
    pub(in crate::auth) async fn describe(&self, id: Uuid) -> Result<Value, Problem> {
        let mut connection = self.authority.pool.acquire().await.map_err(database)?;
        let Some(account) = self.account(&mut connection, id).await? else { return Ok(Value::Null) };
        drop(connection);
        let has_second_factor = self.has_second_factor(id).await?;
        let Account { id, email, verified, .. } = account;
        Ok(json!({ "id": id, "email": email, "verified": verified, "has_second_factor": has_second_factor }))
    }

    /// Who signed in, asked for his password again: a session that was left open must not give away the account.
    ///
    /// # Errors
    /// 403 when it is not the password; who has none, since he comes by a provider, is not asked.
    pub(in crate::auth) async fn confirm_password(
        &self,
        signed_in: SignedIn,
        password: Option<&str>,
    ) -> Result<Account, Problem> {
        let mut connection = self.authority.pool.acquire().await.map_err(database)?;
        let account = self.account(&mut connection, signed_in.account).await?;
        drop(connection);
        let account = account.ok_or_else(|| database(sqlx::Error::RowNotFound))?;
        self.spend_attempt(&account.email).await?;
        let passwords = &self.authority.passwords;
        let is_right = account.password_hash.is_none()
            || passwords.verify(password.unwrap_or_default(), account.password_hash.as_deref()).await;
        if !is_right {
            let detail = "this is not your password";
            return Err(Problem::new(StatusCode::FORBIDDEN, "wrong_password", detail));
        }
        self.forgive(&account.email).await?;
        Ok(account)
    }
}

/// What a client learns when the database fails: nothing but that.
pub(in crate::auth) fn database(error: sqlx::Error) -> Problem {
    tracing::error!(%error, "accounts cannot be read or written");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the server cannot answer now")
        .retry_after_seconds(1)
}

/// The system failed to do what it always does: random numbers, hashing.
pub(in crate::auth) fn internal(error: impl std::error::Error) -> Problem {
    tracing::error!(%error, "an account could not be served");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed to answer")
}

/// Rows of a statement over accounts.
pub(in crate::auth) async fn rows<Row: for<'r> FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin>(
    connection: &mut PgConnection,
    statement: &str,
    account: Uuid,
) -> Result<Vec<Row>, Problem> {
    sqlx::query_as(account_sql(statement)).bind(account).fetch_all(connection).await.map_err(database)
}
