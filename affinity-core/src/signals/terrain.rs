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

/// Half of a terrain: where every way leads to the other half, a walk is on them by turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The source's own, and everything where ways stay on their side.
    First,
    /// The other.
    Second,
}

impl Side {
    pub(super) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
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

impl Way<'_> {
    /// Whether each edge counts the same and none needs a look.
    fn is_even(&self) -> bool {
        !self.weighted && self.hop.is_plain()
    }
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

    /// Hands a mass out over the edges that leave a place, in proportion to their weights; returns how many edges.
    // hot
    #[inline]
    pub(super) fn hand_out(
        &self,
        place: NodeId,
        mass: u64,
        edges: &mut Vec<Edge>,
        mut give: impl FnMut(NodeId, u64),
    ) -> usize {
        let (kind, index) = self.kind_and_index(place);
        let ways = &self.ways[kind];
        if !ways.iter().all(Way::is_even) {
            let total = self.edges(place, edges);
            edges.iter().for_each(|edge| give(edge.to, part(mass, edge.share(total))));
            return edges.len();
        }
        // Edges of a way weigh the same: a share each, and the targets as they are stored.
        let (total, mut edge_count) = (value_of(self.weight_units(place, edges)), 0);
        for way in ways {
            let first = self.firsts[way.hop.to().index()];
            let edge = Edge { to: place, weight_units: units(way.weight) };
            let given = part(mass, edge.share(total));
            way.hop.visit_targets(index, |target| {
                edge_count += 1;
                if let Some(to) = NodeId::from_index(first + target.index()) {
                    give(to, given);
                }
            });
        }
        edge_count
    }

    /// What the edges of a place weigh together.
    pub(super) fn weight(&self, place: NodeId, edges: &mut Vec<Edge>) -> f64 {
        value_of(self.weight_units(place, edges))
    }

    /// The same in units.
    pub(super) fn weight_units(&self, place: NodeId, edges: &mut Vec<Edge>) -> u64 {
        let (kind, index) = self.kind_and_index(place);
        if !self.ways[kind].iter().all(Way::is_even) {
            self.edges(place, edges);
            return edges.iter().map(|edge| edge.weight_units).sum();
        }
        self.ways[kind].iter().map(|way| units(way.weight) * way.hop.visible_degree(index) as u64).sum()
    }

    /// Calls `visit` with each node of a kind that the viewer may read, and what its edges weigh together in units.
    pub(super) fn for_each_weight(
        &self,
        context: &Context<'q>,
        kind: KindId,
        mut visit: impl FnMut(NodeId, u64),
    ) {
        let (nodes, mut edges) = (context.graph.nodes(kind), Vec::new());
        let is_open = nodes.is_open_to(context.sight);
        for node in (0..nodes.node_count()).filter_map(NodeId::from_index) {
            if (is_open || context.sight.sees(nodes.audience(node)))
                && let Some(place) = self.place(kind, node)
            {
                visit(node, self.weight_units(place, &mut edges));
            }
        }
    }

    /// For each kind the side that it is on, seen from the source's; `None` where no way leads.
    ///
    /// There is only one side where a way leads back to its own, be it around several corners.
    pub(super) fn sides(&self, source: KindId) -> Vec<Option<Side>> {
        let mut sides = vec![None; self.ways.len()];
        sides[source.index()] = Some(Side::First);
        let (mut open, mut is_alternating) = (vec![source.index()], true);
        while let Some(kind) = open.pop() {
            let Some(other) = sides[kind].map(Side::other) else { continue };
            for to in self.ways[kind].iter().map(|way| way.hop.to().index()) {
                match sides[to] {
                    None => {
                        sides[to] = Some(other);
                        open.push(to);
                    }
                    Some(side) => is_alternating &= side == other,
                }
            }
        }
        if !is_alternating {
            sides.iter_mut().flatten().for_each(|side| *side = Side::First);
        }
        sides
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

/// A probability in units of 2^-48, rounded down.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "probability is in [0, 1]")]
pub(super) fn part_of_unit(probability: f64) -> u64 {
    libm::ldexp(probability, 48) as u64
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
