//! The checksums that opening leaves for later: those of all that is large and read in place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::error::SnapshotError;
use super::layout::{Entry, Role, check_crc};
use super::map::MappedFile;
use crate::engine::Engine;

/// What is known of the large arrays of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// They come from data, or from a snapshot whose checksums are right.
    Done,
    /// They come from a snapshot whose checksums nobody has compared yet: see [`Engine::verify`].
    Pending,
    /// They come from a snapshot that is damaged: answers may be wrong, and the engine must be rebuilt.
    Damaged,
}

/// What is still to be compared. All versions that descend from one opened snapshot share it.
#[derive(Debug)]
pub(crate) struct Unverified {
    file: Arc<MappedFile>,
    sections: Vec<(String, Entry)>,
    /// A [`Verification`] as a number: 0 pending, 1 done, 2 damaged.
    state: AtomicU8,
}

impl Unverified {
    pub(super) fn new(file: Arc<MappedFile>, sections: Vec<(String, Entry)>) -> Self {
        Self { file, sections, state: AtomicU8::new(0) }
    }

    pub(crate) fn state(&self) -> Verification {
        match self.state.load(Ordering::Acquire) {
            0 => Verification::Pending,
            1 => Verification::Done,
            _ => Verification::Damaged,
        }
    }

    fn verify(&self) -> Result<(), SnapshotError> {
        let compared = self.sections.iter().try_for_each(|(name, entry)| self.compare(name, entry));
        self.state.store(if compared.is_ok() { 1 } else { 2 }, Ordering::Release);
        compared
    }

    fn compare(&self, name: &str, entry: &Entry) -> Result<(), SnapshotError> {
        let range = entry.offset..entry.offset + entry.length; // in bounds: the directory was checked at open
        check_crc(name, &self.file.bytes()[range.clone()], entry.crc)?;
        if entry.section.role != Role::VectorComponents {
            return Ok(());
        }
        let numbers = &self.file.as_array::<f32>()[range.start / 4..range.end / 4];
        match numbers.iter().position(|number| !number.is_finite()) {
            None => Ok(()),
            Some(position) => Err(SnapshotError::Invalid {
                section: name.to_string(),
                position: position * 4,
                what: "number",
                expected: "a finite number".to_string(),
                got: numbers[position].to_string(),
            }),
        }
    }
}

impl Engine {
    /// Compares the checksums that [`Engine::open`] left for later; for an engine made from data, nothing to do.
    ///
    /// The outcome counts for every version that descends from the same opened engine: until then, answers say
    /// in `degraded` that it is pending, and after a failure that the snapshot is damaged. Reads the whole file
    /// once, about a second for a few gigabytes: call it on a thread of its own.
    ///
    /// # Errors
    /// [`SnapshotError::WrongChecksum`] or [`SnapshotError::Invalid`] for the first damaged section.
    pub fn verify(&self) -> Result<(), SnapshotError> {
        match &self.unverified {
            Some(unverified) if unverified.state() != Verification::Done => unverified.verify(),
            _ => Ok(()),
        }
    }

    /// Whether the large arrays are known to be what was written.
    #[must_use]
    pub fn verification(&self) -> Verification {
        self.unverified.as_ref().map_or(Verification::Done, |unverified| unverified.state())
    }
}
