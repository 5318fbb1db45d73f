use std::time::Duration;

use sqlx::{FromRow, PgConnection, PgPool};

use super::letter::Letter;
use super::sender::Mailer;

/// How long a letter may wait to be looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// Letters that are sent in a row.
const BATCH: i64 = 20;

/// Attempts before a letter is given up; the last comes about a day after the first.
const ATTEMPTS_MAX: i32 = 12;

/// Puts a letter into the outbox: it is sent if the transaction commits.
pub(in crate::auth) async fn post(connection: &mut PgConnection, letter: &Letter) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO affinity.outbox (recipient, subject, body) VALUES ($1, $2, $3)")
        .bind(&letter.recipient)
        .bind(letter.subject)
        .bind(&letter.body)
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct Posted {
    id: i64,
    recipient: String,
    subject: String,
    body: String,
    attempts: i32,
}

/// Sends what is in the outbox, until it is dropped. Several servers share the work; each letter goes once, unless
/// a server ends between sending and noting it.
pub async fn deliver(pool: PgPool, mailer: Mailer) {
    loop {
        match deliver_due(&pool, &mailer).await {
            Ok(sent_count) if sent_count == BATCH => {}
            Ok(_) => tokio::time::sleep(PERIOD).await,
            Err(error) => {
                tracing::warn!(%error, "the outbox cannot be read");
                tokio::time::sleep(PERIOD * 10).await;
            }
        }
    }
}

/// Sends what is due: how many letters were tried.
async fn deliver_due(pool: &PgPool, mailer: &Mailer) -> Result<i64, sqlx::Error> {
    let mut tx = pool.begin().await?;
    let due: Vec<Posted> = sqlx::query_as(
        "SELECT id, recipient, subject, body, attempts FROM affinity.outbox \
         WHERE next_attempt_at <= now() AND attempts < $2 ORDER BY next_attempt_at, id LIMIT $1 \
         FOR UPDATE SKIP LOCKED",
    )
    .bind(BATCH)
    .bind(ATTEMPTS_MAX)
    .fetch_all(&mut *tx)
    .await?;
    let mut tried_count = 0;
    for letter in due {
        tried_count += 1;
        match mailer.send(letter.id, &letter.recipient, &letter.subject, letter.body).await {
            Ok(()) => {
                sqlx::query("DELETE FROM affinity.outbox WHERE id = $1")
                    .bind(letter.id)
                    .execute(&mut *tx)
                    .await?;
            }
            Err(error) => {
                tracing::warn!(%error, id = letter.id, "a letter could not be sent");
                // 10 s, 20 s, 40 s and so on.
                sqlx::query(
                    "UPDATE affinity.outbox SET attempts = attempts + 1, last_error = $2, \
                     next_attempt_at = now() + make_interval(secs => 10 * 2.0 ^ $3) WHERE id = $1",
                )
                .bind(letter.id)
                .bind(error.to_string())
                .bind(f64::from(letter.attempts))
                .execute(&mut *tx)
                .await?;
            }
        }
    }
    tx.commit().await?;
    Ok(tried_count)
}
