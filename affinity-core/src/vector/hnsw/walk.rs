//! Walking over links towards a query.

use super::beam::{Beam, Entry, Ties};
use super::links::LinkTable;
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

/// Links of one node that are to be compared: the first `count` places count.
struct Met<R> {
    count: usize,
    nodes: [u32; ROWS_MAX],
    rows: [R; ROWS_MAX],
    closeness: [f32; ROWS_MAX],
}

impl<R: Copy> Met<R> {
    fn new<'m, M: Measure<Row<'m> = R> + 'm>(measure: &'m M) -> Self {
        let (nodes, rows, closeness) = ([0; ROWS_MAX], [measure.blank(); ROWS_MAX], [0.0; ROWS_MAX]);
        Self { count: 0, nodes, rows, closeness }
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
        let mut met = Met::new(self.measure);
        for level in (to..=from).rev() {
            loop {
                let before = best.node();
                self.gather(before, level, &mut |_| true, &mut met);
                self.measure.closeness(&met.rows[..met.count], &mut met.closeness);
                scratch.compared += met.count;
                for (node, closeness) in met.nodes.iter().zip(met.closeness).take(met.count) {
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
    /// With `admits`, only nodes that it admits are compared and come into the beam, as if there were no others, but for
    /// `start`: that is where the walk begins.
    ///
    /// # Errors
    /// [`ScanCancelled`] when `cancelled` returned true.
    // hot
    pub(super) fn spread(
        &self,
        level: u8,
        mut admits: Option<(u32, &mut dyn FnMut(u32) -> bool)>,
        scratch: &mut SearchScratch,
    ) -> Result<(), ScanCancelled> {
        let SearchScratch { beam, visited, compared } = scratch;
        visited.start(self.links.pages.len() * 64);
        for entry in beam.entries() {
            visited.is_new(entry.node());
        }
        let mut met = Met::new(self.measure);
        let mut step = 0;
        let mut start = admits.as_ref().map(|(start, _)| *start);
        while let Some(node) = start.take().or_else(|| beam.expand_next()) {
            if step % STEPS_PER_CHECK == 0 && (self.cancelled)() {
                return Err(ScanCancelled { pages_done: 0, pages_total: self.links.pages.len() });
            }
            step += 1;
            match &mut admits {
                None => self.gather(node, level, &mut |link| visited.is_new(link), &mut met),
                Some((_, admits)) => self.gather_admitted(node, admits, visited, &mut met),
            }
            // Most of what is met now is farther than what comes next: its list arrives meanwhile.
            if let Some(next) = beam.next() {
                self.measure.kernel().fetch(self.links.list(next, level));
            }
            self.measure.closeness(&met.rows[..met.count], &mut met.closeness);
            *compared += met.count;
            for (node, closeness) in met.nodes.iter().zip(met.closeness).take(met.count) {
                beam.offer(Entry::new(*node, closeness), self.ties);
            }
        }
        Ok(())
    }

    /// Finds the rows of the links of a node that `is_wanted`, and has them fetched.
    // hot
    #[inline]
    fn gather<'m>(
        &'m self,
        node: u32,
        level: u8,
        is_wanted: &mut impl FnMut(u32) -> bool,
        met: &mut Met<M::Row<'m>>,
    ) {
        met.count = 0;
        for link in self.links.links(node, level) {
            if is_wanted(link) {
                self.meet(link, met);
            }
        }
    }

    /// As [`Walk::gather`] on level 0, of those that a filter admits: where it keeps one out, by way of that one's links.
    ///
    /// Source: Patel et al., "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings and Structured
    /// Data", SIGMOD 2024 (ACORN-1).
    // hot
    fn gather_admitted<'m>(
        &'m self,
        node: u32,
        admits: &mut dyn FnMut(u32) -> bool,
        visited: &mut Visited,
        met: &mut Met<M::Row<'m>>,
    ) {
        met.count = 0;
        let (mut between, mut between_count) = ([0; ROWS_MAX], 0);
        for link in self.links.links(node, 0) {
            if visited.has(link) {
                continue;
            }
            if admits(link) {
                visited.is_new(link);
                self.meet(link, met);
            } else if let Some(place) = between.get_mut(between_count) {
                self.measure.kernel().fetch(self.links.list(link, 0));
                *place = link;
                between_count += 1;
            }
        }
        for node in &between[..between_count] {
            // As many as a list has room for: a walk on a list twice as long compares more to find the same.
            if met.count >= self.links.room(0) {
                break;
            }
            visited.is_new(*node); // its links are met now, and need not be again
            for link in self.links.links(*node, 0) {
                if !visited.has(link) && admits(link) {
                    visited.is_new(link);
                    self.meet(link, met);
                }
            }
        }
    }

    /// Finds the row of a node and has it fetched.
    // hot
    #[inline]
    fn meet<'m>(&'m self, node: u32, met: &mut Met<M::Row<'m>>) {
        // A link may outlive the vector that it led to: it leads nowhere then.
        let Some(row) = self.measure.row(node) else { return };
        if let (Some(place), Some(wanted)) = (met.nodes.get_mut(met.count), met.rows.get_mut(met.count)) {
            self.measure.fetch(row);
            (*place, *wanted) = (node, row);
            met.count += 1;
        }
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
