//! `walk` with `steps`: a polynomial of the typed random walk from the source, by forward push.
//!
//! Source: the sum over k of `c_k N^k` of graph filters (Defferrard, Bresson & Vandergheynst, NIPS 2016) and of the
//! Katz index (Psychometrika 18, 1953), truncated as by Andersen, Chung & Lang (FOCS 2006). With `A` the weighted
//! adjacency of all relations, `D` its degrees and `P = D^-1 A`, the value of j for the source s is
//! `(d_s / d_j)^p * sum of c_k (P^k)_sj`: p = 0 is the row-normalized `N = D^-1 A`, p = 1/2 the symmetric
//! `N = D^-1/2 A D^-1/2`, p = 1 the walk from j to s.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use super::terrain::{Edge, MASS_BITS, Terrain, TypedRelation, mass_units, part, probability_of};
use crate::graph::{KindId, NodeId};

/// How a polynomial of a walk is cut off and normalized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StepsParams {
    /// The power p of the ratio of degrees, in [0, 1].
    pub(super) degree_power: f64,
    /// After the first step a node passes its probability on only if it is at least this, times its edges: at most
    /// `1 / precision` edges a step are touched.
    pub(super) precision: f64,
}

impl StepsParams {
    /// Row-normalized, precision 1e-6.
    pub(super) const STANDARD: Self = Self { degree_power: 0.0, precision: 1e-6 };
}

/// A polynomial of a typed walk.
#[derive(Clone, Debug)]
pub(super) struct WalkSteps {
    relations: Vec<TypedRelation>,
    /// `coefficients[k - 1]` is `c_k`, in [0, 1].
    coefficients: Vec<f64>,
    params: StepsParams,
}

impl WalkSteps {
    pub(super) fn new(relations: Vec<TypedRelation>, coefficients: Vec<f64>, params: StepsParams) -> Self {
        Self { relations, coefficients, params }
    }

    fn walk<'q>(&self, context: Context<'q>, scratch: &mut Scratch) -> Walked<'q> {
        let terrain = Terrain::new(&context, &self.relations);
        let (threshold, mut edges) = (mass_units(self.params.precision), Vec::new());
        let weight = terrain.source_edges(&context, &mut edges);
        let mut arrived = scratch.take(terrain.place_count());
        let first = edges.iter().map(|edge| (edge.to, part(1 << MASS_BITS, edge.share(weight))));
        first.for_each(|(to, mass)| arrived.add(to, mass));
        let mut walked = Walked {
            estimates: scratch.take(terrain.place_count()),
            terrain,
            weight,
            passed: Vec::new(),
            missing: 0.0,
        };
        // Mass that did not go on: whatever it would have reached, it is at most itself.
        let mut kept_back = if weight > 0.0 { 1_u64 << MASS_BITS } else { 0 };
        arrived.for_each(&mut |_, mass| kept_back -= mass);
        for (position, coefficient) in self.coefficients.iter().enumerate() {
            let mut frontier = Vec::new();
            arrived.for_each(&mut |place, mass| {
                frontier.push((place, mass));
                walked.estimates.add(place, part(mass, *coefficient));
            });
            scratch.give(arrived);
            // A node loses less than one unit to rounding here.
            walked.missing += coefficient * probability_of(kept_back) + probability_of(1);
            arrived = scratch.take(walked.terrain.place_count());
            if position + 1 == self.coefficients.len() || (context.cancelled)() {
                break;
            }
            let mut passed = Vec::with_capacity(frontier.len());
            for (place, mass) in frontier {
                if mass < threshold.saturating_mul(walked.terrain.degree(place) as u64) {
                    kept_back += mass;
                    continue;
                }
                let weight = walked.terrain.edges(place, &mut edges);
                if weight > 0.0 {
                    kept_back += mass;
                    for edge in &edges {
                        let given = part(mass, edge.share(weight));
                        arrived.add(edge.to, given);
                        kept_back -= given;
                    }
                    passed.push(Passed { place, mass, weight });
                }
            }
            walked.passed.push(passed);
        }
        scratch.give(arrived);
        walked
    }
}

/// What a place passed on at one step.
struct Passed {
    place: NodeId,
    mass: u64,
    /// What its edges weigh together.
    weight: f64,
}

/// A walk from the source.
struct Walked<'q> {
    terrain: Terrain<'q>,
    /// What the edges of the source weigh together.
    weight: f64,
    /// The sum of `c_k (P^k)_sj` by place, as far as mass was passed on.
    estimates: Accumulator,
    /// `passed[k - 1]`: the places that passed mass on after step k, in ascending order.
    passed: Vec<Vec<Passed>>,
    /// The most that an estimate may be too low.
    missing: f64,
}

struct StepsReading<'q> {
    signal: &'q WalkSteps,
    context: Context<'q>,
    walked: Walked<'q>,
}

impl Signal for WalkSteps {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let walked = self.walk(context, scratch);
        Box::new(StepsReading { signal: self, context, walked })
    }
}

