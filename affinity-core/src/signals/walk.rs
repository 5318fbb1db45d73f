//! `walk`: personalized PageRank from the source over several relations, by forward push.
//!
//! Source: Andersen, Chung & Lang, "Local graph partitioning using PageRank vectors", FOCS 2006. Pushes go in
//! rounds over integers: all nodes that are due give at once, so the order of ids changes nothing.

use serde::Deserialize;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use crate::exact::{count_of, units, value_of};
use crate::graph::{Graph, Hop, KindId, NodeId, RelationId, Step};

/// Rounds of pushes; the residual left then is below `(1 - restart)^256`.
pub const WALK_ROUNDS_MAX: usize = 256;
/// Mass of 1.0: masses are multiples of 2^-48.
const MASS_BITS: u32 = 48;

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
    relations: toml::Spanned<Vec<Name>>,
    restart: Option<toml::Spanned<f64>>,
    precision: Option<toml::Spanned<f64>>,
}

/// Closeness over the whole graph of some relations, walked both ways.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    relations: Vec<RelationId>,
    params: WalkParams,
}

impl WalkToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Walk, MatcherError> {
        let mut relations = Vec::new();
        for name in self.relations.get_ref() {
            relations.push(resolve.relation("relations", name)?);
        }
        if relations.is_empty() {
            return Err(resolve.out_of_range("relations", &self.relations, "at least one relation"));
        }
        relations.sort_unstable();
        relations.dedup();
        let standard = WalkParams::STANDARD;
        let restart = self.restart.map(|restart| resolve.positive("restart", &restart, 0.99)).transpose()?;
        let precision =
            self.precision.map(|precision| resolve.positive("precision", &precision, 0.1)).transpose()?;
        let params = WalkParams {
            restart: restart.unwrap_or(standard.restart),
            precision: precision.unwrap_or(standard.precision),
        };
        Ok(Walk { relations, params })
    }
}

/// Nodes of all kinds in one row: kind by kind.
struct Places {
    /// The first place of each kind, and after the last kind the end.
    firsts: Vec<usize>,
}

impl Places {
    fn new(graph: &Graph) -> Self {
        let mut firsts = vec![0];
        for position in 0..graph.schema().kinds().len() {
            let count = KindId::from_index(position).map_or(0, |kind| graph.nodes(kind).node_count());
            firsts.push(firsts.last().copied().unwrap_or(0) + count);
        }
        Self { firsts }
    }

    fn of(&self, kind: KindId, node: NodeId) -> Option<NodeId> {
        NodeId::from_index(self.firsts[kind.index()] + node.index())
    }

    fn kind_and_index(&self, place: NodeId) -> (usize, usize) {
        let kind = self.firsts.partition_point(|first| *first <= place.index()) - 1;
        (kind, place.index() - self.firsts[kind])
    }

    fn count(&self) -> usize {
        self.firsts.last().copied().unwrap_or(0)
    }
}

struct WalkReading<'q> {
    context: Context<'q>,
    places: Places,
    estimates: Accumulator,
}

impl Signal for Walk {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let places = Places::new(context.graph);
        let push = self.push(&context, &places, scratch);
        let Push { estimates, residuals, .. } = push;
        scratch.give(residuals);
        Box::new(WalkReading { context, places, estimates })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "precision is in (0, 0.1]")]
fn precision_units(precision: f64) -> u64 {
    (libm::ldexp(precision, 48)).max(1.0) as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "mass is at most 2^48 and the share at most 1"
)]
fn part(mass: u64, share: f64) -> u64 {
    (mass as f64 * share) as u64
}

impl Walk {
    /// All pushes from the source.
    fn push<'q>(&self, context: &Context<'q>, places: &Places, scratch: &mut Scratch) -> Push<'q> {
        let mut push = Push {
            hops: self.hops(context),
            estimates: scratch.take(places.count()),
            residuals: scratch.take(places.count()),
            due: Vec::new(),
            threshold_units: precision_units(self.params.precision),
            restart: self.params.restart,
            steps: Vec::new(),
            touched_edge_count: 0,
        };
        push.start(self, context, places);
        for _ in 0..WALK_ROUNDS_MAX {
            if push.due.is_empty() || (context.cancelled)() {
                break;
            }
            push.round(places);
        }
        push
    }

    /// For each kind, the hops that leave it.
    fn hops<'q>(&self, context: &Context<'q>) -> Vec<Vec<Hop<'q>>> {
        let schema = context.graph.schema();
        let mut hops: Vec<Vec<Hop<'q>>> = schema.kinds().iter().map(|_| Vec::new()).collect();
        for relation in &self.relations {
            let declared = &schema.relations()[relation.index()];
            hops[declared.from.index()].push(context.hop(*relation, false, &[], false));
            if !declared.symmetric {
                hops[declared.to.index()].push(context.hop(*relation, true, &[], false));
            }
        }
        hops
    }
}

/// The state of a push.
struct Push<'q> {
    hops: Vec<Vec<Hop<'q>>>,
    estimates: Accumulator,
    residuals: Accumulator,
    /// Places whose residual has reached the threshold.
    due: Vec<NodeId>,
    threshold_units: u64,
    restart: f64,
    /// Weights in units, as their total is summed: shares then never exceed 1, however large a weight is.
    steps: Vec<(NodeId, u64)>,
    touched_edge_count: usize,
}

