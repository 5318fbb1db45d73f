use std::fmt;

/// A name that the database does not know, or a failed look-up.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is no such table.
    UnknownTable {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// The table lacks these columns.
    UnknownColumns {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// There is no such platform in `affinity.platforms`.
    UnknownPlatform {
        /// The name asked for.
        platform: String,
    },
    /// The look-up failed.
    Database {
        /// What went wrong underneath.
        source: sqlx::Error,
    },
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTable { schema, table } => {
                write!(f, "the database has no table \"{schema}\".\"{table}\"")
            }
            Self::UnknownColumns { schema, table, columns } => {
                write!(f, "table \"{schema}\".\"{table}\" has no columns {}", columns.join(", "))
            }
            Self::UnknownPlatform { platform } => write!(f, "the database has no platform \"{platform}\""),
            Self::Database { .. } => f.write_str("the catalog could not be read"),
        }
    }
}

impl std::error::Error for CatalogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source } => Some(source),
            Self::UnknownTable { .. } | Self::UnknownColumns { .. } | Self::UnknownPlatform { .. } => None,
        }
    }
}

impl From<sqlx::Error> for CatalogError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database { source }
    }
}
