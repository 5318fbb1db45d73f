//! The graph itself: tables of nodes and adjacencies of relations, changed by making a new version.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use compact_str::{CompactString, ToCompactString};

use super::adjacency::{Adjacency, EdgeEdit, EdgeRow};
use super::column::Cell;
use super::key::{AttributeId, Key, KindId, NodeId, RelationId, SpaceId, TermSpaceId};
use super::node_table::{NodeEdit, NodeTable};
use super::record::{Audience, Change, EdgeKey, EdgeRecord, NodeRecord, TERM_WEIGHT_MAX, Timestamp, Value};
use super::schema::{AttributeType, Attributes, Parallel, Schema};
use super::term_table::{TermEdit, TermTable};
use super::terms::{Audiences, QueryWords, Texts};
use crate::vector::{NewVector, VectorChange};

/// Why a change was refused. Nothing of the batch it came in has been applied.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GraphError {
    /// The schema declares nothing of this name.
    UnknownName {
        /// What was looked for: `kind`, `relation`, `space` or `attribute`.
        what: &'static str,
        /// The name found.
        got: String,
        /// The names declared.
        allowed: Vec<String>,
    },
    /// The attribute has another type.
    WrongType {
        /// The attribute's name.
        attribute: String,
        /// Of the schema.
        expected: AttributeType,
        /// Of the value.
        got: AttributeType,
    },
    /// A number is NaN or infinite.
    NotFinite {
        /// The attribute's name.
        attribute: String,
        /// Whose.
        key: Key,
    },
    /// An edge weight is NaN, infinite or negative.
    BadWeight {
        /// The edge.
        edge: EdgeKey,
        /// The weight found.
        got: f32,
    },
    /// The weight of a term is not above 0 and at most [`TERM_WEIGHT_MAX`].
    BadTermWeight {
        /// The space.
        space: String,
        /// Whose.
        key: Key,
        /// The term.
        term: String,
        /// The weight found.
        got: f32,
    },
    /// An edge time is outside 1970 to 2106.
    TimeOutOfRange {
        /// The edge.
        edge: EdgeKey,
        /// Microseconds since 1970.
        got: i64,
    },
    /// More than 2^32 nodes of a kind, or distinct texts or audiences.
    TooMany {
        /// Of what.
        what: &'static str,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownName { what, got, allowed } => {
                write!(f, "{what} \"{got}\" is not declared, expected one of: {}", allowed.join(", "))
            }
            Self::WrongType { attribute, expected, got } => {
                write!(f, "attribute \"{attribute}\" got a value of type {got}, expected {expected}")
            }
            Self::NotFinite { attribute, key } => {
                write!(f, "attribute \"{attribute}\" of \"{key}\" is not finite")
            }
            Self::BadWeight { edge, got } => write!(
                f,
                "edge {} from \"{}\" to \"{}\" weighs {got}, expected a finite number from 0",
                edge.relation, edge.source, edge.target
            ),
            Self::BadTermWeight { space, key, term, got } => write!(
                f,
                "term \"{term}\" of \"{key}\" in space \"{space}\" weighs {got}, expected above 0 and at most {TERM_WEIGHT_MAX}"
            ),
            Self::TimeOutOfRange { edge, got } => write!(
                f,
                "edge {} from \"{}\" to \"{}\" is {got} microseconds after 1970, expected a time from 1970 to 2106",
                edge.relation, edge.source, edge.target
            ),
            Self::TooMany { what } => write!(f, "more than 4294967295 {what}"),
        }
    }
}

impl std::error::Error for GraphError {}

/// Changed nodes of a kind that wait to be applied together: bounds the memory of building.
const NODE_EDITS_MAX: usize = 16_384;

/// Both directions of a relation; a symmetric one has the same edges both ways and only `forward` is used.
#[derive(Clone, Debug)]
pub(crate) struct RelationTable {
    pub(crate) forward: Adjacency,
    pub(crate) backward: Adjacency,
}

/// A vector to put or remove, resolved to its node.
#[derive(Debug)]
pub(crate) struct VectorEdit {
    pub(crate) space: SpaceId,
    pub(crate) change: VectorChange,
}

