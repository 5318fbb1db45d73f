//! The items most similar to each item among those with a past: what `propagate` fits.
//!
//! Source: k nearest neighbors of an item, as in Sarwar et al., "Item-based collaborative filtering recommendation
//! algorithms", WWW 2001, by content instead of ratings, so that an item nobody has touched has neighbors too.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

use super::models::{ANY_MEMBER, is_public, node_ids};
use super::term_weights::{TermCounts, TermWeights};
use crate::exact::{count_of, narrow, units, value_of};
use crate::graph::{Graph, Hop, Key, KindId, NodeId, RelationId, Sight, SpaceId, TermSpaceId};
use crate::vector::{Kernel, NewVector, Scan, Space, VectorChange};

/// Where items are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Likeness {
    /// By the cosine of vectors, once the mean of the items with a past is taken away if `centered`.
    Vectors { space: SpaceId, centered: bool },
    /// By the cosine of tf-idf vectors.
    Terms { space: TermSpaceId },
}

/// What a neighbor model looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NeighborRequest {
    /// The relation that gives items a past.
    pub(crate) relation: RelationId,
    /// Whether items are its sources.
    pub(crate) reversed: bool,
    pub(crate) likeness: Likeness,
    pub(crate) neighbors: usize,
    /// A neighbor weighs its similarity to this power.
    pub(crate) exponent: f64,
}

/// For each item with a past the items that it is a neighbor of, as sparse rows by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct NeighborModel {
    /// Rising: positions are the numbers of rows and targets.
    keys: Vec<Key>,
    /// Row r is `offsets[r]..offsets[r + 1]` of the others.
    offsets: Vec<usize>,
    /// Rising in each row.
    targets: Vec<u32>,
    /// In units of 2^-24.
    weights: Vec<u64>,
}

impl NeighborModel {
    pub(crate) fn row(&self, key: &Key) -> Option<usize> {
        self.keys.binary_search(key).ok()
    }

    pub(crate) fn key(&self, row: usize) -> &Key {
        &self.keys[row]
    }

    pub(crate) fn row_count(&self) -> usize {
        self.keys.len()
    }

    /// Rows and weights in units of 2^-24 of what the item of a row is a neighbor of. Empty in a damaged model.
    pub(crate) fn targets(&self, row: usize) -> impl Iterator<Item = (u32, u64)> {
        let range = match self.offsets.get(row..row + 2) {
            Some([first, end]) if first <= end => *first..*end,
            _ => 0..0,
        };
        let targets = self.targets.get(range.clone()).unwrap_or_default();
        let weights = self.weights.get(range).unwrap_or_default();
        let known = self.keys.len();
        let pairs = targets.iter().copied().zip(weights.iter().copied());
        pairs.filter(move |(target, _)| (*target as usize) < known)
    }
}

impl NeighborRequest {
    pub(crate) fn name(&self, graph: &Graph) -> String {
        let schema = graph.schema();
        let relation = &schema.relations()[self.relation.index()].name;
        let of = match self.likeness {
            Likeness::Vectors { space, centered } => {
                format!("{}{}", schema.spaces()[space.index()].name, if centered { " centered" } else { "" })
            }
            Likeness::Terms { space } => schema.term_spaces()[space.index()].name.clone(),
        };
        let side = if self.reversed { "sources" } else { "targets" };
        format!("{} of {side} of {relation} in {of}, power {}", self.neighbors, self.exponent)
    }

    fn kind(&self, graph: &Graph) -> KindId {
        let relation = &graph.schema().relations()[self.relation.index()];
        if self.reversed { relation.from } else { relation.to }
    }

