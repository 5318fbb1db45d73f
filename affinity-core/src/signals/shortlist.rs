//! The best candidates of one source, with the allowed set applied before the cut.

use std::cmp::Ordering;

use super::accumulator::Accumulator;
use crate::graph::{Key, NodeId, NodeTable};

/// A sum for each node of a kind that a shortlist goes through.
pub(crate) trait Sums {
    /// A sum that about `count` nodes reach; 0 where there are few nodes anyway.
    ///
    /// Only sums below `end` count, at most 2^63. A guess: it changes no list, only how long it takes to make it.
    fn likely_floor(&self, end: u64, count: usize) -> u64;

    /// Calls `visit` with each node that has a sum in `from..below`, which is below 2^63, in ascending order.
    ///
    /// What `visit` returns becomes the new `from`.
    fn for_each_within(&self, range: (u64, u64), visit: impl FnMut(NodeId, u64) -> u64);
}

/// Keeps the `cap` best of the nodes offered to it: highest sum first, ties by external key.
///
/// `allows` is asked only about nodes that would make the list, some `cap * ln(n / cap)` of n offered in random
/// order, so an expensive filter costs little and still comes before the cut.
pub(crate) struct Shortlist<'a> {
    cap: usize,
    nodes: &'a NodeTable,
    allows: &'a dyn Fn(NodeId) -> bool,
    /// A binary heap, worst entry first. With their keys: counts tie by the hundred, and each look for a key misses
    /// the caches.
    heap: Vec<Entry<'a>>,
    /// Whether an allowed node was left out.
    is_cut: bool,
}

type Entry<'a> = (u64, NodeId, &'a Key);

/// What a source of candidates came up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Allowed nodes, in no particular order.
    pub candidates: Vec<NodeId>,
    /// Whether the cap left out an allowed node.
    pub is_cut: bool,
    /// Whether some of the best may be missing, since not every node was looked at.
    pub is_approximate: bool,
}

impl<'a> Shortlist<'a> {
    pub(crate) fn new(cap: usize, nodes: &'a NodeTable, allows: &'a dyn Fn(NodeId) -> bool) -> Self {
        Self { cap, nodes, allows, heap: Vec::with_capacity(cap.min(nodes.node_count()) + 1), is_cut: false }
    }

    /// Whether the left entry is worse than the right one.
    fn is_worse(left: Entry<'_>, right: Entry<'_>) -> bool {
        match left.0.cmp(&right.0) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => left.2 > right.2,
        }
    }

    #[inline]
    pub(crate) fn offer(&mut self, node: NodeId, sum: u64) {
        if self.heap.len() < self.cap {
            if (self.allows)(node) {
                self.heap.push((sum, node, self.nodes.key(node)));
                self.sift_up();
            }
            return;
        }
        match self.heap.first() {
            Some(worst) if sum >= worst.0 => {}
            _ => {
                self.is_cut = self.is_cut || (self.allows)(node);
                return;
            }
        }
        if (self.allows)(node) {
            self.is_cut = true;
            let entry = (sum, node, self.nodes.key(node));
            if self.heap.first().is_some_and(|worst| Self::is_worse(*worst, entry)) {
                self.heap[0] = entry;
                self.sift_down();
            }
        }
    }

    /// The least sum that can still change the list: 0 while anything can.
    #[inline]
    pub(crate) fn floor(&self) -> u64 {
        match self.heap.first() {
            Some(worst) if self.is_cut && self.heap.len() >= self.cap => worst.0,
            _ => 0,
        }
    }

    /// Offers the nodes of the places whose signed sum is above 0.
    ///
    /// Most of a long list is far from the cut. So those above a guess of where it falls come first; the rest
    /// follow only where the guess was too high or nothing has been cut yet. The guess changes no result.
    pub(crate) fn offer_positive(&mut self, sums: &Accumulator, node_at: impl Fn(usize) -> Option<NodeId>) {
        // Sums below 0 are the largest as unsigned numbers.
        self.offer_below(sums, i64::MIN.cast_unsigned(), |shortlist, place, sum| {
            if let Some(node) = node_at(place.index()) {
                shortlist.offer(node, sum);
            }
        });
    }

    /// Offers the nodes whose sum is at least `least`.
    pub(crate) fn offer_from(&mut self, sums: &impl Sums, least: u64) {
        self.offer_below(sums, i64::MIN.cast_unsigned(), |shortlist, node, sum| {
            if sum >= least {
                shortlist.offer(node, sum);
            }
        });
    }

    fn offer_below(&mut self, sums: &impl Sums, end: u64, mut offer: impl FnMut(&mut Self, NodeId, u64)) {
        let guess = sums.likely_floor(end, self.cap + self.cap / 2);
        for range in [(guess, end), (0, guess)] {
            let start = (range.0.max(self.floor()), range.1);
            if start.0 >= start.1 {
                continue;
            }
            sums.for_each_within(start, |node, sum| {
                offer(self, node, sum);
                self.floor().max(range.0)
            });
        }
    }

    fn sift_up(&mut self) {
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !Self::is_worse(self.heap[child], self.heap[parent]) {
                return;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
    }

    fn sift_down(&mut self) {
        let mut parent = 0;
        loop {
            let mut worst = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.heap.len() && Self::is_worse(self.heap[child], self.heap[worst]) {
                    worst = child;
                }
            }
            if worst == parent {
                return;
            }
            self.heap.swap(parent, worst);
            parent = worst;
        }
    }

    pub(crate) fn finish(self) -> Expansion {
        let candidates = self.heap.into_iter().map(|(_, node, _)| node).collect();
        Expansion { candidates, is_cut: self.is_cut, is_approximate: false }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::{Expansion, Shortlist};
    use crate::graph::{Key, Kind, NodeId, NodeTable};
    use crate::signals::accumulator::Scratch;

    fn sorted(mut expansion: Expansion) -> Expansion {
        expansion.candidates.sort_unstable();
        expansion
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn offering_all_equals_offering_one_by_one(
            sums in proptest::collection::vec(-4_i64..40, 1..6_000),
            cap in 1_usize..40,
            allowed_one_in in 1_usize..200,
        ) {
            let mut nodes = NodeTable::new(&Kind { name: "Node".into(), label: None, attributes: Default::default() });
            let mut filled = Scratch::default().take(sums.len());
            for (index, sum) in sums.iter().enumerate() {
                // Keys descend, so that ties are not broken by the order of ids.
                let node = nodes.find_or_add(&Key::from(format!("{:05}", 9_999 - index))).unwrap();
                filled.add_products(&[node.raw()], &[i32::try_from(*sum).unwrap()], 1);
            }
            let allows = |node: NodeId| node.index().is_multiple_of(allowed_one_in);
            let mut fast = Shortlist::new(cap, &nodes, &allows);
            fast.offer_positive(&filled, NodeId::from_index);
            let mut slow = Shortlist::new(cap, &nodes, &allows);
            filled.for_each(&mut |node, sum| {
                if sum.cast_signed() > 0 {
                    slow.offer(node, sum);
                }
            });
            prop_assert_eq!(sorted(fast.finish()), sorted(slow.finish()));
        }
    }
}
