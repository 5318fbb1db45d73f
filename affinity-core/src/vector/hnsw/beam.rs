//! The nearest nodes of a walk so far, and which of them it still has to go on from.

use std::cmp::Ordering;

/// A node met on a walk, and how near it is: larger is nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::vector) struct Entry {
    pub(in crate::vector) closeness: f32,
    /// The upper bit says that the walk has gone on from it.
    place: u32,
}

/// The bit of [`Entry`] that says so; an index holds fewer nodes than that.
pub(super) const EXPANDED: u32 = 1 << 31;

impl Entry {
    pub(super) fn new(node: u32, closeness: f32) -> Self {
        Self { closeness, place: node }
    }

    pub(in crate::vector) fn node(self) -> u32 {
        self.place & !EXPANDED
    }
}

/// How nodes of equal closeness are ordered.
pub(super) trait Ties: Fn(u32, u32) -> Ordering {}

impl<F: Fn(u32, u32) -> Ordering> Ties for F {}

/// The `width` nearest entries offered, best first.
///
/// One sorted list instead of the paper's two heaps: an entry goes in with one search and one move of at most a few
/// kilobytes, and the next one to go on from is found by a cursor.
#[derive(Clone, Debug, Default)]
pub(super) struct Beam {
    entries: Vec<Entry>,
    width: usize,
    /// All entries before it have been expanded.
    cursor: usize,
}

impl Beam {
    /// Empties it and makes room for `width` entries.
    pub(super) fn start(&mut self, width: usize) {
        self.entries.clear();
        self.entries.reserve(width + 1);
        (self.width, self.cursor) = (width, 0);
    }

    /// Keeps the entries, as those from which a walk on another level starts.
    pub(super) fn restart(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.place &= !EXPANDED);
        self.cursor = 0;
    }

    /// Best first.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes the entry in if it is among the nearest. NaN, possible only in a damaged snapshot, never is.
    // hot
    #[inline]
    pub(super) fn offer(&mut self, entry: Entry, ties: &impl Ties) {
        if self.entries.len() == self.width {
            match self.entries.last() {
                Some(last) if is_before(&entry, last, ties) => {
                    self.entries.pop();
                }
                _ => return,
            }
        } else if entry.closeness.is_nan() {
            return;
        }
        let position = self.entries.partition_point(|known| is_before(known, &entry, ties));
        self.entries.insert(position, entry);
        self.cursor = self.cursor.min(position);
    }

    /// The node that [`Self::expand_next`] returns next, unless a nearer one comes before.
    // hot
    #[inline]
    pub(super) fn next(&self) -> Option<u32> {
        let open = |entry: &&Entry| entry.place & EXPANDED == 0;
        self.entries.get(self.cursor..)?.iter().find(open).map(|entry| entry.node())
    }

    /// The nearest node from which the walk has not gone on yet; it counts as expanded from now on.
    // hot
    #[inline]
    pub(super) fn expand_next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            self.cursor += 1;
            if entry.place & EXPANDED == 0 {
                entry.place |= EXPANDED;
                return Some(entry.node());
            }
        }
        None
    }
}

#[inline]
fn is_before(left: &Entry, right: &Entry, ties: &impl Ties) -> bool {
    left.closeness > right.closeness
        || (left.closeness == right.closeness && ties(left.node(), right.node()) == Ordering::Less)
}
