//! `walk`: personalized PageRank from the source over several relations, by forward push.
//!
//! Source: Andersen, Chung & Lang, "Local graph partitioning using PageRank vectors", FOCS 2006. Pushes go in
//! rounds over integers: all nodes that are due give at once, so the order of ids changes nothing.

use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::resolve::{MatcherError, Name, Resolve};
use super::settled::Settled;
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use super::terrain::{Edge, MASS_BITS, Terrain, TypedRelation, mass_units, part, probability_of};
use super::walk_steps::{StepsParams, WalkSteps};
use crate::exact::count_of;
use crate::graph::NodeId;

/// Rounds of pushes; the residual left then is below `(1 - restart)^256`.
pub const WALK_ROUNDS_MAX: usize = 256;

/// Restart probability and precision of a walk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WalkParams {
    /// Probability of going back to the source at each step (alpha), in (0, 1).
    pub restart: f64,
    /// A node passes on its residual while it exceeds this, times its edges; at most `1 / (restart * precision)`
    /// edges are touched.
    pub precision: f64,
}

impl WalkParams {
    /// Restart 0.15 as in Page et al. (1999), precision 1e-4: at most 67,000 edges a query.
    pub const STANDARD: Self = Self { restart: 0.15, precision: 1e-4 };
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalkToml {
    relations: Spanned<Vec<Name>>,
    /// What an edge of each relation counts beside those of the others; 1 each when not given.
    weights: Option<Spanned<Vec<f64>>>,
    restart: Option<Spanned<f64>>,
    precision: Option<Spanned<f64>>,
    /// Whether what has not been passed on counts where it would be in the long run.
    settled: Option<Spanned<bool>>,
    /// Coefficients of a polynomial of the walk instead of personalized PageRank.
    steps: Option<Spanned<Vec<f64>>>,
    degree_power: Option<Spanned<f64>>,
}

/// Closeness over the whole graph of some relations, walked both ways.
#[derive(Clone, Debug)]
struct Walk {
    relations: Vec<TypedRelation>,
    params: WalkParams,
    settles: bool,
}

/// Steps of a polynomial at most.
const STEPS_MAX: usize = 16;
/// Weight of a relation at most.
const RELATION_WEIGHT_MAX: f64 = 1_024.0;

impl WalkToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Arc<dyn Signal>, MatcherError> {
        let mut relations = Vec::new();
        for (position, name) in self.relations.get_ref().iter().enumerate() {
            let weight =
                self.weights.as_ref().map_or(Some(1.0), |weights| weights.get_ref().get(position).copied());
            let relation = resolve.relation("relations", name)?;
            relations.push(TypedRelation { relation, weight: weight.unwrap_or(0.0) });
        }
        if relations.is_empty() {
            return Err(resolve.out_of_range("relations", &self.relations, "at least one relation"));
        }
        let is_weight = |weight: &f64| *weight > 0.0 && *weight <= RELATION_WEIGHT_MAX;
        if let Some(weights) = &self.weights
            && !(weights.get_ref().len() == relations.len() && weights.get_ref().iter().all(is_weight))
        {
            let expected = "one number above 0, at most 1024, for each relation";
            return Err(resolve.out_of_range("weights", weights, expected));
        }
        relations.sort_by_key(|typed| typed.relation);
        relations.dedup_by_key(|typed| typed.relation);
        let precision =
            self.precision.as_ref().map(|given| resolve.positive("precision", given, 0.1)).transpose()?;
        let Some(steps) = self.steps else {
            if let Some(power) = &self.degree_power {
                return Err(resolve.out_of_range("degree_power", power, "none without `steps`"));
            }
            let standard = WalkParams::STANDARD;
            let restart =
                self.restart.map(|restart| resolve.positive("restart", &restart, 0.99)).transpose()?;
            let params = WalkParams {
                restart: restart.unwrap_or(standard.restart),
                precision: precision.unwrap_or(standard.precision),
            };
            let settles = self.settled.is_some_and(Spanned::into_inner);
            return Ok(Arc::new(Walk { relations, params, settles }));
        };
        if let Some(settled) = &self.settled {
            return Err(resolve.out_of_range("settled", settled, "none beside `steps`"));
        }
        if let Some(restart) = &self.restart {
            return Err(resolve.out_of_range("restart", restart, "none beside `steps`"));
        }
        let coefficients = steps.get_ref();
        let are_in_range = coefficients.iter().all(|coefficient| (0.0..=1.0).contains(coefficient));
        let counts = coefficients.last().is_some_and(|last| *last > 0.0) && coefficients.len() <= STEPS_MAX;
        if !are_in_range || !counts {
            let expected = "1 to 16 numbers from 0 to 1, the last one above 0";
            return Err(resolve.out_of_range("steps", &steps, expected));
        }
        let standard = StepsParams::STANDARD;
        let degree_power = match &self.degree_power {
            Some(power) if !(0.0..=1.0).contains(power.get_ref()) => {
                return Err(resolve.out_of_range("degree_power", power, "a number from 0 to 1"));
            }
            given => given.as_ref().map_or(standard.degree_power, |power| *power.get_ref()),
        };
        let params = StepsParams { degree_power, precision: precision.unwrap_or(standard.precision) };
        Ok(Arc::new(WalkSteps::new(relations, steps.into_inner(), params)))
    }
}

