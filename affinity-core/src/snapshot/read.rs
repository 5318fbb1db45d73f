//! Opening: map the file, check everything that leads somewhere, put the engine together.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::cursor::Cursor;
use super::data::Data;
use super::edges::{Array, EdgeSections, Ends};
use super::error::SnapshotError;
use super::filters::FilterSections;
use super::layout::{Entry, Role, Section, check_crc, read_directory, read_header, schema_section};
use super::map::MappedFile;
use super::nodes::{Limits, decode_nodes};
use super::schema_text::check_same;
use super::terms::{decode_audiences, decode_terms};
use super::vectors::{LinkSections, VectorSections};
use super::verify::Unverified;
use crate::engine::{Engine, bind, check_ways_back};
use crate::graph::{Adjacency, Graph, NodeTable, RelationTable, Schema, TermSpaceSpec, TermTable};
use crate::matcher::Matcher;
use crate::signals::{FilterModels, Models, TermWeights};
use crate::vector::Space;

impl Engine {
    /// The engine that [`Engine::save`] wrote, with these matchers.
    ///
    /// Everything that leads somewhere is looked at now. What is large is read in place, and its checksums are left
    /// to [`Engine::verify`]: `degraded` says so until it has compared them. O(nodes + edges).
    ///
    /// # Errors
    /// [`SnapshotError`] when the file cannot be read, is damaged, or was written for another schema.
    pub fn open(
        path: impl AsRef<Path>,
        schema: Schema,
        matchers: impl IntoIterator<Item = Matcher>,
    ) -> Result<Self, SnapshotError> {
        if cfg!(target_endian = "big") {
            return Err(SnapshotError::BigEndianMachine);
        }
        let mut by_name = BTreeMap::new();
        for matcher in matchers {
            if let Some(before) = by_name.insert(matcher.name().to_string(), matcher) {
                return Err(SnapshotError::RepeatedMatcher { name: before.name().to_string() });
            }
        }
        check_ways_back(&by_name).map_err(SnapshotError::Matchers)?;
        let path = path.as_ref();
        let io_error = |action| move |source| SnapshotError::Io { action, path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io_error("open"))?;
        let file = Arc::new(MappedFile::open(&file).map_err(io_error("map"))?);
        let directory = read_header(file.bytes())?;
        check_same(&schema, schema_section(file.bytes(), directory)?)?;
        let entries = read_directory(file.bytes(), directory, &schema)?;
        Sections::new(&file, &schema, entries)?.engine(by_name)
    }

    /// As [`Engine::open`], with every checksum compared before the first answer.
    ///
    /// # Errors
    /// As [`Engine::open`] and [`Engine::verify`].
    pub fn open_verified(
        path: impl AsRef<Path>,
        schema: Schema,
        matchers: impl IntoIterator<Item = Matcher>,
    ) -> Result<Self, SnapshotError> {
        let engine = Self::open(path, schema, matchers)?;
        engine.verify()?;
        Ok(engine)
    }
}

/// The sections of a file, with their names.
struct Sections<'a> {
    file: &'a Arc<MappedFile>,
    schema: &'a Schema,
    entries: BTreeMap<Section, (String, Entry)>,
}

impl<'a> Sections<'a> {
    /// Compares all checksums that are not left for later.
    fn new(
        file: &'a Arc<MappedFile>,
        schema: &'a Schema,
        entries: Vec<Entry>,
    ) -> Result<Self, SnapshotError> {
        let mut named = BTreeMap::new();
        for entry in entries {
            let name = entry.section.name(schema);
            if !entry.section.role.is_verified_later() {
                check_crc(&name, &file.bytes()[entry.offset..entry.offset + entry.length], entry.crc)?;
            }
            named.insert(entry.section, (name, entry));
        }
        Ok(Self { file, schema, entries: named })
    }

    /// Name and place of a section; an empty one if the schema has none, which `read_directory` excludes.
    fn find(&self, role: Role, owner: usize) -> (&str, usize, usize) {
        let found = self.entries.get(&Section::new(role, owner));
        found.map_or(("", 0, 0), |(name, entry)| (name, entry.offset, entry.length))
    }

    fn bytes(&self, role: Role, owner: usize) -> &[u8] {
        let (_, offset, length) = self.find(role, owner);
        &self.file.bytes()[offset..offset + length]
    }

