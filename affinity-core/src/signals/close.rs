//! `close`: numbers or ranks that lie near each other.
//!
//! Source: Shepard, "Toward a universal law of generalization for psychological science", Science 237, 1987:
//! similarity falls exponentially with distance.

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::EvidenceList;
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::exact::count_of;
use crate::graph::{AttributeId, AttributeType, Cell, NodeId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CloseToml {
    attribute: Name,
    source_attribute: Option<Name>,
    scale: toml::Spanned<f64>,
    /// For a category: its values from least to most.
    order: Option<Vec<String>>,
}

/// `exp(-distance / scale)`, in (0, 1]; categories are as far apart as their places in the order.
#[derive(Clone, Debug)]
pub(crate) struct Close {
    attribute: AttributeId,
    source_attribute: AttributeId,
    scale: f64,
    order: Vec<String>,
}

impl CloseToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Close, MatcherError> {
        let of = if self.order.is_some() { AttributeType::Category } else { AttributeType::Number };
        let source = self.source_attribute.as_ref().unwrap_or(&self.attribute);
        Ok(Close {
            attribute: resolve.attribute("attribute", &self.attribute, resolve.to, &[of])?.0,
            source_attribute: resolve.attribute("source_attribute", source, resolve.from, &[of])?.0,
            scale: resolve.positive("scale", &self.scale, 1e12)?,
            order: self.order.unwrap_or_default(),
        })
    }
}

struct CloseReading<'q> {
    signal: &'q Close,
    context: Context<'q>,
    /// Term id and place of each value of the order that the graph knows.
    places: Vec<(u32, f64)>,
}

impl Signal for Close {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let place =
            |(place, text): (usize, &String)| Some((context.graph.terms().find(text)?, count_of(place)));
        Box::new(CloseReading {
            signal: self,
            context,
            places: self.order.iter().enumerate().filter_map(place).collect(),
        })
    }
}

impl CloseReading<'_> {
    /// The source's; looked up by text, for its value may be one that no node has.
    fn own_number(&self) -> Option<f64> {
        let source = self.context.source;
        match &source.cells[self.signal.source_attribute.index()] {
            Cell::Category(term) => {
                let own = source.text(self.context.graph, *term);
                self.signal.order.iter().position(|known| known == own).map(count_of)
            }
            cell => self.number(cell),
        }
    }

    fn number(&self, cell: &Cell) -> Option<f64> {
        match cell {
            Cell::Number(number) => Some(*number),
            Cell::Category(term) => {
                self.places.iter().find(|(known, _)| known == term).map(|(_, place)| *place)
            }
            _ => None,
        }
    }
}

impl Reading for CloseReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let Some(own) = self.own_number() else { return };
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some(other) = self.number(&self.context.target_cell(*candidate, self.signal.attribute)) {
                *raw = libm::exp(-(own - other).abs() / self.signal.scale);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        let source = self.context.source.cells[self.signal.source_attribute.index()].clone();
        let target = self.context.target_cell(candidate, self.signal.attribute);
        super::values::compared(&self.context, self.signal.attribute, &source, &target)
    }
}
