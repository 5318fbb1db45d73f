use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgPool;

/// How long an answer is believed.
const AGE_MAX: Duration = Duration::from_secs(30);

/// Roles that are remembered; more are asked for each time.
const ROLES_MAX: usize = 1_000;

/// Whether the server's user may take a role for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// It may.
    Allowed,
    /// It may not, or nobody should: a superuser is under no policy.
    Refused,
    /// There is no such role.
    Unknown,
}

/// Which database roles tokens may name, as the database says.
#[derive(Debug, Default)]
pub(super) struct RoleBook {
    known: Mutex<HashMap<String, (Taking, Instant)>>,
}

impl RoleBook {
    /// Whether the server's user may take `role`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn taking(&self, pool: &PgPool, role: &str) -> Result<Taking, sqlx::Error> {
        if let Some((taking, asked_at)) = self.known().get(role)
            && asked_at.elapsed() < AGE_MAX
        {
            return Ok(*taking);
        }
        let found: Option<bool> = sqlx::query_scalar(
            "SELECT NOT r.rolsuper AND pg_has_role(current_user, r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = $1",
        )
        .bind(role)
        .fetch_optional(pool)
        .await?;
        let taking = match found {
            Some(true) => Taking::Allowed,
            Some(false) => Taking::Refused,
            None => Taking::Unknown,
        };
        let mut known = self.known();
        if known.len() < ROLES_MAX || known.contains_key(role) {
            known.insert(role.to_owned(), (taking, Instant::now()));
        }
        Ok(taking)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Taking, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
