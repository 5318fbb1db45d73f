use std::time::Duration;

use sqlx::PgPool;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(3_600);

/// Deletes what has expired, now and then, until it is dropped. Nothing depends on it: what has expired counts for
/// nothing while it is still there.
pub async fn forget_expired(pool: PgPool) {
    loop {
        tokio::time::sleep(PERIOD).await;
        for statement in [
            "DELETE FROM affinity.mailed_tokens WHERE expires_at < now()",
            "DELETE FROM affinity.provider_sign_ins WHERE expires_at < now()",
            "DELETE FROM affinity.failed_sign_ins WHERE failed_at < now() - interval '1 day'",
        ] {
            if let Err(error) = sqlx::query(statement).execute(&pool).await {
                tracing::warn!(%error, "what has expired could not be deleted");
            }
        }
    }
}
