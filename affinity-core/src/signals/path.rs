//! `path`: a typed walk from the source to the candidate, along given relations.
//!
//! Source: Lao & Cohen, "Relational retrieval using a combination of path-constrained random walks",
//! Machine Learning 81(1), 2010.

use compact_str::{CompactString, format_compact};
use serde::Deserialize;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::decay::{Decay, HalfLife};
use super::evidence::{Evidence, EvidenceList, NodeRef};
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use crate::exact::{units, value_of};
use crate::graph::{
    AttributeId, AttributeType, Cell, Condition, Hop, KindId, NodeId, RelationId, Step, Test,
};

/// Steps of a path.
pub const PATH_STEPS_MAX: usize = 6;
/// Nodes that a path may stand on after a step, the heaviest first.
pub const PATH_FRONTIER_MAX: usize = 65_536;
/// Paths looked at to find the strongest for an explanation.
pub const PATH_EVIDENCE_MAX: usize = 4_096;
/// Nodes that a single target is looked for from, against the steps: beyond, going along the steps costs less.
const LEADING_MAX: usize = 256;
/// Mass of 1.0: masses are multiples of 2^-32.
const MASS_ONE: f64 = 4_294_967_296.0;

/// What several paths to the same node amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Combine {
    /// The sum of their strengths.
    #[default]
    Sum,
    /// The strongest.
    Max,
}

/// What a step multiplies the strength with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Normalize {
    /// The edge's share of all edges that leave the node: a random walk.
    #[default]
    Degree,
    /// The edge's weight, at most 1.
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepToml {
    relation: Name,
    #[serde(default)]
    reversed: bool,
    /// A number of the node reached that the strength is multiplied with, clamped to [0, 1].
    factor: Option<Name>,
    /// On the edges.
    #[serde(default, rename = "where")]
    edge_conditions: Vec<toml::Spanned<Condition>>,
    /// On the node reached.
    #[serde(default)]
    nodes: Vec<toml::Spanned<Condition>>,
    half_life_days: Option<toml::Spanned<f64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PathToml {
    steps: toml::Spanned<Vec<StepToml>>,
    #[serde(default)]
    combine: Combine,
    #[serde(default)]
    normalize: Normalize,
}

/// A typed walk; its value is the combined strength of all paths to the candidate.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    steps: Vec<PathStep>,
    combine: Combine,
    normalize: Normalize,
    past_audience: bool,
}

/// One step of a path.
#[derive(Clone, Debug)]
pub(crate) struct PathStep {
    relation: RelationId,
    reversed: bool,
    to: KindId,
    factor: Option<AttributeId>,
    edge_conditions: Vec<Condition>,
    node_conditions: Vec<Condition>,
    half_life: Option<HalfLife>,
}

impl PathToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>, past_audience: bool) -> Result<Path, MatcherError> {
        let (combine, normalize) = (self.combine, self.normalize);
        let count = self.steps.get_ref().len();
        if count == 0 || count > PATH_STEPS_MAX {
            return Err(resolve.out_of_range("steps", &self.steps, &format!("1 to {PATH_STEPS_MAX} steps")));
        }
        let mut at = resolve.from;
        let mut steps = Vec::with_capacity(count);
        for (position, step) in self.steps.into_inner().into_iter().enumerate() {
            let (relation, to) = resolve.step("relation", &step.relation, step.reversed, at)?;
            if position + 1 == count && to != resolve.to {
                let kind = &resolve.schema.kinds()[resolve.to.index()].name;
                return Err(resolve.out_of_range(
                    "relation",
                    &step.relation,
                    &format!("a last step that leads to {kind}"),
                ));
            }
            at = to;
            let factor =
                step.factor.map(|name| resolve.attribute("factor", &name, to, &[AttributeType::Number]));
            let days = step.half_life_days.map(|days| resolve.positive("half_life_days", &days, 1e6));
            steps.push(PathStep {
                relation,
                reversed: step.reversed,
                to,
                factor: factor.transpose()?.map(|(id, _)| id),
                edge_conditions: resolve.edge_conditions(step.edge_conditions, relation)?,
                node_conditions: resolve.node_conditions(step.nodes, to)?,
                half_life: days.transpose()?.map(HalfLife::new),
            });
        }
        Ok(Path { steps, combine, normalize, past_audience })
    }
}