impl<'q> Push<'q> {
    fn start(&mut self, walk: &Walk, context: &Context<'q>, places: &Places) {
        let source = context.source;
        if let Some(place) = source.node.and_then(|node| places.of(source.kind, node)) {
            self.give(place, 1 << MASS_BITS);
            return;
        }
        // A source described on the spot has no place of its own: its links stand for its first step.
        let mut links: Vec<(KindId, Step)> = Vec::new();
        for relation in &walk.relations {
            for reversed in [false, true] {
                let hop = context.hop(*relation, reversed, &[], false);
                links
                    .extend(source.steps(*relation, reversed, &hop).into_iter().map(|step| (hop.to(), step)));
            }
        }
        let total = value_of(links.iter().map(|(_, step)| units(f64::from(step.weight))).sum());
        for (kind, step) in links.iter().filter(|_| total > 0.0) {
            if let Some(place) = places.of(*kind, step.target) {
                self.give(place, part(1 << MASS_BITS, value_of(units(f64::from(step.weight))) / total));
            }
        }
    }

    /// Adds to a residual; a place is listed as due when it crosses the least threshold, that of a single edge.
    fn give(&mut self, place: NodeId, mass: u64) {
        let before = self.residuals.get(place);
        self.residuals.add(place, mass);
        if before < self.threshold_units && before + mass >= self.threshold_units {
            self.due.push(place);
        }
    }

    /// All places that are due keep their part and pass the rest on, at once.
    fn round(&mut self, places: &Places) {
        let listed = std::mem::take(&mut self.due);
        let mut taken: Vec<(NodeId, u64)> = Vec::with_capacity(listed.len());
        for place in listed {
            let residual = self.residuals.get(place);
            let (kind, index) = places.kind_and_index(place);
            let degree: usize = self.hops[kind].iter().map(|hop| hop.visible_degree(index)).sum();
            if u128::from(residual) >= u128::from(self.threshold_units) * degree.max(1) as u128 {
                self.residuals.reset(place);
                taken.push((place, residual));
            } else {
                self.due.push(place); // waits for more
            }
        }
        if taken.is_empty() {
            self.due.clear(); // nobody gives, so nobody who waits will ever get more
            return;
        }
        for (place, residual) in taken {
            let (kind, index) = places.kind_and_index(place);
            let kept = part(residual, self.restart);
            self.estimates.add(place, kept);
            let mut steps = std::mem::take(&mut self.steps);
            steps.clear();
            for hop in &self.hops[kind] {
                hop.visit(index, &mut |step| {
                    if let Some(to) = places.of(hop.to(), step.target) {
                        steps.push((to, units(f64::from(step.weight))));
                    }
                });
            }
            let total = value_of(steps.iter().map(|(_, weight)| *weight).sum());
            self.touched_edge_count += steps.len();
            for (to, weight) in steps.iter().filter(|_| total > 0.0) {
                // In the units of the sum: shares never exceed 1 together, however large or small the weights.
                self.give(*to, part(residual - kept, value_of(*weight) / total));
            }
            self.steps = steps;
        }
    }
}

impl WalkReading<'_> {
    fn probability(&self, candidate: NodeId) -> f64 {
        let place = self.places.of(self.context.to, candidate);
        place.map_or(0.0, |place| libm::ldexp(mass_of(self.estimates.get(place)), -48))
    }
}

#[expect(clippy::cast_precision_loss, reason = "masses are at most 2^48")]
fn mass_of(mass: u64) -> f64 {
    mass as f64
}

impl Reading for WalkReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let (first, end) =
            (self.places.firsts[self.context.to.index()], self.places.firsts[self.context.to.index() + 1]);
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        self.estimates.for_each(&mut |place, mass| {
            if (first..end).contains(&place.index())
                && let Some(node) = NodeId::from_index(place.index() - first)
            {
                shortlist.offer(node, mass);
            }
        });
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

    use super::{Context, Places, RelationId, Scratch, Walk, WalkParams, walk_edges_max};
    use crate::graph::{Graph, Sight};
    use crate::signals::{Models, Source};
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
            let walk = Walk { relations: vec![RelationId::from_index(0).unwrap()], params };
            for key in ["0.0", "7.3"] {
                let source = Source::of_node(&graph, kind, graph.nodes(kind).find(&key.into()).unwrap());
                let context = Context {
                    graph: &graph,
                    spaces: &[],
                    models: &Models::default(),
                    filters: &crate::signals::BoundFilters::default(),
                    source: &source,
                    sight: Sight::new(&Viewer::Operator, graph.audiences()),
                    as_of: Timestamp::default(),
                    to: kind,
                    cancelled: &|| false,
                };
                let push = walk.push(&context, &Places::new(&graph), &mut Scratch::default());
                let touched = crate::exact::count_of(push.touched_edge_count);
                assert!(
                    touched > 0.0 && touched <= walk_edges_max(params),
                    "{touched} edges with {params:?}"
                );
                let mut kept = 0;
                push.estimates.for_each(&mut |_, mass| kept += mass);
                assert!(kept <= 1 << super::MASS_BITS, "more than the whole probability with {params:?}");
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
