//! Where every byte of an engine is.

use serde::Serialize;

use super::version::Engine;
use crate::graph::{Adjacency, KindId, RelationId, TermSpaceId};

/// One line of the table of where every byte of an engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SizeRow {
    /// Whose bytes: `kind Member`, `relation LIKES`, `relation LIKES reversed`, `space profile`, `models`, ...
    pub of: String,
    /// What they hold.
    pub part: &'static str,
    /// How many nodes, edges of one direction, vectors or texts there are of it.
    pub count: usize,
    /// Memory, or of an opened snapshot the part of the mapped file.
    pub bytes: usize,
}

impl Engine {
    /// Where every byte of this version is; versions share most of theirs.
    ///
    /// Counted from the lengths of what it holds; the statistics among the models are estimated. Parts without bytes
    /// are left out. O(pages).
    #[must_use]
    pub fn sizes(&self) -> Vec<SizeRow> {
        let (graph, schema) = (&self.graph, self.schema());
        let mut table = Table(Vec::new());
        for kind in (0..schema.kinds().len()).filter_map(KindId::from_index) {
            let (of, sizes) =
                (format!("kind {}", schema.kinds()[kind.index()].name), graph.nodes(kind).sizes());
            let parts = [
                ("keys", sizes.keys),
                ("index of keys", sizes.index),
                ("pages and audiences", sizes.pages),
                ("principals", sizes.principals),
                ("attributes", sizes.attributes),
            ];
            parts.into_iter().for_each(|(part, bytes)| table.add(&of, part, sizes.node_count, bytes));
        }
        for relation in (0..schema.relations().len()).filter_map(RelationId::from_index) {
            let name = &schema.relations()[relation.index()].name;
            table.add_edges(&format!("relation {name}"), &graph.relation(relation).forward);
            table.add_edges(&format!("relation {name} reversed"), &graph.relation(relation).backward);
        }
        for space in (0..schema.term_spaces().len()).filter_map(TermSpaceId::from_index) {
            let name = &schema.term_spaces()[space.index()].name;
            let [by_node, by_term] = graph.term_table(space).directions();
            table.add_edges(&format!("terms {name}"), by_node);
            table.add_edges(&format!("terms {name} reversed"), by_term);
        }
        for (space, vectors) in schema.spaces().iter().zip(self.spaces.iter()) {
            let (of, sizes) = (format!("space {}", space.name), vectors.sizes());
            let parts = [
                ("vectors", sizes.components),
                ("pages and audiences", sizes.pages),
                ("codes", sizes.codes),
                ("links", sizes.links),
            ];
            parts.into_iter().for_each(|(part, bytes)| table.add(&of, part, vectors.count(), bytes));
        }
        table.add("texts", "categories, tags and origins", graph.terms().count(), graph.terms().size_bytes());
        table.add("audiences", "who may read", graph.audiences().count(), graph.audiences().size_bytes());
        let (count, bytes) = self.models.statistics_size();
        table.add("models", "statistics (estimated)", count, bytes);
        let filters = self.models.filters.values();
        table.add("models", "filters", filters.len(), filters.map(|model| model.size_bytes()).sum());
        table.add("models", "filters by node", self.filters.count(), self.filters.size_bytes());
        table.add("models", "weights of terms", graph.terms().count(), self.term_weights.size_bytes());
        table.0
    }
}

struct Table(Vec<SizeRow>);

impl Table {
    fn add(&mut self, of: &str, part: &'static str, count: usize, bytes: usize) {
        if bytes > 0 {
            self.0.push(SizeRow { of: of.to_string(), part, count, bytes });
        }
    }

    fn add_edges(&mut self, of: &str, adjacency: &Adjacency) {
        let sizes = adjacency.sizes();
        let parts = [
            ("lists", sizes.lists),
            ("targets", sizes.targets),
            ("weights", sizes.weights),
            ("times", sizes.times),
            ("audiences", sizes.audiences),
            ("origins", sizes.origins),
            ("attributes", sizes.attributes),
        ];
        parts.into_iter().for_each(|(part, bytes)| self.add(of, part, adjacency.edge_count(), bytes));
    }
}