impl StepsReading<'_> {
    /// `(d_s / d_j)^p`.
    fn scale(&self, place: NodeId, edges: &mut Vec<Edge>) -> f64 {
        let power = self.signal.params.degree_power;
        if power == 0.0 {
            return 1.0;
        }
        let weight = self.walked.terrain.weight(place, edges);
        if weight > 0.0 { libm::pow(self.walked.weight / weight, power) } else { 0.0 }
    }

    /// The value of a place, in units of 2^-48.
    fn value_units(&self, place: NodeId, edges: &mut Vec<Edge>) -> u64 {
        match self.walked.estimates.get(place) {
            0 => 0,
            estimate => part(estimate, self.scale(place, edges)),
        }
    }

    /// What comes to a place at a step, by the place it comes from; with the sum.
    fn arrivals(&self, place: NodeId, step: usize, edges: &mut Vec<Edge>) -> (Vec<(NodeId, u64)>, u64) {
        // Every edge is walked both ways, so those that lead here are those that leave.
        self.walked.terrain.edges(place, edges);
        let (passed, mut sum) = (&self.walked.passed[step - 2], 0);
        let arrivals = edges.iter().filter_map(|edge| {
            let from = &passed[passed.binary_search_by_key(&edge.to, |passed| passed.place).ok()?];
            let mass = part(from.mass, edge.share(from.weight));
            sum += mass;
            Some((from.place, mass))
        });
        (arrivals.collect(), sum)
    }

    /// How much of the estimate of a place goes over each first neighbor of the source.
    ///
    /// Backwards from the place: what a node passed on is divided among those that it came from in proportion.
    fn first_neighbors(&self, place: NodeId) -> BTreeMap<NodeId, u64> {
        let mut edges = Vec::new();
        let mut flows: BTreeMap<NodeId, u64> = BTreeMap::new();
        for step in (2..=self.walked.passed.len() + 1).rev() {
            let coefficient = self.signal.coefficients[step - 1];
            flows.entry(place).or_default();
            let mut before = BTreeMap::new();
            for (to, flow) in flows {
                let (arrivals, sum) = self.arrivals(to, step, &mut edges);
                let flow = flow + if to == place { part(sum, coefficient) } else { 0 };
                for (from, mass) in arrivals.into_iter().filter(|_| flow > 0) {
                    *before.entry(from).or_default() += share_of(flow, mass, sum);
                }
            }
            flows = before;
        }
        let weight = self.walked.terrain.source_edges(&self.context, &mut edges);
        let own = edges.iter().filter(|edge| edge.to == place);
        let mass: u64 = own.map(|edge| part(1 << MASS_BITS, edge.share(weight))).sum();
        *flows.entry(place).or_default() += part(mass, self.signal.coefficients[0]);
        flows.retain(|_, flow| *flow > 0);
        flows
    }
}

/// `flow * mass / sum`, rounded down; at most `flow`.
fn share_of(flow: u64, mass: u64, sum: u64) -> u64 {
    let share = u128::from(flow) * u128::from(mass) / u128::from(sum.max(1));
    u64::try_from(share).unwrap_or(flow)
}

impl Reading for StepsReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        let (walked, mut edges) = (&self.walked, Vec::new());
        walked.terrain.for_each_of(self.context.to, &walked.estimates, &mut |node, estimate| {
            let place = walked.terrain.place(self.context.to, node);
            let scale = place.map_or(0.0, |place| self.scale(place, &mut edges));
            shortlist.offer(node, part(estimate, scale));
        });
        shortlist.finish()
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let mut edges = Vec::new();
        for (candidate, raw) in candidates.iter().zip(raw) {
            let place = self.walked.terrain.place(self.context.to, *candidate);
            let units = place.map_or(0, |place| self.value_units(place, &mut edges));
            if units > 0 {
                *raw = probability_of(units);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let Some(place) = self.walked.terrain.place(self.context.to, candidate) else {
            return EvidenceList::default();
        };
        let mut edges = Vec::new();
        let flows = self.first_neighbors(place);
        let whole: u64 = flows.values().sum();
        let mut left = self.value_units(place, &mut edges);
        let (value, graph) = (left, self.context.graph);
        let mut parts: Vec<_> = flows
            .into_iter()
            .filter_map(|(via, flow)| {
                let (kind, index) = self.walked.terrain.kind_and_index(via);
                let (kind, node) = (KindId::from_index(kind)?, NodeId::from_index(index)?);
                Some((share_of(value, flow, whole), kind, node, via))
            })
            .collect();
        parts.sort_by(|(a, a_kind, a_node, _), (b, b_kind, b_node, _)| {
            let keys = || graph.nodes(*a_kind).key(*a_node).cmp(graph.nodes(*b_kind).key(*b_node));
            b.cmp(a).then(a_kind.cmp(b_kind)).then_with(keys)
        });
        // What rounding left over goes to the strongest: the pieces add up to the value.
        parts.iter().for_each(|(part, ..)| left -= part);
        if let Some((strongest, ..)) = parts.first_mut() {
            *strongest += left;
        }
        let left_out = parts.len().saturating_sub(limit);
        let item = |(part, kind, node, via): &(u64, KindId, NodeId, NodeId)| {
            let mut path = vec![self.context.source_ref(), self.context.node_ref(*kind, *node)];
            let mut relations: Vec<CompactString> = self
                .walked
                .terrain
                .relation_name(&self.context, *via)
                .map(CompactString::from)
                .into_iter()
                .collect();
            if *via != place {
                path.push(self.context.target(candidate));
                relations.push("walk".into());
            }
            Evidence::Path { path, relations, strength: probability_of(*part) }
        };
        let mut items: Vec<Evidence> = parts.iter().take(limit).map(item).collect();
        if self.walked.missing > MISSING_SHOWN_MIN && items.len() < limit {
            let missing_max = self.walked.missing * self.scale(place, &mut edges);
            items.push(Evidence::Missing { missing_max });
        }
        EvidenceList { items, left_out }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give(self.walked.estimates);
    }
}

/// What may be missing is said from here: below are only roundings.
const MISSING_SHOWN_MIN: f64 = 1e-9;
