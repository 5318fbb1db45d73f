//! The graph that walks walk: nodes of all kinds in one row, joined by weighted relations, both ways.

use compact_str::{CompactString, format_compact};

use super::accumulator::Accumulator;
use super::context::Context;
use crate::exact::{units, value_of};
use crate::graph::{Hop, KindId, NodeId, RelationId};

/// Mass of 1.0: masses are multiples of 2^-48.
pub(super) const MASS_BITS: u32 = 48;

/// A relation, and what its edges count beside those of others.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypedRelation {
    pub(super) relation: RelationId,
    pub(super) weight: f64,
}

/// An edge as a walk sees it.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) to: NodeId,
    /// In units, as the total of its node is summed: shares then never exceed 1, however large a weight is.
    weight_units: u64,
}

impl Edge {
    /// The probability of this edge among edges that weigh `total` together.
    pub(super) fn share(&self, total: f64) -> f64 {
        if total > 0.0 { value_of(self.weight_units) / total } else { 0.0 }
    }
}

/// One way along a relation.
struct Way<'q> {
    hop: Hop<'q>,
    relation: RelationId,
    reversed: bool,
    weight: f64,
    /// Whether the weights of edges differ.
    weighted: bool,
}

/// Places of nodes, kind by kind, and the ways between them as one viewer sees them.
pub(super) struct Terrain<'q> {
    /// The first place of each kind, and after the last kind the end.
    firsts: Vec<usize>,
    /// For each kind, the ways that leave it.
    ways: Vec<Vec<Way<'q>>>,
}

impl<'q> Terrain<'q> {
    pub(super) fn new(context: &Context<'q>, relations: &[TypedRelation]) -> Self {
        let schema = context.graph.schema();
        let (mut firsts, mut ways) = (vec![0], Vec::new());
        for position in 0..schema.kinds().len() {
            let count = KindId::from_index(position).map_or(0, |kind| context.graph.nodes(kind).node_count());
            firsts.push(firsts.last().copied().unwrap_or(0) + count);
            ways.push(Vec::new());
        }
        for TypedRelation { relation, weight } in relations.iter().copied() {
            let declared = &schema.relations()[relation.index()];
            for (reversed, start) in [(false, declared.from), (true, declared.to)] {
                if !(reversed && declared.symmetric) {
                    let hop = context.hop(relation, reversed, &[], false);
                    let weighted = declared.weighted;
                    ways[start.index()].push(Way { hop, relation, reversed, weight, weighted });
                }
            }
        }
        Self { firsts, ways }
    }

    pub(super) fn place_count(&self) -> usize {
        self.firsts.last().copied().unwrap_or(0)
    }

    pub(super) fn place(&self, kind: KindId, node: NodeId) -> Option<NodeId> {
        NodeId::from_index(self.firsts[kind.index()] + node.index())
    }

    /// The kind of a place, by position, and the index of its node.
    pub(super) fn kind_and_index(&self, place: NodeId) -> (usize, usize) {
        let kind = self.firsts.partition_point(|first| *first <= place.index()) - 1;
        (kind, place.index() - self.firsts[kind])
    }

    /// Calls `visit` with each node of a kind that has a sum.
    pub(super) fn for_each_of(&self, kind: KindId, sums: &Accumulator, visit: &mut dyn FnMut(NodeId, u64)) {
        let places = self.firsts[kind.index()]..self.firsts[kind.index() + 1];
        sums.for_each(&mut |place, sum| {
            if places.contains(&place.index())
                && let Some(node) = NodeId::from_index(place.index() - places.start)
            {
                visit(node, sum);
            }
        });
    }

    /// Edges of a place that the viewer sees.
    pub(super) fn degree(&self, place: NodeId) -> usize {
        let (kind, index) = self.kind_and_index(place);
        self.ways[kind].iter().map(|way| way.hop.visible_degree(index)).sum()
    }

    /// Fills `edges` with those that leave a place, and returns what they weigh together.
    pub(super) fn edges(&self, place: NodeId, edges: &mut Vec<Edge>) -> f64 {
        let (kind, index) = self.kind_and_index(place);
        edges.clear();
        for way in &self.ways[kind] {
            way.hop.visit(index, &mut |step| self.add(way, step.target, step.weight, edges));
        }
        total(edges)
    }

    /// As [`Terrain::edges`], of the source: a node, or one described on the spot with its links.
    pub(super) fn source_edges(&self, context: &Context<'_>, edges: &mut Vec<Edge>) -> f64 {
        edges.clear();
        for way in &self.ways[context.source.kind.index()] {
            for step in context.source.steps(way.relation, way.reversed, &way.hop) {
                self.add(way, step.target, step.weight, edges);
            }
        }
        total(edges)
    }

    /// What the edges of a place weigh together.
    pub(super) fn weight(&self, place: NodeId, edges: &mut Vec<Edge>) -> f64 {
        let (kind, index) = self.kind_and_index(place);
        if self.ways[kind].iter().any(|way| way.weighted) {
            return self.edges(place, edges);
        }
        let sum = |way: &Way<'_>| units(way.weight) * way.hop.visible_degree(index) as u64;
        value_of(self.ways[kind].iter().map(sum).sum())
    }

    /// The relation over which the source comes to a place first, as paths write it.
    pub(super) fn relation_name(&self, context: &Context<'_>, to: NodeId) -> Option<CompactString> {
        let (kind, index) = self.kind_and_index(to);
        self.ways[context.source.kind.index()].iter().filter(|way| way.hop.to().index() == kind).find_map(
            |way| {
                let steps = context.source.steps(way.relation, way.reversed, &way.hop);
                steps.iter().any(|step| step.target.index() == index).then(|| {
                    let name = &context.graph.schema().relations()[way.relation.index()].name;
                    format_compact!("{}{name}", if way.reversed { "<" } else { "" })
                })
            },
        )
    }

    fn add(&self, way: &Way<'_>, target: NodeId, weight: f32, edges: &mut Vec<Edge>) {
        if let Some(to) = self.place(way.hop.to(), target) {
            edges.push(Edge { to, weight_units: units(f64::from(weight) * way.weight) });
        }
    }
}

fn total(edges: &[Edge]) -> f64 {
    value_of(edges.iter().map(|edge| edge.weight_units).sum())
}

/// A probability in units of 2^-48, at least one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "probability is in (0, 1]")]
pub(super) fn mass_units(probability: f64) -> u64 {
    (libm::ldexp(probability, 48)).max(1.0) as u64
}

/// Mass as a probability.
#[expect(clippy::cast_precision_loss, reason = "masses are far below 2^53")]
pub(super) fn probability_of(mass: u64) -> f64 {
    libm::ldexp(mass as f64, -48)
}

/// A share of a mass, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "mass is far below 2^53 and the share not negative"
)]
pub(super) fn part(mass: u64, share: f64) -> u64 {
    (mass as f64 * share) as u64
}
