//! One direction of a relation: a decoded list of pages, and arrays that are used where they are.

use std::sync::Arc;

use bytemuck::Pod;

use super::columns::{decode_column, encode_column};
use super::cursor::Cursor;
use super::encoder::Encoder;
use super::error::SnapshotError;
use super::nodes::Limits;
use crate::graph::{Adjacency, AdjacencyPage, EdgeBlock, PAGE_NODES, Parallel, Relation};
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
    adjacency.pages().iter().flatten().flat_map(|page| page.blocks())
}

fn flags(block: &EdgeBlock) -> u8 {
    let mut flags = 0;
    for (array, flag) in
        [(&block.times, HAS_TIMES), (&block.audiences, HAS_AUDIENCES), (&block.origins, HAS_ORIGINS)]
    {
        if !array.is_empty() {
            flags |= flag;
        }
    }
    flags
}

pub(super) fn encode_pages(adjacency: &Adjacency, out: &mut Encoder) {
    out.count(adjacency.pages().len());
    for page in adjacency.pages() {
        let Some(page) = page else {
            out.byte(0);
            continue;
        };
        out.byte(IS_PRESENT | flags(&page.block));
        out.count(page.hubs.len());
        for (slot, chunks) in &page.hubs {
            out.count(*slot);
            out.count(chunks.len());
            for chunk in chunks {
                out.count(chunk.targets.len());
                out.byte(flags(chunk));
            }
        }
    }
}

pub(super) fn encode_attributes(adjacency: &Adjacency, out: &mut Encoder) {
    for block in blocks(adjacency) {
        block.columns.iter().for_each(|column| encode_column(column, out));
    }
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

    /// The next `count` elements if they are there at all.
    fn take_if(&mut self, is_there: bool, count: usize) -> Result<Slab<T>, SnapshotError> {
        self.take(if is_there { count } else { 0 })
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
        let ids = self.take_if(is_there, count)?;
        match ids.iter().find(|id| **id as usize >= limit) {
            None => Ok(ids),
            Some(id) => Err(self.invalid("an id before here: below", limit, *id as usize)),
        }
    }
}

/// The sections of one direction of a relation.
pub(super) struct EdgeSections<'a> {
    pub(super) pages: Cursor<'a>,
    pub(super) attributes: Cursor<'a>,
    pub(super) offsets: Array<'a, u32>,
    pub(super) targets: Array<'a, u32>,
    pub(super) audiences: Array<'a, u32>,
    pub(super) origins: Array<'a, u32>,
    pub(super) times: Array<'a, u32>,
    pub(super) weights: Array<'a, f32>,
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
        self.weights.finish()?;
        for array in [self.offsets, self.targets, self.audiences, self.origins, self.times] {
            array.finish()?;
        }
        Ok(adjacency)
    }

    fn page(&mut self, ends: Ends<'_>, page_idx: usize, flags: u8) -> Result<AdjacencyPage, SnapshotError> {
        // Slots behind the last node must be empty: nothing could name them.
        let slot_count = PAGE_NODES.min(ends.source_count - page_idx * PAGE_NODES);
        let offsets = self.offsets.take(PAGE_NODES + 1)?;
        if offsets[0] != 0 || offsets.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(self.offsets.invalid("offsets before here: rising from 0", 0, offsets[0] as usize));
        }
        let (end, last) = (offsets[slot_count] as usize, offsets[PAGE_NODES] as usize);
        if end != last {
            return Err(self.offsets.invalid("edges of existing nodes", last, end));
        }
        let block = self.block(ends, last, flags)?;
        for slot in 0..slot_count {
            self.check_rising(&block, offsets[slot] as usize..offsets[slot + 1] as usize)?;
        }
        let hub_count = self.pages.count()?;
        let mut hubs: Vec<(usize, Vec<Arc<EdgeBlock>>)> = Vec::new();
        for _ in 0..hub_count {
            let slot = self.pages.count()?;
            let follows = hubs.last().is_none_or(|(before, _)| *before < slot);
            if !follows || slot >= slot_count || offsets[slot] != offsets[slot + 1] {
                return Err(self.pages.invalid("slot of a hub", "rising, without a list in the page", slot));
            }
            hubs.push((slot, self.chunks(ends)?));
        }
        Ok(AdjacencyPage { offsets, block, hubs })
    }

    fn chunks(&mut self, ends: Ends<'_>) -> Result<Vec<Arc<EdgeBlock>>, SnapshotError> {
        let chunk_count = self.pages.count()?;
        let mut chunks: Vec<Arc<EdgeBlock>> = Vec::new();
        for _ in 0..chunk_count {
            let edge_count = self.pages.count()?;
            let flags = self.pages.byte()?;
            if edge_count == 0 {
                return Err(self.pages.invalid("edges of a chunk", "at least one", edge_count));
            }
            let chunk = self.block(ends, edge_count, flags)?;
            self.check_rising(&chunk, 0..edge_count)?;
            if let Some(before) = chunks.last()
                && place(before, before.targets.len() - 1) >= place(&chunk, 0)
            {
                return Err(self.pages.invalid("chunk", "a chunk behind the one before", edge_count));
            }
            chunks.push(Arc::new(chunk));
        }
        if chunks.is_empty() {
            return Err(self.pages.invalid("chunks of a hub", "at least one", 0));
        }
        Ok(chunks)
    }

    fn block(&mut self, ends: Ends<'_>, count: usize, flags: u8) -> Result<EdgeBlock, SnapshotError> {
        let allowed = HAS_AUDIENCES
            | if ends.relation.timed { HAS_TIMES } else { 0 }
            | if ends.relation.parallel == Parallel::Single { 0 } else { HAS_ORIGINS };
        if flags & !allowed != 0 {
            return Err(self.pages.invalid("block flags", format_args!("bits of {allowed}"), flags));
        }
        let limits = ends.limits;
        let targets = self.targets.take_ids(true, count, ends.target_count)?;
        let audiences = self.audiences.take_ids(flags & HAS_AUDIENCES != 0, count, limits.audience_count)?;
        let origins = self.origins.take_ids(flags & HAS_ORIGINS != 0, count, limits.term_count)?;
        let types = ends.relation.attributes.entries().iter();
        let columns = types.map(|(_, of)| decode_column(*of, count, limits.term_count, &mut self.attributes));
        Ok(EdgeBlock {
            targets,
            audiences,
            origins,
            columns: columns.collect::<Result<Vec<_>, _>>()?,
            times: self.times.take_if(flags & HAS_TIMES != 0, count)?,
            weights: self.weights.take_if(ends.relation.weighted, count)?,
        })
    }

    /// Edges of a list must rise by target and then origin.
    fn check_rising(&self, block: &EdgeBlock, list: std::ops::Range<usize>) -> Result<(), SnapshotError> {
        let targets = &block.targets[list.clone()];
        let is_rising = if block.origins.is_empty() {
            targets.windows(2).all(|pair| pair[0] < pair[1])
        } else {
            let origins = &block.origins[list];
            let pairs = targets.windows(2).zip(origins.windows(2));
            pairs.into_iter().all(|(targets, origins)| (targets[0], origins[0]) < (targets[1], origins[1]))
        };
        if is_rising { Ok(()) } else { Err(self.targets.invalid("lists before here out of order", 0, 1)) }
    }
}

fn place(block: &EdgeBlock, position: usize) -> (u32, u32) {
    (block.targets[position], block.origins.get(position).copied().unwrap_or(0))
}
