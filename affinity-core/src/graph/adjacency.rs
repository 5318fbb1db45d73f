//! One direction of one relation: compressed sparse rows in pages of 64 nodes.
//!
//! A page holds the edge lists of its nodes back to back. A node with more than [`LIST_MAX`] edges is a hub:
//! its list lives in chunks of its own, so that one more edge at a trend with a million members copies a chunk
//! and not the million.

use std::sync::Arc;

use super::column::{Cell, Column};
use super::node_table::{PAGE_NODES, page_and_slot};
use super::schema::{AttributeType, Relation};
use super::terms::{EVERYONE, Restrictions, Sight};
use crate::storage::Slab;

/// Edges of a node that still lives inside its page; also the size that chunks of a hub aim at.
pub(crate) const LIST_MAX: usize = 1024;

/// One edge as it is written: `origin` 0 and `time` 0 mean none.
#[derive(Clone, Debug)]
pub(crate) struct EdgeRow {
    pub(crate) target: u32,
    pub(crate) origin: u32,
    pub(crate) weight: f32,
    pub(crate) time: u32,
    pub(crate) audience: u32,
    pub(crate) cells: Vec<Cell>,
}

impl EdgeRow {
    fn place(&self) -> (u32, u32) {
        (self.target, self.origin)
    }
}

/// One change to a list; `row` of `None` removes the edge with this target and origin.
#[derive(Debug)]
pub(crate) struct EdgeEdit {
    pub(crate) node: u32,
    pub(crate) target: u32,
    pub(crate) origin: u32,
    pub(crate) row: Option<EdgeRow>,
}

/// Edges back to back, one array per property; a property that no edge of the block uses has no array.
#[derive(Clone, Debug)]
pub(crate) struct EdgeBlock {
    pub(crate) targets: Slab<u32>,
    pub(crate) weights: Slab<f32>,
    pub(crate) times: Slab<u32>,
    pub(crate) audiences: Slab<u32>,
    pub(crate) origins: Slab<u32>,
    pub(crate) columns: Vec<Column>,
}

/// The edge lists of 64 consecutive nodes.
#[derive(Clone, Debug)]
pub(crate) struct AdjacencyPage {
    /// List `slot` is `offsets[slot]..offsets[slot + 1]`; a hub's is empty.
    pub(crate) offsets: Slab<u32>,
    pub(crate) block: EdgeBlock,
    /// Chunks of the hubs, by slot; each list is sorted across its chunks.
    pub(crate) hubs: Vec<(usize, Vec<Arc<EdgeBlock>>)>,
}

/// One direction of one relation.
#[derive(Clone, Debug)]
pub(crate) struct Adjacency {
    pages: Vec<Option<Arc<AdjacencyPage>>>,
    edge_count: usize,
    restrictions: Restrictions,
    shape: Shape,
}

/// What the edges of a relation carry.
#[derive(Clone, Debug)]
struct Shape {
    weighted: bool,
    types: Arc<[AttributeType]>,
}

/// A run of edges of one node, sorted by target and then origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    block: &'a EdgeBlock,
    first: usize,
    end: usize,
}

impl<'a> Run<'a> {
    #[inline]
    pub(crate) fn targets(self) -> &'a [u32] {
        &self.block.targets[self.first..self.end]
    }

    /// As long as the targets, or empty where every edge weighs 1.
    #[inline]
    pub(crate) fn weights(self) -> &'a [f32] {
        if self.block.weights.is_empty() { &[] } else { &self.block.weights[self.first..self.end] }
    }

    /// Seconds since 1970, as long as the targets, or empty where no edge has a time.
    #[inline]
    pub(crate) fn times(self) -> &'a [u32] {
        if self.block.times.is_empty() { &[] } else { &self.block.times[self.first..self.end] }
    }

    /// As long as the targets, or empty where every edge is for everyone.
    pub(crate) fn audiences(self) -> &'a [u32] {
        if self.block.audiences.is_empty() { &[] } else { &self.block.audiences[self.first..self.end] }
    }

    /// The edges to targets below `end`, and those after them.
    #[inline]
    pub(crate) fn split_below(self, end: u32) -> (Self, Self) {
        let targets = self.targets();
        let is_all_below = targets.last().is_none_or(|last| *last < end);
        let count =
            if is_all_below { targets.len() } else { targets.partition_point(|target| *target < end) };
        let middle = self.first + count;
        (Self { end: middle, ..self }, Self { first: middle, ..self })
    }

    pub(crate) fn weight(self, position: usize) -> f32 {
        self.weights().get(position).copied().unwrap_or(1.0)
    }

    pub(crate) fn time(self, position: usize) -> u32 {
        self.times().get(position).copied().unwrap_or(0)
    }

    pub(crate) fn audience(self, position: usize) -> u32 {
        self.audiences().get(position).copied().unwrap_or(EVERYONE)
    }

    pub(crate) fn origin(self, position: usize) -> u32 {
        if self.block.origins.is_empty() { 0 } else { self.block.origins[self.first + position] }
    }

    pub(crate) fn cell(self, position: usize, attribute: usize) -> Cell {
        self.block.columns[attribute].get(self.first + position)
    }

    fn row(self, position: usize) -> EdgeRow {
        EdgeRow {
            target: self.targets()[position],
            origin: self.origin(position),
            weight: self.weight(position),
            time: self.time(position),
            audience: self.audience(position),
            cells: self.block.columns.iter().map(|column| column.get(self.first + position)).collect(),
        }
    }
}

