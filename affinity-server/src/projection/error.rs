use std::fmt;
use std::path::PathBuf;

use affinity_core::{EngineError, SnapshotError};

use super::entry::Anchor;
use super::position::Position;
use crate::catalog::CatalogError;

/// Why the engine could not be made from the database, or kept in step with it.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProjectionError {
    /// PostgreSQL refused or could not be reached.
    Database {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: sqlx::Error,
    },
    /// The platform or one of its views is not in the database.
    Catalog {
        /// What is missing.
        source: CatalogError,
    },
    /// The views read what the change feed cannot follow.
    NotFollowed {
        /// The platform.
        platform: String,
        /// View, object and problem, each.
        faults: Vec<String>,
    },
    /// A row says something that the platform's schema does not allow.
    BadRow {
        /// The view.
        view: &'static str,
        /// The row's own key, readable.
        row: String,
        /// The column, or the attribute.
        field: String,
        /// What the schema allows.
        expected: String,
        /// What the row holds.
        got: String,
    },
    /// One anchor gives the same entry twice.
    Twice {
        /// The anchor.
        anchor: Anchor,
        /// The row's own key, readable.
        row: String,
    },
    /// The feed no longer holds what came after this position.
    FellBehind {
        /// Where the reader was.
        position: Position,
    },
    /// The engine refused the data.
    Engine {
        /// Why.
        source: EngineError,
    },
    /// The engine's snapshot could not be read or written.
    Snapshot {
        /// Why.
        source: SnapshotError,
    },
    /// A file beside the engine's snapshot could not be read or written.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A ledger file does not hold a ledger.
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The work was given up because the server is stopping.
    Stopped,
}

impl ProjectionError {
    pub(super) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { doing, source }
    }
}

impl fmt::Display for ProjectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { doing, .. } => write!(f, "the database failed to {doing}"),
            Self::Catalog { .. } => f.write_str("the projection views are not as expected"),
            Self::NotFollowed { platform, faults } => write!(
                f,
                "the projection of \"{platform}\" cannot be kept current, expected views that the change feed can \
                 follow: {}",
                faults.join("; ")
            ),
            Self::BadRow { view, row, field, expected, got } => {
                write!(f, "view \"{view}\", row {row}: \"{field}\" is {got}, expected {expected}")
            }
            Self::Twice { anchor, row } => {
                write!(f, "anchor \"{}\" {} gives {row} twice, expected once", anchor.table, anchor.id)
            }
            Self::FellBehind { position } => {
                write!(f, "the change feed no longer reaches back to position \"{position}\"")
            }
            Self::Engine { .. } => f.write_str("the engine refused the data"),
            Self::Snapshot { .. } => f.write_str("the snapshot could not be read or written"),
            Self::File { path, .. } => write!(f, "\"{}\" could not be read or written", path.display()),
            Self::Damaged { path, reason } => write!(f, "\"{}\" is not a ledger: {reason}", path.display()),
            Self::Stopped => f.write_str("the server is stopping"),
        }
    }
}

impl std::error::Error for ProjectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source, .. } => Some(source),
            Self::Catalog { source } => Some(source),
            Self::Engine { source } => Some(source),
            Self::Snapshot { source } => Some(source),
            Self::File { source, .. } => Some(source),
            Self::NotFollowed { .. }
            | Self::BadRow { .. }
            | Self::Twice { .. }
            | Self::FellBehind { .. }
            | Self::Damaged { .. }
            | Self::Stopped => None,
        }
    }
}

impl From<CatalogError> for ProjectionError {
    fn from(source: CatalogError) -> Self {
        Self::Catalog { source }
    }
}

impl From<EngineError> for ProjectionError {
    fn from(source: EngineError) -> Self {
        Self::Engine { source }
    }
}

impl From<SnapshotError> for ProjectionError {
    fn from(source: SnapshotError) -> Self {
        Self::Snapshot { source }
    }
}
