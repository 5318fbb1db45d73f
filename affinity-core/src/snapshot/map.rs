//! A file in memory without reading it: the only unsafe of snapshots.
#![allow(unsafe_code)] // Mapping a file is unsafe because another process could change it meanwhile.

use std::fmt;
use std::fs::File;
use std::io;

use bytemuck::Pod;
use memmap2::Mmap;

/// A whole file, mapped read-only for as long as anyone holds it.
pub(crate) struct MappedFile(Mmap);

impl MappedFile {
    pub(super) fn open(file: &File) -> io::Result<Self> {
        // SAFETY: snapshots are only ever replaced by renaming another file over them, never written or cut in
        // place, so what is mapped here stays as it is until it is unmapped (FORMAT.md, "Replacing").
        unsafe { Mmap::map(file) }.map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The file as numbers; bytes at the end that do not fill one are left out.
    #[inline]
    pub(crate) fn as_array<T: Pod>(&self) -> &[T] {
        let bytes: &[u8] = &self.0;
        let whole = bytes.len() - bytes.len() % size_of::<T>();
        // Never fails: maps start at a page, which is aligned for any number.
        bytemuck::try_cast_slice(&bytes[..whole]).unwrap_or_default()
    }
}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MappedFile({} bytes)", self.0.len())
    }
}
