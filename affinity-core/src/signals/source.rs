//! The source of a query: a node of the graph, or one described on the spot.

use std::collections::HashMap;

use compact_str::CompactString;

use crate::graph::{
    AttributeType, Cell, Graph, Hop, Key, KindId, NodeId, QueryWords, RelationId, SpaceId, Step, Value,
};

/// Whom to find matches for.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) kind: KindId,
    /// `None` for one described on the spot.
    pub(crate) node: Option<NodeId>,
    pub(crate) key: Key,
    pub(crate) name: CompactString,
    /// One per attribute of the kind.
    pub(crate) cells: Vec<Cell>,
    /// Texts in the cells that the graph does not know.
    pub(crate) words: QueryWords,
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
            words: QueryWords::default(),
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

    /// The text of a term in the source's cells.
    pub(crate) fn text<'a>(&'a self, graph: &'a Graph, id: u32) -> &'a str {
        self.words.get(id).unwrap_or_else(|| graph.terms().get(id))
    }

    /// One of the source's cells as the outside world writes it.
    pub(crate) fn value(&self, graph: &Graph, cell: &Cell) -> Option<Value> {
        Graph::value_with(cell, &|id| self.text(graph, id).to_string())
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
) -> (Vec<Cell>, QueryWords) {
    let declared = graph.schema().kinds()[kind.index()].attributes.entries();
    let mut words = QueryWords::default();
    let cell = |(name, _): &(String, AttributeType)| {
        values.get(name).map_or(Cell::Absent, |value| graph.query_cell(value, &mut words))
    };
    (declared.iter().map(cell).collect(), words)
}
