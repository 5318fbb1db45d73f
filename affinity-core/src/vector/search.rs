//! Nearest neighbors by whichever way is quicker: every allowed vector, or a walk over links.

use super::codes::{Codes, bit_query, byte_query};
use super::hnsw::{BitRows, ByteRows, Hnsw, Measure, SearchScratch};
use super::nearest::{Neighbor, best_first};
use super::page::PAGE_SLOTS;
use super::scan::{Scan, ScanCancelled};
use super::space::Space;

/// Nodes asked whether they are allowed, to estimate how many are.
const SAMPLE_COUNT: usize = 256;
/// When so many of them are allowed without exception, all are taken to be, and none when one of twice as many is: each
/// one asked is memory that is in no cache.
const SAMPLE_FIRST: usize = 32;
/// The cost of one entry of the beam, in vectors that a scan compares. It leads to some 15 comparisons (counted on
/// 50,000 vectors in clusters), and one of them in memory in no order takes about two in a row.
const COMPARED_PER_WIDTH: usize = 30;
/// The same where a filter keeps some out: it is asked about the links of links. Measured with 5 to 50 % allowed.
const COMPARED_PER_WIDTH_FILTERED: usize = 100;
/// Of the sample, those that have to be allowed for a walk: where fewer are, the links between them do not hold together.
const SHARE_MIN: usize = 8;
/// Asking a scan's filter about so many nodes costs as much as one comparison.
const ASKED_PER_COMPARED: usize = 64;

/// Vectors compared again per neighbor asked for, and besides, when bytes led the way.
const RESCORED_BYTES: usize = 2;
const RESCORED_MORE: usize = 16;

/// Components of each of them that are fetched before the first is compared; the processor foresees the rest.
const FETCHED_AHEAD: usize = 64;

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
    /// The index keeps the `width` nearest allowed nodes of its walk; see [`beam_width`]. How many are allowed is estimated
    /// by asking 256 nodes spread over the space; when few are, or the walk meets fewer of them than asked for, every
    /// allowed vector is compared, and the answer is exact.
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
        let width = width.max(scan.limit);
        let scan_cost = self.count() / ASKED_PER_COMPARED + self.count() / SAMPLE_COUNT * share;
        let allows_all = share == SAMPLE_COUNT;
        let cost = if allows_all { COMPARED_PER_WIDTH } else { COMPARED_PER_WIDTH_FILTERED };
        if share < SHARE_MIN || width.saturating_mul(cost) >= scan_cost {
            return exactly(self.scan(scan, found));
        }
        let candidates_max = self.walk(index, &mut scan, width, allows_all, scratch)?;
        for entry in scratch.entries() {
            let node = entry.node() as usize;
            if found.len() == candidates_max {
                break;
            }
            if self.is_allowed(node, &mut scan) {
                found.push(Neighbor { node, similarity: entry.closeness });
            }
        }
        if found.len() < scan.limit {
            return exactly(self.scan(scan, found));
        }
        self.complete(found, &scan);
        found.truncate(scan.limit);
        Ok(Searched { compared: scratch.compared(), is_approximate: true })
    }

    /// Fills the scratch with the nearest by codes, or by vectors where there are none, and returns how many allowed
    /// ones are to be looked at: by codes it takes more than asked for to have all of the nearest among them.
    fn walk(
        &self,
        index: &Hnsw,
        scan: &mut Scan<'_>,
        width: usize,
        allows_all: bool,
        scratch: &mut SearchScratch,
    ) -> Result<usize, ScanCancelled> {
        let (components, limit, kernel) = (scan.query.components(), scan.limit, self.kernel());
        let mut search = Search { space: self, index, width, allows_all, scan, scratch };
        let Some(table) = self.codes() else { return search.by(&self.rows(components), limit) };
        match (table.codes, byte_query(components)) {
            (Codes::U8, Some((query, scale))) => {
                let rows = ByteRows { table: &table.bytes, kernel, query: &query, scale };
                search.by(&rows, limit.saturating_mul(RESCORED_BYTES).saturating_add(RESCORED_MORE))
            }
            (Codes::Binary, _) => {
                let query = bit_query(components);
                search.by(&BitRows { table: &table.words, kernel, query: &query }, usize::MAX)
            }
            _ => search.by(&self.rows(components), limit),
        }
    }

    /// Compares what was found as it is, unless the walk did, and sorts it, best first.
    // hot
    fn complete(&self, found: &mut [Neighbor], scan: &Scan<'_>) {
        if self.codes().is_some() {
            for neighbor in found.iter() {
                let Some((row, _)) = self.vector(neighbor.node) else { continue };
                self.kernel().fetch(&row[..row.len().min(FETCHED_AHEAD)]);
            }
        }
        for neighbor in found.iter_mut() {
            neighbor.similarity = match self.codes() {
                Some(_) => self.similarity(scan.query, neighbor.node).unwrap_or(f32::NEG_INFINITY),
                None => self.metric().similarity(neighbor.similarity),
            };
        }
        found.sort_unstable_by(|left, right| best_first(left, right, scan.by_key));
    }

    /// About how many of [`SAMPLE_COUNT`] nodes, spread over the space, are allowed and visible.
    // hot
    fn share_allowed(&self, scan: &mut Scan<'_>) -> usize {
        let mut allowed = 0;
        for place in 0..SAMPLE_COUNT {
            if place == SAMPLE_FIRST && allowed == place {
                return SAMPLE_COUNT;
            }
            if place == 2 * SAMPLE_FIRST && allowed < 2 {
                return 0;
            }
            // Spread over the space from the first on: the steps are odd, and so meet every place of the sample once.
            let page_idx = place * 97 % SAMPLE_COUNT * self.pages().len() / SAMPLE_COUNT;
            let present = self.present(page_idx);
            if present == 0 {
                continue;
            }
            // From another slot each time: nodes that came together are often alike.
            let above = present & (u64::MAX << (place * 29 % PAGE_SLOTS));
            let from = if above == 0 { present } else { above };
            let slot = from.trailing_zeros() as usize;
            allowed += usize::from(self.is_allowed(page_idx * PAGE_SLOTS + slot, scan));
        }
        allowed
    }

    // hot
    fn is_allowed(&self, node: usize, scan: &mut Scan<'_>) -> bool {
        let (page_idx, bit) = (node / PAGE_SLOTS, 1 << (node % PAGE_SLOTS));
        // The filter first: whom it keeps out costs no look at a page.
        if (scan.allowed)(page_idx, bit) & bit == 0 {
            return false;
        }
        let Some(Some(page)) = self.pages().get(page_idx) else { return false };
        page.readable(bit, scan.visible) != 0
    }
}

/// A walk that is about to begin.
struct Search<'a, 's> {
    space: &'a Space,
    index: &'a Hnsw,
    width: usize,
    allows_all: bool,
    scan: &'a mut Scan<'s>,
    scratch: &'a mut SearchScratch,
}

impl Search<'_, '_> {
    fn by(&mut self, rows: &impl Measure, candidates_max: usize) -> Result<usize, ScanCancelled> {
        let Self { space, index, width, allows_all, scan, scratch } = self;
        let (by_key, cancelled) = (scan.by_key, scan.cancelled);
        let mut admits = |node: u32| space.is_allowed(node as usize, scan);
        let admits: Option<&mut dyn FnMut(u32) -> bool> = if *allows_all { None } else { Some(&mut admits) };
        index.search(rows, *width, by_key, cancelled, admits, scratch)?;
        Ok(candidates_max)
    }
}
