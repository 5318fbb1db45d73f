//! The best candidates of one source, with the allowed set applied before the cut.

use std::cmp::Ordering;

use crate::graph::{NodeId, NodeTable};

/// Keeps the `cap` best of the nodes offered to it: highest sum first, ties by external key.
///
/// `allows` is asked only about nodes that would make the list, some `cap * ln(n / cap)` of n offered in random
/// order, so an expensive filter costs little and still comes before the cut.
pub(crate) struct Shortlist<'a> {
    cap: usize,
    nodes: &'a NodeTable,
    allows: &'a dyn Fn(NodeId) -> bool,
    /// A binary heap, worst entry first; empty entries come before the list is full.
    heap: Vec<(u64, NodeId)>,
    /// Whether an allowed node was left out.
    is_cut: bool,
}

/// What a source of candidates came up with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// Allowed nodes, in no particular order.
    pub candidates: Vec<NodeId>,
    /// Whether the cap left out an allowed node.
    pub is_cut: bool,
}

impl<'a> Shortlist<'a> {
    pub(crate) fn new(cap: usize, nodes: &'a NodeTable, allows: &'a dyn Fn(NodeId) -> bool) -> Self {
        Self { cap, nodes, allows, heap: Vec::with_capacity(cap.min(nodes.node_count()) + 1), is_cut: false }
    }

    /// Whether the left entry is worse than the right one.
    fn is_worse(&self, left: (u64, NodeId), right: (u64, NodeId)) -> bool {
        match left.0.cmp(&right.0) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => self.nodes.key(left.1) > self.nodes.key(right.1),
        }
    }

    #[inline]
    pub(crate) fn offer(&mut self, node: NodeId, sum: u64) {
        if self.heap.len() < self.cap {
            if (self.allows)(node) {
                self.heap.push((sum, node));
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
            if self.heap.first().is_some_and(|worst| self.is_worse(*worst, (sum, node))) {
                self.heap[0] = (sum, node);
                self.sift_down();
            }
        }
    }

    fn sift_up(&mut self) {
        let mut child = self.heap.len() - 1;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.is_worse(self.heap[child], self.heap[parent]) {
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
                if child < self.heap.len() && self.is_worse(self.heap[child], self.heap[worst]) {
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
        Expansion { candidates: self.heap.into_iter().map(|(_, node)| node).collect(), is_cut: self.is_cut }
    }
}
