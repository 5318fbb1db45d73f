//! `pattern`: shared neighbors that went with successful outcomes before.
//!
//! Source: mean success per neighbor with Bayesian shrinkage (Efron & Morris, Scientific American 236(5), 1977).

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::models::{ModelRequest, PatternRequest};
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::exact::{count_of, units, value_of};
use crate::graph::{AttributeType, Condition, Hop, NodeId};

/// Pairs that a neighbor must have been seen with before it counts: an aggregate of fewer would tell of single pairs.
const SUPPORT_MIN_DEFAULT: u64 = 3;
/// Pairs at the overall mean that each neighbor starts with.
const PRIOR_STRENGTH_DEFAULT: f64 = 5.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatternToml {
    relation: Name,
    outcome: Name,
    #[serde(default, rename = "where")]
    conditions: Vec<toml::Spanned<Condition>>,
    value: Name,
    scale: toml::Spanned<f64>,
    prior_strength: Option<toml::Spanned<f64>>,
    support_min: Option<u64>,
}

/// The mean success that pairs had before which shared the same neighbors.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    request: PatternRequest,
    prior_strength: f64,
    support_min: u64,
}

impl PatternToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Pattern, MatcherError> {
        let (relation, _) = resolve.step("relation", &self.relation, false, resolve.from)?;
        let (outcome, to) = resolve.step("outcome", &self.outcome, false, resolve.from)?;
        if to != resolve.from || resolve.to != resolve.from {
            let kind = &resolve.schema.kinds()[resolve.from.index()].name;
            return Err(resolve.out_of_range(
                "outcome",
                &self.outcome,
                &format!("a relation from {kind} to {kind}, in a matcher of the same"),
            ));
        }
        let attributes = &resolve.schema.relations()[outcome.index()].attributes;
        let Some((value, AttributeType::Number)) = attributes.find(self.value.get_ref()) else {
            let numbers = attributes.entries().iter().filter(|(_, of)| *of == AttributeType::Number);
            return Err(resolve.unknown(
                "value",
                &self.value,
                numbers.map(|(name, _)| name.clone()).collect(),
            ));
        };
        let prior_strength =
            self.prior_strength.map(|strength| resolve.positive("prior_strength", &strength, 1e9));
        Ok(Pattern {
            request: PatternRequest {
                relation,
                outcome,
                conditions: resolve.edge_conditions(self.conditions, outcome)?,
                value,
                scale: resolve.positive("scale", &self.scale, 1e12)?,
            },
            prior_strength: prior_strength.transpose()?.unwrap_or(PRIOR_STRENGTH_DEFAULT),
            support_min: self.support_min.unwrap_or(SUPPORT_MIN_DEFAULT),
        })
    }
}

/// How pairs that shared one neighbor fared.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SuccessPattern {
    /// The shared neighbor.
    pub via: super::evidence::NodeRef,
    /// Mean of the outcome value, on its own scale.
    pub mean_success: f64,
    /// Distinct pairs and origins observed.
    pub count: u64,
}

impl Pattern {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        vec![ModelRequest::Pattern(self.request.clone())]
    }

    /// All patterns on record: best mean first, then most pairs, then key.
    pub(crate) fn list(
        &self,
        graph: &crate::graph::Graph,
        models: &super::models::Models,
    ) -> Vec<SuccessPattern> {
        let kind = graph.schema().relations()[self.request.relation.index()].to;
        let mut patterns = Vec::new();
        for (key, tally) in
            models.pattern(graph, &self.request).into_iter().flat_map(|model| &model.by_neighbor)
        {
            if let Some(node) = graph.nodes(kind).find(key) {
                let mean = value_of(tally.sum_units) / value_of(tally.count << 24);
                patterns.push(SuccessPattern {
                    via: super::evidence::NodeRef {
                        id: key.clone(),
                        kind: graph.schema().kinds()[kind.index()].name.as_str().into(),
                        name: graph.name(kind, node),
                    },
                    mean_success: mean * self.request.scale,
                    count: tally.count,
                });
            }
        }
        patterns.sort_by(|a, b| {
            b.mean_success
                .total_cmp(&a.mean_success)
                .then(b.count.cmp(&a.count))
                .then_with(|| a.via.id.cmp(&b.via.id))
        });
        patterns
    }
}

struct Known {
    node: NodeId,
    mean: f64,
    count: u64,
}

struct PatternReading<'q> {
    context: Context<'q>,
    hop: Hop<'q>,
    /// Neighbors of the source on record, sorted by node.
    known: Vec<Known>,
}

impl Signal for Pattern {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let hop = context.hop(self.request.relation, false, &[], false).merged();
        let mut known = Vec::new();
        if let Some(model) = context.models.pattern(context.graph, &self.request) {
            let (keys, mean) = (context.graph.nodes(hop.to()), model.mean());
            for step in context.source.steps(self.request.relation, false, &hop) {
                if let Some(tally) = model
                    .by_neighbor
                    .get(keys.key(step.target))
                    .filter(|tally| tally.count >= self.support_min)
                {
                    let mean = tally.shrunken(mean, self.prior_strength);
                    known.push(Known { node: step.target, mean, count: tally.count });
                }
            }
        }
        Box::new(PatternReading { context, hop, known })
    }
}

impl PatternReading<'_> {
    fn shared_with(&self, candidate: NodeId, mut visit: impl FnMut(&Known)) {
        // Both lists ascend: one walk along each instead of a search per target.
        let mut rest = self.known.as_slice();
        self.hop.visit_targets(candidate.index(), |target| {
            while let [known, after @ ..] = rest
                && known.node < target
            {
                rest = after;
            }
            if let [known, ..] = rest
                && known.node == target
            {
                visit(known);
            }
        });
    }
}

impl Reading for PatternReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        if self.known.is_empty() {
            return;
        }
        for (candidate, raw) in candidates.iter().zip(raw) {
            let (mut sum_units, mut count) = (0, 0);
            self.shared_with(*candidate, |known| {
                sum_units += units(known.mean);
                count += 1;
            });
            if count > 0 {
                *raw = value_of(sum_units) / count_of(count);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let mut shared = Vec::new();
        self.shared_with(candidate, |known| shared.push((known.node, known.mean, known.count)));
        let keys = self.context.graph.nodes(self.hop.to());
        shared.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| keys.key(a.0).cmp(keys.key(b.0))));
        let items = shared.iter().take(limit).map(|(node, mean, count)| Evidence::Pattern {
            via: self.context.node_ref(self.hop.to(), *node),
            mean_success: *mean,
            observed: *count,
        });
        EvidenceList { items: items.collect(), left_out: shared.len().saturating_sub(limit) }
    }
}
