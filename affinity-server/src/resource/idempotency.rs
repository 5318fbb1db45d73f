use axum::http::{HeaderName, StatusCode};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, Row};

use super::answer::Answer;
use super::ask::Ask;
use super::failure::Failure;
use crate::auth::Visit;
use crate::problem::Problem;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const KEY_BYTES_MAX: usize = 255;

/// A write that must not happen twice.
#[derive(Debug)]
pub(super) struct OnlyOnce {
    caller: String,
    key: String,
    request_hash: Vec<u8>,
}

impl Ask<'_> {
    /// The key of a write with this body, if it has one.
    pub(super) fn only_once(&self, body: &str) -> Result<Option<OnlyOnce>, Problem> {
        let Some(key) = self.parts.headers.get(HEADER) else { return Ok(None) };
        let key =
            key.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len())).ok_or_else(|| {
                let message = format!("an Idempotency-Key has 1 to {KEY_BYTES_MAX} visible ASCII characters");
                Problem::rest(StatusCode::BAD_REQUEST, "bad_idempotency_key", message)
            })?;
        let caller = format!("{} {}", self.caller.role().unwrap_or_default(), self.keys_owner());
        let mut hash = Sha256::new();
        let headers = ["content-type", "content-profile", "prefer", "accept", "if-match"];
        let headers =
            headers.map(|name| self.parts.headers.get(name).map_or(&b""[..], |value| value.as_bytes()));
        let uri = self.parts.uri.to_string();
        for part in
            [self.parts.method.as_str().as_bytes(), uri.as_bytes(), body.as_bytes()].iter().chain(&headers)
        {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        Ok(Some(OnlyOnce { caller, key: key.to_owned(), request_hash: hash.finalize().to_vec() }))
    }
}

impl Ask<'_> {
    /// Whose the keys are: an account's own; those who are nobody in particular share them with their address alone.
    fn keys_owner(&self) -> String {
        let address = || self.parts.extensions.get::<Visit>()?.address;
        match self.caller.claims().get("sub") {
            Some(subject) => subject.to_string(),
            None => address().map_or_else(String::new, |address| format!("at {address}")),
        }
    }
}

impl OnlyOnce {
    /// The answer that was given before, if the write has happened.
    ///
    /// The server's own user asks; `role` is the transaction's before and after.
    pub(super) async fn replay(
        &self,
        connection: &mut PgConnection,
        role: Option<&str>,
    ) -> Result<Option<Answer>, Failure> {
        set_role(connection, None).await?;
        let is_first: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 50))")
                .bind(&self.caller)
                .bind(&self.key)
                .fetch_one(&mut *connection)
                .await?;
        if !is_first {
            let message = "a request with this Idempotency-Key is being answered";
            return Err(Problem::rest(StatusCode::CONFLICT, "idempotency_key_in_flight", message)
                .retry_after_seconds(1)
                .into());
        }
        let stored = sqlx::query(
            "SELECT request_hash, status, headers, body FROM affinity.idempotency_keys \
             WHERE caller = $1 AND key = $2 AND created_at > now() - interval '24 hours'",
        )
        .bind(&self.caller)
        .bind(&self.key)
        .fetch_optional(&mut *connection)
        .await?;
        set_role(connection, role).await?;
        let Some(stored) = stored else { return Ok(None) };
        if stored.try_get::<Vec<u8>, _>("request_hash")? != self.request_hash {
            let message = "this Idempotency-Key was used for another request";
            return Err(
                Problem::rest(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message).into()
            );
        }
        let status: i32 = stored.try_get("status")?;
        let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
        let headers: sqlx::types::Json<Vec<(String, String)>> = stored.try_get("headers")?;
        let answer = headers.0.into_iter().fold(
            Answer::empty(status.unwrap_or(StatusCode::OK)).body(stored.try_get("body")?),
            |answer, (name, value)| match HeaderName::try_from(name) {
                Ok(name) => answer.header(name, value),
                Err(_) => answer,
            },
        );
        Ok(Some(answer.header(REPLAYED, "true")))
    }

    /// Keeps the answer, in the transaction of the write.
    pub(super) async fn keep(&self, connection: &mut PgConnection, answer: &Answer) -> Result<(), Failure> {
        set_role(connection, None).await?;
        let (status, headers, body) = answer.parts();
        sqlx::query(
            "WITH gone AS (DELETE FROM affinity.idempotency_keys WHERE created_at < now() - interval '24 hours') \
             INSERT INTO affinity.idempotency_keys (caller, key, request_hash, status, headers, body) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (caller, key) DO UPDATE SET \
             request_hash = EXCLUDED.request_hash, status = EXCLUDED.status, headers = EXCLUDED.headers, \
             body = EXCLUDED.body, created_at = now()",
        )
        .bind(&self.caller)
        .bind(&self.key)
        .bind(&self.request_hash)
        .bind(i32::from(status.as_u16()))
        .bind(sqlx::types::Json(headers))
        .bind(body)
        .execute(&mut *connection)
        .await?;
        Ok(())
    }
}

async fn set_role(connection: &mut PgConnection, role: Option<&str>) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT set_config('role', $1, true)")
        .bind(role.unwrap_or("none"))
        .execute(connection)
        .await?;
    Ok(())
}
