//! The source of a query: a node of the graph, or one described on the spot.

use std::collections::HashMap;

use crate::graph::{AttributeType, Cell, Graph, Hop, Key, KindId, NodeId, RelationId, SpaceId, Step, Value};

/// Whom to find matches for.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) kind: KindId,
    /// `None` for one described on the spot.
    pub(crate) node: Option<NodeId>,
    pub(crate) key: Key,
    pub(crate) name: String,
    /// One per attribute of the kind.
    pub(crate) cells: Vec<Cell>,
    /// Links of a source described on the spot, by relation and direction, sorted by target.
    pub(crate) links: HashMap<(RelationId, bool), Vec<Step>>,
    /// Vectors of a source described on the spot.
    pub(crate) vectors: HashMap<SpaceId, Vec<f32>>,
}

impl Source {
    pub(crate) fn of_node(graph: &Graph, kind: KindId, node: NodeId) -> Self {
        let declared = graph.schema().kinds()[kind.index()].attributes.entries();
        let cells = (0..declared.len()).filter_map(crate::graph::AttributeId::from_index);
        Self {
            kind,
            node: Some(node),
            key: graph.nodes(kind).key(node).clone(),
            name: graph.name(kind, node),
            cells: cells.map(|attribute| graph.nodes(kind).cell(node, attribute)).collect(),
            links: HashMap::new(),
            vectors: HashMap::new(),
        }
    }

    /// The cell of an attribute by name; absent when the kind has none of that name.
    pub(crate) fn cell(&self, graph: &Graph, attribute: &str) -> Cell {
        match graph.attribute(self.kind, attribute) {
            Some((id, _)) => self.cells[id.index()].clone(),
            None => Cell::Absent,
        }
    }

    /// The steps of a hop from the source, in ascending order of target.
    pub(crate) fn steps(&self, relation: RelationId, reversed: bool, hop: &Hop<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        match self.node {
            Some(node) => hop.visit(node.index(), &mut |step| steps.push(step)),
            // Links given with the query are the asker's own: filters on edge attributes do not apply to them.
            None => steps.extend(self.links.get(&(relation, reversed)).into_iter().flatten()),
        }
        steps
    }
}

/// Fits values given by name to the attributes of a kind; names and types have been checked.
pub(crate) fn cells_of(
    graph: &Graph,
    kind: KindId,
    values: &std::collections::BTreeMap<String, Value>,
) -> Vec<Cell> {
    let declared = graph.schema().kinds()[kind.index()].attributes.entries();
    let cell = |(name, _): &(String, AttributeType)| {
        values.get(name).map_or(Cell::Absent, |value| graph.query_cell(value))
    };
    declared.iter().map(cell).collect()
}