/// The nodes that paths stand on after a step.
#[derive(Default)]
struct Frontier {
    /// Sorted by node.
    entries: Vec<FrontierEntry>,
}

struct FrontierEntry {
    node: NodeId,
    /// In units of 2^-32.
    mass: u64,
    /// The factor of the node itself.
    factor: f64,
    /// Sum of the weights of the edges that leave it along the next step; 0 until that step is made.
    leaving: f64,
}

/// A step made ready for one query.
struct Ready<'q> {
    step: &'q PathStep,
    hop: Hop<'q>,
    back: Hop<'q>,
    tests: Vec<Test>,
    decay: Decay,
}

impl Signal for Path {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let ready: Vec<Ready<'q>> = self.steps.iter().map(|step| self.ready(step, &context)).collect();
        let leading = leading(&ready, context.only);
        let mut reading = PathReading {
            signal: self,
            context,
            ready,
            leading,
            frontiers: Vec::new(),
            sums: None,
            is_cut: false,
        };
        for position in 0..self.steps.len() {
            let mut sums = scratch.take(context.graph.nodes(reading.ready[position].step.to).node_count());
            reading.advance(position, &mut sums);
            let frontier = reading.frontier(position, &sums);
            if position + 1 == self.steps.len() {
                sums.clear();
                for entry in &frontier.entries {
                    sums.add(entry.node, entry.mass);
                }
                reading.sums = Some(sums);
            } else {
                scratch.give(sums);
            }
            reading.frontiers.push(frontier);
        }
        Box::new(reading)
    }
}

/// After each step the nodes from which the only node asked about can be reached, sorted; `None` where that may be any.
///
/// Only a path of more than [`PATH_FRONTIER_MAX`] nodes after a step can tell the difference: fewer are then left out.
fn leading(ready: &[Ready<'_>], only: Option<NodeId>) -> Vec<Option<Vec<NodeId>>> {
    let mut leading = vec![None; ready.len()];
    let mut on = only.map(|only| vec![only]);
    for (position, step) in ready.iter().enumerate().rev() {
        let mut before = on.as_ref().filter(|on| on.len() <= LEADING_MAX).map(|on| {
            let mut before = Vec::new();
            on.iter().for_each(|node| step.back.visit_targets(node.index(), |node| before.push(node)));
            before
        });
        if let Some(before) = &mut before {
            before.sort_unstable();
            before.dedup();
        }
        leading[position] = std::mem::replace(&mut on, before);
    }
    leading
}

impl Path {
    fn ready<'q>(&'q self, step: &'q PathStep, context: &Context<'q>) -> Ready<'q> {
        let hop = |reversed| context.hop(step.relation, reversed, &step.edge_conditions, self.past_audience);
        Ready {
            step,
            hop: hop(step.reversed),
            back: hop(!step.reversed),
            tests: context
                .tests(&step.node_conditions, &context.graph.schema().kinds()[step.to.index()].attributes),
            decay: Decay::new(step.half_life.as_ref(), context.as_of),
        }
    }

    /// The share of a path's strength that goes on along an edge.
    fn share(&self, weight: f64, leaving: f64) -> f64 {
        match self.normalize {
            Normalize::Degree => {
                if leaving > 0.0 {
                    value_of(units(weight)) / leaving // in the units of the sum: shares never exceed 1 together
                } else {
                    0.0
                }
            }
            Normalize::None => weight.min(1.0),
        }
    }
}

