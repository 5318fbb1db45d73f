//! Where the bytes of a space are.

use std::sync::Arc;

use super::codes::Codes;
use super::page::VectorPage;
use super::space::Space;
use crate::storage::ARC_BYTES;

/// Memory of a space by what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpaceSizes {
    pub(crate) components: usize,
    /// Pages, and who may read each vector.
    pub(crate) pages: usize,
    pub(crate) codes: usize,
    /// Of the index.
    pub(crate) links: usize,
}

impl Space {
    /// Memory by what it holds.
    pub(crate) fn sizes(&self) -> SpaceSizes {
        let mut sizes = SpaceSizes { pages: std::mem::size_of_val(self.pages()), ..SpaceSizes::default() };
        for page in self.pages().iter().flatten() {
            sizes.components += ARC_BYTES + std::mem::size_of_val(page.components());
            sizes.pages += 2 * ARC_BYTES + size_of::<VectorPage>() + std::mem::size_of_val(page.audiences());
        }
        for page in self.index().into_iter().flat_map(|index| index.pages()).flatten() {
            let (levels, base, upper) = page.slabs();
            let arrays = [levels.len(), size_of_val(base), size_of_val(upper)];
            sizes.links += size_of::<Arc<()>>() + 4 * ARC_BYTES + size_of_val(&**page);
            sizes.links += arrays.iter().sum::<usize>();
        }
        let dimension = self.params().dimension;
        let code_bytes = match self.params().codes {
            Codes::None => 0,
            Codes::U8 => dimension + size_of::<f32>(),
            Codes::Binary => dimension.div_ceil(64) * size_of::<u64>(),
        };
        sizes.codes = if self.index().is_some() { self.count() * code_bytes } else { 0 };
        sizes
    }
}
