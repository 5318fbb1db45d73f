//! One direction of one relation: compressed sparse rows in pages of 64 nodes.
//!
//! A page holds the edge lists of its nodes back to back. A node with more than [`LIST_MAX`] edges is a hub:
//! its list lives in chunks of its own, so that one more edge at a trend with a million members copies a chunk
//! and not the million.

use std::ops::Range;
use std::sync::Arc;

use super::block::{EdgeBlock, Piece, Shape};
use super::column::Cell;
use super::node_table::{PAGE_NODES, page_and_slot};
use super::paged::Paged;
use super::schema::Relation;
use super::terms::{EVERYONE, Restrictions, Sight};
use crate::storage::{ARC_BYTES, Slab};

/// Edges of a node that still lives inside its page: one more edge copies a page.
pub(crate) const LIST_MAX: usize = 256;
/// Edges that the chunks of a hub aim at.
pub(crate) const CHUNK_EDGES: usize = 1024;

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

/// One change to a list; `row` of `None` removes the edge with this target and origin.
#[derive(Debug)]
pub(crate) struct EdgeEdit {
    pub(crate) node: u32,
    pub(crate) target: u32,
    pub(crate) origin: u32,
    pub(crate) row: Option<EdgeRow>,
}

/// The edge lists of 64 consecutive nodes.
#[derive(Clone, Debug)]
pub(crate) struct AdjacencyPage {
    /// List `slot` is `offsets[slot]..offsets[slot + 1]`; a hub's is empty.
    pub(crate) offsets: Slab<u16>,
    pub(crate) block: EdgeBlock,
    /// Bit `slot` says that the node is a hub.
    pub(crate) hub_slots: u64,
    /// Chunks of the hubs, in the order of their slots; each list is sorted across its chunks.
    pub(crate) hubs: Box<[Chunks]>,
}

/// The list of a hub.
pub(crate) type Chunks = Arc<[Arc<EdgeBlock>]>;

/// One direction of one relation.
#[derive(Clone, Debug)]
pub(crate) struct Adjacency {
    pages: Paged<Option<Arc<AdjacencyPage>>>,
    census: Census,
    shape: Shape,
}

/// What there is in all blocks together.
#[derive(Clone, Copy, Debug, Default)]
struct Census {
    edge_count: usize,
    restrictions: Restrictions,
}

impl Census {
    fn enter(&mut self, block: &EdgeBlock) {
        self.edge_count += block.edge_count();
        block.audiences().iter().for_each(|audience| self.restrictions.add(*audience));
    }

    fn leave(&mut self, block: &EdgeBlock) {
        self.edge_count -= block.edge_count();
        block.audiences().iter().for_each(|audience| self.restrictions.remove(*audience));
    }
}

/// A run of edges of one node, sorted by target and then origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    block: &'a EdgeBlock,
    first: usize,
    end: usize,
}

/// The runs of one node, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Runs<'a> {
    inside: Option<Run<'a>>,
    chunks: std::slice::Iter<'a, Arc<EdgeBlock>>,
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    #[inline]
    fn next(&mut self) -> Option<Run<'a>> {
        self.inside.take().or_else(|| self.chunks.next().map(|chunk| Run::of(chunk)))
    }
}

impl<'a> Run<'a> {
    fn of(block: &'a EdgeBlock) -> Self {
        Self { block, first: 0, end: block.edge_count() }
    }

    /// This run's part of a property of the block; empty where the block lacks it.
    #[inline]
    fn part<T>(self, all: &'a [T]) -> &'a [T] {
        if all.is_empty() { all } else { &all[self.first..self.end] }
    }

    #[inline]
    pub(crate) fn targets(self) -> &'a [u32] {
        self.part(self.block.targets())
    }

    /// As long as the targets, or empty where every edge weighs 1.
    #[inline]
    pub(crate) fn weights(self) -> &'a [f32] {
        self.part(self.block.weights())
    }

    /// Seconds since 1970, as long as the targets, or empty where no edge has a time.
    #[inline]
    pub(crate) fn times(self) -> &'a [u32] {
        self.part(self.block.times())
    }

    /// As long as the targets, or empty where every edge is for everyone.
    pub(crate) fn audiences(self) -> &'a [u32] {
        self.part(self.block.audiences())
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
        self.part(self.block.origins()).get(position).copied().unwrap_or(0)
    }

    pub(crate) fn cell(self, position: usize, attribute: usize) -> Cell {
        self.block.columns()[attribute].get(self.first + position)
    }

    /// The edges to targets below `index`, and the rest.
    #[inline]
    pub(crate) fn split_below(self, index: usize) -> (Self, Self) {
        let targets = self.targets();
        let is_below = |target: &u32| (*target as usize) < index;
        // Most chunks of long lists lie wholly below.
        let count = match targets.last() {
            Some(last) if !is_below(last) => targets.partition_point(is_below),
            _ => targets.len(),
        };
        let at = self.first + count;
        (Self { end: at, ..self }, Self { first: at, ..self })
    }
}

