use std::time::Duration;

use super::request::Limits;
use crate::auth::RolePrefix;

/// What holds for all platforms. Every cap is named in the error of a request that exceeds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestSettings {
    /// What one request's URL may ask for.
    pub limits: Limits,
    /// Rows of one answer, where the platform says nothing.
    pub rows_max: u64,
    /// Bytes of one body.
    pub body_bytes_max: usize,
    /// Writes of one batch.
    pub batch_operations_max: usize,
    /// Requests of one client that are answered at once.
    pub requests_at_once_max: usize,
    /// How long one more waits for its turn.
    pub request_wait_max: Duration,
    /// Time of one statement.
    pub statement_timeout: Duration,
    /// How often a transaction that lost against another is tried.
    pub attempts_max: u32,
    /// What the database roles' names start with.
    pub role_prefix: RolePrefix,
}

impl RestSettings {
    /// Enough for people and programs, not for a copy of the database.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            limits: Limits::STANDARD,
            rows_max: 1000,
            body_bytes_max: 10 << 20,
            batch_operations_max: 100,
            requests_at_once_max: 12,
            request_wait_max: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
            attempts_max: 3,
            role_prefix: RolePrefix::default(),
        }
    }
}
