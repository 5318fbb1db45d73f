//! `overlap`: tags that the source and the candidate share.
//!
//! Source: Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11(2), 1912; containment:
//! Broder, "On the resemblance and containment of documents", SEQUENCES 1997.

use std::sync::Arc;

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::exact::count_of;
use crate::graph::{AttributeId, AttributeType, Cell, NodeId};

/// What the number of shared tags is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Measure {
    /// All tags of both.
    #[default]
    Jaccard,
    /// The source's tags.
    OfSource,
    /// The candidate's tags.
    OfTarget,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverlapToml {
    attribute: Name,
    source_attribute: Option<Name>,
    #[serde(default)]
    measure: Measure,
}

/// Overlap of two sets of tags, in [0, 1].
#[derive(Clone, Debug)]
pub(crate) struct Overlap {
    attribute: AttributeId,
    source_attribute: AttributeId,
    measure: Measure,
}

impl OverlapToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Overlap, MatcherError> {
        let tags = [AttributeType::Tags];
        let source = self.source_attribute.as_ref().unwrap_or(&self.attribute);
        Ok(Overlap {
            attribute: resolve.attribute("attribute", &self.attribute, resolve.to, &tags)?.0,
            source_attribute: resolve.attribute("source_attribute", source, resolve.from, &tags)?.0,
            measure: self.measure,
        })
    }
}

struct OverlapReading<'q> {
    signal: &'q Overlap,
    context: Context<'q>,
    tags: Option<Arc<[u32]>>,
}

impl Signal for Overlap {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let tags = match &context.source.cells[self.source_attribute.index()] {
            Cell::Tags(tags) if !tags.is_empty() => Some(Arc::clone(tags)),
            _ => None,
        };
        Box::new(OverlapReading { signal: self, context, tags })
    }
}

impl OverlapReading<'_> {
    /// The candidate's tags and those of them that the source has too.
    fn shared_with(&self, candidate: NodeId) -> Option<(usize, Vec<u32>)> {
        let own = self.tags.as_ref()?;
        let tags = self.context.graph.nodes(self.context.to).tags(candidate, self.signal.attribute);
        let shared = || tags.iter().copied().filter(|tag| own.binary_search(tag).is_ok());
        (!tags.is_empty()).then(|| (tags.len(), shared().collect()))
    }
}

impl Reading for OverlapReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let own_count = self.tags.as_ref().map_or(0, |tags| tags.len());
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some((count, shared)) = self.shared_with(*candidate) {
                let whole = match self.signal.measure {
                    Measure::Jaccard => own_count + count - shared.len(),
                    Measure::OfSource => own_count,
                    Measure::OfTarget => count,
                };
                *raw = count_of(shared.len()) / count_of(whole);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let Some((_, shared)) = self.shared_with(candidate) else { return EvidenceList::default() };
        let kind = &self.context.graph.schema().kinds()[self.context.to.index()];
        let mut names: Vec<String> =
            shared.iter().map(|tag| self.context.graph.terms().get(*tag).to_string()).collect();
        names.sort_unstable();
        let left_out = names.len().saturating_sub(limit);
        names.truncate(limit);
        EvidenceList::one(Evidence::Tags {
            attribute: kind.attributes.name(self.signal.attribute).to_string(),
            shared: names,
            left_out,
        })
    }
}
