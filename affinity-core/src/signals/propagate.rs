//! `propagate`: what the source's past items say for items like them, also for those that nobody has touched.
//!
//! Source: item-based nearest neighbors (Sarwar et al., WWW 2001) by content: the value of item j for source u is the
//! sum over the k items i with a past that are most similar to j of `similarity(i, j)^exponent * x_ui`, where x is
//! the weight of u's edge to i.

use serde::Deserialize;
use toml::Spanned;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::models::ModelRequest;
use super::neighbors::{Likeness, NeighborModel, NeighborRequest};
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use crate::exact::{units, value_of};
use crate::graph::NodeId;

/// Neighbors of an item when the matcher does not say.
const NEIGHBORS_DEFAULT: usize = 100;
/// Neighbors of an item at most.
const NEIGHBORS_MAX: usize = 1_000;
/// Power of the similarity when the matcher does not say.
const EXPONENT_DEFAULT: f64 = 2.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PropagateToml {
    relation: Name,
    #[serde(default)]
    reversed: bool,
    /// Of vectors or of terms, over the items.
    space: Name,
    neighbors: Option<Spanned<usize>>,
    exponent: Option<Spanned<f64>>,
    /// Whether vectors are compared without the mean of the items with a past.
    centered: Option<Spanned<bool>>,
}

/// Nearest-neighbor propagation over a space of the items.
#[derive(Clone, Debug)]
pub(crate) struct Propagate {
    request: NeighborRequest,
}

impl PropagateToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Propagate, MatcherError> {
        let (relation, to) = resolve.step("relation", &self.relation, self.reversed, resolve.from)?;
        if to != resolve.to {
            let kind = &resolve.schema.kinds()[resolve.to.index()].name;
            let expected = format!("a relation that leads to {kind}");
            return Err(resolve.out_of_range("relation", &self.relation, &expected));
        }
        let centered = self.centered.as_ref().is_some_and(|centered| *centered.get_ref());
        let likeness = if resolve.schema.term_space(self.space.get_ref()).is_some() {
            if let Some(given) = self.centered.as_ref().filter(|_| centered) {
                return Err(resolve.out_of_range("centered", given, "false for a space of terms"));
            }
            Likeness::Terms { space: resolve.term_space("space", &self.space, to)? }
        } else {
            Likeness::Vectors { space: resolve.space("space", &self.space, to)?, centered }
        };
        let neighbors = match &self.neighbors {
            Some(given) if !(1..=NEIGHBORS_MAX).contains(given.get_ref()) => {
                return Err(resolve.out_of_range("neighbors", given, &format!("1 to {NEIGHBORS_MAX}")));
            }
            given => given.as_ref().map_or(NEIGHBORS_DEFAULT, |given| *given.get_ref()),
        };
        let exponent = self.exponent.map(|given| resolve.positive("exponent", &given, 8.0)).transpose()?;
        let exponent = exponent.unwrap_or(EXPONENT_DEFAULT);
        let reversed = self.reversed;
        Ok(Propagate { request: NeighborRequest { relation, reversed, likeness, neighbors, exponent } })
    }
}

impl Propagate {
    /// Term counts come first: the neighbors are fitted with them.
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        let counts = match self.request.likeness {
            Likeness::Terms { space } => Some(ModelRequest::Terms { space }),
            Likeness::Vectors { .. } => None,
        };
        counts.into_iter().chain([ModelRequest::Neighbors(self.request.clone())]).collect()
    }
}

/// A past item of the source.
struct Past {
    node: NodeId,
    row: usize,
    weight: f64,
}

/// What a past item adds to the item that it weighs `weight_units` for.
fn share_units(past: &Past, weight_units: u64) -> u64 {
    units(value_of(weight_units) * past.weight)
}

struct PropagateReading<'q> {
    signal: &'q Propagate,
    context: Context<'q>,
    model: Option<&'q NeighborModel>,
    past: Vec<Past>,
    /// By row of the model.
    sums: Accumulator,
}

impl Signal for Propagate {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let model = context.models.neighbors(context.graph, &self.request);
        let mut sums = scratch.take(model.map_or(0, NeighborModel::row_count));
        let mut past = Vec::new();
        if let Some(model) = model {
            let NeighborRequest { relation, reversed, .. } = self.request;
            let hop = context.hop(relation, reversed, &[], false).merged();
            let nodes = context.graph.nodes(context.to);
            for step in context.source.steps(relation, reversed, &hop) {
                if let Some(row) = model.row(nodes.key(step.target)) {
                    past.push(Past { node: step.target, row, weight: f64::from(step.weight) });
                }
            }
            for past in &past {
                for (target, weight) in model.targets(past.row) {
                    sums.add(NodeId::from_raw(target), share_units(past, weight));
                }
            }
        }
        Box::new(PropagateReading { signal: self, context, model, past, sums })
    }
}

impl PropagateReading<'_> {
    fn row(&self, candidate: NodeId) -> Option<NodeId> {
        let row = self.model?.row(self.context.graph.nodes(self.context.to).key(candidate))?;
        NodeId::from_index(row)
    }
}

impl Reading for PropagateReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let Some(model) = self.model else { return Expansion::default() };
        let nodes = self.context.graph.nodes(self.context.to);
        let mut shortlist = Shortlist::new(cap, nodes, allows);
        self.sums.for_each(&mut |row, sum| {
            if let Some(node) = nodes.find(model.key(row.index())) {
                shortlist.offer(node, sum);
            }
        });
        shortlist.finish()
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        for (candidate, raw) in candidates.iter().zip(raw) {
            let sum = self.row(*candidate).map_or(0, |row| self.sums.get(row));
            if sum > 0 {
                *raw = value_of(sum);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let (Some(model), Some(row)) = (self.model, self.row(candidate)) else {
            return EvidenceList::default();
        };
        let share = |past: &Past| {
            let (_, weight) = model.targets(past.row).find(|(target, _)| *target == row.raw())?;
            Some((share_units(past, weight), past.row, past.node))
        };
        let mut shares: Vec<_> =
            self.past.iter().filter_map(share).filter(|(share, ..)| *share > 0).collect();
        // Rows are in the order of keys.
        shares.sort_unstable_by(|(a, a_row, _), (b, b_row, _)| b.cmp(a).then(a_row.cmp(b_row)));
        let NeighborRequest { relation, reversed, .. } = self.signal.request;
        let name = &self.context.graph.schema().relations()[relation.index()].name;
        let step = format!("{}{name}", if reversed { "<" } else { "" });
        let item = |(share, _, node): &(u64, usize, NodeId)| Evidence::Path {
            path: vec![self.context.source_ref(), self.context.target(*node), self.context.target(candidate)],
            relations: vec![step.clone(), "similar".to_string()],
            strength: value_of(*share),
        };
        let left_out = shares.len().saturating_sub(limit);
        EvidenceList { items: shares.iter().take(limit).map(item).collect(), left_out }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give(self.sums);
    }
}
