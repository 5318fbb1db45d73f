use std::fmt;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, with its dashes.
    Flag(String),
    /// A variable of the environment.
    Environment(String),
    /// A line of the configuration file, counted from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// Why the configuration cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value that its setting does not allow.
    WrongValue {
        /// The setting's name.
        setting: &'static str,
        /// The value, or `None` when it is a secret.
        value: Option<String>,
        /// Where it was given.
        origin: Origin,
        /// What would be allowed.
        allowed: &'static str,
    },
    /// A key of the file that is no setting.
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        origin: Origin,
        /// The keys that are.
        allowed: Vec<String>,
    },
    /// The file is not TOML.
    Syntax {
        /// Where reading stopped.
        origin: Origin,
        /// What is wrong there.
        message: String,
    },
    /// The file that was asked for cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Who asked for it; `None` for the default file.
        origin: Option<Origin>,
        /// What the system answered.
        source: std::io::Error,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongValue { setting, value, origin, allowed } => {
                write!(f, "setting \"{setting}\" is ")?;
                match value {
                    Some(value) => write!(f, "\"{value}\"")?,
                    None => write!(f, "a wrong value (a secret, not shown)")?,
                }
                write!(f, ", from {origin}; expected {allowed}")
            }
            Self::UnknownKey { key, origin, allowed } => {
                write!(f, "unknown setting \"{key}\" at {origin}; expected one of {}", allowed.join(", "))
            }
            Self::Syntax { origin, message } => write!(f, "cannot parse {origin}: {message}"),
            Self::Unreadable { path, origin, .. } => {
                write!(f, "cannot read the configuration file \"{}\"", path.display())?;
                match origin {
                    Some(origin) => write!(f, ", from {origin}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