/// Nodes and edges of one version.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    schema: Arc<Schema>,
    terms: Texts,
    audiences: Audiences,
    nodes: Vec<Arc<NodeTable>>,
    relations: Vec<Arc<RelationTable>>,
    term_tables: Vec<Arc<TermTable>>,
}

impl Graph {
    pub(crate) fn new(schema: Arc<Schema>) -> Self {
        let nodes = schema.kinds().iter().map(|kind| Arc::new(NodeTable::new(kind))).collect();
        let table = |relation| {
            Arc::new(RelationTable { forward: Adjacency::new(relation), backward: Adjacency::new(relation) })
        };
        let relations = schema.relations().iter().map(table).collect();
        let mut terms = Texts::default();
        terms.intern(""); // term 0 stands for "no origin"
        let term_tables = schema.term_spaces().iter().map(|space| Arc::new(TermTable::new(space))).collect();
        Self { schema, terms, audiences: Audiences::default(), nodes, relations, term_tables }
    }

    /// A graph from the parts of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_parts(
        schema: Arc<Schema>,
        terms: Texts,
        audiences: Audiences,
        nodes: Vec<NodeTable>,
        relations: Vec<RelationTable>,
        term_tables: Vec<TermTable>,
    ) -> Self {
        let (nodes, relations) = (nodes.into_iter().map(Arc::new), relations.into_iter().map(Arc::new));
        let (nodes, relations) = (nodes.collect(), relations.collect());
        let term_tables = term_tables.into_iter().map(Arc::new).collect();
        Self { schema, terms, audiences, nodes, relations, term_tables }
    }

    pub(crate) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    pub(crate) fn terms(&self) -> &Texts {
        &self.terms
    }

    pub(crate) fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    pub(crate) fn nodes(&self, kind: KindId) -> &NodeTable {
        &self.nodes[kind.index()]
    }

    pub(crate) fn relation(&self, relation: RelationId) -> &RelationTable {
        &self.relations[relation.index()]
    }

    /// The terms of the nodes of a space.
    pub(crate) fn term_table(&self, space: TermSpaceId) -> &TermTable {
        &self.term_tables[space.index()]
    }

    /// The edges of a relation as seen from its sources, or from its targets when `reversed`.
    pub(crate) fn adjacency(&self, relation: RelationId, reversed: bool) -> &Adjacency {
        let table = &self.relations[relation.index()];
        if reversed && !self.schema.relations()[relation.index()].symmetric {
            &table.backward
        } else {
            &table.forward
        }
    }

    /// What people call a node: its label, or its key.
    pub(crate) fn name(&self, kind: KindId, node: NodeId) -> CompactString {
        let label = self.schema.kinds()[kind.index()].label;
        match label.map(|label| self.nodes(kind).cell(node, label)) {
            Some(Cell::Text(text)) => text.as_ref().into(),
            _ => self.nodes(kind).key(node).to_compact_string(),
        }
    }

    /// A cell as the outside world writes it.
    pub(crate) fn value(&self, cell: &Cell) -> Option<Value> {
        Self::value_with(cell, &|id| self.terms.get(id).to_string())
    }

    /// As [`Graph::value`], where `term` knows the texts.
    pub(crate) fn value_with(cell: &Cell, term: &dyn Fn(u32) -> String) -> Option<Value> {
        match cell {
            Cell::Absent => None,
            Cell::Number(number) => Some(Value::Number(*number)),
            Cell::Category(id) => Some(Value::Category(term(*id))),
            Cell::Tags(ids) => {
                let mut tags: Vec<String> = ids.iter().map(|id| term(*id)).collect();
                tags.sort_unstable(); // ids depend on history, texts do not
                Some(Value::Tags(tags))
            }
            Cell::Time(micros) => Some(Value::Time(Timestamp::from_micros(*micros))),
            Cell::Text(text) => Some(Value::Text(text.to_string())),
        }
    }

    /// A cell for a value that comes with a query; texts that the graph does not know go to `words`.
    ///
    /// Whether it knows a text depends on history and on what the viewer may not read, so both sorts must act alike.
    pub(crate) fn query_cell(&self, value: &Value, words: &mut QueryWords) -> Cell {
        let mut term = |text: &String| self.terms.find(text).unwrap_or_else(|| words.id(text));
        match value {
            Value::Number(number) if number.is_finite() => Cell::Number(*number),
            Value::Number(_) => Cell::Absent,
            Value::Category(text) => Cell::Category(term(text)),
            Value::Tags(tags) => {
                let mut ids: Vec<u32> = tags.iter().map(term).collect();
                ids.sort_unstable();
                ids.dedup();
                Cell::Tags(ids.into())
            }
            Value::Time(time) => Cell::Time(time.micros()),
            Value::Text(text) => Cell::Text(text.as_str().into()),
        }
    }

    /// The version after `changes`, and what they say about vectors. On an error nothing is changed.
    pub(crate) fn with_changes(
        &self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<(Self, Vec<VectorEdit>), GraphError> {
        let mut next = self.clone();
        let edits = next.apply(changes)?;
        Ok((next, edits))
    }

    /// Applies changes in place; on an error the graph is half changed and must be dropped.
    pub(crate) fn apply(
        &mut self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Vec<VectorEdit>, GraphError> {
        let schema = Arc::clone(&self.schema);
        let mut forward: BTreeMap<RelationId, Vec<EdgeEdit>> = BTreeMap::new();
        let mut backward: BTreeMap<RelationId, Vec<EdgeEdit>> = BTreeMap::new();
        let mut term_edits: BTreeMap<TermSpaceId, Vec<TermEdit>> = BTreeMap::new();
        let mut nodes: BTreeMap<KindId, Vec<NodeEdit>> = BTreeMap::new();
        let mut vectors = Vec::new();
        for change in changes {
            match change {
                Change::PutNode { kind, key, record } => {
                    let (kind, edit) = self.node_edit(&schema, &kind, &key, record)?;
                    let edits = nodes.entry(kind).or_default();
                    edits.push(edit);
                    if edits.len() >= NODE_EDITS_MAX {
                        Arc::make_mut(&mut self.nodes[kind.index()]).apply(std::mem::take(edits));
                    }
                }
                Change::RemoveNode { kind, key } => {
                    let kind = find_kind(&schema, &kind)?;
                    let node = self.nodes(kind).find(&key);
                    nodes.entry(kind).or_default().extend(node.map(NodeEdit::removal));
                }
                Change::PutEdge { edge, record } => {
                    let (relation, there, back) = self.edge_edits(&schema, edge, Some(record))?;
                    forward.entry(relation).or_default().push(there);
                    (if schema.relations()[relation.index()].symmetric {
                        &mut forward
                    } else {
                        &mut backward
                    })
                    .entry(relation)
                    .or_default()
                    .push(back);
                }
                Change::RemoveEdge { edge } => {
                    let (relation, there, back) = self.edge_edits(&schema, edge, None)?;
                    forward.entry(relation).or_default().push(there);
                    (if schema.relations()[relation.index()].symmetric {
                        &mut forward
                    } else {
                        &mut backward
                    })
                    .entry(relation)
                    .or_default()
                    .push(back);
                }
                Change::PutVector { space, key, vector, audience } => {
                    let (space, kind) = find_space(&schema, &space)?;
                    let node = self.find_or_add(kind, &key)?;
                    let audience =
                        self.audiences.intern(&audience).ok_or(GraphError::TooMany { what: "audiences" })?;
                    let vector = Some(NewVector { components: vector, audience });
                    vectors.push(VectorEdit { space, change: VectorChange { node: node.index(), vector } });
                }
                Change::RemoveVector { space, key } => {
                    let (space, kind) = find_space(&schema, &space)?;
                    if let Some(node) = self.nodes(kind).find(&key) {
                        vectors.push(VectorEdit {
                            space,
                            change: VectorChange { node: node.index(), vector: None },
                        });
                    }
                }
                Change::PutTerms { space, key, terms, audience } => {
                    let (space, edit) = self.term_edit(&schema, space, key, terms, &audience)?;
                    term_edits.entry(space).or_default().push(edit);
                }
            }
        }
        for (kind, edits) in nodes {
            Arc::make_mut(&mut self.nodes[kind.index()]).apply(edits);
        }
        for (relation, edits) in forward {
            Arc::make_mut(&mut self.relations[relation.index()]).forward.apply(edits);
        }
        for (relation, edits) in backward {
            Arc::make_mut(&mut self.relations[relation.index()]).backward.apply(edits);
        }
        for (space, edits) in term_edits {
            Arc::make_mut(&mut self.term_tables[space.index()]).apply(edits);
        }
        Ok(vectors)
    }

    fn term_edit(
        &mut self,
        schema: &Schema,
        space: String,
        key: Key,
        terms: BTreeMap<String, f32>,
        audience: &Audience,
    ) -> Result<(TermSpaceId, TermEdit), GraphError> {
        let id = schema.term_space(&space).ok_or_else(|| GraphError::UnknownName {
            what: "space of terms",
            got: space.clone(),
            allowed: schema.term_spaces().iter().map(|space| space.name.clone()).collect(),
        })?;
        let node = self.find_or_add(schema.term_spaces()[id.index()].kind, &key)?;
        let audience = self.audiences.intern(audience).ok_or(GraphError::TooMany { what: "audiences" })?;
        let mut ids = Vec::with_capacity(terms.len());
        for (term, weight) in terms {
            if !(weight > 0.0 && weight <= TERM_WEIGHT_MAX) {
                return Err(GraphError::BadTermWeight { space, key, term, got: weight });
            }
            ids.push((self.terms.intern(&term).ok_or(GraphError::TooMany { what: "texts" })?, weight));
        }
        Ok((id, TermEdit { node, audience, terms: ids }))
    }

    fn node_edit(
        &mut self,
        schema: &Schema,
        kind: &str,
        key: &Key,
        record: NodeRecord,
    ) -> Result<(KindId, NodeEdit), GraphError> {
        let kind = find_kind(schema, kind)?;
        let cells = self.cells(&schema.kinds()[kind.index()].attributes, record.attributes, key)?;
        let audience =
            self.audiences.intern(&record.audience).ok_or(GraphError::TooMany { what: "audiences" })?;
        let node = self.find_or_add(kind, key)?;
        Ok((kind, NodeEdit { node, audience, principals: record.principals, cells }))
    }

    fn find_or_add(&mut self, kind: KindId, key: &Key) -> Result<NodeId, GraphError> {
        if let Some(node) = self.nodes(kind).find(key) {
            return Ok(node);
        }
        Arc::make_mut(&mut self.nodes[kind.index()])
            .find_or_add(key)
            .ok_or(GraphError::TooMany { what: "nodes" })
    }

    /// The edit of an edge in both directions.
    fn edge_edits(
        &mut self,
        schema: &Schema,
        edge: EdgeKey,
        record: Option<EdgeRecord>,
    ) -> Result<(RelationId, EdgeEdit, EdgeEdit), GraphError> {
        let relation_id = schema.relation(&edge.relation).ok_or_else(|| GraphError::UnknownName {
            what: "relation",
            got: edge.relation.clone(),
            allowed: schema.relations().iter().map(|relation| relation.name.clone()).collect(),
        })?;
        let relation = &schema.relations()[relation_id.index()];
        let source = self.find_or_add(relation.from, &edge.source)?.raw();
        let target = self.find_or_add(relation.to, &edge.target)?.raw();
        let origin = match &edge.origin {
            Some(origin) if relation.parallel != Parallel::Single => {
                self.terms.intern(&origin.to_string()).ok_or(GraphError::TooMany { what: "texts" })?
            }
            _ => 0,
        };
        let row = record.map(|record| self.edge_row(schema, relation_id, &edge, record)).transpose()?;
        let row_to = |target: u32| row.clone().map(|row| EdgeRow { target, origin, ..row });
        let there = EdgeEdit { node: source, target, origin, row: row_to(target) };
        let back = EdgeEdit { node: target, target: source, origin, row: row_to(source) };
        Ok((relation_id, there, back))
    }

    fn edge_row(
        &mut self,
        schema: &Schema,
        relation: RelationId,
        edge: &EdgeKey,
        record: EdgeRecord,
    ) -> Result<EdgeRow, GraphError> {
        let relation = &schema.relations()[relation.index()];
        if !record.weight.is_finite() || record.weight < 0.0 {
            return Err(GraphError::BadWeight { edge: edge.clone(), got: record.weight });
        }
        let time = match record.at.filter(|_| relation.timed) {
            None => 0,
            Some(at) => u32::try_from(at.micros().div_euclid(1_000_000))
                .map_err(|_| GraphError::TimeOutOfRange { edge: edge.clone(), got: at.micros() })?,
        };
        let audience =
            self.audiences.intern(&record.audience).ok_or(GraphError::TooMany { what: "audiences" })?;
        let cells = if relation.attributes.entries().is_empty() && record.attributes.is_empty() {
            Vec::new()
        } else {
            self.cells(&relation.attributes, record.attributes, &edge.source)?
        };
        let weight = if relation.weighted { record.weight } else { 1.0 };
        Ok(EdgeRow { target: 0, origin: 0, weight, time, audience, cells })
    }

    /// One cell per declared attribute.
    fn cells(
        &mut self,
        declared: &Attributes,
        values: BTreeMap<String, Value>,
        key: &Key,
    ) -> Result<Vec<Cell>, GraphError> {
        let mut cells = vec![Cell::Absent; declared.entries().len()];
        for (name, value) in values {
            let (id, of) = declared.find(&name).ok_or_else(|| GraphError::UnknownName {
                what: "attribute",
                got: name.clone(),
                allowed: declared.entries().iter().map(|(known, _)| known.clone()).collect(),
            })?;
            cells[id.index()] = self.cell(name, of, value, key)?;
        }
        Ok(cells)
    }

    fn cell(
        &mut self,
        attribute: String,
        expected: AttributeType,
        value: Value,
        key: &Key,
    ) -> Result<Cell, GraphError> {
        let got = type_of(&value);
        if got != expected {
            return Err(GraphError::WrongType { attribute, expected, got });
        }
        let mut intern = |text: String| self.terms.intern(&text).ok_or(GraphError::TooMany { what: "texts" });
        Ok(match value {
            Value::Number(number) if !number.is_finite() => {
                return Err(GraphError::NotFinite { attribute, key: key.clone() });
            }
            Value::Number(number) => Cell::Number(number),
            Value::Category(text) => Cell::Category(intern(text)?),
            Value::Tags(tags) => {
                let mut ids = tags.into_iter().map(intern).collect::<Result<Vec<u32>, _>>()?;
                ids.sort_unstable();
                ids.dedup();
                Cell::Tags(ids.into())
            }
            Value::Time(time) => Cell::Time(time.micros()),
            Value::Text(text) => Cell::Text(text.into()),
        })
    }

    /// The attribute called `name` of a kind.
    pub(crate) fn attribute(&self, kind: KindId, name: &str) -> Option<(AttributeId, AttributeType)> {
        self.schema.kinds()[kind.index()].attributes.find(name)
    }
}

pub(crate) fn type_of(value: &Value) -> AttributeType {
    match value {
        Value::Number(_) => AttributeType::Number,
        Value::Category(_) => AttributeType::Category,
        Value::Tags(_) => AttributeType::Tags,
        Value::Time(_) => AttributeType::Time,
        Value::Text(_) => AttributeType::Text,
    }
}

fn find_kind(schema: &Schema, name: &str) -> Result<KindId, GraphError> {
    schema.kind(name).ok_or_else(|| GraphError::UnknownName {
        what: "kind",
        got: name.to_string(),
        allowed: schema.kinds().iter().map(|kind| kind.name.clone()).collect(),
    })
}

fn find_space(schema: &Schema, name: &str) -> Result<(SpaceId, KindId), GraphError> {
    let space = schema.space(name).ok_or_else(|| GraphError::UnknownName {
        what: "space",
        got: name.to_string(),
        allowed: schema.spaces().iter().map(|space| space.name.clone()).collect(),
    })?;
    Ok((space, schema.spaces()[space.index()].kind))
}
