//! The pairs as a graph: rows of edges by source, each sorted only as far as somebody looked.
//!
//! Source: rows cut to their best entries until more is needed, as the core problem of Volgenant, "Linear and
//! semi-assignment problems: a core oriented approach", Computers & Operations Research 23(10), 1996.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// Edges of a row that are sorted at first; each further step doubles them.
const SORTED_FIRST: usize = 32;

/// An integer that holds coverage, score and pairs kept, in this order of importance.
pub(super) trait Cost:
    Copy + Ord + Debug + Default + Add<Output = Self> + Sub<Output = Self> + AddAssign + SubAssign + Into<i128>
{
    /// `wide`, which [`Scale`] has found to fit.
    fn of(wide: i128) -> Self;
}

impl Cost for i64 {
    fn of(wide: i128) -> Self {
        Self::try_from(wide).unwrap_or(Self::MAX)
    }
}

impl Cost for i128 {
    fn of(wide: i128) -> Self {
        wide
    }
}

/// How coverage, score and pairs kept become one integer: one more of the first outweighs all of the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Worth of one unit of score; a kept pair is worth 1.
    per_unit: i128,
    /// Worth of a party with a match; 0 when coverage does not count.
    per_party: i128,
    best: i128,
}

impl Scale {
    /// For scores up to `best`, and at most so many kept pairs and matches.
    pub(super) fn new(best: u64, kept_max: usize, matches_max: i128, has_coverage: bool) -> Self {
        let per_unit = if kept_max == 0 { 1 } else { 1 + matches_max.clamp(1, kept_max as i128) };
        let best = i128::from(best) * per_unit + 1;
        let per_party = if has_coverage { best * matches_max + 1 } else { 0 };
        Self { per_unit, per_party, best }
    }

    pub(super) fn worth(&self, score: u64, is_kept: bool) -> i128 {
        i128::from(score) * self.per_unit + i128::from(is_kept && self.per_unit > 1)
    }

    /// What a party's first match is worth by itself.
    pub(super) fn bonus(&self) -> i128 {
        self.per_party
    }

    /// No price and no distance exceeds it.
    pub(super) fn largest(&self) -> i128 {
        self.best + 2 * self.per_party
    }

    /// Parties with a match and units of score in `worth`.
    pub(super) fn split(&self, worth: i128) -> (i128, i128) {
        let (parties, rest) =
            if self.per_party == 0 { (0, worth) } else { (worth / self.per_party, worth % self.per_party) };
        (parties, rest / self.per_unit)
    }
}

/// A pair on its way into the network.
pub(super) struct Row<C> {
    pub(super) is_out: bool,
    pub(super) source: usize,
    pub(super) target: u32,
    pub(super) worth: C,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<C> {
    pub(super) worth: C,
    pub(super) target: u32,
    /// Position among the pairs of the problem.
    pub(super) pair: u32,
}

/// One side: what each party can take, and what its first match is worth by itself.
#[derive(Clone, Debug)]
pub(super) struct Parties<C> {
    pub(super) capacity: Vec<u32>,
    bonus: Vec<C>,
}

impl<C: Cost> Parties<C> {
    /// What the first match of a party is worth by itself.
    pub(super) fn bonus(&self, party: usize) -> i128 {
        self.bonus[party].into()
    }

    /// What one more match adds by itself; `None` when full.
    pub(super) fn gain(&self, party: usize, matches: u32) -> Option<C> {
        (matches < self.capacity[party]).then(|| if matches == 0 { self.bonus[party] } else { C::default() })
    }

    /// What one match less takes away by itself.
    pub(super) fn loss(&self, party: usize, matches: u32) -> C {
        if matches == 1 { self.bonus[party] } else { C::default() }
    }
}

/// Sources, targets and the edges between them; everything in the order of keys.
pub(super) struct Network<C> {
    pub(super) sources: Parties<C>,
    pub(super) targets: Parties<C>,
    /// By source.
    edges: Vec<Edge<C>>,
    starts: Vec<usize>,
    /// Edges from the start of each row that are sorted, best first, and better than the rest.
    sorted: Vec<usize>,
}

impl<C: Cost> Network<C> {
    pub(super) fn new(
        rows: impl Iterator<Item = Row<C>> + Clone,
        pair_count: usize,
        [sources, targets]: [(Vec<u32>, Vec<C>); 2],
    ) -> Self {
        let mut starts = vec![0; sources.0.len() + 1];
        for row in rows.clone().filter(|row| !row.is_out) {
            starts[row.source + 1] += 1;
        }
        for source in 1..starts.len() {
            starts[source] += starts[source - 1];
        }
        let mut next = starts.clone();
        let none = Edge { worth: C::default(), target: 0, pair: 0 };
        let mut edges = vec![none; starts.last().copied().unwrap_or(0).min(pair_count)];
        for (pair, row) in (0_u32..).zip(rows).filter(|(_, row)| !row.is_out) {
            edges[next[row.source]] = Edge { worth: row.worth, target: row.target, pair };
            next[row.source] += 1;
        }
        let parties = |(capacity, bonus)| Parties { capacity, bonus };
        Self {
            sorted: vec![0; sources.0.len()],
            sources: parties(sources),
            targets: parties(targets),
            edges,
            starts,
        }
    }

    /// A pair that is given twice.
    pub(super) fn repeated_pair(&self) -> Option<usize> {
        let mut last_source = vec![usize::MAX; self.targets.capacity.len()];
        for source in 0..self.sources.capacity.len() {
            for edge in self.row(source) {
                let last = &mut last_source[edge.target as usize];
                if *last == source {
                    return Some(edge.pair as usize);
                }
                *last = source;
            }
        }
        None
    }

    pub(super) fn row(&self, source: usize) -> &[Edge<C>] {
        &self.edges[self.starts[source]..self.starts[source + 1]]
    }

    pub(super) fn row_start(&self, source: usize) -> usize {
        self.starts[source]
    }

    pub(super) fn edge(&self, edge: usize) -> Edge<C> {
        self.edges[edge]
    }

    pub(super) fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// The `nth` best edge of a row, ties by key of the target; a place within the row never changes once asked for.
    #[inline]
    pub(super) fn nth_best(&mut self, source: usize, nth: usize) -> Option<Edge<C>> {
        if nth >= self.sorted[source] && !self.sort_more(source, nth) {
            return None;
        }
        Some(self.edges[self.starts[source] + nth])
    }

    #[cold]
    fn sort_more(&mut self, source: usize, nth: usize) -> bool {
        let sorted = &mut self.sorted[source];
        let row = &mut self.edges[self.starts[source]..self.starts[source + 1]];
        if nth >= row.len() {
            return false;
        }
        let rest = &mut row[*sorted..];
        let more = (*sorted).max(SORTED_FIRST).min(rest.len());
        let best_first =
            |a: &Edge<C>, b: &Edge<C>| b.worth.cmp(&a.worth).then_with(|| a.target.cmp(&b.target));
        if more < rest.len() {
            rest.select_nth_unstable_by(more, best_first);
        }
        rest[..more].sort_unstable_by(best_first);
        *sorted += more;
        nth < *sorted
    }
}
