use axum::http::StatusCode;
use uuid::Uuid;

use super::desk::{Desk, SignedIn, database, internal};
use super::wire::{KeyBody, KeyMade, KeySeen};
use crate::auth::permission::Permission;
use crate::auth::token::{Token, TokenKind};
use crate::problem::Problem;

/// Keys that one account may have at a time.
const KEYS_MAX: i64 = 50;

impl Desk<'_> {
    /// Makes an API key of who asks, and shows it this once.
    ///
    /// # Errors
    /// 422 when a permission, the rate or the end is none, 409 when he has too many.
    pub(super) async fn make_key(&self, signed_in: SignedIn, body: &KeyBody) -> Result<KeyMade, Problem> {
        check(body)?;
        let token = Token::new(TokenKind::Key).map_err(internal)?;
        let mut tx = self.begin(Some(signed_in.account)).await?;
        let seen: Option<KeySeen> = sqlx::query_as(
            "INSERT INTO affinity.api_keys \
             (platform, account_id, name, prefix, key_hash, permissions, requests_per_minute, expires_at) \
             SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $9 > (SELECT count(*) FROM affinity.api_keys \
             WHERE platform = $1 AND account_id = $2 AND revoked_at IS NULL AND coalesce(expires_at > now(), true)) \
             RETURNING id, name, prefix, permissions, requests_per_minute, expires_at, last_used_at, created_at",
        )
        .bind(self.platform)
        .bind(signed_in.account)
        .bind(body.name.trim())
        .bind(token.first_letters())
        .bind(token.hash())
        .bind(&body.permissions)
        .bind(body.requests_per_minute)
        .bind(body.expires_at)
        .bind(KEYS_MAX)
        .fetch_optional(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)?;
        let Some(seen) = seen else {
            let detail = format!("you have {KEYS_MAX} keys; revoke one first");
            return Err(Problem::new(StatusCode::CONFLICT, "too_many_keys", detail));
        };
        Ok(KeyMade { key: token.expose().to_owned(), seen })
    }

    /// The keys of who asks that can be used, newest first.
    pub(super) async fn keys(&self, signed_in: SignedIn) -> Result<Vec<KeySeen>, Problem> {
        let mut connection = self.authority.pool.acquire().await.map_err(database)?;
        sqlx::query_as(
            "SELECT id, name, prefix, permissions, requests_per_minute, expires_at, last_used_at, created_at \
             FROM affinity.api_keys WHERE platform = $1 AND account_id = $2 AND revoked_at IS NULL \
             AND coalesce(expires_at > now(), true) ORDER BY created_at DESC, id",
        )
        .bind(self.platform)
        .bind(signed_in.account)
        .fetch_all(&mut *connection)
        .await
        .map_err(database)
    }

    /// Ends a key of who asks.
    ///
    /// # Errors
    /// 404 when he has no such key.
    pub(super) async fn revoke_key(&self, signed_in: SignedIn, key: Uuid) -> Result<(), Problem> {
        let mut tx = self.begin(Some(signed_in.account)).await?;
        let revoked = sqlx::query(
            "UPDATE affinity.api_keys SET revoked_at = now() \
             WHERE platform = $1 AND account_id = $2 AND id = $3 AND revoked_at IS NULL",
        )
        .bind(self.platform)
        .bind(signed_in.account)
        .bind(key)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)?;
        match revoked.rows_affected() {
            0 => Err(Problem::new(StatusCode::NOT_FOUND, "unknown_key", "you have no such key")),
            _ => Ok(()),
        }
    }
}

fn check(body: &KeyBody) -> Result<(), Problem> {
    let refuse = |detail: String| Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_key", detail));
    for text in &body.permissions {
        if let Err(error) = text.parse::<Permission>() {
            return refuse(error.to_string());
        }
    }
    if !(1..=100).contains(&body.permissions.len()) {
        return refuse("a key needs 1 to 100 permissions".to_owned());
    }
    if !(1..=100).contains(&body.name.trim().chars().count()) {
        return refuse("a key needs a name of 1 to 100 letters".to_owned());
    }
    if !(1..=100_000).contains(&body.requests_per_minute) {
        return refuse("requests_per_minute is from 1 to 100000".to_owned());
    }
    match body.expires_at {
        Some(end) if end <= chrono::Utc::now() => refuse("expires_at is in the past".to_owned()),
        _ => Ok(()),
    }
}
