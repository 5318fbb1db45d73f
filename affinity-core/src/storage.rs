//! Immutable slices that engine versions share.

use std::ops::Deref;
use std::sync::Arc;

/// An immutable slice with a cheap clone, owned by all its holders together.
#[derive(Clone, Debug)]
pub struct Slab<T>(Arc<[T]>);

impl<T> From<Vec<T>> for Slab<T> {
    fn from(items: Vec<T>) -> Self {
        Self(items.into())
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