impl EdgeBlock {
    fn from_rows(rows: Vec<EdgeRow>, shape: &Shape) -> Self {
        let all = |keep: bool, values: Vec<u32>| Slab::from(if keep { values } else { Vec::new() });
        let mut columns: Vec<Column> = shape.types.iter().map(|of| Column::new(*of)).collect();
        let (times, audiences) = (rows.iter().map(|row| row.time), rows.iter().map(|row| row.audience));
        let origins = rows.iter().map(|row| row.origin);
        let block = Self {
            targets: rows.iter().map(|row| row.target).collect::<Vec<u32>>().into(),
            weights: if shape.weighted {
                rows.iter().map(|row| row.weight).collect::<Vec<f32>>()
            } else {
                Vec::new()
            }
            .into(),
            times: all(rows.iter().any(|row| row.time != 0), times.collect()),
            audiences: all(rows.iter().any(|row| row.audience != EVERYONE), audiences.collect()),
            origins: all(rows.iter().any(|row| row.origin != 0), origins.collect()),
            columns: Vec::new(),
        };
        for row in rows {
            for (column, cell) in columns.iter_mut().zip(row.cells) {
                column.push(cell);
            }
        }
        Self { columns, ..block }
    }

    fn run(&self) -> Run<'_> {
        Run { block: self, first: 0, end: self.targets.len() }
    }

    fn rows(&self) -> Vec<EdgeRow> {
        let run = self.run();
        (0..run.targets().len()).map(|position| run.row(position)).collect()
    }
}

impl AdjacencyPage {
    pub(crate) fn hub(&self, slot: usize) -> &[Arc<EdgeBlock>] {
        self.hubs.iter().find(|(hub, _)| *hub == slot).map_or(&[], |(_, chunks)| chunks)
    }

    fn list(&self, slot: usize) -> Run<'_> {
        Run { block: &self.block, first: self.offsets[slot] as usize, end: self.offsets[slot + 1] as usize }
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = &EdgeBlock> {
        std::iter::once(&self.block)
            .chain(self.hubs.iter().flat_map(|(_, chunks)| chunks.iter().map(Arc::as_ref)))
    }
}

impl Adjacency {
    pub(crate) fn new(relation: &Relation) -> Self {
        let types = relation.attributes.entries().iter().map(|(_, of)| *of).collect();
        Self {
            pages: Vec::new(),
            edge_count: 0,
            restrictions: Restrictions::default(),
            shape: Shape { weighted: relation.weighted, types },
        }
    }

    /// An adjacency from the pages of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_pages(relation: &Relation, pages: Vec<Option<Arc<AdjacencyPage>>>) -> Self {
        let blocks = || pages.iter().flatten().flat_map(|page| page.blocks());
        let edge_count = blocks().map(|block| block.targets.len()).sum();
        let mut restrictions = Restrictions::default();
        blocks().flat_map(|block| block.audiences.iter()).for_each(|audience| restrictions.add(*audience));
        Self { edge_count, restrictions, pages, ..Self::new(relation) }
    }

    pub(crate) fn pages(&self) -> &[Option<Arc<AdjacencyPage>>] {
        &self.pages
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.edge_count
    }

    /// Whether the viewer may read every edge.
    pub(crate) fn is_open_to(&self, sight: Sight<'_>) -> bool {
        self.restrictions.are_open_to(sight)
    }

    /// The edges of the node at `index`, in runs that are sorted one after the other.
    #[inline]
    pub(crate) fn runs(&self, index: usize) -> impl Iterator<Item = Run<'_>> {
        let (page, slot) = page_and_slot(index);
        let page = self.pages.get(page).and_then(Option::as_ref);
        let inside = page.map(|page| page.list(slot)).filter(|run| run.first < run.end);
        let hub = page.filter(|page| !page.hubs.is_empty()).map_or(&[][..], |page| page.hub(slot));
        inside.into_iter().chain(hub.iter().map(|chunk| chunk.run()))
    }

    /// How many edges the node at `index` has, whoever may read them.
    pub(crate) fn degree(&self, index: usize) -> usize {
        self.runs(index).map(|run| run.targets().len()).sum()
    }

    /// Applies edits: of several for the same edge the last one counts.
    pub(crate) fn apply(&mut self, mut edits: Vec<EdgeEdit>) {
        edits.sort_by_key(|edit| (edit.node, edit.target, edit.origin)); // stable: the last one stays last
        let mut rest = edits.as_mut_slice();
        while let Some(first) = rest.first() {
            let page_index = first.node as usize / PAGE_NODES;
            let count = rest.partition_point(|edit| edit.node as usize / PAGE_NODES == page_index);
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            self.apply_to_page(page_index, now);
            rest = later;
        }
    }

    fn apply_to_page(&mut self, page_index: usize, edits: &mut [EdgeEdit]) {
        if self.pages.len() <= page_index {
            self.pages.resize(page_index + 1, None);
        }
        let before = self.pages[page_index].take();
        let page = edit_page(before.as_deref(), edits, &self.shape);
        for block in before.iter().flat_map(|before| before.blocks()) {
            self.edge_count -= block.targets.len();
            block.audiences.iter().for_each(|audience| self.restrictions.remove(*audience));
        }
        let mut edges_after = 0;
        for block in page.blocks() {
            edges_after += block.targets.len();
            block.audiences.iter().for_each(|audience| self.restrictions.add(*audience));
        }
        self.edge_count += edges_after;
        self.pages[page_index] = (edges_after > 0).then(|| Arc::new(page));
    }
}

