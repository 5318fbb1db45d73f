//! Writing: to a temporary file beside the target, then renamed over it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use super::edges;
use super::encoder::Encoder;
use super::error::SnapshotError;
use super::filters;
use super::layout::{ALIGNMENT, Entry, HEADER_BYTES, Role, Section, directory_bytes, header_bytes};
use super::nodes::{encode_nodes, node_arrays};
use super::schema_text::schema_text;
use super::terms::{encode_audiences, encode_terms, term_arrays};
use super::vectors;
use crate::engine::Engine;
use crate::graph::{Adjacency, EdgeBlock, HashIndex, KindId, RelationId, TermSpaceId};
use crate::vector::VectorPage;

impl Engine {
    /// Writes the engine to a file that [`Engine::open`] reads; matchers stay outside.
    ///
    /// Whoever opens `path` meanwhile gets the old file or the new one, whole, also after a power failure. An
    /// engine that was opened and not verified is verified first, so that damage is never copied. A crash on the
    /// way can leave a hidden file `.<name>.<process>-<number>.tmp` in the same folder.
    ///
    /// # Errors
    /// [`SnapshotError::Io`] with the file that could not be written, or what [`Engine::verify`] found.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), SnapshotError> {
        if cfg!(target_endian = "big") {
            return Err(SnapshotError::BigEndianMachine);
        }
        self.verify()?;
        let path = path.as_ref();
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        let temporary = temporary_beside(path, folder);
        let saved = self.write_to(&temporary).and_then(|()| {
            fs::rename(&temporary, path).map_err(|source| io_error("replace", path, source))?;
            let sync = || File::open(folder)?.sync_all(); // or the rename may be lost with the power
            sync().map_err(|source| io_error("sync", folder, source))
        });
        if saved.is_err() {
            // The first error is the one to tell; what is left over is only untidy.
            let _ = fs::remove_file(&temporary);
        }
        saved
    }

    fn write_to(&self, path: &Path) -> Result<(), SnapshotError> {
        let file = File::create(path).map_err(|source| io_error("create", path, source))?;
        let mut out = Output::new(BufWriter::with_capacity(1 << 20, file));
        let written = out.engine(self).and_then(|()| out.finish());
        let file = written.map_err(|source| io_error("write", path, source))?;
        file.sync_all().map_err(|source| io_error("sync", path, source))
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> SnapshotError {
    SnapshotError::Io { action, path: path.to_path_buf(), source }
}

/// A name that no other save of this process uses.
fn temporary_beside(path: &Path, folder: &Path) -> PathBuf {
    static SAVE_COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{}.tmp", process::id(), SAVE_COUNT.fetch_add(1, Ordering::Relaxed)));
    folder.join(name)
}

/// A file that is being written, section by section.
struct Output {
    file: BufWriter<File>,
    position: usize,
    entries: Vec<Entry>,
    encoder: Encoder,
}

impl Output {
    fn new(file: BufWriter<File>) -> Self {
        Self { file, position: 0, entries: Vec::new(), encoder: Encoder::default() }
    }

    fn engine(&mut self, engine: &Engine) -> io::Result<()> {
        let (graph, schema) = (&engine.graph, engine.schema());
        self.put(&[0; HEADER_BYTES])?; // comes last: see `finish`
        self.bytes(Role::Schema, 0, schema_text(schema).as_bytes())?;
        self.bytes(Role::EngineVersion, 0, engine.version().as_bytes())?;
        self.bytes(Role::Models, 0, &serde_json::to_vec(engine.models())?)?;
        self.encoded(Role::Terms, 0, |out| encode_terms(graph.terms(), out))?;
        self.index(Role::TermIndex, 0, graph.terms().index())?;
        self.arrays(Role::TermData, 0, term_arrays(graph.terms()))?;
        self.encoded(Role::Audiences, 0, |out| encode_audiences(graph.audiences(), out))?;
        for (position, kind) in ids(schema.kinds().len(), KindId::from_index) {
            let nodes = graph.nodes(kind);
            self.encoded(Role::Nodes, position, |out| encode_nodes(nodes, out))?;
            self.index(Role::NodeIndex, position, nodes.index())?;
            self.arrays(Role::NodeData, position, node_arrays(nodes))?;
        }
        for (position, relation) in ids(schema.relations().len(), RelationId::from_index) {
            let table = graph.relation(relation);
            self.edges(2 * position, &table.forward)?;
            self.edges(2 * position + 1, &table.backward)?;
        }
        for (position, space) in ids(schema.term_spaces().len(), TermSpaceId::from_index) {
            for (reversed, adjacency) in graph.term_table(space).directions().into_iter().enumerate() {
                self.edges(2 * (schema.relations().len() + position) + reversed, adjacency)?;
            }
        }
        for (position, space) in engine.spaces.iter().enumerate() {
            let pages = || space.pages().iter().flatten();
            self.encoded(Role::VectorPages, position, |out| vectors::encode_pages(space, out))?;
            self.arrays(Role::VectorAudiences, position, pages().map(|page| page.audiences()))?;
            self.arrays(Role::VectorComponents, position, pages().map(|page| VectorPage::components(page)))?;
            let links = || space.index().into_iter().flat_map(|index| index.pages()).flatten();
            self.arrays(Role::LinkLevels, position, links().map(|page| page.slabs().0))?;
            self.arrays(Role::LinkBase, position, links().map(|page| page.slabs().1))?;
            self.arrays(Role::LinkUpper, position, links().map(|page| page.slabs().2))?;
        }
        let models = || engine.models().filters.values();
        let factors = models().filter_map(|model| model.factors.as_ref());
        self.encoded(Role::Filters, 0, |out| filters::encode_list(&engine.models().filters, out))?;
        self.arrays(Role::FilterOffsets, 0, models().map(|model| &*model.rows.offsets))?;
        self.arrays(Role::FilterTargets, 0, models().map(|model| &*model.rows.targets))?;
        self.arrays(Role::FilterWeights, 0, models().map(|model| &*model.rows.weights))?;
        self.arrays(Role::FilterFactors, 0, factors.flat_map(|factors| [&*factors.left, &*factors.right]))
    }

    /// The sections of one direction of a relation, in the order of `EDGE_ROLES`.
    fn edges(&mut self, owner: usize, adjacency: &Adjacency) -> io::Result<()> {
        let offsets = adjacency.pages().flatten().map(|page| &*page.offsets);
        self.encoded(Role::EdgePages, owner, |out| edges::encode_pages(adjacency, out))?;
        self.arrays(Role::EdgeOffsets, owner, offsets)?;
        self.arrays(Role::EdgeNumbers, owner, edges::blocks(adjacency).map(EdgeBlock::numbers))?;
        self.arrays(Role::EdgeAttributes, owner, edges::attribute_arrays(adjacency))
    }

    fn index(&mut self, role: Role, owner: usize, index: &HashIndex) -> io::Result<()> {
        self.arrays(role, owner, index.shards())
    }

    fn encoded(&mut self, role: Role, owner: usize, encode: impl FnOnce(&mut Encoder)) -> io::Result<()> {
        let mut encoder = std::mem::take(&mut self.encoder);
        encoder.clear();
        encode(&mut encoder);
        self.bytes(role, owner, encoder.bytes())?;
        self.encoder = encoder;
        Ok(())
    }

    fn bytes(&mut self, role: Role, owner: usize, bytes: &[u8]) -> io::Result<()> {
        self.arrays(role, owner, std::iter::once(bytes))
    }

    /// One section of arrays back to back.
    fn arrays<'a, T: bytemuck::Pod>(
        &mut self,
        role: Role,
        owner: usize,
        arrays: impl Iterator<Item = &'a [T]>,
    ) -> io::Result<()> {
        self.put(&[0; ALIGNMENT][..self.position.next_multiple_of(ALIGNMENT) - self.position])?;
        let offset = self.position;
        let mut crc = crc32fast::Hasher::new();
        for array in arrays {
            let bytes: &[u8] = bytemuck::cast_slice(array);
            crc.update(bytes);
            self.put(bytes)?;
        }
        let (section, length) = (Section::new(role, owner), self.position - offset);
        self.entries.push(Entry { section, offset, length, crc: crc.finalize() });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.position += bytes.len();
        Ok(())
    }

    /// Directory, then header: a file that was cut off on the way has no header.
    fn finish(mut self) -> io::Result<File> {
        let offset = self.position;
        let directory = directory_bytes(&self.entries);
        self.put(&directory)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header_bytes(&directory, offset))?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

fn ids<Id>(count: usize, id: impl Fn(usize) -> Option<Id>) -> impl Iterator<Item = (usize, Id)> {
    (0..count).filter_map(move |position| Some((position, id(position)?)))
}
