//! `shared`: neighbors that the source and the candidate have in common.
//!
//! Source: Adamic & Adar, "Friends and neighbors on the Web", Social Networks 25(3), 2003; resource allocation:
//! Zhou, Lü & Zhang, "Predicting missing links via local information", European Physical Journal B 71, 2009.

use std::cell::Cell;

use compact_str::format_compact;
use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::decay::{Decay, HalfLife};
use super::evidence::{Evidence, EvidenceList};
use super::models::ModelRequest;
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use super::sweep::{BlockSums, Lane, Packed, Weigh};
use super::tally::{Lists, TALLY_LISTS_MAX, Tally};
use crate::exact::{units, value_of};
use crate::graph::{Condition, Hop, NodeId, RelationId, Step};

/// Neighbors of the source that are looked at, the strongest first.
pub const SHARED_NEIGHBORS_MAX: usize = 65_536;

/// What a shared neighbor counts, besides the product of the weights of both edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Formula {
    /// 1, whatever the weights: the sum is the number of shared neighbors.
    Count,
    /// 1 / ln(degree): a rare neighbor counts more.
    AdamicAdar,
    /// 1 / degree.
    ResourceAllocation,
    /// 1; the sum is divided by the lengths of both weight vectors.
    Cosine,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharedToml {
    relation: Name,
    #[serde(default)]
    reversed: bool,
    target_relation: Option<Name>,
    #[serde(default)]
    target_reversed: bool,
    formula: Option<Formula>,
    min_count: Option<toml::Spanned<u32>>,
    half_life_days: Option<toml::Spanned<f64>>,
    #[serde(default, rename = "where")]
    conditions: Vec<toml::Spanned<Condition>>,
}

/// Neighbors in common over one relation, or over two that meet at the same kind.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    relation: RelationId,
    reversed: bool,
    target_relation: RelationId,
    target_reversed: bool,
    formula: Formula,
    min_count: u64,
    half_life: Option<HalfLife>,
    conditions: Vec<Condition>,
    past_audience: bool,
}

impl SharedToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>, past_audience: bool) -> Result<Shared, MatcherError> {
        let (relation, middle) = resolve.step("relation", &self.relation, self.reversed, resolve.from)?;
        let (target_relation, target_reversed) = match &self.target_relation {
            Some(name) => (
                resolve.step("target_relation", name, self.target_reversed, resolve.to)?,
                self.target_reversed,
            ),
            None => (resolve.step("relation", &self.relation, self.reversed, resolve.to)?, self.reversed),
        };
        let (target_relation, meets) = target_relation;
        if meets != middle {
            let name = self.target_relation.as_ref().unwrap_or(&self.relation);
            let kind = &resolve.schema.kinds()[middle.index()].name;
            return Err(resolve.out_of_range(
                "target_relation",
                name,
                &format!("a relation that also leads to {kind}"),
            ));
        }
        let min_count = match &self.min_count {
            Some(count) if *count.get_ref() == 0 => {
                return Err(resolve.out_of_range("min_count", count, "at least 1"));
            }
            Some(count) => u64::from(*count.get_ref()),
            None => 1,
        };
        let half_life_days =
            self.half_life_days.map(|days| resolve.positive("half_life_days", &days, 1e6)).transpose()?;
        Ok(Shared {
            relation,
            reversed: self.reversed,
            target_relation,
            target_reversed,
            formula: self.formula.unwrap_or(Formula::AdamicAdar),
            min_count,
            half_life: half_life_days.map(HalfLife::new),
            conditions: resolve.edge_conditions(self.conditions, relation)?,
            past_audience,
        })
    }
}

impl Shared {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        match self.formula {
            Formula::AdamicAdar | Formula::ResourceAllocation => {
                vec![ModelRequest::Degree { relation: self.target_relation, reversed: !self.target_reversed }]
            }
            Formula::Count | Formula::Cosine => Vec::new(),
        }
    }

    /// What the rarity of a neighbor of this degree adds as a factor.
    fn rarity(&self, degree: impl FnOnce() -> u32) -> f64 {
        match self.formula {
            Formula::Count | Formula::Cosine => 1.0,
            Formula::AdamicAdar => 1.0 / libm::log(f64::from(degree())),
            Formula::ResourceAllocation => 1.0 / f64::from(degree()),
        }
    }
}

