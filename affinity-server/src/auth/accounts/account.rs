use serde_json::{Map, Value};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::catalog::{AccountStatements, account_sql};

/// Somebody who may sign in, as his platform's tables say now.
#[derive(Clone, FromRow)]
pub(in crate::auth) struct Account {
    pub(in crate::auth) id: Uuid,
    pub(in crate::auth) email: String,
    pub(in crate::auth) password_hash: Option<String>,
    /// Whether the address is known to be his.
    pub(in crate::auth) verified: bool,
    /// Whether he may do anything at all.
    pub(in crate::auth) active: bool,
}

/// A live session and whose it is.
#[derive(FromRow)]
pub(in crate::auth) struct SessionRow {
    pub(in crate::auth) session_id: Uuid,
    #[sqlx(flatten)]
    pub(in crate::auth) account: Account,
    pub(in crate::auth) age_seconds: f64,
    pub(in crate::auth) rest_seconds: f64,
    pub(in crate::auth) is_operator: bool,
}

/// A usable API key and whose it is.
#[derive(FromRow)]
pub(in crate::auth) struct KeyRow {
    pub(in crate::auth) key_id: Uuid,
    #[sqlx(flatten)]
    pub(in crate::auth) account: Account,
    pub(in crate::auth) permissions: Vec<String>,
    pub(in crate::auth) requests_per_minute: i32,
    /// Whether its last use should be noted again.
    pub(in crate::auth) is_due: bool,
}

/// What is needed to make an account.
pub(in crate::auth) struct NewAccount<'a> {
    pub(in crate::auth) email: &'a str,
    pub(in crate::auth) password_hash: Option<&'a str>,
    pub(in crate::auth) verified: bool,
    /// What the platform's own part of a sign-up asks for.
    pub(in crate::auth) fields: &'a Map<String, Value>,
}

/// Makes an account and what its platform adds; `None` when there is one of this address.
pub(in crate::auth) async fn create_account(
    connection: &mut PgConnection,
    statements: &AccountStatements,
    new: &NewAccount<'_>,
) -> Result<Option<Uuid>, sqlx::Error> {
    let made: Option<Uuid> = sqlx::query_scalar(account_sql(&statements.create_account))
        .bind(new.email)
        .bind(new.password_hash)
        .bind(new.verified)
        .fetch_optional(&mut *connection)
        .await?;
    if let (Some(id), Some(sign_up)) = (made, &statements.sign_up) {
        sqlx::query(account_sql(sign_up)).bind(id).bind(Json(new.fields)).execute(connection).await?;
    }
    Ok(made)
}

/// The account of this address, whatever its case.
pub(in crate::auth) async fn account_by_email(
    connection: &mut PgConnection,
    statements: &AccountStatements,
    email: &str,
) -> Result<Option<Account>, sqlx::Error> {
    sqlx::query_as(account_sql(&statements.account_by_email)).bind(email).fetch_optional(connection).await
}
