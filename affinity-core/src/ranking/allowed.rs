//! The allowed set: audience, filters and exclusions, asked inside every candidate source, before its cap.
//!
//! Source: filtering before the cut, as in Gollapudi et al., "Filtered-DiskANN", WWW 2023: a filter after the cut
//! returns fewer matches than there are.

use std::collections::HashSet;

use serde::Serialize;

use crate::graph::{Cell, Condition, NO_CATEGORY_TERM, NodeId, Place, Test};
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
    within: Option<&'a HashSet<NodeId>>,
    /// Whether the viewer may know of every node there is.
    is_open: bool,
}

enum Excluded {
    /// Rising: candidate sources ask thousands of times, and hashing each node cost more than all else they did.
    Nodes(Vec<NodeId>),
    Category {
        attribute: crate::graph::AttributeId,
        term: u32,
    },
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
        Self {
            filters: tests.zip(all.iter().copied()).collect(),
            excluded: excluded.collect(),
            ids,
            within: None,
            is_open: context.graph.nodes(context.to).is_open_to(context.sight),
            context,
        }
    }

    /// Leaves only these nodes, where they are given.
    pub(crate) fn within(self, within: Option<&'a HashSet<NodeId>>) -> Self {
        Self { within, ..self }
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
        let is_within = self.within.is_none_or(|within| within.contains(&node));
        is_within && (self.is_open || self.is_visible(node)) && self.rejections(node).next().is_none()
    }

    /// The first reason why a visible node may not be a match.
    pub(crate) fn dropped(&self, node: NodeId) -> Option<Dropped> {
        self.rejections(node).next().map(|rejection| match rejection {
            Rejection::Source => Dropped::Source,
            Rejection::Query => Dropped::Query,
            Rejection::Filter { condition, .. } => Dropped::Filter { attribute: condition.attribute.clone() },
            Rejection::Exclusion { rule, .. } => Dropped::Exclusion { rule: rule.to_string() },
        })
    }

    /// Every reason why a visible node may not be a match; each is looked for when asked.
    pub(crate) fn rejections(&self, node: NodeId) -> impl Iterator<Item = Rejection<'_>> {
        let source = self.context.source;
        let is_source = source.kind == self.context.to && source.node == Some(node);
        let is_left_out = self.ids.contains(&node);
        let nodes = self.context.graph.nodes(self.context.to);
        let cell = move |test: &Test| match test.place {
            Place::Attribute(attribute) => crate::graph::AttributeId::from_index(attribute)
                .map_or(Cell::Absent, |id| nodes.cell(node, id)),
            Place::Weight | Place::At => Cell::Absent,
        };
        let keeps_out = move |excluded: &Excluded| match excluded {
            Excluded::Nodes(nodes) => nodes.binary_search(&node).is_ok(),
            Excluded::Category { attribute, term } => nodes.cell(node, *attribute) == Cell::Category(*term),
        };
        let filters =
            self.filters.iter().enumerate().filter(move |(_, (test, _))| !test.accepts(&cell(test)));
        let excluded = self.excluded.iter().filter(move |(_, excluded)| keeps_out(excluded));
        let own = is_source.then_some(Rejection::Source).into_iter();
        own.chain(is_left_out.then_some(Rejection::Query))
            .chain(filters.map(|(position, (_, condition))| Rejection::Filter { position, condition }))
            .chain(excluded.map(|(exclusion, _)| Rejection::Exclusion { rule: &exclusion.rule }))
    }
}

/// One reason why a node cannot be a match.
pub(crate) enum Rejection<'a> {
    /// It is the source.
    Source,
    /// The query names it.
    Query,
    /// A filter does not accept it.
    Filter {
        /// Among the matcher's filters, then the query's.
        position: usize,
        condition: &'a Condition,
    },
    /// An exclusion of the matcher applies.
    Exclusion { rule: &'a str },
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

/// The nodes at the end of a walk, rising: a set after each step, so at most every edge is looked at once per step.
fn reached(context: &Context<'_>, steps: &[ExclusionStep]) -> Vec<NodeId> {
    let mut at: Option<Vec<NodeId>> = None;
    for (position, step) in steps.iter().enumerate() {
        let hop = context.hop(step.relation, step.reversed, &step.conditions, false);
        if let (Some(only), Some(nodes)) = (context.only, &at)
            && position + 1 == steps.len()
        {
            // Of a single node the last step is taken from its side: it has fewer neighbors than all of theirs.
            let mut is_reached = false;
            let back = context.hop(step.relation, !step.reversed, &step.conditions, false);
            back.visit_targets(only.index(), |node| is_reached |= nodes.binary_search(&node).is_ok());
            return is_reached.then_some(only).into_iter().collect();
        }
        let mut next: Vec<NodeId> = Vec::new();
        match &at {
            None => {
                let steps = context.source.steps(step.relation, step.reversed, &hop);
                next.extend(steps.iter().map(|step| step.target));
            }
            Some(nodes) => {
                for node in nodes {
                    hop.visit(node.index(), &mut |step| next.push(step.target));
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        at = Some(next);
    }
    at.unwrap_or_default()
}
