//! `near`: closeness of the source's vector and the candidate's.
//!
//! Source: the vector space model; Salton, Wong & Yang, Communications of the ACM 18(11), 1975.

use std::cell::RefCell;

use serde::Deserialize;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::Expansion;
use super::signal::{Reading, Signal};
use crate::graph::{NodeId, PAGE_NODES, SpaceId};
use crate::vector::{PreparedQuery, Scan, SearchScratch, beam_width};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NearToml {
    space: Name,
    target_space: Option<Name>,
}

/// Similarity in a space, or between two spaces that one embedder filled.
#[derive(Clone, Debug)]
pub(crate) struct Near {
    space: SpaceId,
    target_space: SpaceId,
    past_audience: bool,
}

impl NearToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>, past_audience: bool) -> Result<Near, MatcherError> {
        let space = resolve.space("space", &self.space, resolve.from)?;
        let target_space = match &self.target_space {
            Some(name) => resolve.space("target_space", name, resolve.to)?,
            None => resolve.space("space", &self.space, resolve.to)?,
        };
        let dimension = |space: SpaceId| resolve.schema.spaces()[space.index()].dimension;
        if dimension(space) != dimension(target_space) {
            let expected =
                format!("spaces of one dimension, not {} and {}", dimension(space), dimension(target_space));
            return Err(resolve.out_of_range("target_space", &self.space, &expected));
        }
        Ok(Near { space, target_space, past_audience })
    }
}

struct NearReading<'q> {
    signal: &'q Near,
    context: Context<'q>,
    /// `None` when the source has no vector that the viewer may use.
    query: Option<PreparedQuery>,
    scratch: RefCell<SearchScratch>,
}

impl Signal for Near {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let space = context.space(self.space);
        let query = match context.source.node {
            Some(node) => space
                .vector(node.index())
                .filter(|(_, audience)| self.past_audience || context.sight.sees(*audience))
                .and_then(|_| space.query_of(node.index())),
            // A vector that cannot be used has been refused with the query.
            None => context.source.vectors.get(&self.space).and_then(|vector| space.prepare(vector).ok()),
        };
        Box::new(NearReading { signal: self, context, query, scratch: scratch.take_search().into() })
    }
}

impl NearReading<'_> {
    fn similarity(&self, candidate: NodeId) -> Option<f32> {
        let space = self.context.space(self.signal.target_space);
        let query = self.query.as_ref()?;
        let (_, audience) = space.vector(candidate.index())?;
        if !self.signal.past_audience && !self.context.sight.sees(audience) {
            return None;
        }
        space.similarity(query, candidate.index())
    }
}

impl Reading for NearReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let Some(query) = &self.query else { return Expansion::default() };
        let nodes = self.context.graph.nodes(self.context.to);
        let by_key = |left: usize, right: usize| match (NodeId::from_index(left), NodeId::from_index(right)) {
            (Some(left), Some(right)) => nodes.key(left).cmp(nodes.key(right)),
            _ => left.cmp(&right),
        };
        let mut found = Vec::new();
        let mut scratch = self.scratch.borrow_mut();
        // One more than asked for tells whether the cap cut anything.
        let scan = Scan {
            query,
            limit: cap + 1,
            allowed: &mut |page, present| allowed_mask(page, present, allows),
            visible: &|audience| self.signal.past_audience || self.context.sight.sees(audience),
            by_key: &by_key,
            cancelled: self.context.cancelled,
        };
        let space = self.context.space(self.signal.target_space);
        let Ok(searched) = space.nearest(scan, beam_width(cap + 1), &mut scratch, &mut found) else {
            return Expansion::default(); // cancelled: the engine says so before it uses this
        };
        let is_cut = found.len() > cap;
        found.truncate(cap);
        Expansion {
            candidates: found.iter().filter_map(|neighbor| NodeId::from_index(neighbor.node)).collect(),
            is_cut,
            is_approximate: searched.is_approximate,
        }
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let metric = self.context.space(self.signal.target_space).metric();
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some(similarity) = self.similarity(*candidate) {
                *raw = metric.signal(similarity);
            }
        }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        scratch.give_search(self.scratch.into_inner());
    }

    fn evidence(&self, candidate: NodeId, _: usize) -> EvidenceList {
        if self.signal.past_audience {
            return EvidenceList::withheld();
        }
        let name = &self.context.graph.schema().spaces()[self.signal.target_space.index()].name;
        self.similarity(candidate).map_or_else(EvidenceList::default, |similarity| {
            EvidenceList::one(Evidence::Similarity { space: name.clone(), similarity: f64::from(similarity) })
        })
    }
}

/// The slots of a page that are present and allowed.
fn allowed_mask(page: usize, present: u64, allows: &dyn Fn(NodeId) -> bool) -> u64 {
    let mut allowed = 0;
    let mut left = present;
    while left != 0 {
        let slot = left.trailing_zeros() as usize;
        if NodeId::from_index(page * PAGE_NODES + slot).is_some_and(allows) {
            allowed |= 1 << slot;
        }
        left &= left - 1;
    }
    allowed
}
