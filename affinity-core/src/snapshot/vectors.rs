//! The vectors of one space: a decoded list of pages, and components that are used where they are.

use super::cursor::Cursor;
use super::edges::Array;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::SpaceSpec;
use crate::vector::{Kernel, PAGE_SLOTS, Space, VectorPage};

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
}

impl VectorSections<'_> {
    /// `node_count` nodes of the space's kind, `audience_count` audiences.
    pub(super) fn decode(
        mut self,
        spec: &SpaceSpec,
        node_count: usize,
        audience_count: usize,
    ) -> Result<Space, SnapshotError> {
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
        Ok(space)
    }
}
