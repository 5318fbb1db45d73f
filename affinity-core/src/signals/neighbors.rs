//! `filter` with `model = "propagation"`: what past items say for items like them, also for those nobody has touched.
//!
//! Source: item-based nearest neighbors (Sarwar, Karypis, Konstan & Riedl, "Item-based collaborative filtering
//! recommendation algorithms", WWW 2001), by content instead of ratings: the value of item j for user u is the sum
//! over the k items i with a past that are most similar to j of `similarity(i, j)^power * x_ui`. Content is vectors,
//! terms, or links between the items.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::filter_model::FilterRequest;
use super::item_links::ItemLinks;
use super::models::{ANY_MEMBER, FitInput, is_public, node_ids};
use super::term_weights::{TermCounts, TermWeights};
use crate::exact::{count_of, narrow, units, value_of};
use crate::filtering::{ItemRows, weight_units};
use crate::graph::{Graph, Hop, Key, KindId, NodeId, Sight, SpaceId, TermSpaceId};
use crate::vector::{Kernel, NewVector, Scan, Space, SpaceParams, VectorChange};

/// Where items are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Likeness {
    /// By the cosine of vectors, once the mean of the items with a past is taken away if `centered`.
    Vectors { space: SpaceId, centered: bool },
    /// By the cosine of tf-idf vectors.
    Terms(TermSpaceId),
    /// By short walks over a relation between them.
    Links(ItemLinks),
}

impl Likeness {
    /// The power of a similarity when the matcher does not say: what has no term or link in common is at 0 already.
    pub(crate) fn similarity_power(self) -> f64 {
        match self {
            Self::Vectors { .. } => 2.0,
            Self::Terms(_) | Self::Links(_) => 1.0,
        }
    }
}

/// Which items speak for an item, and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PropagationParams {
    pub(crate) likeness: Likeness,
    pub(crate) neighbors: usize,
    pub(crate) similarity_power: f64,
}

impl PropagationParams {
    /// Neighbors of an item when the matcher does not say.
    pub(crate) const NEIGHBORS: usize = 100;

    pub(crate) fn name(&self, graph: &Graph) -> String {
        let schema = graph.schema();
        let likeness = match self.likeness {
            Likeness::Vectors { space, centered } => {
                format!("in {} centered {centered}", schema.spaces()[space.index()].name)
            }
            Likeness::Terms(space) => {
                format!("in {} centered false", schema.term_spaces()[space.index()].name)
            }
            Likeness::Links(ItemLinks { relation, coefficients }) => {
                format!("along {} steps {coefficients:?}", schema.relations()[relation.index()].name)
            }
        };
        let Self { neighbors, similarity_power, .. } = self;
        format!("{likeness} neighbors {neighbors} power {similarity_power}")
    }

    /// Keys of the items that members may read, and what each of them that has a past says for each other one.
    ///
    /// Exact, the same bits for any number of threads. O(items * items with a past * dimension) for vectors, for terms
    /// the sum over items and their terms of the items with a past that have them, for links as walks from each item.
    pub(super) fn fit(&self, request: &FilterRequest, input: FitInput<'_>) -> (Vec<Key>, ItemRows) {
        let graph = input.graph;
        let kind = request.item_kind(graph);
        let nodes = graph.nodes(kind);
        let sight = Sight::new(&ANY_MEMBER, graph.audiences());
        let hop = Hop::new(graph, request.relation, !request.reversed, Vec::new(), sight, false);
        let mut items: Vec<NodeId> =
            node_ids(graph, kind).filter(|node| is_public(nodes.audience(*node))).collect();
        items.sort_unstable_by(|a, b| nodes.key(*a).cmp(nodes.key(*b)));
        let (mut past, mut row_of) = (vec![false; nodes.node_count()], vec![0; nodes.node_count()]);
        for (row, item) in items.iter().enumerate() {
            past[item.index()] = hop.visible_degree(item.index()) > 0;
            row_of[item.index()] = row;
        }
        let compared = Compared { graph, kind, items: &items, past: &past, neighbors: self.neighbors };
        let lists = match self.likeness {
            Likeness::Vectors { space, centered } => {
                compared.by_vectors(&input.spaces[space.index()], centered)
            }
            Likeness::Terms(space) => {
                let name = &graph.schema().term_spaces()[space.index()].name;
                compared.by_terms(space, input.terms.get(name).map(AsRef::as_ref))
            }
            Likeness::Links(links) => links.nearest(graph, &items, &past, self.neighbors),
        };
        let mut rows: Vec<Vec<(u32, i32)>> = vec![Vec::new(); items.len()];
        for (target, list) in (0_u32..).zip(lists) {
            for (neighbor, similarity) in list {
                let weight = weight_units(libm::pow(similarity, self.similarity_power));
                if weight > 0 {
                    rows[row_of[neighbor.index()]].push((target, weight));
                }
            }
        }
        (items.iter().map(|item| nodes.key(*item).clone()).collect(), ItemRows::from_rows(rows.into_iter()))
    }
}

