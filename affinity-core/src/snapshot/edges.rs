//! One direction of a relation: a decoded list of pages, and arrays that are used where they are.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;

use super::cursor::Cursor;
use super::data::{Data, column_arrays, decode_column, encode_column};
use super::encoder::Encoder;
use super::error::SnapshotError;
use super::nodes::Limits;
use crate::graph::{Adjacency, AdjacencyPage, Chunks, EdgeBlock, PAGE_NODES, Parallel, Parts, Relation};
use crate::snapshot::MappedFile;
use crate::storage::Slab;

/// A block has an array of times.
const HAS_TIMES: u8 = 1;
/// A block has an array of audiences.
const HAS_AUDIENCES: u8 = 2;
/// A block has an array of origins.
const HAS_ORIGINS: u8 = 4;
/// A page has edges.
const IS_PRESENT: u8 = 8;

/// All blocks of a page in file order: its own, then the chunks of its hubs.
pub(super) fn blocks(adjacency: &Adjacency) -> impl Iterator<Item = &EdgeBlock> {
    adjacency.pages().flatten().flat_map(|page| page.blocks())
}

fn flags(block: &EdgeBlock) -> u8 {
    let Parts { times, audiences, origins, .. } = block.parts();
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    flag(times, HAS_TIMES) | flag(audiences, HAS_AUDIENCES) | flag(origins, HAS_ORIGINS)
}

pub(super) fn encode_pages(adjacency: &Adjacency, out: &mut Encoder) {
    out.count(adjacency.page_count());
    for page in adjacency.pages() {
        let Some(page) = page else {
            out.byte(0);
            continue;
        };
        out.byte(IS_PRESENT | flags(&page.block));
        page.block.columns().iter().for_each(|column| encode_column(column, out));
        out.u64(page.hub_slots);
        for chunks in &page.hubs {
            out.count(chunks.len());
            for chunk in chunks.iter() {
                out.count(chunk.edge_count());
                out.byte(flags(chunk));
                chunk.columns().iter().for_each(|column| encode_column(column, out));
            }
        }
    }
}

/// The arrays of the attributes, block after block.
pub(super) fn attribute_arrays(adjacency: &Adjacency) -> impl Iterator<Item = &[u8]> {
    blocks(adjacency).flat_map(|block| block.columns().iter().flat_map(column_arrays))
}

/// An array section, handed out from front to back.
pub(super) struct Array<'a, T> {
    section: &'a str,
    file: &'a Arc<MappedFile>,
    /// Elements of the file before the section, and before what is left of it.
    first: usize,
    next: usize,
    end: usize,
    of: std::marker::PhantomData<T>,
}

impl<'a, T: Pod> Array<'a, T> {
    /// The section in bytes `offset..offset + length` of a file, `offset` a multiple of 64.
    pub(super) fn new(
        section: &'a str,
        file: &'a Arc<MappedFile>,
        offset: usize,
        length: usize,
    ) -> Result<Self, SnapshotError> {
        let width = size_of::<T>();
        let (first, end) = (offset / width, (offset + length) / width);
        let array = Self { section, file, first, next: first, end, of: std::marker::PhantomData };
        if length.is_multiple_of(width) {
            Ok(array)
        } else {
            Err(array.invalid("length modulo 4", 0, length % width))
        }
    }

    pub(super) fn invalid(&self, what: &'static str, expected: usize, got: usize) -> SnapshotError {
        SnapshotError::Invalid {
            section: self.section.to_string(),
            position: (self.next - self.first) * size_of::<T>(),
            what,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    /// The next `count` elements.
    pub(super) fn take(&mut self, count: usize) -> Result<Slab<T>, SnapshotError> {
        let left = self.end - self.next;
        let slab = (count <= left).then(|| Slab::mapped(self.file, self.next..self.next + count)).flatten();
        let slab = slab.ok_or_else(|| self.invalid("elements left", count, left))?;
        self.next += count;
        Ok(slab)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.end
    }

    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        let left = self.end - self.next;
        if left == 0 { Ok(()) } else { Err(self.invalid("elements left", 0, left)) }
    }
}

impl Array<'_, u32> {
    /// The next `count` elements if they are there at all, each below `limit`.
    pub(super) fn take_ids(
        &mut self,
        is_there: bool,
        count: usize,
        limit: usize,
    ) -> Result<Slab<u32>, SnapshotError> {
        let ids = self.take(if is_there { count } else { 0 })?;
        match ids.iter().find(|id| **id as usize >= limit) {
            None => Ok(ids),
            Some(id) => Err(self.invalid("an id before here: below", limit, *id as usize)),
        }
    }
}

/// The sections of one direction of a relation.
pub(super) struct EdgeSections<'a> {
    pub(super) pages: Cursor<'a>,
    pub(super) offsets: Array<'a, u16>,
    pub(super) numbers: Array<'a, u32>,
    pub(super) attributes: Data<'a>,
}

/// What the edges of one direction may refer to.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) relation: &'a Relation,
    /// Nodes of the kind whose lists these are.
    pub(super) source_count: usize,
    /// Nodes of the kind that the lists name.
    pub(super) target_count: usize,
    pub(super) limits: Limits,
}

