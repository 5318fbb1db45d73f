use std::time::Duration;

use axum::http::StatusCode;

use super::desk::{Desk, database};
use crate::auth::token::hash;
use crate::problem::Problem;

/// Attempts in a row before an address has to wait.
const FAILURES_MAX: i32 = 10;

/// How long it has to wait, and after how long without an attempt the count starts again.
const WAIT_SECONDS: f64 = 900.0;

impl Desk<'_> {
    /// Counts one attempt on an address, whether or not anybody has it.
    ///
    /// Before the password is looked at, so that attempts at once cannot outrun the count; [`Desk::forgive`] takes it
    /// back when it was the right one.
    ///
    /// # Errors
    /// 429 when there were too many.
    pub(super) async fn spend_attempt(&self, email: &str) -> Result<(), Problem> {
        let (failures, wait_seconds): (i32, f64) = sqlx::query_as(
            "INSERT INTO affinity.failed_sign_ins AS f (platform, address_hash, failures) VALUES ($1, $2, 1) \
             ON CONFLICT (platform, address_hash) DO UPDATE SET \
             failures = CASE WHEN f.failed_at < now() - make_interval(secs => $3) THEN 1 ELSE least(f.failures, $4) + 1 END, \
             failed_at = CASE WHEN f.failures > $4 AND f.failed_at >= now() - make_interval(secs => $3) \
             THEN f.failed_at ELSE now() END \
             RETURNING failures, extract(epoch FROM failed_at - now())::float8 + $3",
        )
        .bind(self.platform)
        .bind(address_hash(email))
        .bind(WAIT_SECONDS)
        .bind(FAILURES_MAX)
        .fetch_one(&self.authority.pool)
        .await
        .map_err(database)?;
        if failures <= FAILURES_MAX {
            return Ok(());
        }
        let seconds = Duration::try_from_secs_f64(wait_seconds).map_or(1, |wait| wait.as_secs() + 1);
        let detail = "too many failed attempts; wait, or reset the password";
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "locked_out", detail).retry_after_seconds(seconds))
    }

    /// Forgets the attempts on an address.
    pub(super) async fn forgive(&self, email: &str) -> Result<(), Problem> {
        sqlx::query("DELETE FROM affinity.failed_sign_ins WHERE platform = $1 AND address_hash = $2")
            .bind(self.platform)
            .bind(address_hash(email))
            .execute(&self.authority.pool)
            .await
            .map_err(database)?;
        Ok(())
    }
}

/// Addresses that people mistype are not for keeping.
fn address_hash(email: &str) -> String {
    hash(&email.trim().to_lowercase())
}
