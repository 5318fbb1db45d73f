//! Walking over links towards a query.

use super::beam::{Beam, Entry, Ties};
use super::links::{LinkTable, VACANT};
use super::measure::{Measure, ROWS_MAX};
use super::visited::Visited;
use crate::vector::scan::ScanCancelled;

/// Nodes gone on from between two looks at the cancellation.
const STEPS_PER_CHECK: usize = 64;

/// Memory of a search, to be kept by whoever searches again.
///
/// ```
/// let mut scratch = affinity_core::vector::SearchScratch::default();
/// # let _ = &mut scratch;
/// ```
#[derive(Clone, Debug, Default)]
pub struct SearchScratch {
    pub(super) beam: Beam,
    pub(super) visited: Visited,
    pub(super) compared: usize,
}

impl SearchScratch {
    /// What the last walk found, best first.
    pub(in crate::vector) fn entries(&self) -> &[Entry] {
        self.beam.entries()
    }

    /// How many vectors the last walk compared.
    pub(in crate::vector) fn compared(&self) -> usize {
        self.compared
    }
}

/// One query on one graph of links.
pub(super) struct Walk<'a, M, T> {
    pub(super) links: &'a LinkTable,
    pub(super) measure: &'a M,
    pub(super) ties: &'a T,
    pub(super) cancelled: &'a dyn Fn() -> bool,
}

impl<M: Measure, T: Ties> Walk<'_, M, T> {
    /// The nearest node that is reached by always going to the nearest neighbor, from `entry` on level `from` down to
    /// level `to`, both included.
    // hot
    pub(super) fn descend(&self, entry: u32, from: u8, to: u8, scratch: &mut SearchScratch) -> Entry {
        let mut best = Entry::new(entry, self.one(entry));
        scratch.compared = 1;
        let (mut nodes, mut closeness) = ([0; ROWS_MAX], [0.0; ROWS_MAX]);
        for level in (to..=from).rev() {
            loop {
                let before = best.node();
                let count = self.compare(before, level, &mut |_| true, &mut nodes, &mut closeness);
                scratch.compared += count;
                for (node, closeness) in nodes.iter().zip(closeness).take(count) {
                    let is_tie = closeness == best.closeness && (self.ties)(*node, best.node()).is_lt();
                    // A comparison, not the total order: NaN must not win.
                    if closeness > best.closeness || is_tie {
                        best = Entry::new(*node, closeness);
                    }
                }
                if best.node() == before {
                    break;
                }
            }
        }
        best
    }

    /// Fills the beam with the nearest nodes of a level, from what is in it.
    ///
    /// # Errors
    /// [`ScanCancelled`] when `cancelled` returned true.
    // hot
    pub(super) fn spread(&self, level: u8, scratch: &mut SearchScratch) -> Result<(), ScanCancelled> {
        let SearchScratch { beam, visited, compared } = scratch;
        visited.start(self.links.pages.len() * 64);
        for entry in beam.entries() {
            visited.is_new(entry.node());
        }
        let (mut nodes, mut closeness) = ([0; ROWS_MAX], [0.0; ROWS_MAX]);
        let mut step = 0;
        while let Some(node) = beam.expand_next() {
            if step % STEPS_PER_CHECK == 0 && (self.cancelled)() {
                return Err(ScanCancelled { pages_done: 0, pages_total: self.links.pages.len() });
            }
            step += 1;
            let count =
                self.compare(node, level, &mut |link| visited.is_new(link), &mut nodes, &mut closeness);
            *compared += count;
            for (node, closeness) in nodes.iter().zip(closeness).take(count) {
                beam.offer(Entry::new(*node, closeness), self.ties);
            }
        }
        Ok(())
    }

    /// Compares the links of a node that `is_wanted`, and returns how many there are.
    // hot
    #[inline]
    fn compare(
        &self,
        node: u32,
        level: u8,
        is_wanted: &mut impl FnMut(u32) -> bool,
        nodes: &mut [u32; ROWS_MAX],
        closeness: &mut [f32; ROWS_MAX],
    ) -> usize {
        let mut rows = [self.measure.blank(); ROWS_MAX];
        let mut count = 0;
        for link in self.links.list(node, level) {
            if *link == VACANT {
                break;
            }
            if !is_wanted(*link) {
                continue;
            }
            // A link may outlive the vector that it led to: it leads nowhere then.
            let Some(row) = self.measure.row(*link) else { continue };
            if let (Some(place), Some(wanted)) = (nodes.get_mut(count), rows.get_mut(count)) {
                (*place, *wanted) = (*link, row);
                count += 1;
            }
        }
        self.measure.closeness(&rows[..count], closeness);
        count
    }

    /// How near one node is.
    fn one(&self, node: u32) -> f32 {
        let mut closeness = [f32::NEG_INFINITY; ROWS_MAX];
        if let Some(row) = self.measure.row(node) {
            self.measure.closeness(&[row], &mut closeness);
        }
        closeness[0]
    }
}
