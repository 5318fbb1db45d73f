//! `terms`: tf-idf cosine between the source's terms, or those of nodes that it is linked to, and the candidate's.
//!
//! Source: Salton & Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing &
//! Management 24(5), 1988. A profile of several nodes is the weighted sum of their unit vectors (Rocchio, "Relevance
//! feedback in information retrieval", 1971), scaled to length 1 again.

use serde::Deserialize;
use toml::Spanned;

use super::accumulator::{Accumulator, Scratch};
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::models::ModelRequest;
use super::resolve::{MatcherError, Name, Resolve};
use super::shortlist::{Expansion, Shortlist};
use super::signal::{Reading, Signal};
use super::term_weights::scale_to_unit;
use crate::exact::{units, value_of};
use crate::graph::{Condition, NodeId, RelationId, TermSpaceId};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermsToml {
    space: Name,
    target_space: Option<Name>,
    relation: Option<Name>,
    #[serde(default)]
    reversed: bool,
    #[serde(default, rename = "where")]
    conditions: Vec<Spanned<Condition>>,
}

/// The step from the source to the nodes whose terms make its profile.
#[derive(Clone, Debug)]
struct Via {
    relation: RelationId,
    reversed: bool,
    conditions: Vec<Condition>,
}

/// Cosine of tf-idf vectors.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    space: TermSpaceId,
    target_space: TermSpaceId,
    via: Option<Via>,
    past_audience: bool,
}

impl TermsToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>, past_audience: bool) -> Result<Terms, MatcherError> {
        let (mut from, mut via) = (resolve.from, None);
        if let Some(name) = &self.relation {
            let (relation, to) = resolve.step("relation", name, self.reversed, from)?;
            let conditions = resolve.edge_conditions(self.conditions, relation)?;
            (from, via) = (to, Some(Via { relation, reversed: self.reversed, conditions }));
        }
        let space = resolve.term_space("space", &self.space, from)?;
        let target_space = match &self.target_space {
            Some(name) => resolve.term_space("target_space", name, resolve.to)?,
            None => resolve.term_space("space", &self.space, resolve.to)?,
        };
        Ok(Terms { space, target_space, via, past_audience })
    }
}

impl Terms {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        let mut spaces = vec![self.space, self.target_space];
        spaces.dedup();
        spaces.into_iter().map(|space| ModelRequest::Terms { space }).collect()
    }

    fn may_read(&self, context: &Context<'_>, space: TermSpaceId, node: NodeId) -> bool {
        let audience = context.graph.term_table(space).audience(node);
        audience.is_some_and(|audience| self.past_audience || context.sight.sees(audience))
    }

    /// The unit vector of a node whose terms the viewer may use; empty for another.
    fn vector(&self, context: &Context<'_>, space: TermSpaceId, node: NodeId, vector: &mut Vec<(u32, f64)>) {
        vector.clear();
        if self.may_read(context, space, node) {
            context.term_weights.unit_vector(context.graph, space, node, vector);
        }
    }

    /// The source's profile, of unit length.
    fn profile(&self, context: &Context<'_>, scratch: &mut Scratch) -> Vec<(u32, f64)> {
        let mut vector = Vec::new();
        let Some(via) = &self.via else {
            if let Some(node) = context.source.node {
                self.vector(context, self.space, node, &mut vector);
            }
            return vector;
        };
        let hop = context.hop(via.relation, via.reversed, &via.conditions, self.past_audience);
        let mut sums = scratch.take(context.graph.terms().count());
        for step in context.source.steps(via.relation, via.reversed, &hop) {
            self.vector(context, self.space, step.target, &mut vector);
            for (term, component) in &vector {
                sums.add(NodeId::from_raw(*term), units(component * f64::from(step.weight)));
            }
        }
        vector.clear();
        sums.for_each(&mut |term, sum| vector.push((term.raw(), value_of(sum))));
        scratch.give(sums);
        scale_to_unit(&mut vector);
        vector
    }
}