struct WalkReading<'q> {
    context: Context<'q>,
    terrain: Terrain<'q>,
    estimates: Accumulator,
    settled: Option<Settled>,
}

impl Signal for Walk {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let terrain = Terrain::new(&context, &self.relations);
        let Push { estimates, residuals, .. } = self.push(&context, &terrain, scratch);
        let settled = self.settles.then(|| Settled::new(&context, &terrain, &residuals, self.params.restart));
        scratch.give(residuals);
        Box::new(WalkReading { context, terrain, estimates, settled })
    }
}

impl Walk {
    /// All pushes from the source.
    fn push(&self, context: &Context<'_>, terrain: &Terrain<'_>, scratch: &mut Scratch) -> Push {
        let mut push = Push {
            estimates: scratch.take(terrain.place_count()),
            residuals: scratch.take(terrain.place_count()),
            due: Vec::new(),
            threshold_units: mass_units(self.params.precision),
            restart: self.params.restart,
            edges: Vec::new(),
            touched_edge_count: 0,
        };
        push.start(context, terrain);
        for _ in 0..WALK_ROUNDS_MAX {
            if push.due.is_empty() || (context.cancelled)() {
                break;
            }
            push.round(terrain);
        }
        push
    }
}

/// A place that may have to give.
struct Due {
    place: NodeId,
    /// The residual from which it gives; 0 while its edges are not counted.
    needed: u64,
}

/// The state of a push.
struct Push {
    estimates: Accumulator,
    residuals: Accumulator,
    /// Places whose residual has reached the threshold of a single edge.
    due: Vec<Due>,
    threshold_units: u64,
    restart: f64,
    edges: Vec<Edge>,
    touched_edge_count: usize,
}

impl Push {
    fn start(&mut self, context: &Context<'_>, terrain: &Terrain<'_>) {
        let source = context.source;
        if let Some(place) = source.node.and_then(|node| terrain.place(source.kind, node)) {
            self.give(place, 1 << MASS_BITS);
            return;
        }
        // A source described on the spot has no place of its own: its links stand for its first step.
        let mut links = Vec::new();
        let total = terrain.source_edges(context, &mut links);
        links.iter().for_each(|edge| self.give(edge.to, part(1 << MASS_BITS, edge.share(total))));
    }

    /// Adds to a residual; a place is listed as due when it crosses the least threshold, that of a single edge.
    // hot
    #[inline]
    fn give(&mut self, place: NodeId, mass: u64) {
        let before = self.residuals.add_after(place, mass);
        if before < self.threshold_units && before + mass >= self.threshold_units {
            self.due.push(Due { place, needed: 0 });
        }
    }

    /// All places that are due keep their part and pass the rest on, at once.
    fn round(&mut self, terrain: &Terrain<'_>) {
        let listed = std::mem::take(&mut self.due);
        let mut taken: Vec<(NodeId, u64)> = Vec::with_capacity(listed.len());
        for Due { place, mut needed } in listed {
            let residual = self.residuals.get(place);
            if needed == 0 {
                needed = self.threshold_units.saturating_mul(terrain.degree(place).max(1) as u64);
            }
            if residual >= needed {
                self.residuals.reset(place);
                taken.push((place, residual));
            } else {
                self.due.push(Due { place, needed }); // waits for more
            }
        }
        if taken.is_empty() {
            self.due.clear(); // nobody gives, so nobody who waits will ever get more
            return;
        }
        let mut edges = std::mem::take(&mut self.edges);
        for (place, residual) in taken {
            let kept = part(residual, self.restart);
            self.estimates.add(place, kept);
            let mass = residual - kept;
            self.touched_edge_count +=
                terrain.hand_out(place, mass, &mut edges, |to, part| self.give(to, part));
        }
        self.edges = edges;
    }
}

impl WalkReading<'_> {
    fn probability(&self, candidate: NodeId) -> f64 {
        let Some(place) = self.terrain.place(self.context.to, candidate) else { return 0.0 };
        let settled = self.settled.as_ref();
        let settled = settled.map_or(0, |settled| settled.mass_at(&self.terrain, self.context.to, place));
        probability_of(self.estimates.get(place) + settled)
    }
}

impl Reading for WalkReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        let (terrain, to) = (&self.terrain, self.context.to);
        match &self.settled {
            None => {
                terrain.for_each_of(to, &self.estimates, &mut |node, mass| shortlist.offer(node, mass));
            }
            Some(settled) => terrain.for_each_weight(&self.context, to, |node, units| {
                let pushed = terrain.place(to, node).map_or(0, |place| self.estimates.get(place));
                shortlist.offer(node, pushed + settled.mass(to, units));
            }),
        }
        shortlist.finish()
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        for (candidate, raw) in candidates.iter().zip(raw) {
            let probability = self.probability(*candidate);
            if probability > 0.0 {
                *raw = probability;
            }
        }
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        EvidenceList::one(Evidence::Walk { probability: self.probability(candidate) })
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give(self.estimates);
    }
}

