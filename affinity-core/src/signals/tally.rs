//! Small counts over the nodes of a kind: in how many of some sorted lists each of them is.
//!
//! Source: blocking for a cache, as in Lam, Rothberg & Wolf, "The cache performance and optimizations of blocked
//! algorithms", ASPLOS 1991; blocks skipped by their maxima, as in Ding & Suel, "Faster top-k document retrieval using
//! block-max indexes", SIGIR 2011.

use std::ops::Range;

use super::shortlist::Sums;
use crate::graph::{NodeId, Run};

/// Nodes whose counts are made together: 32 KiB, which the nearest cache holds.
const STRETCH_NODES: usize = 32_768;
/// Nodes that share a maximum.
const BLOCK_NODES: usize = 64;
/// Lists that a count has room for.
pub(crate) const TALLY_LISTS_MAX: usize = u8::MAX as usize;

/// Sorted lists that are read side by side, a stretch of nodes at a time.
#[derive(Debug, Default)]
pub(crate) struct Lists<'a> {
    runs: Vec<Run<'a>>,
    /// What is left of each list, as places among the runs.
    left: Vec<Range<usize>>,
}

impl<'a> Lists<'a> {
    /// Adds a list, in runs that are sorted one after the other.
    pub(crate) fn push(&mut self, runs: impl Iterator<Item = Run<'a>>) {
        let first = self.runs.len();
        self.runs.extend(runs);
        self.left.push(first..self.runs.len());
    }

    /// Calls `take` with what each list has below `end` and has not been taken yet.
    // hot
    #[inline]
    pub(crate) fn take_below(&mut self, end: usize, mut take: impl FnMut(Run<'a>)) {
        for left in &mut self.left {
            while let Some(run) = self.runs[left.start..left.end].first_mut() {
                let (below, above) = run.split_below(end);
                if !below.targets().is_empty() {
                    take(below);
                }
                if !above.targets().is_empty() {
                    *run = above;
                    break;
                }
                left.start += 1;
            }
        }
    }
}

/// One count per node, and where the large ones are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Left as they are between queries: a stretch is emptied when a query first counts in it.
    counts: Vec<u8>,
    /// The largest count of each block.
    maxima: Vec<u8>,
    /// Of each stretch, whether this query counts in it.
    touched: Vec<bool>,
}

impl Tally {
    /// Counts for each of `node_count` nodes how many of the lists it is in; at most [`TALLY_LISTS_MAX`] lists, none
    /// with a node twice.
    ///
    /// Every list is read up to the end of a stretch before any goes on: an addition then meets the nearest cache,
    /// where list after list would stream all counts through it once for each.
    // hot
    pub(crate) fn count(&mut self, node_count: usize, mut lists: Lists<'_>) {
        let stretch_count = node_count.div_ceil(STRETCH_NODES);
        self.counts.resize(self.counts.len().max(stretch_count * STRETCH_NODES), 0);
        self.maxima.resize(self.counts.len() / BLOCK_NODES, 0);
        self.touched.clear();
        self.touched.resize(self.counts.len() / STRETCH_NODES, false);
        let (stretches, _) = self.counts.as_chunks_mut::<STRETCH_NODES>();
        let (maxima, _) = self.maxima.as_chunks_mut::<{ STRETCH_NODES / BLOCK_NODES }>();
        let mut end = 0;
        for ((counts, maxima), touched) in stretches.iter_mut().zip(maxima).zip(&mut self.touched) {
            end += STRETCH_NODES;
            lists.take_below(end, |run| {
                if !*touched {
                    counts.fill(0);
                    *touched = true;
                }
                for target in run.targets() {
                    counts[*target as usize % STRETCH_NODES] += 1; // a stretch begins at a multiple of its length
                }
            });
            if *touched {
                let (blocks, _) = counts.as_chunks::<BLOCK_NODES>();
                for (max, block) in maxima.iter_mut().zip(blocks) {
                    *max = block.iter().fold(0, |max, count| max.max(*count));
                }
            } else {
                maxima.fill(0);
            }
        }
    }
}

impl Sums for Tally {
    /// The largest counts of blocks are counts of as many nodes.
    fn likely_floor(&self, _: u64, count: usize) -> u64 {
        let mut blocks_with = [0_usize; 256];
        self.maxima.iter().for_each(|max| blocks_with[usize::from(*max)] += 1);
        let mut seen = 0;
        let reached = (0_u8..=u8::MAX).rev().find(|max| {
            seen += blocks_with[usize::from(*max)];
            seen >= count
        });
        reached.map_or(0, u64::from)
    }