fn edit_page(before: Option<&AdjacencyPage>, mut edits: &mut [EdgeEdit], shape: &Shape) -> AdjacencyPage {
    let mut rows = Vec::new();
    let mut offsets = vec![0_u32];
    let mut hubs = Vec::new();
    for slot in 0..PAGE_NODES {
        let count = edits.partition_point(|edit| edit.node as usize % PAGE_NODES <= slot);
        let (now, later) = std::mem::take(&mut edits).split_at_mut(count);
        edits = later;
        let chunks = before.map_or(&[][..], |page| page.hub(slot));
        if chunks.is_empty() {
            let run = before.map(|page| page.list(slot));
            let old = run.map_or_else(Vec::new, |run| {
                (0..run.targets().len()).map(|position| run.row(position)).collect()
            });
            let list = merge(old, now);
            if list.len() > LIST_MAX {
                hubs.push((slot, chunk_up(list, shape)));
            } else {
                rows.extend(list);
            }
        } else if now.is_empty() {
            hubs.push((slot, chunks.to_vec()));
        } else {
            let chunks = edit_chunks(chunks, now, shape);
            let total: usize = chunks.iter().map(|chunk| chunk.targets.len()).sum();
            if total > LIST_MAX / 2 {
                hubs.push((slot, chunks)); // half: a list at the border must not move in and out with every edit
            } else {
                rows.extend(chunks.iter().flat_map(|chunk| chunk.rows()));
            }
        }
        offsets.push(u32::try_from(rows.len()).unwrap_or(u32::MAX)); // at most 64 * LIST_MAX
    }
    AdjacencyPage { offsets: offsets.into(), block: EdgeBlock::from_rows(rows, shape), hubs }
}

/// Rows and edits, both sorted by place, as one sorted list.
fn merge(old: Vec<EdgeRow>, edits: &mut [EdgeEdit]) -> Vec<EdgeRow> {
    if edits.is_empty() {
        return old;
    }
    let mut merged = Vec::with_capacity(old.len() + edits.len());
    let mut old = old.into_iter().peekable();
    let mut edits = edits.iter_mut().peekable();
    while let Some(edit) = edits.next() {
        let place = (edit.target, edit.origin);
        if edits.peek().is_some_and(|next| (next.target, next.origin) == place) {
            continue; // a later edit of the same edge follows
        }
        while let Some(row) = old.next_if(|row| row.place() < place) {
            merged.push(row);
        }
        old.next_if(|row| row.place() == place);
        merged.extend(edit.row.take());
    }
    merged.extend(old);
    merged
}

fn chunk_up(mut rows: Vec<EdgeRow>, shape: &Shape) -> Vec<Arc<EdgeBlock>> {
    let mut chunks = Vec::with_capacity(rows.len() / LIST_MAX + 1);
    while rows.len() > LIST_MAX + LIST_MAX / 2 {
        let rest = rows.split_off(LIST_MAX);
        chunks.push(Arc::new(EdgeBlock::from_rows(std::mem::replace(&mut rows, rest), shape)));
    }
    chunks.push(Arc::new(EdgeBlock::from_rows(rows, shape)));
    chunks
}

fn edit_chunks(chunks: &[Arc<EdgeBlock>], mut edits: &mut [EdgeEdit], shape: &Shape) -> Vec<Arc<EdgeBlock>> {
    let mut edited = Vec::with_capacity(chunks.len() + 1);
    for (position, chunk) in chunks.iter().enumerate() {
        let next = chunks.get(position + 1).map(|next| next.run().row(0).place());
        let count =
            next.map_or(edits.len(), |next| edits.partition_point(|edit| (edit.target, edit.origin) < next));
        let (now, later) = std::mem::take(&mut edits).split_at_mut(count);
        edits = later;
        if now.is_empty() {
            edited.push(Arc::clone(chunk));
            continue;
        }
        let rows = merge(chunk.rows(), now);
        if !rows.is_empty() {
            edited.extend(chunk_up(rows, shape));
        }
    }
    edited
}