/// The most edges that a walk touches.
///
/// Each push moves at least `restart * precision` per edge it touches into the estimates, which sum to at most 1.
#[must_use]
pub fn walk_edges_max(params: WalkParams) -> f64 {
    count_of(1) / (params.restart * params.precision)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use super::{Context, MASS_BITS, Scratch, Terrain, TypedRelation, Walk, WalkParams, walk_edges_max};
    use crate::graph::{Graph, Sight};
    use crate::signals::{Models, Source, TermWeights};
    use crate::{Change, EdgeKey, EdgeRecord, Engine, Matcher, NodeRecord, Query, Schema, Timestamp, Viewer};

    /// A chain of stars: 40 hubs with 50 neighbors each, every hub joined to the next.
    fn stars() -> Graph {
        let schema = "name = 's'\n[kinds.N]\n[relations.R]\nfrom = 'N'\nto = 'N'\nsymmetric = true";
        let mut changes = Vec::new();
        for hub in 0..40 {
            for leaf in 0..=50 {
                let name = |hub: usize, leaf: usize| format!("{hub}.{leaf}");
                let target = if leaf == 0 { name((hub + 1) % 40, 0) } else { name(hub, leaf) };
                let (relation, source) = ("R".to_string(), name(hub, 0).into());
                let edge = EdgeKey { relation, source, target: target.into(), origin: None };
                let (kind, key) = ("N".to_string(), name(hub, leaf).into());
                changes.push(Change::PutNode { kind, key, record: NodeRecord::default() });
                changes.push(Change::PutEdge { edge, record: EdgeRecord::default() });
            }
        }
        let mut graph = Graph::new(Arc::new(Schema::from_toml(schema).unwrap()));
        graph.apply(changes).unwrap();
        graph
    }

    #[test]
    fn push_touches_no_more_edges_than_promised() {
        let graph = stars();
        let kind = graph.schema().kind("N").unwrap();
        for (restart, precision) in [(0.15, 1e-2), (0.15, 1e-3), (0.15, 1e-4), (0.5, 1e-4), (0.01, 1e-3)] {
            let params = WalkParams { restart, precision };
            let relation = graph.schema().relation("R").unwrap();
            let walk =
                Walk { relations: vec![TypedRelation { relation, weight: 1.0 }], params, settles: false };
            for key in ["0.0", "7.3"] {
                let source = Source::of_node(&graph, kind, graph.nodes(kind).find(&key.into()).unwrap());
                let context = Context {
                    graph: &graph,
                    spaces: &[],
                    models: &Models::default(),
                    term_weights: &TermWeights::default(),
                    filters: &crate::signals::BoundFilters::default(),
                    source: &source,
                    sight: Sight::new(&Viewer::Operator, graph.audiences()),
                    as_of: Timestamp::default(),
                    to: kind,
                    only: None,
                    cancelled: &|| false,
                };
                let terrain = Terrain::new(&context, &walk.relations);
                let push = walk.push(&context, &terrain, &mut Scratch::default());
                let touched = crate::exact::count_of(push.touched_edge_count);
                assert!(
                    touched > 0.0 && touched <= walk_edges_max(params),
                    "{touched} edges with {params:?}"
                );
                let mut kept = 0;
                push.estimates.for_each(&mut |_, mass| kept += mass);
                assert!(kept <= 1 << MASS_BITS, "more than the whole probability with {params:?}");
            }
        }
    }

    #[test]
    fn walk_over_huge_weights_stays_a_probability() {
        let schema =
            "name = 't'\n[kinds.M]\n[relations.R]\nfrom = 'M'\nto = 'M'\nsymmetric = true\nweighted = true";
        let schema = Schema::from_toml(schema).unwrap();
        let matcher = "name = 'm'\nfrom = 'M'\nto = 'M'\ncandidates = [{ signal = 'w', cap = 9 }]\n\
            [[signals]]\nname = 'w'\nweight = 1.0\nwalk = { relations = ['R'] }";
        let matcher = Matcher::from_toml(matcher, "m.toml", &schema).unwrap();
        let mut changes = Vec::new();
        for (source, target, weight) in [("a", "b", 1e30), ("b", "c", 1e9), ("c", "a", 1.0)] {
            let (kind, record) = ("M".to_string(), NodeRecord::default());
            changes.push(Change::PutNode { kind, key: source.into(), record });
            let (relation, source, target) = ("R".to_string(), source.into(), target.into());
            changes.push(Change::PutEdge {
                edge: EdgeKey { relation, source, target, origin: None },
                record: EdgeRecord { weight, ..EdgeRecord::default() },
            });
        }
        let engine = Engine::builder(schema).matcher(matcher).apply(changes).unwrap().build().unwrap();
        let answer = engine.recommend(&Query::new("m", "a")).unwrap();
        let scores: Vec<f64> = answer.matches.iter().map(|found| found.score).collect();
        assert!(scores.len() == 2 && scores.iter().all(|score| *score > 0.0), "{scores:?}");
        assert!(scores.iter().sum::<f64>() < 1.0, "{scores:?}");
    }
}
