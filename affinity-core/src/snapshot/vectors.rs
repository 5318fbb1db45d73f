//! The vectors of one space: a decoded list of pages; components and links are used where they are.

use super::cursor::Cursor;
use super::edges::Array;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{NodeTable, SpaceSpec};
use crate::vector::{Hnsw, HnswParams, Kernel, LEVEL_MAX, LinkPage, PAGE_SLOTS, Space, VectorPage};

pub(super) fn encode_pages(space: &Space, out: &mut Encoder) {
    out.count(space.pages().len());
    for page in space.pages() {
        out.u64(page.as_ref().map_or(0, |page| page.present()));
    }
}

/// The sections of one space.
pub(super) struct VectorSections<'a> {
    pub(super) pages: Cursor<'a>,
    pub(super) audiences: Array<'a, u32>,
    pub(super) components: Array<'a, f32>,
    pub(super) links: LinkSections<'a>,
}

/// The index of one space; empty when it has none.
pub(super) struct LinkSections<'a> {
    pub(super) levels: Array<'a, u8>,
    pub(super) base: Array<'a, u32>,
    pub(super) upper: Array<'a, u32>,
}

impl VectorSections<'_> {
    /// `nodes` are those of the space's kind, `audience_count` audiences.
    pub(super) fn decode(
        mut self,
        spec: &SpaceSpec,
        nodes: &NodeTable,
        audience_count: usize,
    ) -> Result<Space, SnapshotError> {
        let node_count = nodes.node_count();
        let page_count = self.pages.count()?;
        if page_count > node_count.div_ceil(PAGE_SLOTS) {
            return Err(self.pages.invalid("page count", node_count.div_ceil(PAGE_SLOTS), page_count));
        }
        let mut pages = Vec::with_capacity(page_count);
        for page_idx in 0..page_count {
            let present = self.pages.u64()?;
            let slot_count = PAGE_SLOTS.min(node_count - page_idx * PAGE_SLOTS);
            if slot_count < PAGE_SLOTS && present >> slot_count != 0 {
                return Err(self.pages.invalid("slots with a vector", "existing nodes", present));
            }
            let count = present.count_ones() as usize;
            let audiences = self.audiences.take_ids(true, count, audience_count)?;
            let components = self.components.take(count * spec.dimension)?;
            let page = VectorPage::from_slabs(present, spec.dimension, audiences, components);
            let page =
                page.ok_or_else(|| self.pages.invalid("vectors of a page", "as many as slots say", count))?;
            pages.push(Some(page)); // an empty one is dropped by the space
        }
        let space = Space::from_pages(spec.params(), Kernel::detect(), pages)
            .map_err(|error| self.pages.invalid("dimension", spec.dimension, error))?;
        self.pages.finish()?;
        self.audiences.finish()?;
        self.components.finish()?;
        self.links.decode(space, nodes)
    }
}

impl LinkSections<'_> {
    /// The space with its index.
    fn decode(mut self, space: Space, nodes: &NodeTable) -> Result<Space, SnapshotError> {
        if self.levels.is_empty() {
            self.base.finish()?;
            self.upper.finish()?;
            return Ok(space);
        }
        let links_max = HnswParams::STANDARD.links_max;
        let mut pages = Vec::with_capacity(space.pages().len());
        for page in space.pages() {
            let Some(page) = page else {
                pages.push(None);
                continue;
            };
            let levels = self.levels.take(page.count())?;
            let upper_lists: usize = levels.iter().map(|level| usize::from(*level)).sum();
            let base = self.base.take(page.count() * 2 * links_max)?;
            let upper = self.upper.take(upper_lists * links_max)?;
            let links = LinkPage::from_slabs(page.present(), links_max, levels, base, upper);
            pages.push(Some(links.ok_or_else(|| self.levels.invalid("level", LEVEL_MAX.into(), 255))?));
        }
        self.levels.finish()?;
        self.base.finish()?;
        self.upper.finish()?;
        Ok(space.with_index(Hnsw::from_pages(HnswParams::STANDARD, pages, &|node| nodes.key_hash(node))))
    }
}