impl EdgeSections<'_> {
    pub(super) fn decode(mut self, ends: Ends<'_>) -> Result<Adjacency, SnapshotError> {
        let page_count = self.pages.count()?;
        if page_count > ends.source_count.div_ceil(PAGE_NODES) {
            return Err(self.pages.invalid("page count", ends.source_count.div_ceil(PAGE_NODES), page_count));
        }
        let mut pages = Vec::with_capacity(page_count);
        for page_idx in 0..page_count {
            let flags = self.pages.byte()?;
            pages.push(match flags {
                0 => None,
                _ if flags & IS_PRESENT != 0 => {
                    Some(Arc::new(self.page(ends, page_idx, flags ^ IS_PRESENT)?))
                }
                _ => return Err(self.pages.invalid("page flags", "0 or 8 and more", flags)),
            });
        }
        let adjacency = Adjacency::from_pages(ends.relation, pages);
        self.pages.finish()?;
        self.attributes.finish()?;
        self.offsets.finish()?;
        self.numbers.finish()?;
        Ok(adjacency)
    }

    fn page(&mut self, ends: Ends<'_>, page_idx: usize, flags: u8) -> Result<AdjacencyPage, SnapshotError> {
        // Slots behind the last node must be empty: nothing could name them.
        let slot_count = PAGE_NODES.min(ends.source_count - page_idx * PAGE_NODES);
        let offsets = self.offsets.take(PAGE_NODES + 1)?;
        if offsets[0] != 0 || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
            let first = usize::from(offsets[0]);
            return Err(self.offsets.invalid("offsets before here: rising from 0", 0, first));
        }
        let (end, last) = (usize::from(offsets[slot_count]), usize::from(offsets[PAGE_NODES]));
        if end != last {
            return Err(self.offsets.invalid("edges of existing nodes", last, end));
        }
        let block = self.block(ends, last, flags)?;
        for pair in offsets.windows(2) {
            self.check_list(ends, &block, usize::from(pair[0])..usize::from(pair[1]))?;
        }
        let hub_slots = self.pages.u64()?;
        let mut hubs = Vec::new();
        for slot in (0..PAGE_NODES).filter(|slot| hub_slots >> slot & 1 == 1) {
            if slot >= slot_count || offsets[slot] != offsets[slot + 1] {
                return Err(self.pages.invalid("slot of a hub", "a node without a list in the page", slot));
            }
            hubs.push(self.chunks(ends)?);
        }
        Ok(AdjacencyPage { offsets, block, hub_slots, hubs: hubs.into() })
    }

    fn chunks(&mut self, ends: Ends<'_>) -> Result<Chunks, SnapshotError> {
        let chunk_count = self.pages.count()?;
        let mut chunks: Vec<Arc<EdgeBlock>> = Vec::new();
        for _ in 0..chunk_count {
            let edge_count = self.pages.count()?;
            let flags = self.pages.byte()?;
            if edge_count == 0 {
                return Err(self.pages.invalid("edges of a chunk", "at least one", edge_count));
            }
            let chunk = self.block(ends, edge_count, flags)?;
            self.check_list(ends, &chunk, 0..edge_count)?;
            if let Some(before) = chunks.last()
                && before.place(before.edge_count() - 1) >= chunk.place(0)
            {
                return Err(self.pages.invalid("chunk", "a chunk behind the one before", edge_count));
            }
            chunks.push(Arc::new(chunk));
        }
        if chunks.is_empty() {
            return Err(self.pages.invalid("chunks of a hub", "at least one", 0));
        }
        Ok(chunks.into())
    }

    fn block(&mut self, ends: Ends<'_>, count: usize, flags: u8) -> Result<EdgeBlock, SnapshotError> {
        let allowed = HAS_AUDIENCES
            | if ends.relation.timed { HAS_TIMES } else { 0 }
            | if ends.relation.parallel == Parallel::Single { 0 } else { HAS_ORIGINS };
        if flags & !allowed != 0 {
            return Err(self.pages.invalid("block flags", format_args!("bits of {allowed}"), flags));
        }
        let has = |flag: u8| flags & flag != 0;
        let parts = Parts {
            weights: ends.relation.weighted,
            times: has(HAS_TIMES),
            audiences: has(HAS_AUDIENCES),
            origins: has(HAS_ORIGINS),
        };
        let Limits { term_count, audience_count } = ends.limits;
        let types = ends.relation.attributes.entries().iter();
        let (pages, attributes) = (&mut self.pages, &mut self.attributes);
        let columns = types.map(|(_, of)| decode_column(*of, (count, term_count), pages, attributes));
        let columns = columns.collect::<Result<_, _>>()?;
        let numbers = self.numbers.take(count.saturating_mul(parts.width()))?;
        let block = EdgeBlock::from_slab(numbers, count, parts, columns)
            .ok_or_else(|| self.pages.invalid("edges of a block", "below 4294967296", count))?;
        for (ids, limit) in [(block.audiences(), audience_count), (block.origins(), term_count)] {
            if let Some(id) = ids.iter().find(|id| **id as usize >= limit) {
                return Err(self.numbers.invalid("an id before here: below", limit, *id as usize));
            }
        }
        Ok(block)
    }

    /// Edges of a list must rise by target and then origin, to targets that exist.
    fn check_list(&self, ends: Ends<'_>, block: &EdgeBlock, list: Range<usize>) -> Result<(), SnapshotError> {
        let targets = &block.targets()[list.clone()];
        let is_rising = if block.origins().is_empty() {
            // Without an early end, which the compiler turns into wide instructions.
            targets.windows(2).fold(true, |rising, pair| rising & (pair[0] < pair[1]))
        } else {
            list.clone().skip(1).all(|edge| block.place(edge - 1) < block.place(edge))
        };
        if !is_rising {
            return Err(self.numbers.invalid("lists before here out of order", 0, 1));
        }
        match targets.last() {
            Some(last) if *last as usize >= ends.target_count => {
                Err(self.numbers.invalid("an id before here: below", ends.target_count, *last as usize))
            }
            _ => Ok(()),
        }
    }
}
