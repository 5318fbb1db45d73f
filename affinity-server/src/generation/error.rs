//! What can go wrong between a world's file and its rows.

use std::fmt;

/// Why a world could not be read, computed, written or loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum GenerationError {
    /// The file is not TOML of the expected form; the source names the line.
    Format {
        /// What went wrong underneath.
        source: Box<toml::de::Error>,
    },
    /// A name that is to reach a database is not a plain lower-case identifier.
    InvalidIdentifier {
        /// The name.
        name: String,
    },
    /// The epoch is not a UTC time such as `2026-01-01T00:00:00Z`.
    InvalidEpoch {
        /// What was found instead.
        found: String,
    },
    /// A table needs exactly one of `count` (no parent) and `of` with `each` (a parent listed before it).
    InvalidTable {
        /// The table.
        table: String,
        /// What was expected.
        expected: &'static str,
    },
    /// An expression does not parse.
    Syntax {
        /// The table and column.
        place: String,
        /// The expression as written.
        text: String,
        /// Where in the expression, in bytes.
        offset: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// An expression names nothing that is known in its table.
    UnknownName {
        /// The table and column.
        place: String,
        /// The name.
        name: String,
    },
    /// A function was called with the wrong number of arguments.
    WrongArgumentCount {
        /// The table and column.
        place: String,
        /// The function.
        function: String,
        /// What was expected.
        expected: &'static str,
        /// What was given.
        got: usize,
    },
    /// The platforms that come with the server cannot be read.
    Platform {
        /// What was met.
        source: crate::platform::PlatformError,
    },
    /// No platform of that name has a world.
    UnknownPlatform {
        /// The name.
        platform: String,
        /// The platforms that have one.
        known: Vec<String>,
    },
    /// There is no such table in the world.
    UnknownTable {
        /// The table.
        table: String,
        /// The tables there are.
        known: Vec<String>,
    },
    /// The world is too small to hold its fixed rows.
    TooFew {
        /// The smallest population.
        population_min: u64,
        /// What was given.
        got: u64,
    },
    /// A cell could not be computed.
    Evaluate {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why.
        problem: Problem,
    },
    /// The database already has rows in a table of the world.
    NotEmpty {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// The output could not be written.
    Write {
        /// What went wrong underneath.
        source: std::io::Error,
    },
    /// The database refused.
    Database {
        /// What went wrong underneath.
        source: sqlx::Error,
    },
    /// The database could not be started, migrated or stopped.
    Start {
        /// What went wrong underneath.
        source: crate::database::DatabaseError,
    },
    /// The database does not have the tables and columns of the world.
    Catalog {
        /// What went wrong underneath.
        source: crate::catalog::CatalogError,
    },
}

/// The error of one cell, boxed: it is part of the result of every step, and nearly never there.
pub(super) type Failure = Box<GenerationError>;

/// Why one cell could not be computed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A value of the wrong type.
    WrongType {
        /// What was asked for.
        operation: &'static str,
        /// What was expected.
        expected: &'static str,
        /// What was found instead.
        found: &'static str,
    },
    /// A row or record without that field.
    UnknownField {
        /// The field.
        field: String,
        /// What it was looked for on.
        on: String,
    },
    /// An index, a size or a number outside of what the operation accepts.
    OutOfRange {
        /// What was asked for.
        operation: &'static str,
        /// The value.
        value: String,
    },
    /// The cell needs its own value.
    Cycle,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { operation, expected, found } => {
                write!(f, "{operation} got {found}, expected {expected}")
            }
            Self::UnknownField { field, on } => write!(f, "no field \"{field}\" on {on}"),
            Self::OutOfRange { operation, value } => write!(f, "{operation} cannot take {value}"),
            Self::Cycle => f.write_str("the value depends on itself"),
        }
    }
}

impl fmt::Display for GenerationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { .. } => f.write_str("the world's file does not have the expected form"),
            Self::InvalidIdentifier { name } => {
                write!(f, "\"{name}\" is not a name of lower-case letters, digits and underscores")
            }
            Self::InvalidEpoch { found } => {
                write!(f, "epoch \"{found}\" is not a UTC time such as 2026-01-01T00:00:00Z")
            }
            Self::InvalidTable { table, expected } => write!(f, "table \"{table}\" needs {expected}"),
            Self::Syntax { place, text, offset, expected } => {
                write!(f, "{place}: expected {expected} at character {offset} of `{text}`")
            }
            Self::UnknownName { place, name } => write!(f, "{place}: unknown name \"{name}\""),
            Self::WrongArgumentCount { place, function, expected, got } => {
                write!(f, "{place}: {function}() takes {expected} arguments, got {got}")
            }
            Self::Platform { .. } => f.write_str("the platforms cannot be read"),
            Self::UnknownPlatform { platform, known } => {
                write!(f, "platform \"{platform}\" has no world, expected one of {}", known.join(", "))
            }
            Self::UnknownTable { table, known } => {
                write!(f, "unknown table \"{table}\", expected one of {}", known.join(", "))
            }
            Self::TooFew { population_min, got } => {
                write!(f, "the world needs at least {population_min} members, got {got}")
            }
            Self::Evaluate { table, column, problem } => write!(f, "{table}.{column}: {problem}"),
            Self::NotEmpty { schema, table } => {
                write!(f, "table \"{schema}\".\"{table}\" has rows already, expected an empty database")
            }
            Self::Write { .. } => f.write_str("the generated rows could not be written"),
            Self::Database { .. } => f.write_str("the database refused the generated rows"),
            Self::Start { source } => source.fmt(f),
            Self::Catalog { .. } => f.write_str("the database lacks what the world describes"),
        }
    }
}

impl std::error::Error for GenerationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Format { source } => Some(source),
            Self::Platform { source } => Some(source),
            Self::Write { source } => Some(source),
            Self::Database { source } => Some(source),
            // Shown in full by `Display`.
            Self::Start { source } => std::error::Error::source(source),
            Self::Catalog { source } => Some(source),
            _ => None,
        }
    }
}

impl From<Failure> for GenerationError {
    fn from(failure: Failure) -> Self {
        *failure
    }
}

impl From<std::io::Error> for GenerationError {
    fn from(source: std::io::Error) -> Self {
        Self::Write { source }
    }
}

impl From<sqlx::Error> for GenerationError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database { source }
    }
}

impl From<crate::catalog::CatalogError> for GenerationError {
    fn from(source: crate::catalog::CatalogError) -> Self {
        Self::Catalog { source }
    }
}

impl From<crate::database::DatabaseError> for GenerationError {
    fn from(source: crate::database::DatabaseError) -> Self {
        Self::Start { source }
    }
}
