//! Dense sums over the nodes of a kind, reused from query to query.

use crate::graph::NodeId;

/// Nodes per block of the touched map: one page.
const BLOCK_NODES: usize = 64;

/// One exact sum per node of a kind, and a map of where anything was added.
///
/// Clearing and reading visit touched blocks only, so a query costs what it reaches and not what there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accumulator {
    sums: Vec<u64>,
    touched: Vec<u8>,
}

impl Accumulator {
    fn resize(&mut self, node_count: usize) {
        let block_count = node_count.div_ceil(BLOCK_NODES);
        if self.touched.len() < block_count {
            self.touched.resize(block_count, 0);
            self.sums.resize(block_count * BLOCK_NODES, 0);
        }
    }

    /// Adds `term` to the sum of `target`.
    // hot
    #[inline]
    pub(crate) fn add(&mut self, target: NodeId, term: u64) {
        let index = target.index();
        self.sums[index] = self.sums[index].saturating_add(term);
        self.touched[index / BLOCK_NODES] = 1;
    }

    /// Adds `term` to each of `targets`.
    // hot
    #[inline]
    pub(crate) fn add_to_all(&mut self, targets: &[u32], term: u64) {
        let (sums, touched) = (self.sums.as_mut_slice(), self.touched.as_mut_slice());
        for target in targets {
            let index = *target as usize;
            sums[index] += term; // the callers' caps keep sums far below 2^64
            touched[index / BLOCK_NODES] = 1;
        }
    }

    /// Raises the sum of `target` to at least `term`.
    pub(crate) fn raise(&mut self, target: NodeId, term: u64) {
        let index = target.index();
        self.sums[index] = self.sums[index].max(term);
        self.touched[index / BLOCK_NODES] = 1;
    }

    /// Puts the sum of a node back to 0.
    pub(crate) fn reset(&mut self, node: NodeId) {
        self.sums[node.index()] = 0;
    }

    /// The sum of a node, 0 when nothing was added or the node is newer than the accumulator.
    #[inline]
    pub(crate) fn get(&self, node: NodeId) -> u64 {
        self.sums.get(node.index()).copied().unwrap_or(0)
    }

    /// Calls `visit` with each node whose sum is not 0, in ascending order.
    // hot
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(NodeId, u64)) {
        for (block, touched) in self.touched.iter().enumerate() {
            if *touched == 0 {
                continue;
            }
            let first = block * BLOCK_NODES;
            for (offset, sum) in self.sums[first..first + BLOCK_NODES].iter().enumerate() {
                if *sum != 0 {
                    if let Some(node) = NodeId::from_index(first + offset) {
                        visit(node, *sum);
                    }
                }
            }
        }
    }

    /// Empties it, at the cost of what was touched.
    pub(crate) fn clear(&mut self) {
        for (block, touched) in self.touched.iter_mut().enumerate() {
            if *touched != 0 {
                self.sums[block * BLOCK_NODES..(block + 1) * BLOCK_NODES].fill(0);
                *touched = 0;
            }
        }
    }
}

/// Memory that queries reuse: keep one per thread and pass it to each query.
///
/// ```
/// let mut scratch = affinity_core::Scratch::default();
/// # let _ = &mut scratch;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    free: Vec<Accumulator>,
}

impl Scratch {
    /// An empty accumulator for a kind of `node_count` nodes.
    pub(crate) fn take(&mut self, node_count: usize) -> Accumulator {
        let mut accumulator = self.free.pop().unwrap_or_default();
        accumulator.resize(node_count);
        accumulator
    }

    /// Takes an accumulator back and empties it.
    pub(crate) fn give(&mut self, mut accumulator: Accumulator) {
        accumulator.clear();
        self.free.push(accumulator);
    }
}