impl AdjacencyPage {
    /// The chunks of the node in a slot, if it is a hub.
    #[inline]
    fn hub(&self, slot: usize) -> Option<&Chunks> {
        let bit = 1_u64 << slot;
        let place = (self.hub_slots & (bit - 1)).count_ones() as usize;
        if self.hub_slots & bit == 0 { None } else { self.hubs.get(place) }
    }

    fn list(&self, slot: usize) -> Range<usize> {
        usize::from(self.offsets[slot])..usize::from(self.offsets[slot + 1])
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = &EdgeBlock> {
        std::iter::once(&self.block).chain(self.hubs.iter().flat_map(|chunks| chunks.iter().map(Arc::as_ref)))
    }

    /// Memory that is not in its blocks.
    fn frame_bytes(&self) -> usize {
        let chunks: usize = self.hubs.iter().map(|chunks| chunks.len() * 8 + ARC_BYTES).sum();
        let hubs = self.hubs.len() * size_of::<Chunks>();
        let blocks: usize =
            self.hubs.iter().map(|chunks| chunks.len() * (size_of::<EdgeBlock>() + ARC_BYTES)).sum();
        size_of::<Self>() + ARC_BYTES + self.offsets.size_bytes() + hubs + chunks + blocks
    }
}

impl Adjacency {
    pub(crate) fn new(relation: &Relation) -> Self {
        Self { pages: Paged::default(), census: Census::default(), shape: Shape::of(relation) }
    }

    /// An adjacency from the pages of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_pages(relation: &Relation, pages: Vec<Option<Arc<AdjacencyPage>>>) -> Self {
        let mut census = Census::default();
        pages.iter().flatten().flat_map(|page| page.blocks()).for_each(|block| census.enter(block));
        Self { census, pages: pages.into_iter().collect(), ..Self::new(relation) }
    }

    pub(crate) fn page_count(&self) -> usize {
        self.pages.count()
    }

    pub(crate) fn pages(&self) -> impl Iterator<Item = Option<&Arc<AdjacencyPage>>> {
        self.pages.iter().map(Option::as_ref)
    }

    pub(crate) fn edge_count(&self) -> usize {
        self.census.edge_count
    }

    /// Whether the viewer may read every edge.
    pub(crate) fn is_open_to(&self, sight: Sight<'_>) -> bool {
        self.census.restrictions.are_open_to(sight)
    }

    /// The edges of the node at `index`, in runs that are sorted one after the other.
    #[inline]
    pub(crate) fn runs(&self, index: usize) -> Runs<'_> {
        let (page, slot) = page_and_slot(index);
        let Some(Some(page)) = self.pages.get(page) else {
            return Runs { inside: None, chunks: [].iter() };
        };
        let Range { start: first, end } = page.list(slot);
        let inside = (first < end).then_some(Run { block: &page.block, first, end });
        Runs { inside, chunks: page.hub(slot).map_or(&[][..], |chunks| chunks).iter() }
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
            let page = self.pages.get_mut(page_index);
            *page = edit_page(page.as_deref(), now, &self.shape, &mut self.census).map(Arc::new);
            rest = later;
        }
    }

    /// Memory by what it holds.
    pub(crate) fn sizes(&self) -> EdgeSizes {
        let mut sizes = EdgeSizes { lists: self.pages.size_bytes(), ..EdgeSizes::default() };
        for page in self.pages.iter().flatten() {
            sizes.lists += page.frame_bytes();
            page.blocks().for_each(|block| block.add_sizes(&mut sizes));
        }
        sizes
    }
}

/// Where the bytes of edges are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EdgeSizes {
    /// Pages and offsets: where each list begins.
    pub(crate) lists: usize,
    pub(crate) targets: usize,
    pub(crate) weights: usize,
    pub(crate) times: usize,
    pub(crate) audiences: usize,
    pub(crate) origins: usize,
    pub(crate) attributes: usize,
}

