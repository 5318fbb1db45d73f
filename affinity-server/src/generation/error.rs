//! What can go wrong between a world's file and its rows.

use std::fmt;

/// Why a world could not be read, computed, written or loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum GenerationError {
    /// The file is not TOML of the expected form; the source names the line.
    Format { source: Box<toml::de::Error> },
    /// A name that is to reach a database is not a plain lower-case identifier.
    InvalidIdentifier { name: String },
    /// The epoch is not a UTC time such as `2026-01-01T00:00:00Z`.
    InvalidEpoch { found: String },
    /// A table needs exactly one of `count` (no parent) and `of` with `each` (a parent listed before it).
    InvalidTable { table: String, expected: &'static str },
    /// An expression does not parse.
    Syntax { place: String, text: String, offset: usize, expected: &'static str },
    /// An expression names nothing that is known in its table.
    UnknownName { place: String, name: String },
    /// A function was called with the wrong number of arguments.
    WrongArgumentCount { place: String, function: String, expected: &'static str, got: usize },
    /// There is no such table in the world.
    UnknownTable { table: String, known: Vec<String> },
    /// The world is too small to hold its fixed rows.
    TooFew { population_min: u64, got: u64 },
    /// A cell could not be computed.
    Evaluate { table: String, column: String, problem: Problem },
    /// The database already has rows in a table of the world.
    NotEmpty { schema: String, table: String },
    /// The output could not be written.
    Write { source: std::io::Error },
    /// The database refused.
    Database { source: sqlx::Error },
    /// The database does not have the tables and columns of the world.
    Catalog { source: crate::catalog::CatalogError },
}

/// Why one cell could not be computed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Problem {
    /// A value of the wrong type.
    WrongType { operation: &'static str, expected: &'static str, found: &'static str },
    /// A row or record without that field.
    UnknownField { field: String, on: String },
    /// An index, a size or a number outside of what the operation accepts.
    OutOfRange { operation: &'static str, value: String },
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
            Self::Catalog { .. } => f.write_str("the database lacks what the world describes"),
        }
    }
}

impl std::error::Error for GenerationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Format { source } => Some(source),
            Self::Write { source } => Some(source),
            Self::Database { source } => Some(source),
            Self::Catalog { source } => Some(source),
            _ => None,
        }
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
