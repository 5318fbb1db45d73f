//! The weighted terms of the nodes of one space: by node, and by term as postings.
//!
//! Both are adjacencies between nodes and ids of the graph's interned texts, so versions share their pages, a term
//! that a million nodes have lives in chunks, and snapshots keep them as they keep edges.

use std::collections::BTreeMap;

use super::adjacency::{Adjacency, EdgeEdit, EdgeRow, Run};
use super::key::NodeId;
use super::schema::{Attributes, Parallel, Relation, TermSpaceSpec};

/// The terms of the nodes of one space.
#[derive(Clone, Debug)]
pub(crate) struct TermTable {
    by_node: Adjacency,
    by_term: Adjacency,
}

/// All terms of a node from now on, each id once.
#[derive(Debug)]
pub(crate) struct TermEdit {
    pub(crate) node: NodeId,
    pub(crate) audience: u32,
    pub(crate) terms: Vec<(u32, f32)>,
}

impl TermTable {
    pub(crate) fn new(space: &TermSpaceSpec) -> Self {
        let shape = Self::shape(space);
        Self { by_node: Adjacency::new(&shape), by_term: Adjacency::new(&shape) }
    }

    /// A table from the parts of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_parts(by_node: Adjacency, by_term: Adjacency) -> Self {
        Self { by_node, by_term }
    }

    /// What the adjacencies look like, as a relation: weighted, one edge per pair.
    pub(crate) fn shape(space: &TermSpaceSpec) -> Relation {
        Relation {
            name: space.name.clone(),
            from: space.kind,
            to: space.kind,
            weighted: true,
            timed: false,
            symmetric: false,
            parallel: Parallel::Single,
            attributes: Attributes::default(),
        }
    }

    /// Term ids by node and nodes by term id.
    pub(crate) fn directions(&self) -> [&Adjacency; 2] {
        [&self.by_node, &self.by_term]
    }

    /// Of several edits of one node the last one counts.
    pub(crate) fn apply(&mut self, edits: Vec<TermEdit>) {
        let last: BTreeMap<NodeId, TermEdit> = edits.into_iter().map(|edit| (edit.node, edit)).collect();
        let (mut by_node, mut by_term) = (Vec::new(), Vec::new());
        for TermEdit { node, audience, terms } in last.into_values() {
            let mut put = |term: u32, weight: Option<f32>| {
                for (edits, node, target) in
                    [(&mut by_node, node.raw(), term), (&mut by_term, term, node.raw())]
                {
                    let row =
                        |weight| EdgeRow { target, origin: 0, weight, time: 0, audience, cells: Vec::new() };
                    edits.push(EdgeEdit { node, target, origin: 0, row: weight.map(row) });
                }
            };
            let before = self.by_node.runs(node.index()).flat_map(Run::targets);
            before.for_each(|term| put(*term, None));
            terms.into_iter().for_each(|(term, weight)| put(term, Some(weight)));
        }
        self.by_node.apply(by_node);
        self.by_term.apply(by_term);
    }

    /// Who may read the terms of a node; `None` when it has none.
    pub(crate) fn audience(&self, node: NodeId) -> Option<u32> {
        self.by_node.runs(node.index()).next().map(|run| run.audience(0))
    }

    /// Term ids and weights of a node, whoever may read them.
    pub(crate) fn terms(&self, node: NodeId) -> impl Iterator<Item = (u32, f32)> {
        let runs = self.by_node.runs(node.index());
        runs.flat_map(|run| run.targets().iter().copied().zip(run.weights().iter().copied()))
    }

    /// The nodes that have a term, whoever may read it.
    pub(crate) fn nodes(&self, term: u32) -> impl Iterator<Item = Run<'_>> {
        self.by_term.runs(term as usize)
    }

    /// Nodes below this may have terms.
    pub(crate) fn node_limit(&self) -> usize {
        self.by_node.page_count() * super::node_table::PAGE_NODES
    }
}
