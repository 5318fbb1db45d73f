//! Why a snapshot was not written or not read.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::engine::EngineError;

/// Why a snapshot was not written or not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The operating system refused.
    Io {
        /// What was tried, such as `open`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file does not start as a snapshot does.
    NotASnapshot {
        /// Its first bytes, at most 8.
        got: Vec<u8>,
    },
    /// Written by another version of this library.
    UnsupportedVersion {
        /// The version this library reads.
        expected: u32,
        /// The version of the file.
        got: u32,
    },
    /// This machine's numbers are not little-endian, so the file cannot be used in place.
    BigEndianMachine,
    /// The file is shorter or longer than it says.
    WrongLength {
        /// Bytes, as the file says.
        expected: u64,
        /// Bytes.
        got: u64,
    },
    /// The file was written for another schema.
    SchemaDiffers {
        /// 1-based, in the text form of schemas that `FORMAT.md` describes.
        line: usize,
        /// The line of the schema given; empty when it has none.
        expected: String,
        /// The line of the schema in the file; empty when it has none.
        got: String,
    },
    /// The bytes are not those that were written.
    WrongChecksum {
        /// The section.
        section: String,
        /// CRC-32 as written.
        expected: u32,
        /// CRC-32 as read.
        got: u32,
    },
    /// A value leads nowhere or contradicts another one.
    Invalid {
        /// The section.
        section: String,
        /// Byte within the section.
        position: usize,
        /// Which value.
        what: &'static str,
        /// What would do.
        expected: String,
        /// What is there.
        got: String,
    },
    /// The matchers given do not fit each other.
    Matchers(EngineError),
    /// Two of the matchers given have one name.
    RepeatedMatcher {
        /// The name.
        name: String,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => write!(f, "cannot {action} \"{}\"", path.display()),
            Self::NotASnapshot { got } => {
                write!(f, "file starts with \"{}\", expected a snapshot", got.escape_ascii())
            }
            Self::UnsupportedVersion { expected, got } => {
                write!(f, "snapshot has version {got}, expected {expected}")
            }
            Self::BigEndianMachine => f.write_str("snapshots need a little-endian machine"),
            Self::WrongLength { expected, got } => {
                write!(f, "snapshot has {got} bytes, expected {expected}")
            }
            Self::SchemaDiffers { line, expected, got } => {
                write!(f, "schema of the snapshot differs at line {line}: \"{got}\", expected \"{expected}\"")
            }
            Self::WrongChecksum { section, expected, got } => {
                write!(f, "section \"{section}\" has checksum {got:08x}, expected {expected:08x}")
            }
            Self::Invalid { section, position, what, expected, got } => {
                write!(f, "section \"{section}\" byte {position}: {what} is {got}, expected {expected}")
            }
            Self::Matchers(_) => f.write_str("matchers refused"),
            Self::RepeatedMatcher { name } => {
                write!(f, "matcher \"{name}\" is given twice, expected different names")
            }
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Matchers(error) => Some(error),
            _ => None,
        }
    }
}