/// Square of the length that is left of a vector of length 1 without the mean, below which it is not compared.
const SQUARED_LENGTH_MIN: f64 = 1e-6;

/// The items to compare.
struct Compared<'a> {
    graph: &'a Graph,
    kind: KindId,
    items: &'a [NodeId],
    /// By node.
    past: &'a [bool],
    neighbors: usize,
}

impl Compared<'_> {
    /// For each item its nearest ones with a past, with similarities above 0.
    fn by_vectors(&self, space: &Space, centered: bool) -> Vec<Vec<(NodeId, f64)>> {
        let (nodes, items, past) = (self.graph.nodes(self.kind), self.items, self.past);
        let readable = |node: NodeId| {
            space.vector(node.index()).filter(|(_, audience)| is_public(*audience)).map(|(vector, _)| vector)
        };
        let mean =
            if centered { mean_of(space.params().dimension, items, past, &readable) } else { Vec::new() };
        let change = |node: &NodeId| {
            let vector = readable(*node)?;
            let mut components = vector.to_vec();
            components.iter_mut().zip(&mean).for_each(|(component, mean)| {
                *component = narrow(f64::from(*component) - mean);
            });
            // At the mean itself nothing is left but rounding, which has a direction that means nothing.
            let squared_length: f64 = components.iter().map(|part| f64::from(*part) * f64::from(*part)).sum();
            (squared_length > SQUARED_LENGTH_MIN).then(|| VectorChange {
                node: node.index(),
                vector: Some(NewVector { components, audience: 0 }),
            })
        };
        // Exact, whatever the size: a model is the same for the same data.
        let params = SpaceParams { exact_max: usize::MAX, ..space.params().clone() };
        let moved = Space::empty(params, Kernel::detect());
        let changes = items.iter().filter_map(change).collect();
        let Ok(moved) = moved.with_changes(changes, &|node| nodes.key_hash(node)) else {
            return vec![Vec::new(); items.len()]; // numbers that are not finite: a damaged snapshot
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
        items.into_par_iter().map(list).collect()
    }

    fn by_terms(&self, space: TermSpaceId, counts: Option<&TermCounts>) -> Vec<Vec<(NodeId, f64)>> {
        let (graph, items, past) = (self.graph, self.items, self.past);
        let (nodes, table) = (graph.nodes(self.kind), graph.term_table(space));
        let weights = TermWeights::of_space(graph, space, counts);
        let vector = |node: NodeId| {
            let mut vector = Vec::new();
            if table.audience(node).is_some_and(is_public) {
                weights.unit_vector(graph, space, node, &mut vector);
            }
            vector
        };
        let mut postings: Vec<Vec<(u32, f64)>> = vec![Vec::new(); graph.terms().count()];
        for node in items.iter().filter(|node| past[node.index()]) {
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
                    *sum += units(component * other_component);
                }
            }
            let mut found: Vec<(u64, NodeId)> = Vec::with_capacity(touched.len());
            for other in touched {
                let sum = std::mem::take(&mut sums[other as usize]);
                // Listed twice while its sum was 0, it is 0 the second time.
                if sum > 0 && other != node.raw() {
                    found.push((sum, NodeId::from_raw(other)));
                }
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
        items.into_par_iter().map_init(|| vec![0; nodes.node_count()], list).collect()
    }
}

/// The mean vector of the items with a past, summed in units, so that their order does not count.
fn mean_of<'a>(
    dimension: usize,
    items: &[NodeId],
    past: &[bool],
    readable: &impl Fn(NodeId) -> Option<&'a [f32]>,
) -> Vec<f64> {
    let (mut above, mut below, mut count) = (vec![0_u64; dimension], vec![0_u64; dimension], 0);
    for vector in items.iter().filter(|node| past[node.index()]).filter_map(|node| readable(*node)) {
        count += 1;
        for ((above, below), component) in above.iter_mut().zip(&mut below).zip(vector) {
            *above += units(f64::from(*component));
            *below += units(-f64::from(*component));
        }
    }
    let mean = |(above, below): (&u64, &u64)| (value_of(*above) - value_of(*below)) / count_of(count.max(1));
    above.iter().zip(&below).map(mean).collect()
}
