//! The best of a stream of neighbors, in memory that the caller owns.

use std::cmp::Ordering;

/// A node and how near it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbor {
    /// Index of the node within its kind.
    pub node: usize,
    /// Larger is nearer; its range depends on the metric.
    pub similarity: f32,
}

/// Keeps the `limit` best neighbors offered: by similarity, then by external key.
///
/// A binary heap with the worst on top, written here because the tie rule needs the caller's keys,
/// which `std`'s heap, ordered by the items alone, could not ask for.
pub(super) struct Nearest<'a> {
    heap: &'a mut Vec<Neighbor>,
    limit: usize,
    by_key: &'a dyn Fn(usize, usize) -> Ordering,
}

impl<'a> Nearest<'a> {
    /// Empties `heap` and makes room for `limit` neighbors: nothing is allocated after that.
    pub(super) fn new(
        heap: &'a mut Vec<Neighbor>,
        limit: usize,
        by_key: &'a dyn Fn(usize, usize) -> Ordering,
    ) -> Self {
        heap.clear();
        heap.reserve(limit);
        Self { heap, limit, by_key }
    }

    /// Takes `offered` in if it is among the best so far. NaN, possible only in a damaged snapshot, never is.
    // hot
    pub(super) fn offer(&mut self, offered: Neighbor) {
        if offered.similarity.is_nan() || self.limit == 0 {
            return;
        }
        if self.heap.len() < self.limit {
            self.heap.push(offered);
            self.sift_up();
        } else if offered.similarity >= self.heap[0].similarity
            && self.best_first(&offered, &self.heap[0]) == Ordering::Less
        {
            self.heap[0] = offered;
            self.sift_down();
        }
    }

    /// Leaves the heap's memory sorted, best first.
    pub(super) fn finish(self) {
        let Self { heap, by_key, .. } = self;
        heap.sort_unstable_by(|a, b| best_first(a, b, by_key));
    }

    fn best_first(&self, a: &Neighbor, b: &Neighbor) -> Ordering {
        best_first(a, b, self.by_key)
    }

    /// Is the neighbor at `a` behind the one at `b`, and so nearer to the top of the heap?
    fn is_worse(&self, a: usize, b: usize) -> bool {
        self.best_first(&self.heap[a], &self.heap[b]) == Ordering::Greater
    }

    fn sift_up(&mut self) {
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.is_worse(child, parent) {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
    }

    fn sift_down(&mut self) {
        let mut parent = 0;
        loop {
            let (left, right) = (2 * parent + 1, 2 * parent + 2);
            if left >= self.heap.len() {
                break;
            }
            let worse = if right < self.heap.len() && self.is_worse(right, left) { right } else { left };
            if !self.is_worse(worse, parent) {
                break;
            }
            self.heap.swap(worse, parent);
            parent = worse;
        }
    }
}

pub(super) fn best_first(a: &Neighbor, b: &Neighbor, by_key: &dyn Fn(usize, usize) -> Ordering) -> Ordering {
    b.similarity.total_cmp(&a.similarity).then_with(|| by_key(a.node, b.node))
}
