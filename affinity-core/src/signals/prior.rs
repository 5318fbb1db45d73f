//! `prior`: reputation or popularity, drawn to the mean while there is little of it.
//!
//! Source: Bayesian average, as in Efron & Morris, "Stein's Paradox in Statistics", Scientific American 236(5), 1977.

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::models::ModelRequest;
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::graph::{AttributeId, AttributeType, Cell, KindId, NodeId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriorToml {
    attribute: Name,
    count_attribute: Option<Name>,
    strength: toml::Spanned<f64>,
    scale: toml::Spanned<f64>,
}

/// `(count * observed + strength * mean) / (count + strength)`, divided by the scale.
#[derive(Clone, Debug)]
pub(crate) struct Prior {
    kind: KindId,
    attribute: AttributeId,
    /// How many observations the number stands for; without, one.
    count_attribute: Option<AttributeId>,
    strength: f64,
    scale: f64,
}

impl PriorToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Prior, MatcherError> {
        let number = [AttributeType::Number];
        let count =
            self.count_attribute.map(|name| resolve.attribute("count_attribute", &name, resolve.to, &number));
        Ok(Prior {
            kind: resolve.to,
            attribute: resolve.attribute("attribute", &self.attribute, resolve.to, &number)?.0,
            count_attribute: count.transpose()?.map(|(id, _)| id),
            strength: resolve.positive("strength", &self.strength, 1e9)?,
            scale: resolve.positive("scale", &self.scale, 1e12)?,
        })
    }
}

impl Prior {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        vec![ModelRequest::Mean { kind: self.kind, attribute: self.attribute }]
    }
}

struct PriorReading<'q> {
    signal: &'q Prior,
    context: Context<'q>,
    /// `None` when no model has been fitted.
    mean: Option<f64>,
}

impl Signal for Prior {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let mean = context.models.mean(context.graph, self.kind, self.attribute);
        Box::new(PriorReading { signal: self, context, mean })
    }
}

impl PriorReading<'_> {
    fn observed(&self, candidate: NodeId) -> Option<(f64, f64)> {
        let number = |attribute| match self.context.target_cell(candidate, attribute) {
            Cell::Number(number) => Some(number),
            _ => None,
        };
        let observed = number(self.signal.attribute)?;
        let count = self.signal.count_attribute.map_or(1.0, |count| number(count).unwrap_or(0.0)).max(0.0);
        Some((observed, count))
    }
}

impl Reading for PriorReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let Some(mean) = self.mean else { return };
        let strength = self.signal.strength;
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some((observed, count)) = self.observed(*candidate) {
                *raw =
                    ((count * observed + strength * mean) / (count + strength) / self.signal.scale).max(0.0);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        let (Some(mean), Some((observed, count))) = (self.mean, self.observed(candidate)) else {
            return EvidenceList::default();
        };
        let attributes = &self.context.graph.schema().kinds()[self.context.to.index()].attributes;
        let attribute = attributes.name(self.signal.attribute).to_string();
        EvidenceList::one(Evidence::Prior { attribute, observed, count, mean })
    }
}