struct TermsReading<'q> {
    signal: &'q Terms,
    context: Context<'q>,
    /// Components of the source's unit vector by term, in units; `None` for a source without terms.
    profile: Option<Accumulator>,
}

impl Signal for Terms {
    fn read<'q>(&'q self, context: Context<'q>, scratch: &mut Scratch) -> Box<dyn Reading + 'q> {
        let vector = self.profile(&context, scratch);
        let profile = (!vector.is_empty()).then(|| {
            let mut profile = scratch.take(context.graph.terms().count());
            for (term, component) in vector {
                profile.add(NodeId::from_raw(term), units(component));
            }
            profile
        });
        Box::new(TermsReading { signal: self, context, profile })
    }
}

impl TermsReading<'_> {
    /// Calls `visit` with what each term that both have adds to the cosine, in units; `None` when either has none.
    fn visit(
        &self,
        candidate: NodeId,
        vector: &mut Vec<(u32, f64)>,
        visit: &mut dyn FnMut(u32, u64),
    ) -> Option<()> {
        let profile = self.profile.as_ref()?;
        self.signal.vector(&self.context, self.signal.target_space, candidate, vector);
        for (term, component) in vector.iter() {
            let own = profile.get(NodeId::from_raw(*term));
            if own > 0 {
                visit(*term, units(value_of(own) * component));
            }
        }
        (!vector.is_empty()).then_some(())
    }

    fn cosine_units(&self, candidate: NodeId, vector: &mut Vec<(u32, f64)>) -> Option<u64> {
        let mut sum = 0;
        self.visit(candidate, vector, &mut |_, part| sum += part)?;
        Some(sum)
    }
}

impl Reading for TermsReading<'_> {
    fn expand(&self, cap: usize, allows: &dyn Fn(NodeId) -> bool) -> Expansion {
        let Some(profile) = &self.profile else { return Expansion::default() };
        let nodes = self.context.graph.nodes(self.context.to);
        let table = self.context.graph.term_table(self.signal.target_space);
        let mut touched = vec![0_u64; table.node_limit().div_ceil(64)];
        profile.for_each(&mut |term, _| {
            for target in table.nodes(term.raw()).flat_map(|run| run.targets()) {
                touched[*target as usize / 64] |= 1 << (*target % 64);
            }
        });
        let (mut shortlist, mut vector) = (Shortlist::new(cap, nodes, allows), Vec::new());
        for (page, mut left) in touched.into_iter().enumerate() {
            if (self.context.cancelled)() {
                return Expansion::default(); // the engine says so before it uses this
            }
            while left != 0 {
                let node = NodeId::from_index(page * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
                if let Some(node) = node
                    && let Some(cosine) = self.cosine_units(node, &mut vector)
                {
                    shortlist.offer(node, cosine);
                }
            }
        }
        shortlist.finish()
    }

    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let mut vector = Vec::new();
        for (candidate, raw) in candidates.iter().zip(raw) {
            if let Some(cosine) = self.cosine_units(*candidate, &mut vector) {
                *raw = value_of(cosine);
            }
        }
    }

    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        if self.signal.past_audience {
            return EvidenceList::withheld();
        }
        let (graph, mut parts) = (self.context.graph, Vec::new());
        let _ = self.visit(candidate, &mut Vec::new(), &mut |term, part| {
            if part > 0 {
                parts.push((part, graph.terms().get(term).to_string()));
            }
        });
        parts.sort_unstable_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.cmp(right)));
        let left_out = parts.len().saturating_sub(limit);
        parts.truncate(limit);
        let space = &graph.schema().term_spaces()[self.signal.target_space.index()].name;
        let item = |(part, term)| Evidence::Term { space: space.clone(), term, contribution: value_of(part) };
        EvidenceList { items: parts.into_iter().map(item).collect(), left_out }
    }

    fn release(self: Box<Self>, scratch: &mut Scratch) {
        if let Some(profile) = self.profile {
            scratch.give(profile);
        }
    }
}
