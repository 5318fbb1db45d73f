//! Memory that nobody writes to: a file without reading it, or parts put together. The only unsafe of snapshots.
#![allow(unsafe_code)] // Mapping a file is unsafe because another process could change it meanwhile.

use std::fmt;
use std::fs::File;
use std::io;

use bytemuck::Pod;
use memmap2::{Advice, Mmap, MmapMut};

/// A whole file, mapped read-only for as long as anyone holds it, or memory that looks like one.
pub(crate) struct MappedFile(Mmap);

impl MappedFile {
    pub(super) fn open(file: &File) -> io::Result<Self> {
        // SAFETY: snapshots are only ever replaced by renaming another file over them, never written or cut in
        // place, so what is mapped here stays as it is until it is unmapped (FORMAT.md, "Replacing").
        unsafe { Mmap::map(file) }.map(Self)
    }

    /// Memory without a file: `parts` one after the other, in huge pages where the system has them.
    pub(crate) fn packed<'a, T: Pod>(
        length: usize,
        parts: impl Iterator<Item = &'a [T]>,
    ) -> io::Result<Self> {
        let mut memory = MmapMut::map_anon((length * size_of::<T>()).max(1))?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(Advice::HugePage); // without them everything is as it was, and slower
        let mut rest = &mut memory[..];
        for part in parts {
            let bytes: &[u8] = bytemuck::cast_slice(part);
            let Some((place, later)) = rest.split_at_mut_checked(bytes.len()) else { break };
            place.copy_from_slice(bytes);
            rest = later;
        }
        memory.make_read_only().map(Self)
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
