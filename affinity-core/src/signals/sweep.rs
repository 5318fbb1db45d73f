//! Exact sums over lists of neighbors, a block of nodes at a time.
//!
//! Adding up list after list over all nodes waits for memory at each edge: the sums of a million nodes do not fit
//! a processor's own cache, those of a block do. As lists rise, each is read once, from block to block.

use super::shortlist::Shortlist;
use crate::exact::units;
use crate::graph::{NodeId, Run, Runs};

/// Nodes summed at once: 64 KiB of sums.
const BLOCK_NODES: usize = 8_192;
/// The most that one term counts, in units of 2^-24: 16.
const TERM_UNITS_MAX: u64 = 16 << 24;
/// The number of terms lies below the sum: 65,536 terms of 16 fill exactly the 44 bits above.
const COUNT_BITS: u32 = 20;

/// Number and sum of terms in one integer, which orders by the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Packed(u64);

impl Packed {
    /// One term: a value rounded to units of 2^-24, at most 16.
    #[inline]
    pub(super) fn term(value: f64) -> Self {
        Self((units(value).min(TERM_UNITS_MAX) << COUNT_BITS) | 1)
    }

    /// Both together.
    #[inline]
    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0) // at most `SHARED_NEIGHBORS_MAX` terms come together
    }

    pub(super) fn count(self) -> u64 {
        self.0 & ((1 << COUNT_BITS) - 1)
    }

    /// In units of 2^-24.
    pub(super) fn sum(self) -> u64 {
        self.0 >> COUNT_BITS
    }
}

/// What one neighbor adds to the nodes next to it.
pub(super) enum Lane<'q> {
    /// A term of each edge as it is stored.
    Edges { runs: Runs<'q>, run: Option<Run<'q>>, weigh: Weigh<'q> },
    /// Terms of nodes in rising order, and how many of them are done.
    Terms { terms: Vec<(NodeId, Packed)>, done: usize },
}

/// How the edges of a lane become terms.
#[derive(Clone, Copy)]
pub(super) struct Weigh<'q> {
    /// What each edge is multiplied with.
    pub(super) scale: f64,
    pub(super) uses_weights: bool,
    /// The factor of an edge by its time, where it matters.
    pub(super) decay: Option<&'q super::decay::Decay>,
}

/// The sums of one block of nodes, which queries reuse.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockSums {
    sums: Vec<u64>,
    /// Nodes whose sum reached the floor, some more than once.
    risen: Vec<u32>,
}

impl BlockSums {
    /// Offers every node with at least `count_min` terms whose sum can make the list; stops when `cancelled`.
    pub(super) fn sweep(
        &mut self,
        lanes: &mut [Lane<'_>],
        node_count: usize,
        count_min: u64,
        shortlist: &mut Shortlist<'_>,
        cancelled: &dyn Fn() -> bool,
    ) {
        self.sweep_by(BLOCK_NODES, lanes, node_count, count_min, shortlist, cancelled);
    }

    fn sweep_by(
        &mut self,
        block_nodes: usize,
        lanes: &mut [Lane<'_>],
        node_count: usize,
        count_min: u64,
        shortlist: &mut Shortlist<'_>,
        cancelled: &dyn Fn() -> bool,
    ) {
        self.sums.resize(block_nodes.max(self.sums.len()), 0);
        for first in (0..node_count).step_by(block_nodes) {
            if cancelled() {
                return;
            }
            let end = (first + block_nodes).min(node_count);
            let mut block = Block {
                sums: &mut self.sums[..end - first],
                first,
                floor: shortlist.floor() << COUNT_BITS,
                risen: &mut self.risen,
            };
            let is_touched = lanes.iter_mut().fold(false, |touched, lane| lane.add_to(&mut block) || touched);
            if is_touched {
                block.offer(count_min, shortlist);
                self.sums[..end - first].fill(0);
            }
        }
    }
}

/// One block while it is summed.
struct Block<'a> {
    sums: &'a mut [u64],
    first: usize,
    /// Packed; 0 while every node counts.
    floor: u64,
    risen: &'a mut Vec<u32>,
}

impl Block<'_> {
    fn end(&self) -> usize {
        self.first + self.sums.len()
    }

    // hot
    #[inline]
    fn add(&mut self, target: u32, term: Packed) {
        let place = target as usize - self.first;
        let sum = self.sums[place] + term.0;
        self.sums[place] = sum;
        if sum >= self.floor && self.floor > 0 {
            self.risen.push(target);
        }
    }