impl Signal for Shared {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        // Parallel edges lead to one neighbor: it counts once, with all their weight.
        let hop = context.hop(self.relation, self.reversed, &self.conditions, self.past_audience).merged();
        // The same conditions hold on the far side when it is the same relation.
        let far = if self.target_relation == self.relation { self.conditions.as_slice() } else { &[] };
        let to_far = |reversed| context.hop(self.target_relation, reversed, far, self.past_audience).merged();
        let (onward, back) = (to_far(!self.target_reversed), to_far(self.target_reversed));
        let decay = Decay::new(self.half_life.as_ref(), context.as_of);
        let middle_kind = hop.to();
        let weigh = |weight: f32, time: u32| match self.formula {
            Formula::Count => 1.0,
            _ => f64::from(weight) * decay.factor(time),
        };
        let mut middles: Vec<Middle> = context
            .source
            .steps(self.relation, self.reversed, &hop)
            .into_iter()
            .map(|step| Middle { node: step.target, weight: weigh(step.weight, step.time), scale: 0.0 })
            .collect();
        let is_cut = middles.len() > SHARED_NEIGHBORS_MAX;
        if is_cut {
            let keys = context.graph.nodes(middle_kind);
            middles.sort_by(|a, b| {
                b.weight.total_cmp(&a.weight).then_with(|| keys.key(a.node).cmp(keys.key(b.node)))
            });
            middles.truncate(SHARED_NEIGHBORS_MAX);
            middles.sort_by_key(|middle| middle.node);
        }
        let source_max = middles.iter().map(|middle| middle.weight).fold(0.0, f64::max);
        let source_squared = middles.iter().map(|middle| square_units(middle.weight, source_max)).sum();
        if let Some(only) = context.only {
            let mut theirs = Vec::new();
            back.visit_targets(only.index(), |middle| theirs.push(middle));
            middles.retain(|middle| theirs.binary_search(&middle.node).is_ok());
        }
        let degrees = context.models.degrees(context.graph, self.target_relation, !self.target_reversed);
        let keys = context.graph.nodes(middle_kind);
        for middle in &mut middles {
            middle.scale = middle.weight * self.rarity(|| degrees.get(keys.key(middle.node)));
        }
        let source_length = libm::sqrt(value_of(source_squared));
        Box::new(SharedReading {
            signal: self,
            context,
            onward,
            back,
            decay,
            middles,
            source_max,
            source_length,
            is_cut,
            block: Cell::new(scratch.take_block()),
            tally: Cell::new(scratch.take_tally()),
        })
    }
}

/// One neighbor of the source.
struct Middle {
    node: NodeId,
    /// Of the source's edge, decayed.
    weight: f64,
    /// Weight times rarity: what the far edge's weight is multiplied with.
    scale: f64,
}

struct SharedReading<'q> {
    signal: &'q Shared,
    context: Context<'q>,
    /// From a shared neighbor to candidates.
    onward: Hop<'q>,
    /// From a candidate to its own neighbors.
    back: Hop<'q>,
    decay: Decay,
    /// Sorted by node; where a single node is asked about, those that it has too.
    middles: Vec<Middle>,
    /// The largest weight of the source, and the length of its weights relative to it.
    source_max: f64,
    source_length: f64,
    is_cut: bool,
    /// Memory for looking for candidates.
    block: Cell<BlockSums>,
    tally: Cell<Tally>,
}