    fn cursor(&self, role: Role, owner: usize) -> Cursor<'_> {
        Cursor::new(self.find(role, owner).0, self.bytes(role, owner))
    }

    fn data(&self, role: Role, owner: usize) -> Data<'_> {
        let (name, offset, length) = self.find(role, owner);
        Data::new(name, self.file, offset, length)
    }

    fn array<T: bytemuck::Pod>(&self, role: Role, owner: usize) -> Result<Array<'_, T>, SnapshotError> {
        let (name, offset, length) = self.find(role, owner);
        Array::new(name, self.file, offset, length)
    }

    fn engine(self, matchers: BTreeMap<String, Matcher>) -> Result<Engine, SnapshotError> {
        let version = self.cursor(Role::EngineVersion, 0);
        let version = version.clone().text_of(self.bytes(Role::EngineVersion, 0).len())?;
        let mut models: Models = serde_json::from_slice(self.bytes(Role::Models, 0))
            .map_err(|error| self.cursor(Role::Models, 0).invalid("models", "statistics as JSON", error))?;
        let terms = decode_terms(
            self.cursor(Role::Terms, 0),
            self.data(Role::TermIndex, 0),
            self.data(Role::TermData, 0),
        )?;
        let audiences = decode_audiences(self.cursor(Role::Audiences, 0))?;
        let limits = Limits { term_count: terms.count(), audience_count: audiences.count() };
        let kinds = self.schema.kinds().iter().enumerate();
        let nodes = kinds
            .map(|(kind, declared)| {
                let (index, data) = (self.data(Role::NodeIndex, kind), self.data(Role::NodeData, kind));
                decode_nodes(declared, limits, self.cursor(Role::Nodes, kind), index, data)
            })
            .collect::<Result<Vec<NodeTable>, _>>()?;
        let counts: Vec<usize> = nodes.iter().map(NodeTable::node_count).collect();
        let relations = (0..self.schema.relations().len())
            .map(|relation| {
                Ok(RelationTable {
                    forward: self.direction(relation, false, limits, &counts)?,
                    backward: self.direction(relation, true, limits, &counts)?,
                })
            })
            .collect::<Result<Vec<_>, SnapshotError>>()?;
        let term_tables = self.term_tables(&counts, limits)?;
        let spaces = self.spaces(&nodes, limits)?;
        let schema = Arc::new(self.schema.clone());
        let graph = Graph::from_parts(schema, terms, audiences, nodes, relations, term_tables);
        models.filters = self.filters()?;
        let version = Arc::from(version);
        let later = self.entries.into_values();
        let later = later.filter(|(_, entry)| entry.section.role.is_verified_later()).collect();
        let unverified = Arc::new(Unverified::new(Arc::clone(self.file), later));
        Ok(Engine {
            term_weights: TermWeights::default().extended(&graph, &models),
            filters: bind(&graph, &matchers, &models),
            graph: Arc::new(graph),
            spaces,
            matchers: Arc::new(matchers),
            models_version: models.version().into(),
            models: Arc::new(models),
            version,
            degraded: Arc::default(),
            unverified: Some(unverified),
        })
    }

    fn direction(
        &self,
        relation: usize,
        reversed: bool,
        limits: Limits,
        node_counts: &[usize],
    ) -> Result<Adjacency, SnapshotError> {
        let declared = &self.schema.relations()[relation];
        let (from, to) = (node_counts[declared.from.index()], node_counts[declared.to.index()]);
        // The reversed direction of a symmetric relation is not used, and so has no pages.
        let source_count = if !reversed {
            from
        } else if declared.symmetric {
            0
        } else {
            to
        };
        let target_count = if reversed { from } else { to };
        let ends = Ends { relation: declared, source_count, target_count, limits };
        self.edges(2 * relation + usize::from(reversed), ends)
    }

    /// Terms by node, then nodes by term.
    fn term_tables(&self, node_counts: &[usize], limits: Limits) -> Result<Vec<TermTable>, SnapshotError> {
        let table = |(space, spec): (usize, &TermSpaceSpec)| {
            let (owner, relation) = (2 * (self.schema.relations().len() + space), &TermTable::shape(spec));
            let (source_count, target_count) = (node_counts[spec.kind.index()], limits.term_count);
            let ends = Ends { relation, source_count, target_count, limits };
            let turned = Ends { source_count: target_count, target_count: source_count, ..ends };
            Ok(TermTable::from_parts(self.edges(owner, ends)?, self.edges(owner + 1, turned)?))
        };
        self.schema.term_spaces().iter().enumerate().map(table).collect()
    }

    /// One direction of a relation or of a space of terms.
    fn edges(&self, owner: usize, ends: Ends<'_>) -> Result<Adjacency, SnapshotError> {
        let sections = EdgeSections {
            pages: self.cursor(Role::EdgePages, owner),
            offsets: self.array(Role::EdgeOffsets, owner)?,
            numbers: self.array(Role::EdgeNumbers, owner)?,
            attributes: self.data(Role::EdgeAttributes, owner),
        };
        sections.decode(ends)
    }

    fn filters(&self) -> Result<FilterModels, SnapshotError> {
        let sections = FilterSections {
            list: self.cursor(Role::Filters, 0),
            offsets: self.array(Role::FilterOffsets, 0)?,
            targets: self.array(Role::FilterTargets, 0)?,
            weights: self.array(Role::FilterWeights, 0)?,
            factors: self.array(Role::FilterFactors, 0)?,
        };
        sections.decode()
    }

    fn spaces(&self, nodes: &[NodeTable], limits: Limits) -> Result<Arc<[Space]>, SnapshotError> {
        let spaces = self.schema.spaces().iter().enumerate().map(|(space, spec)| {
            let sections = VectorSections {
                pages: self.cursor(Role::VectorPages, space),
                audiences: self.array(Role::VectorAudiences, space)?,
                components: self.array(Role::VectorComponents, space)?,
                links: LinkSections {
                    levels: self.array(Role::LinkLevels, space)?,
                    base: self.array(Role::LinkBase, space)?,
                    upper: self.array(Role::LinkUpper, space)?,
                },
            };
            sections.decode(spec, &nodes[spec.kind.index()], limits.audience_count)
        });
        Ok(spaces.collect::<Result<Vec<_>, _>>()?.into())
    }
}
