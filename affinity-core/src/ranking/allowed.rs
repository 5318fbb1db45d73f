//! The allowed set: audience, filters and exclusions, asked inside every candidate source, before its cap.
//!
//! Source: filtering before the cut, as in Gollapudi et al., "Filtered-DiskANN", WWW 2023: a filter after the cut
//! returns fewer matches than there are.

use std::collections::HashSet;

use serde::Serialize;

use crate::graph::{Cell, Condition, KindId, NO_CATEGORY_TERM, NodeId, Place, Test};
use crate::matcher::{Exclusion, ExclusionRule, ExclusionStep, Matcher};
use crate::signals::Context;

/// Why a node cannot be a match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Dropped {
    /// It is the source.
    Source,
    /// The query names it.
    Query,
    /// A filter does not accept it.
    Filter {
        /// The attribute that the filter looks at.
        attribute: String,
    },
    /// An exclusion of the matcher applies.
    Exclusion {
        /// What the matcher calls the rule.
        rule: String,
    },
    /// The matches are two-sided, and its own matcher drops the source.
    WayBack {
        /// Why.
        reason: Box<Dropped>,
    },
}

/// Everything that decides whether a node may be a match, for one query.
pub(crate) struct Allowed<'a> {
    context: Context<'a>,
    filters: Vec<(Test, &'a Condition)>,
    excluded: Vec<(&'a Exclusion, Excluded)>,
    ids: HashSet<NodeId>,
}

enum Excluded {
    Nodes(HashSet<NodeId>),
    Category { attribute: crate::graph::AttributeId, term: u32 },
}

impl<'a> Allowed<'a> {
    /// `filters` are the query's own, `ids` nodes that it leaves out.
    pub(crate) fn new(
        context: Context<'a>,
        matcher: &'a Matcher,
        filters: &'a [Condition],
        ids: HashSet<NodeId>,
    ) -> Self {
        let attributes = &context.graph.schema().kinds()[matcher.to.index()].attributes;
        let all: Vec<&Condition> = matcher.filters.iter().chain(filters).collect();
        let tests =
            all.iter().flat_map(|condition| context.tests(std::slice::from_ref(*condition), attributes));
        let excluded = matcher.exclusions.iter().map(|exclusion| (exclusion, excluded(&context, exclusion)));
        Self { filters: tests.zip(all.iter().copied()).collect(), excluded: excluded.collect(), ids, context }
    }

    /// What it was compiled with.
    pub(crate) fn context(&self) -> Context<'a> {
        self.context
    }

    /// Whether the viewer may know that the node is there.
    pub(crate) fn is_visible(&self, node: NodeId) -> bool {
        self.context.sight.sees(self.context.graph.nodes(self.context.to).audience(node))
    }

    /// Whether the node may be a match.
    pub(crate) fn allows(&self, node: NodeId) -> bool {
        self.is_visible(node) && self.dropped(node).is_none()
    }

    /// The first reason why a visible node may not be a match.
    pub(crate) fn dropped(&self, node: NodeId) -> Option<Dropped> {
        let source = self.context.source;
        if source.kind == self.context.to && source.node == Some(node) {
            return Some(Dropped::Source);
        }
        if self.ids.contains(&node) {
            return Some(Dropped::Query);
        }
        let nodes = self.context.graph.nodes(self.context.to);
        for (test, condition) in &self.filters {
            let cell = match test.place {
                Place::Attribute(attribute) => crate::graph::AttributeId::from_index(attribute)
                    .map_or(Cell::Absent, |id| nodes.cell(node, id)),
                Place::Weight | Place::At => Cell::Absent,
            };
            if !test.accepts(&cell) {
                return Some(Dropped::Filter { attribute: condition.attribute.clone() });
            }
        }
        let keeps_out = |excluded: &Excluded| match excluded {
            Excluded::Nodes(nodes) => nodes.contains(&node),
            Excluded::Category { attribute, term } => nodes.cell(node, *attribute) == Cell::Category(*term),
        };
        let hit = self.excluded.iter().find(|(_, excluded)| keeps_out(excluded));
        hit.map(|(exclusion, _)| Dropped::Exclusion { rule: exclusion.rule.clone() })
    }
}

fn excluded(context: &Context<'_>, exclusion: &Exclusion) -> Excluded {
    match &exclusion.excludes {
        ExclusionRule::Reached(steps) => Excluded::Nodes(reached(context, steps)),
        ExclusionRule::Same { attribute, source_attribute } => {
            match context.source.cells[source_attribute.index()] {
                Cell::Category(term) => Excluded::Category { attribute: *attribute, term },
                // A source without the attribute excludes nobody: no node has this term.
                _ => Excluded::Category { attribute: *attribute, term: NO_CATEGORY_TERM },
            }
        }
    }
}

/// The nodes at the end of a walk: a set after each step, so at most every edge is looked at once per step.
fn reached(context: &Context<'_>, steps: &[ExclusionStep]) -> HashSet<NodeId> {
    let mut at: Option<(KindId, HashSet<NodeId>)> = None;
    for (position, step) in steps.iter().enumerate() {
        let hop = context.hop(step.relation, step.reversed, &step.conditions, false);
        if let (Some(only), Some((_, nodes))) = (context.only, &at)
            && position + 1 == steps.len()
        {
            // Of a single node the last step is taken from its side: it has fewer neighbors than all of theirs.
            let mut is_reached = false;
            let back = context.hop(step.relation, !step.reversed, &step.conditions, false);
            back.visit_targets(only.index(), |node| is_reached |= nodes.contains(&node));
            return is_reached.then_some(only).into_iter().collect();
        }
        let next = match &at {
            None => context
                .source
                .steps(step.relation, step.reversed, &hop)
                .iter()
                .map(|step| step.target)
                .collect(),
            Some((_, nodes)) => {
                let mut next = HashSet::new();
                for node in nodes {
                    hop.visit(node.index(), &mut |step| {
                        next.insert(step.target);
                    });
                }
                next
            }
        };
        at = Some((hop.to(), next));
    }
    at.map(|(_, nodes)| nodes).unwrap_or_default()
}