impl SharedReading<'_> {
    /// The nodes next to each middle, where how many lists a node is in is all that counts.
    fn lists(&self) -> Option<Lists<'_>> {
        let is_counted = self.signal.formula == Formula::Count && self.middles.len() <= TALLY_LISTS_MAX;
        let mut lists = is_counted.then(Lists::default)?;
        for middle in &self.middles {
            lists.push(self.onward.unchecked_runs(middle.node.index())?);
        }
        Some(lists)
    }

    /// What each node next to a shared neighbor gets from it.
    fn lane(&self, middle: &Middle) -> Lane<'_> {
        let (is_counted, index) = (self.signal.formula == Formula::Count, middle.node.index());
        if let Some(runs) = self.onward.unchecked_runs(index) {
            let decay = Some(&self.decay).filter(|decay| !is_counted && decay.is_on());
            let weigh = Weigh { scale: middle.scale, uses_weights: !is_counted, decay };
            return Lane::Edges { runs, run: None, weigh };
        }
        let mut terms = Vec::new();
        self.onward.visit(index, &mut |step| {
            terms.push((step.target, Packed::term(middle.scale * self.weigh(step))));
        });
        Lane::Terms { terms, done: 0 }
    }

    /// What an edge counts by itself.
    fn weigh(&self, step: Step) -> f64 {
        match self.signal.formula {
            Formula::Count => 1.0,
            _ => f64::from(step.weight) * self.decay.factor(step.time),
        }
    }

    /// Number and sum of what a candidate shares.
    fn packed(&self, candidate: NodeId) -> Packed {
        let mut packed = Packed::default();
        self.visit_shared(candidate, |_, strength| packed = packed.plus(Packed::term(strength)));
        packed
    }

    /// Calls `visit` with each neighbor shared with a candidate and what it counts.
    fn visit_shared(&self, candidate: NodeId, mut visit: impl FnMut(NodeId, f64)) {
        self.back.visit(candidate.index(), &mut |step| {
            if let Ok(position) = self.middles.binary_search_by_key(&step.target, |middle| middle.node) {
                visit(step.target, self.middles[position].scale * self.weigh(step));
            }
        });
    }

    /// Cosine of both lists of weights, each taken relative to its largest: so no weight is too large or too small
    /// for exact sums.
    fn cosine(&self, candidate: NodeId) -> f64 {
        let (mut others, mut target_max) = (Vec::new(), 0.0_f64);
        self.back.visit(candidate.index(), &mut |step| {
            let weight = f64::from(step.weight) * self.decay.factor(step.time);
            target_max = target_max.max(weight);
            others.push((step.target, weight));
        });
        let (mut product, mut target_squared) = (0, 0);
        for (node, weight) in others {
            target_squared += square_units(weight, target_max);
            if let Ok(position) = self.middles.binary_search_by_key(&node, |middle| middle.node) {
                product += units(weight / target_max * (self.middles[position].weight / self.source_max));
            }
        }
        let lengths = self.source_length * libm::sqrt(value_of(target_squared));
        if lengths > 0.0 { value_of(product) / lengths } else { 0.0 }
    }
}

/// The square of a weight's share of `max`; 0 where all weights are.
fn square_units(weight: f64, max: f64) -> u64 {
    units((weight / max) * (weight / max)) // 0 / 0 is NaN, which counts nothing
}

impl Reading for SharedReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let mut shortlist = Shortlist::new(cap, self.context.graph.nodes(self.context.to), allows);
        let node_count = self.context.graph.nodes(self.context.to).node_count();
        if let Some(lists) = self.lists() {
            let mut tally = self.tally.take();
            tally.count(node_count, lists);
            shortlist.offer_from(&tally, self.signal.min_count);
            self.tally.set(tally);
        } else {
            let mut lanes: Vec<Lane<'_>> = self.middles.iter().map(|middle| self.lane(middle)).collect();
            let mut block = self.block.take();
            block.sweep(
                &mut lanes,
                node_count,
                self.signal.min_count,
                &mut shortlist,
                self.context.cancelled,
            );
            self.block.set(block);
        }
        let mut expansion = shortlist.finish();
        expansion.is_cut |= self.is_cut;
        expansion
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        for (candidate, raw) in candidates.iter().zip(raw) {
            let packed = self.packed(*candidate);
            if packed.count() < self.signal.min_count {
                continue;
            }
            let sum = value_of(packed.sum());
            *raw = match self.signal.formula {
                Formula::Cosine => self.cosine(*candidate),
                _ => sum,
            };
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        if self.signal.past_audience {
            return EvidenceList::withheld();
        }
        let kind = self.back.to();
        let keys = self.context.graph.nodes(kind);
        let mut shared = Vec::new();
        self.visit_shared(candidate, |middle, strength| shared.push((middle, strength)));
        if limit == 0 {
            return EvidenceList { items: Vec::new(), left_out: shared.len() };
        }
        shared.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| keys.key(a.0).cmp(keys.key(b.0))));
        let left_out = shared.len().saturating_sub(limit);
        let schema = self.context.graph.schema();
        let name = |relation: RelationId, against: bool| {
            format_compact!("{}{}", if against { "<" } else { "" }, schema.relations()[relation.index()].name)
        };
        let relations = vec![
            name(self.signal.relation, self.signal.reversed),
            name(self.signal.target_relation, !self.signal.target_reversed),
        ];
        let items = shared.iter().take(limit).map(|(middle, strength)| Evidence::Path {
            path: vec![
                self.context.source_ref(),
                self.context.node_ref(kind, *middle),
                self.context.target(candidate),
            ],
            relations: relations.clone(),
            strength: *strength,
        });
        EvidenceList { items: items.collect(), left_out }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give_block(self.block.take());
        scratch.give_tally(self.tally.take());
    }
}