    // hot
    fn for_each_within(&self, (mut from, below): (u64, u64), mut visit: impl FnMut(NodeId, u64) -> u64) {
        let (blocks, _) = self.counts.as_chunks::<BLOCK_NODES>();
        for ((block, counts), max) in blocks.iter().enumerate().zip(&self.maxima) {
            if *max == 0 || u64::from(*max) < from {
                continue;
            }
            for (offset, count) in counts.iter().enumerate() {
                let sum = u64::from(*count);
                let is_within = sum != 0 && sum >= from && sum < below;
                if is_within && let Some(node) = NodeId::from_index(block * BLOCK_NODES + offset) {
                    from = visit(node, sum);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;

    use super::{Lists, Tally};
    use crate::graph::{Graph, NodeId};
    use crate::signals::shortlist::{Shortlist, Sums};
    use crate::{Change, EdgeKey, EdgeRecord, NodeRecord, Schema};

    const TRENDS: usize = 30;
    /// Over two stretches, the second of them not full.
    const MEMBERS: usize = 40_000;

    /// Trend 0 has every second member, trend 1 every third, and so on.
    fn is_in(trend: usize, member: usize) -> bool {
        (member + trend).is_multiple_of(trend * trend + 2)
    }

    static GRAPH: LazyLock<Graph> = LazyLock::new(|| {
        let schema = "name = 's'\n[kinds.M]\n[kinds.T]\n[relations.R]\nfrom = 'T'\nto = 'M'";
        let mut changes = Vec::new();
        for member in 0..MEMBERS {
            // Keys descend, so that ties are not broken by the order of ids.
            let key = || format!("{:06}", 999_999 - member).into();
            changes.push(Change::PutNode {
                kind: "M".to_string(),
                key: key(),
                record: NodeRecord::default(),
            });
            for trend in (0..TRENDS).filter(|trend| is_in(*trend, member)) {
                let (relation, source) = ("R".to_string(), format!("{trend:02}").into());
                let edge = EdgeKey { relation, source, target: key(), origin: None };
                changes.push(Change::PutEdge { edge, record: EdgeRecord::default() });
            }
        }
        let mut graph = Graph::new(Arc::new(Schema::from_toml(schema).unwrap()));
        graph.apply(changes).unwrap();
        graph
    });

    fn lists(trends: &[usize]) -> Lists<'static> {
        let (schema, mut lists) = (GRAPH.schema(), Lists::default());
        let table = GRAPH.nodes(schema.kind("T").unwrap());
        for trend in trends {
            let node = table.find(&format!("{trend:02}").into()).unwrap();
            lists.push(GRAPH.adjacency(schema.relation("R").unwrap(), false).runs(node.index()));
        }
        lists
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn counting_by_stretches_equals_counting_node_by_node(
            queries in proptest::collection::vec(proptest::collection::btree_set(0..TRENDS, 0..12), 1..4),
            cap in 1_usize..60,
            allowed_one_in in 1_usize..5_000,
        ) {
            let mut tally = Tally::default();
            let nodes = GRAPH.nodes(GRAPH.schema().kind("M").unwrap());
            for trends in queries {
                let trends: Vec<usize> = trends.into_iter().collect();
                tally.count(MEMBERS, lists(&trends)); // on top of what the query before left
                let slow = |member: usize| trends.iter().filter(|trend| is_in(**trend, member)).count();
                let allows = |node: NodeId| node.index().is_multiple_of(allowed_one_in);
                let (mut fast, mut one_by_one) = (Shortlist::new(cap, nodes, &allows), Shortlist::new(cap, nodes, &allows));
                fast.offer_from(&tally, 2);
                let mut counts = vec![0; MEMBERS];
                tally.for_each_within((1, 256), |node, count| {
                    counts[node.index()] = count;
                    1
                });
                for (member, count) in counts.into_iter().enumerate() {
                    let node = NodeId::from_index(member).unwrap();
                    prop_assert_eq!(count, slow(member) as u64, "member {} of {:?}", member, trends);
                    if slow(member) >= 2 {
                        one_by_one.offer(node, slow(member) as u64);
                    }
                }
                let (mut fast, mut one_by_one) = (fast.finish(), one_by_one.finish());
                fast.candidates.sort_unstable();
                one_by_one.candidates.sort_unstable();
                prop_assert_eq!(fast, one_by_one);
            }
        }
    }
}
