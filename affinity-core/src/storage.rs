//! Immutable slices that engine versions share, in memory of their own or in place in a mapped snapshot.

use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::snapshot::MappedFile;

/// An immutable slice with a cheap clone: owned by all its holders together, or part of a mapped file that
/// they keep open together.
#[derive(Clone, Debug)]
pub struct Slab<T>(Place<T>);

#[derive(Clone, Debug)]
enum Place<T> {
    Owned(Arc<[T]>),
    /// Elements of the file, or of what looks like one, seen as one long array of `T`.
    Mapped(Arc<MappedFile>, Range<usize>),
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self(Place::Owned(Arc::default()))
    }
}

impl<T> From<Vec<T>> for Slab<T> {
    fn from(items: Vec<T>) -> Self {
        // The default allocates nothing.
        if items.is_empty() { Self::default() } else { Self(Place::Owned(items.into())) }
    }
}

impl<T> From<Arc<[T]>> for Slab<T> {
    fn from(items: Arc<[T]>) -> Self {
        Self(Place::Owned(items))
    }
}

impl<T: bytemuck::Pod> Slab<T> {
    /// Elements `range` of a file seen as one long array of `T`; `None` when the file ends before.
    pub(crate) fn mapped(file: &Arc<MappedFile>, range: Range<usize>) -> Option<Self> {
        file.as_array::<T>().get(range.clone())?;
        Some(Self(Place::Mapped(Arc::clone(file), range)))
    }
}

impl<T: bytemuck::Pod> Slab<T> {
    /// Slabs of the same contents, one after the other in memory of huge pages; as they were where there is none.
    ///
    /// The memory lasts as long as any of them. Reads in no order spend as much time on finding where a small page lies
    /// as on reading it: 160 ns instead of 305 for one line of 256 MB on a virtual EPYC 7003.
    pub(crate) fn pack(slabs: &mut [&mut Self]) {
        let length = slabs.iter().map(|slab| slab.len()).sum();
        let Ok(memory) = MappedFile::packed(length, slabs.iter().map(|slab| &***slab)) else { return };
        let (memory, mut first) = (Arc::new(memory), 0);
        for slab in slabs {
            let next = first + slab.len();
            **slab = Self(Place::Mapped(Arc::clone(&memory), first..next));
            first = next;
        }
    }

    /// All of the memory that this slab is a part of, from where the slab begins; `None` when it has its own.
    pub(crate) fn onward(&self) -> Option<Self> {
        match &self.0 {
            Place::Owned(_) => None,
            Place::Mapped(memory, range) => Self::mapped(memory, range.start..memory.as_array::<T>().len()),
        }
    }

    /// Where this slab begins in `other`, when it lies in it.
    pub(crate) fn offset_in(&self, other: &Self) -> Option<usize> {
        match (&self.0, &other.0) {
            (Place::Mapped(memory, range), Place::Mapped(others, wider)) if Arc::ptr_eq(memory, others) => {
                range.start.checked_sub(wider.start).filter(|_| range.end <= wider.end)
            }
            _ => None,
        }
    }
}

impl<T: bytemuck::Pod> Deref for Slab<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Owned(items) => items,
            // In bounds: checked when the slab was made, and a map never changes its length.
            Place::Mapped(file, range) => &file.as_array::<T>()[range.clone()],
        }
    }
}

impl<T: bytemuck::Pod> Slab<T> {
    /// The slice to change: copied first unless this is its only holder.
    pub(crate) fn make_mut(&mut self) -> &mut [T] {
        if let Place::Mapped(..) = &self.0 {
            *self = Self(Place::Owned(Arc::from(&**self)));
        }
        match &mut self.0 {
            Place::Owned(items) => Arc::make_mut(items),
            Place::Mapped(..) => &mut [], // it has just been copied
        }
    }

    /// Memory besides the slab itself: of a mapped file the part in use.
    pub(crate) fn size_bytes(&self) -> usize {
        let shared = match &self.0 {
            Place::Owned(items) if !items.is_empty() => ARC_BYTES,
            _ => 0,
        };
        shared + std::mem::size_of_val(&**self)
    }
}

/// What a shared allocation adds to what is in it: its two counts.
pub(crate) const ARC_BYTES: usize = 16;