/// The page after the edits, `None` when it has no edges left.
///
/// Blocks without an edit are shared with the page before.
fn edit_page(
    before: Option<&AdjacencyPage>,
    mut edits: &mut [EdgeEdit],
    shape: &Shape,
    census: &mut Census,
) -> Option<AdjacencyPage> {
    let mut pieces = Vec::new();
    let mut offsets = Vec::with_capacity(PAGE_NODES + 1);
    let (mut hub_slots, mut hubs, mut count, mut is_edited) = (0, Vec::new(), 0, false);
    for slot in 0..PAGE_NODES {
        offsets.push(u16::try_from(count).unwrap_or(u16::MAX)); // at most 64 * LIST_MAX
        let edit_count = edits.partition_point(|edit| edit.node as usize % PAGE_NODES <= slot);
        let (now, later) = std::mem::take(&mut edits).split_at_mut(edit_count);
        edits = later;
        let chunks = before.and_then(|page| page.hub(slot));
        if let Some(chunks) = chunks
            && now.is_empty()
        {
            hub_slots |= 1 << slot;
            hubs.push(Arc::clone(chunks));
            continue;
        }
        let list = match chunks {
            Some(chunks) => edit_chunks(chunks, now, shape, census),
            None => {
                let old = before.map(|page| (&page.block, page.list(slot)));
                is_edited |= !now.is_empty();
                let mut list = Vec::new();
                let edge_count = merge(old, now, &mut list);
                if edge_count <= LIST_MAX {
                    count += edge_count;
                    pieces.append(&mut list);
                    continue;
                }
                chunk_up(&list, shape, census)
            }
        };
        let edge_count: usize = list.iter().map(|chunk| chunk.edge_count()).sum();
        // Half: a list at the border must not move in and out with every edit.
        if edge_count > LIST_MAX / 2 {
            hub_slots |= 1 << slot;
            hubs.push(list.into());
        } else {
            is_edited = true;
            count += edge_count;
            list.iter().for_each(|chunk| census.leave(chunk));
            pieces.extend(list.into_iter().map(Piece::Whole));
        }
    }
    offsets.push(u16::try_from(count).unwrap_or(u16::MAX));
    let block = match before {
        Some(before) if !is_edited => before.block.clone(),
        _ => {
            before.iter().for_each(|before| census.leave(&before.block));
            let block = EdgeBlock::assemble(&pieces, shape);
            census.enter(&block);
            block
        }
    };
    let offsets = match before {
        Some(before) if *before.offsets == *offsets => before.offsets.clone(),
        _ => offsets.into(),
    };
    (count > 0 || hub_slots != 0).then_some(AdjacencyPage { offsets, block, hub_slots, hubs: hubs.into() })
}

/// Appends what becomes of a sorted list by sorted edits, and returns how many edges that are.
fn merge<'a>(
    old: Option<(&'a EdgeBlock, Range<usize>)>,
    edits: &mut [EdgeEdit],
    pieces: &mut Vec<Piece<'a>>,
) -> usize {
    let mut count = 0;
    let (block, mut rest) = old.map_or((None, 0..0), |(block, range)| (Some(block), range));
    let mut edits = edits.iter_mut().peekable();
    while let Some(edit) = edits.next() {
        let place = (edit.target, edit.origin);
        if edits.peek().is_some_and(|next| (next.target, next.origin) == place) {
            continue; // a later edit of the same edge follows
        }
        if let Some(block) = block {
            let at = block.first_from(rest.clone(), place);
            count += at - rest.start;
            pieces.push(Piece::Part(block, rest.start..at));
            let is_there = at < rest.end && block.place(at) == place;
            rest.start = at + usize::from(is_there);
        }
        if let Some(row) = edit.row.take() {
            count += 1;
            pieces.push(Piece::Row(row));
        }
    }
    if let Some(block) = block {
        count += rest.len();
        pieces.push(Piece::Part(block, rest));
    }
    count
}

/// Blocks of about [`CHUNK_EDGES`].
fn chunk_up(pieces: &[Piece<'_>], shape: &Shape, census: &mut Census) -> Vec<Arc<EdgeBlock>> {
    let whole = EdgeBlock::assemble(pieces, shape);
    let edge_count = whole.edge_count();
    if edge_count <= CHUNK_EDGES + CHUNK_EDGES / 2 {
        census.enter(&whole);
        return vec![Arc::new(whole)];
    }
    let chunk_count = edge_count / CHUNK_EDGES;
    let bounds = |chunk: usize| chunk * edge_count / chunk_count;
    let chunk = |chunk: usize| {
        let block = EdgeBlock::assemble(&[Piece::Part(&whole, bounds(chunk)..bounds(chunk + 1))], shape);
        census.enter(&block);
        Arc::new(block)
    };
    (0..chunk_count).map(chunk).collect()
}

fn edit_chunks(
    chunks: &[Arc<EdgeBlock>],
    mut edits: &mut [EdgeEdit],
    shape: &Shape,
    census: &mut Census,
) -> Vec<Arc<EdgeBlock>> {
    let mut edited = Vec::with_capacity(chunks.len() + 1);
    for (position, chunk) in chunks.iter().enumerate() {
        let now;
        if edits.is_empty() {
            edited.push(Arc::clone(chunk));
            continue;
        }
        let next = chunks.get(position + 1).map(|next| next.place(0));
        let count =
            next.map_or(edits.len(), |next| edits.partition_point(|edit| (edit.target, edit.origin) < next));
        (now, edits) = std::mem::take(&mut edits).split_at_mut(count);
        if now.is_empty() {
            edited.push(Arc::clone(chunk));
            continue;
        }
        census.leave(chunk);
        let mut pieces = Vec::new();
        if merge(Some((chunk, 0..chunk.edge_count())), now, &mut pieces) > 0 {
            edited.extend(chunk_up(&pieces, shape, census));
        }
    }
    edited
}
