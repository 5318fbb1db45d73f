//! Dense sums over the nodes of a kind, reused from query to query.

use super::shortlist::Sums;
use super::sweep::BlockSums;
use super::tally::Tally;
use crate::graph::NodeId;
use crate::vector::SearchScratch;

/// Nodes per block of the touched map: one page.
const BLOCK_NODES: usize = 64;
/// One block in this many is looked at to guess where a cap will cut.
const SAMPLED_BLOCKS: usize = 16;

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
        self.add_after(target, term);
    }

    /// As [`Accumulator::add`]; returns what the sum was before.
    // hot
    #[inline]
    pub(crate) fn add_after(&mut self, target: NodeId, term: u64) -> u64 {
        let index = target.index();
        let before = self.sums[index];
        self.sums[index] = before.saturating_add(term);
        self.touched[index / BLOCK_NODES] = 1;
        before
    }

    /// Adds the products of a factor with weights, as two's complement, to the sums of `targets`, which are as many:
    /// read with [`Accumulator::signed`].
    // hot
    #[inline]
    pub(crate) fn add_products(&mut self, targets: &[u32], weights: &[i32], factor: i64) {
        let (sums, touched) = (self.sums.as_mut_slice(), self.touched.as_mut_slice());
        for (target, weight) in targets.iter().zip(weights) {
            let index = *target as usize;
            sums[index] = sums[index].wrapping_add((factor * i64::from(*weight)).cast_unsigned());
            touched[index / BLOCK_NODES] = 1;
        }
    }

    /// The sum at a place, where products were added.
    #[inline]
    pub(crate) fn signed(&self, index: usize) -> i64 {
        self.sums.get(index).map_or(0, |sum| sum.cast_signed())
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

    /// The sums of each touched block with the index of its first node, in ascending order.
    #[inline]
    fn blocks(&self) -> impl Iterator<Item = (usize, &[u64])> {
        let blocks = self.touched.iter().zip(self.sums.chunks_exact(BLOCK_NODES)).enumerate();
        blocks
            .filter(|(_, (touched, _))| **touched != 0)
            .map(|(block, (_, sums))| (block * BLOCK_NODES, sums))
    }

    /// Calls `visit` with each node whose sum is not 0, in ascending order.
    // hot
    pub(crate) fn for_each(&self, visit: &mut dyn FnMut(NodeId, u64)) {
        for (first, sums) in self.blocks() {
            for (offset, sum) in sums.iter().enumerate() {
                if *sum != 0
                    && let Some(node) = NodeId::from_index(first + offset)
                {
                    visit(node, *sum);
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

impl Sums for Accumulator {
    /// Blocks without such a sum cost one look at each sum.
    // hot
    #[inline]
    fn for_each_within(&self, (mut from, below): (u64, u64), mut visit: impl FnMut(NodeId, u64) -> u64) {
        for (first, sums) in self.blocks() {
            // Most blocks of a long list have nothing. The top bit says which is less, since sums that are offered are
            // below 2^63, as is `from`: a fold of that every processor does with many at a time.
            let outside = |sum: &u64| sum | sum.wrapping_sub(from);
            if sums.iter().fold(u64::MAX, |all, sum| all & outside(sum)) >> 63 == 1 {
                continue;
            }
            for (offset, sum) in sums.iter().enumerate() {
                let is_within = *sum != 0 && *sum >= from && *sum < below;
                if is_within && let Some(node) = NodeId::from_index(first + offset) {
                    from = visit(node, *sum);
                }
            }
        }
    }

    /// From a sample.
    fn likely_floor(&self, end: u64, count: usize) -> u64 {
        let mut sample: Vec<u64> = Vec::new();
        let sampled = self.blocks().step_by(SAMPLED_BLOCKS).flat_map(|(_, sums)| sums);
        sample.extend(sampled.copied().filter(|sum| *sum != 0 && *sum < end));
        let place = count / SAMPLED_BLOCKS;
        if place * 4 >= sample.len() {
            return 0;
        }
        let (_, floor, _) = sample.select_nth_unstable_by(place, |a, b| b.cmp(a));
        *floor
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
    blocks: Vec<BlockSums>,
    tallies: Vec<Tally>,
    searches: Vec<SearchScratch>,
}

impl Scratch {
    /// An empty accumulator for a kind of `node_count` nodes.
    pub(crate) fn take(&mut self, node_count: usize) -> Accumulator {
        let mut accumulator = self.free.pop().unwrap_or_default();
        accumulator.resize(node_count);
        accumulator
    }

    /// Memory for sums over a block of nodes.
    pub(super) fn take_block(&mut self) -> BlockSums {
        self.blocks.pop().unwrap_or_default()
    }

    /// Takes the memory of a block back.
    pub(super) fn give_block(&mut self, block: BlockSums) {
        self.blocks.push(block);
    }

    /// Memory for counts.
    pub(crate) fn take_tally(&mut self) -> Tally {
        self.tallies.pop().unwrap_or_default()
    }

    /// Takes the memory of counts back.
    pub(crate) fn give_tally(&mut self, tally: Tally) {
        self.tallies.push(tally);
    }

    /// Memory for a search in a space.
    pub(crate) fn take_search(&mut self) -> SearchScratch {
        self.searches.pop().unwrap_or_default()
    }

    /// Takes the memory of a search back.
    pub(crate) fn give_search(&mut self, search: SearchScratch) {
        self.searches.push(search);
    }

    /// Takes an accumulator back and empties it.
    pub(crate) fn give(&mut self, mut accumulator: Accumulator) {
        accumulator.clear();
        self.free.push(accumulator);
    }
}
