//! Snapshots: an engine as one file, read back through a memory map. `FORMAT.md` says what is where.
//!
//! Only keys, models and lengths are decoded, all else is used in place. Everything that leads
//! somewhere (offsets, ids, lengths) is checked before it is used, so no damage can make an engine panic.

mod error;
mod map;
mod layout;
mod schema_text;
mod encoder;
mod cursor;
mod data;
mod terms;
mod nodes;
mod edges;
mod vectors;
mod filters;
mod write;
mod verify;
mod read;
#[cfg(test)]
mod tests;

pub use self::error::SnapshotError;
pub use self::verify::Verification;

pub(crate) use self::map::MappedFile;
pub(crate) use self::verify::Unverified;
