//! `complement`: roles that go well together, from a table.
//!
//! Source: a table in the matcher; e.g. role compatibility as in Pizzato et al., "RECON: a reciprocal recommender
//! for online dating", RecSys 2010.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::EvidenceList;
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::graph::{AttributeId, AttributeType, Cell, NodeId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComplementToml {
    attribute: Name,
    source_attribute: Option<Name>,
    /// Source's value, then the candidate's, then how well they go together, in [0, 1].
    table: BTreeMap<String, BTreeMap<String, toml::Spanned<f64>>>,
}

/// A number per pair of categories, in [0, 1]; pairs that the table leaves out are 0.
#[derive(Clone, Debug)]
pub(crate) struct Complement {
    attribute: AttributeId,
    source_attribute: AttributeId,
    table: BTreeMap<String, BTreeMap<String, f64>>,
}

impl ComplementToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Complement, MatcherError> {
        let category = [AttributeType::Category];
        let source = self.source_attribute.as_ref().unwrap_or(&self.attribute);
        let mut table = BTreeMap::new();
        for (own, others) in self.table {
            let mut row = BTreeMap::new();
            for (other, fit) in others {
                if !(0.0..=1.0).contains(fit.get_ref()) {
                    return Err(resolve.out_of_range("table", &fit, "a number from 0 to 1"));
                }
                row.insert(other, fit.into_inner());
            }
            table.insert(own, row);
        }
        Ok(Complement {
            attribute: resolve.attribute("attribute", &self.attribute, resolve.to, &category)?.0,
            source_attribute: resolve.attribute("source_attribute", source, resolve.from, &category)?.0,
            table,
        })
    }
}

struct ComplementReading<'q> {
    signal: &'q Complement,
    context: Context<'q>,
    /// Term id and fit of each value that goes with the source's.
    fits: Vec<(u32, f64)>,
    source: Cell,
}

impl Signal for Complement {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let source = context.source.cells[self.source_attribute.index()].clone();
        let own = match &source {
            Cell::Category(term) => self.table.get(context.source.text(context.graph, *term)),
            _ => None,
        };
        let fit = |(text, fit): (&String, &f64)| Some((context.graph.terms().find(text)?, *fit));
        let fits = own.into_iter().flatten().filter_map(fit).collect();
        Box::new(ComplementReading { signal: self, context, fits, source })
    }
}

impl Reading for ComplementReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        if self.source == Cell::Absent {
            return;
        }
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Cell::Category(term) = self.context.target_cell(*candidate, self.signal.attribute) {
                *raw = self.fits.iter().find(|(known, _)| *known == term).map_or(0.0, |(_, fit)| *fit);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        let target = self.context.target_cell(candidate, self.signal.attribute);
        super::values::compared(&self.context, self.signal.attribute, &self.source, &target)
    }
}
