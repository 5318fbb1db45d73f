use std::fmt;

/// How far in the change feed a reader is: a snapshot of the database, as PostgreSQL writes it.
///
/// Everything that snapshot saw is behind the reader, whatever committed after it is ahead. Only the database can
/// compare two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position(String);

impl Position {
    /// From `pg_current_snapshot()::text`, or from an engine's version.
    pub(super) fn new(snapshot: String) -> Self {
        Self(snapshot)
    }

    /// As PostgreSQL writes it: also the version of the engine that stands there.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
