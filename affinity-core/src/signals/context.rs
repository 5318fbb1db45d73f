//! What a signal may look at while it answers one query.

use crate::graph::{
    AttributeId, Cell, Condition, Graph, Hop, KindId, NodeId, RelationId, Sight, SpaceId, Test, Timestamp,
};
use crate::vector::Space;

use super::evidence::NodeRef;
use super::filter_model::BoundFilters;
use super::models::Models;
use super::source::Source;
use super::term_weights::TermWeights;

/// What a signal may look at while it answers one query: an immutable engine as one viewer sees it, and a source.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) spaces: &'a [Space],
    pub(crate) models: &'a Models,
    pub(crate) term_weights: &'a TermWeights,
    pub(crate) filters: &'a BoundFilters,
    pub(crate) source: &'a Source,
    pub(crate) sight: Sight<'a>,
    pub(crate) as_of: Timestamp,
    pub(crate) to: KindId,
    pub(crate) only: Option<NodeId>,
    pub(crate) cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Context<'a> {
    /// The time that the answer is about.
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// The only node that will be asked about, when there is just one: a signal then need not look further.
    #[must_use]
    pub fn only(&self) -> Option<NodeId> {
        self.only
    }

    /// How a node of the match kind is named in answers.
    #[must_use]
    pub fn target(&self, node: NodeId) -> NodeRef {
        self.node_ref(self.to, node)
    }

    /// An attribute of a node of the match kind; `None` when it is absent or not declared.
    #[must_use]
    pub fn target_value(&self, node: NodeId, attribute: &str) -> Option<crate::graph::Value> {
        let (id, _) = self.graph.attribute(self.to, attribute)?;
        self.graph.value(&self.graph.nodes(self.to).cell(node, id))
    }

    /// An attribute of the source; `None` when it is absent or not declared.
    #[must_use]
    pub fn source_value(&self, attribute: &str) -> Option<crate::graph::Value> {
        self.source.value(self.graph, &self.source.cell(self.graph, attribute))
    }

    pub(crate) fn node_ref(&self, kind: KindId, node: NodeId) -> NodeRef {
        NodeRef {
            id: self.graph.nodes(kind).key(node).clone(),
            kind: self.graph.schema().kinds()[kind.index()].name.as_str().into(),
            name: self.graph.name(kind, node),
        }
    }

    pub(crate) fn source_ref(&self) -> NodeRef {
        NodeRef {
            id: self.source.key.clone(),
            kind: self.graph.schema().kinds()[self.source.kind.index()].name.as_str().into(),
            name: self.source.name.clone(),
        }
    }

    pub(crate) fn target_cell(&self, node: NodeId, attribute: AttributeId) -> Cell {
        self.graph.nodes(self.to).cell(node, attribute)
    }

    /// A hop along a relation whose edges satisfy `conditions`, which have been checked.
    pub(crate) fn hop(
        &self,
        relation: RelationId,
        reversed: bool,
        conditions: &[Condition],
        past_audience: bool,
    ) -> Hop<'a> {
        let attributes = &self.graph.schema().relations()[relation.index()].attributes;
        let tests = self.tests(conditions, attributes);
        Hop::new(self.graph, relation, reversed, tests, self.sight, past_audience)
    }

    pub(crate) fn tests(&self, conditions: &[Condition], of: &crate::graph::Attributes) -> Vec<Test> {
        let source = |name: &str| self.source.cell(self.graph, name);
        conditions.iter().map(|condition| condition.compile(self.graph, of, &source, self.as_of)).collect()
    }

    pub(crate) fn space(&self, space: SpaceId) -> &'a Space {
        &self.spaces[space.index()]
    }
}
