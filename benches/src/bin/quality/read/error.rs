use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a data set cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// A file is missing, as it is or compressed, or cannot be read.
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A line is not as the format has it.
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What a line holds.
        expected: &'static str,
        /// What this one does.
        got: String,
    },
    /// The files are readable and say nothing.
    Empty {
        /// The folder or file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read {} (or the same with .gz)", path.display()),
            Self::Line { path, line, expected, got } => {
                write!(f, "{} line {line}: expected {expected}, got \"{got}\"", path.display())
            }
            Self::Empty { path, what } => write!(f, "{} has no {what}", path.display()),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Line { .. } | Self::Empty { .. } => None,
        }
    }
}
