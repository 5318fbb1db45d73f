use std::fmt;
use std::io;
use std::path::PathBuf;

use affinity_core::{EngineError, MatcherError, QueryError, SchemaError};
use affinity_embedding::EncoderError;

use crate::read::ReadError;

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum QualityError {
    /// The data cannot be read.
    Read(ReadError),
    /// A matcher of this command does not fit its schema.
    Matcher(MatcherError),
    /// A schema of this command is wrong.
    Schema(SchemaError),
    /// The data does not fit the schema.
    Engine(EngineError),
    /// The engine refused a request.
    Query(QueryError),
    /// A sentence transformer cannot be read, or a text not by it.
    Encoder(EncoderError),
    /// A file cannot be written.
    Write { path: PathBuf, source: io::Error },
    /// A run in a process of its own failed.
    Run { dataset: String, said: String },
    /// No folder below has a known format.
    NoData { path: PathBuf },
    /// A result cannot be printed.
    Json(serde_json::Error),
    /// A matcher of this command is no TOML.
    Toml(toml::de::Error),
}

impl fmt::Display for QualityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Matcher(error) => error.fmt(f),
            Self::Schema(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Query(error) => error.fmt(f),
            Self::Encoder(error) => error.fmt(f),
            Self::Write { path, .. } => write!(f, "cannot write {}", path.display()),
            Self::Run { dataset, said } => write!(f, "{dataset} failed: {}", said.trim()),
            Self::NoData { path } => write!(f, "{} has no folder in a known format", path.display()),
            Self::Json(error) => error.fmt(f),
            Self::Toml(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QualityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => error.source(),
            Self::Encoder(error) => error.source(),
            Self::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for QualityError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    ReadError => Read,
    MatcherError => Matcher,
    SchemaError => Schema,
    EngineError => Engine,
    QueryError => Query,
    EncoderError => Encoder,
    toml::de::Error => Toml,
}
