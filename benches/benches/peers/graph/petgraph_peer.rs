//! petgraph: the query written by hand over its `Graph`, counting in one array that is reused.

use std::cmp::Reverse;

use petgraph::graph::{NodeIndex, UnGraph};

use super::data::{AFFINITIES, Data, Found, LIMIT, SHARED_MIN};

pub(crate) struct Petgraph {
    graph: UnGraph<(), ()>,
    member_count: usize,
    counts: Vec<u32>,
    reached: Vec<NodeIndex>,
}

impl Petgraph {
    pub(crate) const NAME: &str = "petgraph 0.8.3";

    /// Members and trends: what the query looks at.
    pub(crate) fn build(data: &Data) -> Self {
        let (member_count, node_count) = (data.counts[0], data.counts[0] + data.counts[1]);
        let mut graph = UnGraph::with_capacity(node_count, data.affinities.len());
        for _ in 0..node_count {
            graph.add_node(());
        }
        for (position, rank) in data.affinities.iter().enumerate() {
            let trend = NodeIndex::new(member_count + *rank as usize);
            graph.add_edge(NodeIndex::new(position / AFFINITIES), trend, ());
        }
        Self { graph, member_count, counts: vec![0; member_count], reached: Vec::new() }
    }

    pub(crate) fn shared(&mut self, member: usize) -> Found {
        let source = NodeIndex::new(member);
        for trend in self.graph.neighbors(source) {
            for other in self.graph.neighbors(trend).filter(|other| other.index() < self.member_count) {
                let count = &mut self.counts[other.index()];
                if *count == 0 {
                    self.reached.push(other);
                }
                *count += 1;
            }
        }
        let mut found = Found::new();
        for other in self.reached.drain(..) {
            let count = std::mem::take(&mut self.counts[other.index()]);
            if count >= SHARED_MIN && other != source {
                found.push((other.index(), count));
            }
        }
        let rank = |(member, count): &(usize, u32)| (Reverse(*count), *member);
        if found.len() > LIMIT {
            found.select_nth_unstable_by_key(LIMIT, rank);
            found.truncate(LIMIT);
        }
        found.sort_unstable_by_key(rank);
        found
    }
}