    /// Fits the model to what members may read; exact, the same bits for any number of threads.
    ///
    /// `counts` knows the fitted term counts of a space by name.
    pub(crate) fn fit<'a>(
        &self,
        graph: &Graph,
        spaces: &[Space],
        counts: &dyn Fn(&str) -> Option<&'a TermCounts>,
    ) -> NeighborModel {
        let kind = self.kind(graph);
        let nodes = graph.nodes(kind);
        let sight = Sight::new(&ANY_MEMBER, graph.audiences());
        let hop = Hop::new(graph, self.relation, !self.reversed, Vec::new(), sight, false);
        let mut past = vec![false; nodes.node_count()];
        let public: Vec<NodeId> =
            node_ids(graph, kind).filter(|node| is_public(nodes.audience(*node))).collect();
        public.iter().for_each(|node| past[node.index()] = hop.visible_degree(node.index()) > 0);
        let lists = match self.likeness {
            Likeness::Vectors { space, centered } => {
                self.by_vectors(graph, &spaces[space.index()], &public, &past, centered)
            }
            Likeness::Terms { space } => {
                let counts = counts(&graph.schema().term_spaces()[space.index()].name);
                self.by_terms(graph, space, counts, &public, &past)
            }
        };
        let mut ordered: Vec<usize> = (0..public.len()).collect();
        ordered.sort_unstable_by_key(|position| nodes.key(public[*position]));
        let mut row_of = vec![0_u32; nodes.node_count()];
        for (row, position) in (0_u32..).zip(&ordered) {
            row_of[public[*position].index()] = row;
        }
        let mut rows: Vec<Vec<(u32, u64)>> = vec![Vec::new(); public.len()];
        for (target, position) in (0_u32..).zip(&ordered) {
            for (neighbor, similarity) in &lists[*position] {
                let weight = units(libm::pow(*similarity, self.exponent));
                if weight > 0 {
                    rows[row_of[neighbor.index()] as usize].push((target, weight));
                }
            }
        }
        let mut model = NeighborModel { offsets: vec![0], ..NeighborModel::default() };
        model.keys = ordered.iter().map(|position| nodes.key(public[*position]).clone()).collect();
        for row in rows {
            model.targets.extend(row.iter().map(|(target, _)| target));
            model.weights.extend(row.iter().map(|(_, weight)| weight));
            model.offsets.push(model.targets.len());
        }
        model
    }

    /// For each public item its neighbors with their similarities, above 0.
    fn by_vectors(
        &self,
        graph: &Graph,
        space: &Space,
        public: &[NodeId],
        past: &[bool],
        centered: bool,
    ) -> Vec<Vec<(NodeId, f64)>> {
        let nodes = graph.nodes(self.kind(graph));
        let readable = |node: NodeId| {
            space.vector(node.index()).filter(|(_, audience)| is_public(*audience)).map(|(vector, _)| vector)
        };
        let mean =
            if centered { mean_of(space.params().dimension, public, past, &readable) } else { Vec::new() };
        let change = |node: &NodeId| {
            let vector = readable(*node)?;
            let mut components = vector.to_vec();
            components.iter_mut().zip(&mean).for_each(|(component, mean)| {
                *component = narrow(f64::from(*component) - mean);
            });
            // The mean itself has no direction left to compare.
            let vector = components.iter().any(|component| *component != 0.0);
            vector.then(|| VectorChange {
                node: node.index(),
                vector: Some(NewVector { components, audience: 0 }),
            })
        };
        let moved = Space::empty(space.params().clone(), Kernel::detect());
        let Ok(moved) = moved.with_changes(public.iter().filter_map(change).collect()) else {
            return vec![Vec::new(); public.len()]; // numbers that are not finite: a damaged snapshot
        };
        let by_key = |left: usize, right: usize| match (NodeId::from_index(left), NodeId::from_index(right)) {
            (Some(left), Some(right)) => nodes.key(left).cmp(nodes.key(right)),
            _ => left.cmp(&right),
        };
        let list = |node: &NodeId| {
            let Some(query) = moved.query_of(node.index()) else { return Vec::new() };
            let mut found = Vec::new();
            let mut allowed = |page: usize, present: u64| {
                let bit = |slot: usize| page * 64 + slot != node.index() && past[page * 64 + slot];
                let slots = (0..64).filter(|slot| present >> slot & 1 == 1 && bit(*slot));
                slots.fold(0, |mask, slot| mask | 1 << slot)
            };
            let scan = Scan {
                query: &query,
                limit: self.neighbors,
                allowed: &mut allowed,
                visible: &|_| true,
                by_key: &by_key,
                cancelled: &|| false,
            };
            let _ = moved.scan(scan, &mut found); // never cancelled
            let near = found.iter().filter(|neighbor| neighbor.similarity > 0.0);
            near.filter_map(|near| Some((NodeId::from_index(near.node)?, f64::from(near.similarity))))
                .collect()
        };
        public.into_par_iter().map(list).collect()
    }

    fn by_terms(
        &self,
        graph: &Graph,
        space: TermSpaceId,
        counts: Option<&TermCounts>,
        public: &[NodeId],
        past: &[bool],
    ) -> Vec<Vec<(NodeId, f64)>> {
        let (nodes, table) = (graph.nodes(self.kind(graph)), graph.term_table(space));
        let weights = TermWeights::of_space(graph, space, counts);
        let vector = |node: NodeId| {
            let mut vector = Vec::new();
            if table.audience(node).is_some_and(is_public) {
                weights.unit_vector(graph, space, node, &mut vector);
            }
            vector
        };
        let mut postings: Vec<Vec<(u32, f64)>> = vec![Vec::new(); graph.terms().count()];
        for node in public.iter().filter(|node| past[node.index()]) {
            for (term, component) in vector(*node) {
                postings[term as usize].push((node.raw(), component));
            }
        }
        let list = |sums: &mut Vec<u64>, node: &NodeId| {
            let mut touched: Vec<u32> = Vec::new();
            for (term, component) in vector(*node) {
                for (other, other_component) in &postings[term as usize] {
                    let sum = &mut sums[*other as usize];
                    if *sum == 0 {
                        touched.push(*other);
                    }
                    *sum += units(component * other_component).max(1);
                }
            }
            let mut found: Vec<(u64, NodeId)> = Vec::with_capacity(touched.len());
            for other in touched {
                let sum = std::mem::take(&mut sums[other as usize]);
                found.extend((other != node.raw()).then_some((sum, NodeId::from_raw(other))));
            }
            let best = |(a, left): &(u64, NodeId), (b, right): &(u64, NodeId)| {
                b.cmp(a).then_with(|| nodes.key(*left).cmp(nodes.key(*right)))
            };
            if found.len() > self.neighbors {
                found.select_nth_unstable_by(self.neighbors, best);
                found.truncate(self.neighbors);
            }
            found.into_iter().map(|(sum, neighbor)| (neighbor, value_of(sum))).collect()
        };
        public.into_par_iter().map_init(|| vec![0; nodes.node_count()], list).collect()
    }
}

/// The mean vector of the items with a past, summed in units, so that their order does not count.
fn mean_of<'a>(
    dimension: usize,
    public: &[NodeId],
    past: &[bool],
    readable: &impl Fn(NodeId) -> Option<&'a [f32]>,
) -> Vec<f64> {
    let (mut above, mut below, mut count) = (vec![0_u64; dimension], vec![0_u64; dimension], 0);
    for vector in public.iter().filter(|node| past[node.index()]).filter_map(|node| readable(*node)) {
        count += 1;
        for ((above, below), component) in above.iter_mut().zip(&mut below).zip(vector) {
            *above += units(f64::from(*component));
            *below += units(-f64::from(*component));
        }
    }
    let mean = |(above, below): (&u64, &u64)| (value_of(*above) - value_of(*below)) / count_of(count.max(1));
    above.iter().zip(&below).map(mean).collect()
}