    fn offer(&mut self, count_min: u64, shortlist: &mut Shortlist<'_>) {
        let (sums, first) = (&*self.sums, self.first);
        let mut offer = |place: usize| {
            let packed = Packed(sums[place]);
            if packed.count() >= count_min.max(1)
                && let Some(node) = NodeId::from_index(first + place)
            {
                shortlist.offer(node, packed.sum());
            }
        };
        if self.floor == 0 {
            (0..sums.len()).for_each(offer);
            return;
        }
        self.risen.sort_unstable();
        self.risen.dedup();
        self.risen.drain(..).for_each(|target| offer(target as usize - first));
    }
}

impl Lane<'_> {
    /// Adds the terms of the block's nodes, and says whether there were any.
    fn add_to(&mut self, block: &mut Block<'_>) -> bool {
        match self {
            Lane::Terms { terms, done } => {
                let rest = &terms[*done..];
                let count = rest.partition_point(|(node, _)| node.index() < block.end());
                rest[..count].iter().for_each(|(node, term)| block.add(node.raw(), *term));
                *done += count;
                count > 0
            }
            Lane::Edges { runs, run, weigh } => {
                let mut is_touched = false;
                while let Some(now) = run.or_else(|| runs.next()) {
                    let (inside, rest) = now.split_below(block.end());
                    is_touched |= !inside.targets().is_empty();
                    weigh.add(inside, block);
                    *run = Some(rest).filter(|rest| !rest.targets().is_empty());
                    if run.is_some() {
                        break;
                    }
                }
                is_touched
            }
        }
    }
}

impl Weigh<'_> {
    // hot
    fn add(self, run: Run<'_>, block: &mut Block<'_>) {
        let (targets, scale) = (run.targets(), self.scale);
        let weights = if self.uses_weights { run.weights() } else { &[] };
        let (decay, times) = match self.decay {
            Some(decay) => (Some(decay), run.times()),
            None => (None, &[][..]),
        };
        match decay.filter(|_| !times.is_empty()) {
            None if weights.is_empty() => {
                let term = Packed::term(scale);
                targets.iter().for_each(|target| block.add(*target, term));
            }
            None => {
                for (target, weight) in targets.iter().zip(weights) {
                    block.add(*target, Packed::term(scale * f64::from(*weight)));
                }
            }
            Some(decay) if weights.is_empty() => {
                for (target, time) in targets.iter().zip(times) {
                    block.add(*target, Packed::term(scale * decay.factor(*time)));
                }
            }
            Some(decay) => {
                for ((target, weight), time) in targets.iter().zip(weights).zip(times) {
                    let value = scale * (f64::from(*weight) * decay.factor(*time)); // as edge by edge
                    block.add(*target, Packed::term(value));
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{BlockSums, Lane, Packed};
    use crate::graph::{Key, Kind, NodeId, NodeTable};
    use crate::signals::shortlist::Shortlist;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn sweeping_blocks_equals_adding_up_everything(
            lists in proptest::collection::vec(proptest::collection::btree_map(0_usize..300, 0_u32..9, 0..120), 0..9),
            (cap, count_min, block_nodes) in (1_usize..30, 0_u64..4, 1_usize..70),
            allowed_one_in in 1_usize..5,
        ) {
            let mut nodes = NodeTable::new(&Kind { name: "Node".into(), label: None, attributes: Default::default() });
            for index in 0..300 {
                // Keys descend, so that ties are not broken by the order of ids.
                nodes.find_or_add(&Key::from(format!("{:05}", 9_999 - index))).unwrap();
            }
            let allows = |node: NodeId| node.index().is_multiple_of(allowed_one_in);
            let mut slow = Shortlist::new(cap, &nodes, &allows);
            let mut sums: BTreeMap<usize, (u64, f64)> = BTreeMap::new();
            for (index, value) in lists.iter().flatten() {
                let (count, sum) = sums.entry(*index).or_default();
                (*count, *sum) = (*count + 1, *sum + f64::from(*value) / 8.0);
            }
            for (index, (count, sum)) in sums {
                if count >= count_min {
                    slow.offer(NodeId::from_index(index).unwrap(), crate::exact::units(sum));
                }
            }
            let lane = |list: &BTreeMap<usize, u32>| Lane::Terms {
                terms: list.iter().map(|(index, value)| {
                    (NodeId::from_index(*index).unwrap(), Packed::term(f64::from(*value) / 8.0))
                }).collect(),
                done: 0,
            };
            let mut lanes: Vec<Lane<'_>> = lists.iter().map(lane).collect();
            let mut fast = Shortlist::new(cap, &nodes, &allows);
            BlockSums::default().sweep_by(block_nodes, &mut lanes, 300, count_min, &mut fast, &|| false);
            let (mut fast, mut slow) = (fast.finish(), slow.finish());
            fast.candidates.sort_unstable();
            slow.candidates.sort_unstable();
            prop_assert_eq!(fast, slow);
        }
    }
}
