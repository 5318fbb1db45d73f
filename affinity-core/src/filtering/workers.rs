//! The same work for many items on all threads, with memory of their own and results in the order of the items.

use rayon::prelude::*;

/// Items between two gatherings of results: enough to keep every thread busy, few enough to hold.
const BATCH_ITEMS: usize = 4_096;

/// Memory for each thread, kept from batch to batch.
pub(super) struct Workers<W> {
    spaces: Vec<W>,
}

impl<W: Send> Workers<W> {
    pub(super) fn new(space: impl Fn() -> W) -> Self {
        Self { spaces: (0..rayon::current_num_threads()).map(|_| space()).collect() }
    }

    /// Calls `collect` with each item and its result, in the order of `items`.
    pub(super) fn run<R: Send>(
        &mut self,
        items: &[u32],
        work: impl Fn(&mut W, u32) -> R + Sync,
        mut collect: impl FnMut(u32, R),
    ) {
        let stride = self.spaces.len();
        for batch in items.chunks(BATCH_ITEMS) {
            // Every stride-th item: neighbors in the order are often alike, so each thread gets as much to do.
            let results: Vec<Vec<R>> = self
                .spaces
                .par_iter_mut()
                .enumerate()
                .map(|(first, space)| {
                    batch.iter().skip(first).step_by(stride).map(|item| work(space, *item)).collect()
                })
                .collect();
            let mut results: Vec<_> = results.into_iter().map(Vec::into_iter).collect();
            for (place, item) in batch.iter().enumerate() {
                if let Some(result) = results[place % stride].next() {
                    collect(*item, result);
                }
            }
        }
    }
}
