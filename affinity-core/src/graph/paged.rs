//! A list whose versions share what did not change.

use std::sync::Arc;

use crate::storage::ARC_BYTES;

/// Entries that are copied together. A version of a list of `n` pages costs `n / 128` pointers and one such copy a
/// change: a microsecond or two at a million nodes.
const BRANCH: usize = 128;

/// A growing list with a cheap clone: one change copies one branch.
#[derive(Clone, Debug)]
pub(crate) struct Paged<T> {
    branches: Vec<Arc<[T]>>,
    count: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { branches: Vec::new(), count: 0 }
    }
}

impl<T: Clone + Default> Paged<T> {
    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.branches.get(index / BRANCH)?.get(index % BRANCH)
    }

    /// The entry at `index`; the list grows by default entries up to it.
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        while self.branches.len() <= index / BRANCH {
            self.branches.push(std::iter::repeat_with(T::default).take(BRANCH).collect());
        }
        self.count = self.count.max(index + 1);
        &mut Arc::make_mut(&mut self.branches[index / BRANCH])[index % BRANCH]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.branches.iter().flat_map(|branch| branch.iter()).take(self.count)
    }

    /// Memory of the list itself.
    pub(crate) fn size_bytes(&self) -> usize {
        self.branches.capacity() * size_of::<Arc<[T]>>()
            + self.branches.len() * (BRANCH * size_of::<T>() + ARC_BYTES)
    }
}

impl<T: Clone + Default> FromIterator<T> for Paged<T> {
    fn from_iter<Entries: IntoIterator<Item = T>>(entries: Entries) -> Self {
        let mut entries = entries.into_iter().peekable();
        let (mut branches, mut count) = (Vec::new(), 0);
        while entries.peek().is_some() {
            let mut branch: Vec<T> = entries.by_ref().take(BRANCH).collect();
            count += branch.len();
            branch.resize(BRANCH, T::default());
            branches.push(branch.into());
        }
        Self { branches, count }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{BRANCH, Paged};

    #[test]
    fn change_copies_one_branch_and_leaves_the_version_before() {
        let before: Paged<usize> = (0..3 * BRANCH + 5).collect();
        let mut after = before.clone();
        *after.get_mut(BRANCH + 1) = 7;
        *after.get_mut(4 * BRANCH) = 9;
        assert_eq!((before.get(BRANCH + 1), before.count()), (Some(&(BRANCH + 1)), 3 * BRANCH + 5));
        assert_eq!((after.get(BRANCH + 1), after.count()), (Some(&7), 4 * BRANCH + 1));
        assert_eq!(after.iter().sum::<usize>(), before.iter().sum::<usize>() - BRANCH - 1 + 7 + 9);
        let shared = before.branches.iter().zip(&after.branches).filter(|(a, b)| Arc::ptr_eq(a, b));
        assert_eq!(shared.count(), 3);
    }
}