struct PathReading<'q> {
    signal: &'q Path,
    context: Context<'q>,
    ready: Vec<Ready<'q>>,
    leading: Vec<Option<Vec<NodeId>>>,
    /// After each step, without the source itself.
    frontiers: Vec<Frontier>,
    sums: Option<Accumulator>,
    is_cut: bool,
}

fn weigh(step: &Step, decay: &Decay) -> f64 {
    f64::from(step.weight) * decay.factor(step.time)
}

/// The sum of weights, exact in any order.
fn total(steps: &[Step], decay: &Decay) -> f64 {
    value_of(steps.iter().map(|step| units(weigh(step, decay))).fold(0, u64::saturating_add))
}

#[expect(clippy::cast_precision_loss, reason = "masses above 2^53 are rounded the same way in any order")]
fn mass_of(mass: u64) -> f64 {
    mass as f64
}

/// The part of `mass` that `share`, in [0, 1], amounts to.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "mass times a share in [0, 1]")]
fn part(mass: u64, share: f64) -> u64 {
    (mass_of(mass) * share) as u64
}

impl PathReading<'_> {
    /// Sends the masses of the frontier before step `position` along it.
    fn advance(&mut self, position: usize, sums: &mut Accumulator) {
        let ready = &self.ready[position];
        let mut steps = Vec::new();
        let mut spread = |mass: u64, steps: &[Step], leaving: f64| {
            for step in steps {
                let moved = part(mass, self.signal.share(weigh(step, &ready.decay), leaving));
                match self.signal.combine {
                    Combine::Sum => sums.add(step.target, moved),
                    Combine::Max => sums.raise(step.target, moved),
                }
            }
        };
        let Some(previous) = position.checked_sub(1) else {
            let steps = self.context.source.steps(ready.step.relation, ready.step.reversed, &ready.hop);
            spread(1 << 32, &steps, total(&steps, &ready.decay));
            return;
        };
        for entry in &mut self.frontiers[previous].entries {
            if (self.context.cancelled)() {
                return;
            }
            steps.clear();
            ready.hop.visit(entry.node.index(), &mut |step| steps.push(step));
            entry.leaving = total(&steps, &ready.decay);
            spread(entry.mass, &steps, entry.leaving);
        }
    }

    /// The nodes reached that satisfy the conditions, with their factors applied.
    fn frontier(&mut self, position: usize, sums: &Accumulator) -> Frontier {
        let ready = &self.ready[position];
        let nodes = self.context.graph.nodes(ready.step.to);
        let mut entries = Vec::new();
        sums.for_each(&mut |node, mass| {
            let passes = ready.tests.iter().all(|test| match test.place {
                crate::graph::Place::Attribute(attribute) => {
                    AttributeId::from_index(attribute).is_some_and(|id| test.accepts(&nodes.cell(node, id)))
                }
                _ => false,
            });
            let factor = match ready.step.factor.map(|factor| nodes.cell(node, factor)) {
                None => 1.0,
                Some(Cell::Number(number)) => number.clamp(0.0, 1.0),
                Some(_) => 0.0,
            };
            let mass = part(mass, factor);
            let leads_on = self.leading[position].as_ref().is_none_or(|on| on.binary_search(&node).is_ok());
            if leads_on && passes && mass > 0 {
                entries.push(FrontierEntry { node, mass, factor, leaving: 0.0 });
            }
        });
        if position + 1 < self.ready.len() && entries.len() > PATH_FRONTIER_MAX {
            self.is_cut = true;
            entries
                .sort_by(|a, b| b.mass.cmp(&a.mass).then_with(|| nodes.key(a.node).cmp(nodes.key(b.node))));
            entries.truncate(PATH_FRONTIER_MAX);
            entries.sort_by_key(|entry| entry.node);
        }
        Frontier { entries }
    }

    fn entry(&self, position: usize, node: NodeId) -> Option<&FrontierEntry> {
        let entries = &self.frontiers[position].entries;
        entries.binary_search_by_key(&node, |entry| entry.node).ok().map(|found| &entries[found])
    }

    /// Walks back from `node` after step `position`, collecting complete paths with their strength.
    fn walk_back(
        &self,
        position: usize,
        node: NodeId,
        tail: &mut Vec<NodeId>,
        onward: f64,
        found: &mut Vec<(f64, Vec<NodeId>)>,
    ) {
        if found.len() >= PATH_EVIDENCE_MAX {
            return;
        }
        let Some(entry) = self.entry(position, node) else { return };
        tail.push(node);
        let ready = &self.ready[position];
        let onward = onward * entry.factor;
        match position.checked_sub(1) {
            None => {
                let steps = self.context.source.steps(ready.step.relation, ready.step.reversed, &ready.hop);
                let leaving = total(&steps, &ready.decay);
                for step in steps.iter().filter(|step| step.target == node) {
                    let strength = onward * self.signal.share(weigh(step, &ready.decay), leaving);
                    found.push((strength, tail.iter().rev().copied().collect()));
                }
            }
            Some(previous) => {
                let mut steps = Vec::new();
                ready.back.visit(node.index(), &mut |step| steps.push(step));
                let nodes = self.context.graph.nodes(self.ready[previous].step.to);
                let mut befores: Vec<(&FrontierEntry, Step)> = steps
                    .into_iter()
                    .filter_map(|step| Some((self.entry(previous, step.target)?, step)))
                    .collect();
                // Heaviest first, so that the cap on paths looked at does not depend on the order of ids.
                befores.sort_by(|(a, _), (b, _)| {
                    b.mass.cmp(&a.mass).then_with(|| nodes.key(a.node).cmp(nodes.key(b.node)))
                });
                for (before, step) in befores {
                    {
                        let share = self.signal.share(weigh(&step, &ready.decay), before.leaving);
                        self.walk_back(previous, step.target, tail, onward * share, found);
                    }
                }
            }
        }
        tail.pop();
    }

    fn names(&self, path: &[NodeId]) -> Vec<NodeRef> {
        let mut names = vec![self.context.source_ref()];
        names.extend(
            path.iter().zip(&self.ready).map(|(node, ready)| self.context.node_ref(ready.step.to, *node)),
        );
        names
    }
}

