//! Nearest neighbors by whichever way is quicker: every allowed vector, or a walk over links.

use super::hnsw::SearchScratch;
use super::nearest::{Neighbor, best_first};
use super::page::PAGE_SLOTS;
use super::scan::{Scan, ScanCancelled};
use super::space::Space;

/// Nodes asked whether they are allowed, to estimate how many are.
const SAMPLE_COUNT: usize = 256;
/// The cost of one entry of the beam, in vectors that a scan compares: it leads to some twenty comparisons, each of
/// memory in no order. Measured with `cargo bench -p benches --features peers`.
const COMPARED_PER_WIDTH: usize = 40;
/// Asking a scan's filter about so many nodes costs as much as one comparison.
const ASKED_PER_COMPARED: usize = 20;

/// How a search was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// Vectors compared.
    pub compared: usize,
    /// Whether links decided what was looked at, so that some of the nearest may be missing.
    pub is_approximate: bool,
}

/// The width of the beam for which nineteen in twenty of the `limit` nearest are found, or more, on data in clusters.
#[must_use]
pub fn beam_width(limit: usize) -> usize {
    limit.saturating_add((limit / 2).max(96))
}

impl Space {
    /// As [`Space::scan`], by way of the index where there is one and it is quicker.
    ///
    /// The index keeps the `width` nearest nodes of its walk, more where filters allow only part of them; see
    /// [`beam_width`]. How many are allowed is estimated by asking 256 nodes spread over the space; when few are, or the
    /// walk meets fewer allowed ones than asked for, every allowed vector is compared, and the answer is exact.
    ///
    /// # Errors
    /// [`ScanCancelled`] when `cancelled` returned true; `found` is empty then.
    ///
    /// # Panics
    /// If the query was prepared by a space of another dimension.
    // hot
    pub fn nearest(
        &self,
        mut scan: Scan<'_>,
        width: usize,
        scratch: &mut SearchScratch,
        found: &mut Vec<Neighbor>,
    ) -> Result<Searched, ScanCancelled> {
        found.clear();
        let exactly = |compared: Result<usize, _>| {
            compared.map(|compared| Searched { compared, is_approximate: false })
        };
        let Some(index) = self.index() else { return exactly(self.scan(scan, found)) };
        let share = self.share_allowed(&mut scan);
        let width = widened(width.max(scan.limit), share);
        let scan_cost = self.count() / ASKED_PER_COMPARED + portion(self.count(), share);
        if width.saturating_mul(COMPARED_PER_WIDTH) >= scan_cost {
            return exactly(self.scan(scan, found));
        }
        let rows = self.rows(scan.query.components());
        index.search(&rows, width, scan.by_key, scan.cancelled, scratch)?;
        found.reserve(scan.limit);
        for entry in scratch.entries() {
            let node = entry.node() as usize;
            if found.len() < scan.limit && self.is_allowed(node, &mut scan) {
                found.push(Neighbor { node, similarity: entry.closeness });
            }
        }
        if found.len() < scan.limit {
            return exactly(self.scan(scan, found));
        }
        self.complete(found, &scan);
        Ok(Searched { compared: scratch.compared(), is_approximate: true })
    }

    /// Turns what was found into similarities, best first.
    // hot
    fn complete(&self, found: &mut [Neighbor], scan: &Scan<'_>) {
        for neighbor in found.iter_mut() {
            let mut similarity = [match self.metric() {
                super::Metric::L2 => -neighbor.similarity,
                super::Metric::Cosine | super::Metric::Dot => neighbor.similarity,
            }];
            self.metric().similarities(&mut similarity);
            neighbor.similarity = similarity[0];
        }
        found.sort_unstable_by(|left, right| best_first(left, right, scan.by_key));
    }

    /// How many of [`SAMPLE_COUNT`] nodes, spread over the space, are allowed and visible.
    // hot
    fn share_allowed(&self, scan: &mut Scan<'_>) -> usize {
        let mut allowed = 0;
        for place in 0..SAMPLE_COUNT {
            let page_idx = place * self.pages().len() / SAMPLE_COUNT;
            let Some(Some(page)) = self.pages().get(page_idx) else { continue };
            // Another slot each time: nodes that came together are often alike.
            let turn = place * 29 % PAGE_SLOTS;
            let slot =
                (page.present().rotate_right(turn as u32).trailing_zeros() as usize + turn) % PAGE_SLOTS;
            allowed += usize::from(self.is_allowed(page_idx * PAGE_SLOTS + slot, scan));
        }
        allowed
    }

    // hot
    fn is_allowed(&self, node: usize, scan: &mut Scan<'_>) -> bool {
        let (page_idx, bit) = (node / PAGE_SLOTS, 1 << (node % PAGE_SLOTS));
        let Some(Some(page)) = self.pages().get(page_idx) else { return false };
        page.present() & bit != 0 && page.readable((scan.allowed)(page_idx, bit), scan.visible) & bit != 0
    }
}

/// A beam with as many allowed nodes as one of `width` where all are; nothing is wide enough where none is.
fn widened(width: usize, share: usize) -> usize {
    width.saturating_mul(SAMPLE_COUNT).checked_div(share).unwrap_or(usize::MAX)
}

/// The part of `count` that a share of the sample stands for.
fn portion(count: usize, share: usize) -> usize {
    count / SAMPLE_COUNT * share
}
