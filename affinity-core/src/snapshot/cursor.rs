//! Reading a decoded section from front to end, trusting nothing.

use std::fmt::Display;

use super::error::SnapshotError;

/// What is left of a section.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    section: &'a str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(section: &'a str, bytes: &'a [u8]) -> Self {
        Self { section, bytes, position: 0 }
    }

    /// What is wrong with the value just read.
    pub(super) fn invalid(
        &self,
        what: &'static str,
        expected: impl Display,
        got: impl Display,
    ) -> SnapshotError {
        SnapshotError::Invalid {
            section: self.section.to_string(),
            position: self.position,
            what,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    pub(super) fn raw(&mut self, length: usize) -> Result<&'a [u8], SnapshotError> {
        let left = self.bytes.len() - self.position;
        if length > left {
            return Err(self.invalid("length", format_args!("at most {left} bytes"), length));
        }
        let bytes = &self.bytes[self.position..self.position + length];
        self.position += length;
        Ok(bytes)
    }

    fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], SnapshotError> {
        let mut array = [0; LENGTH];
        array.copy_from_slice(self.raw(LENGTH)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, SnapshotError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn uuid(&mut self) -> Result<[u8; 16], SnapshotError> {
        self.array()
    }

    pub(super) fn u32(&mut self) -> Result<u32, SnapshotError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, SnapshotError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A count; nothing may be allocated for it before what it counts has been seen.
    pub(super) fn count(&mut self) -> Result<usize, SnapshotError> {
        let mut count = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            count |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(count).map_err(|_| self.invalid("count", "a count", count));
            }
        }
        Err(self.invalid("count", "at most nine bytes", "more"))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, SnapshotError> {
        let length = self.count()?;
        self.text_of(length)
    }

    pub(super) fn text_of(&mut self, length: usize) -> Result<&'a str, SnapshotError> {
        let bytes = self.raw(length)?;
        std::str::from_utf8(bytes).map_err(|error| self.invalid("text", "UTF-8", error))
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        let left = self.bytes.len() - self.position;
        if left == 0 {
            Ok(())
        } else {
            Err(self.invalid("length", "the end", format_args!("{left} bytes more")))
        }
    }
}