impl Reading for PathReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        if let Some(last) = self.frontiers.last() {
            for entry in &last.entries {
                shortlist.offer(entry.node, entry.mass);
            }
        }
        let mut expansion = shortlist.finish();
        expansion.is_cut |= self.is_cut;
        expansion
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let Some(sums) = &self.sums else { return };
        for (candidate, raw) in candidates.iter().zip(raw) {
            let mass = sums.get(*candidate);
            if mass > 0 {
                *raw = mass_of(mass) / MASS_ONE;
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        if self.signal.past_audience {
            return EvidenceList::withheld();
        }
        let mut found = Vec::new();
        self.walk_back(self.ready.len() - 1, candidate, &mut Vec::new(), 1.0, &mut found);
        let keys = |path: &[NodeId]| {
            let nodes = path.iter().zip(&self.ready);
            nodes
                .map(|(node, ready)| self.context.graph.nodes(ready.step.to).key(*node).clone())
                .collect::<Vec<_>>()
        };
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| keys(&a.1).cmp(&keys(&b.1))));
        let left_out = found.len().saturating_sub(limit);
        let schema = self.context.graph.schema();
        let relations: Vec<CompactString> = self
            .signal
            .steps
            .iter()
            .map(|step| {
                let name = &schema.relations()[step.relation.index()].name;
                format_compact!("{}{name}", if step.reversed { "<" } else { "" })
            })
            .collect();
        let items = found.iter().take(limit).map(|(strength, path)| Evidence::Path {
            path: self.names(path),
            relations: relations.clone(),
            strength: *strength,
        });
        EvidenceList { items: items.collect(), left_out }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        if let Some(sums) = self.sums {
            scratch.give(sums);
        }
    }
}
