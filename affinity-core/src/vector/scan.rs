//! Exact search: every allowed vector is compared, nothing else is.

use std::cmp::Ordering;
use std::fmt;

use super::metric::Metric;
use super::nearest::{Nearest, Neighbor};
use super::page::{PAGE_SLOTS, VectorPage};
use super::space::{PreparedQuery, Space};

/// Pages between two looks at the cancellation: about 50 µs at 256 components.
const PAGES_PER_CHECK: usize = 16;

/// What to look for, and among whom.
pub struct Scan<'a> {
    /// The vector to be near to, prepared by the space that is searched.
    pub query: &'a PreparedQuery,
    /// The most neighbors to return.
    pub limit: usize,
    /// Given a page and the slots that hold a vector, the slots that filters and exclusions allow.
    ///
    /// Bit `s` of page `p` is node `64 p + s`. Bits outside the second argument are ignored.
    pub allowed: &'a mut dyn FnMut(usize, u64) -> u64,
    /// Whether the viewer belongs to the audience of this id.
    pub visible: &'a dyn Fn(u32) -> bool,
    /// Orders two node indices by their external keys, which are unique: equal similarities are
    /// ranked and cut by it, so the order of loading decides nothing.
    pub by_key: &'a dyn Fn(usize, usize) -> Ordering,
    /// Asked now and then; true ends the scan.
    pub cancelled: &'a dyn Fn() -> bool,
}

/// The scan was ended by its caller before all pages were seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanCancelled {
    /// Pages seen.
    pub pages_done: usize,
    /// Pages of the space.
    pub pages_total: usize,
}

impl fmt::Display for ScanCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vector scan cancelled after {} of {} pages", self.pages_done, self.pages_total)
    }
}

impl std::error::Error for ScanCancelled {}

impl Space {
    /// Fills `found` with the nearest allowed and visible nodes, best first, and returns how many were compared.
    ///
    /// Order: similarity, then external key. O(vectors compared · dimension + pages); allocates only
    /// when `found` has less room than `limit`. After a cancellation `found` is empty.
    ///
    /// # Errors
    /// [`ScanCancelled`] when `cancelled` returned true.
    ///
    /// # Panics
    /// If the query was prepared by a space of another dimension.
    // hot
    pub fn scan(&self, scan: Scan<'_>, found: &mut Vec<Neighbor>) -> Result<usize, ScanCancelled> {
        let Scan { query, limit, allowed, visible, by_key, cancelled } = scan;
        let mut nearest = Nearest::new(found, limit.min(self.count()), by_key);
        let mut similarities = [0.0; PAGE_SLOTS];
        let mut compared = 0;
        for (page_idx, page) in self.pages().iter().enumerate() {
            if page_idx % PAGES_PER_CHECK == 0 && cancelled() {
                found.clear();
                return Err(ScanCancelled { pages_done: page_idx, pages_total: self.pages().len() });
            }
            let Some(page) = page else { continue };
            // Filters first: they usually drop more, and only what remains is looked up one by one.
            let mut rest = page.readable(allowed(page_idx, page.present()), visible);
            if rest == 0 {
                continue;
            }
            self.compare_page(query, page, rest, &mut similarities);
            compared += rest.count_ones() as usize;
            while rest != 0 {
                let slot = rest.trailing_zeros() as usize;
                let node = page_idx * PAGE_SLOTS + slot;
                nearest.offer(Neighbor { node, similarity: similarities[slot] });
                rest &= rest - 1;
            }
        }
        nearest.finish();
        Ok(compared)
    }

    /// Similarities of the query to the `wanted` slots of a page; other slots of `out` are garbage.
    // hot
    fn compare_page(
        &self,
        query: &PreparedQuery,
        page: &VectorPage,
        wanted: u64,
        out: &mut [f32; PAGE_SLOTS],
    ) {
        let Some(rows) = page.rows() else { return };
        match self.metric() {
            Metric::Cosine | Metric::Dot => {
                self.kernel().dot_rows(query.components(), rows, wanted, out);
            }
            Metric::L2 => {
                self.kernel().squared_distance_rows(query.components(), rows, wanted, out);
            }
        }
        self.metric().similarities(out);
    }
}
