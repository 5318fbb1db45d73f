//! `fresh`: how recently something happened.
//!
//! Source: exponential decay with a half-life, as in Ding & Li, "Time weight collaborative filtering", CIKM 2005.

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::decay::decay_factor;
use super::evidence::{Evidence, EvidenceList};
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::graph::{AttributeId, AttributeType, Cell, NodeId};

const MICROS_PER_DAY: f64 = 86_400_000_000.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FreshToml {
    attribute: Name,
    half_life_days: toml::Spanned<f64>,
}

/// `2^(-age / half-life)`, in (0, 1]; what lies after `as_of` counts as now.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    attribute: AttributeId,
    half_life_days: f64,
}

impl FreshToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Fresh, MatcherError> {
        Ok(Fresh {
            attribute: resolve.attribute("attribute", &self.attribute, resolve.to, &[AttributeType::Time])?.0,
            half_life_days: resolve.positive("half_life_days", &self.half_life_days, 1e6)?,
        })
    }
}

struct FreshReading<'q> {
    signal: &'q Fresh,
    context: Context<'q>,
}

impl Signal for Fresh {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        Box::new(FreshReading { signal: self, context })
    }
}

impl FreshReading<'_> {
    fn age_days(&self, candidate: NodeId) -> Option<f64> {
        match self.context.target_cell(candidate, self.signal.attribute) {
            Cell::Time(micros) => Some(days(self.context.as_of.micros().saturating_sub(micros).max(0))),
            _ => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of some centuries stay below 2^53")]
fn days(micros: i64) -> f64 {
    micros as f64 / MICROS_PER_DAY
}

impl Reading for FreshReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some(age_days) = self.age_days(*candidate) {
                *raw = decay_factor(age_days, self.signal.half_life_days);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        let attributes = &self.context.graph.schema().kinds()[self.context.to.index()].attributes;
        let attribute = attributes.name(self.signal.attribute).to_string();
        self.age_days(candidate).map_or_else(EvidenceList::default, |age_days| {
            EvidenceList::one(Evidence::Age { attribute, age_days })
        })
    }
}
