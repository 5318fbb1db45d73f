//! The vectors of 64 consecutive nodes.

use super::kernels::Rows;
use crate::storage::Slab;

/// Nodes per page: one bit each in a `u64`.
pub const PAGE_SLOTS: usize = 64;

/// The vectors of nodes `64 p .. 64 p + 64`, those without one left out.
///
/// Rows are packed in slot order: a space that holds one node in ten takes a tenth of the memory,
/// and a scan of a full page still reads one contiguous block.
#[derive(Clone, Debug)]
pub struct VectorPage {
    present: u64,
    dimension: usize,
    audiences: Slab<u32>,
    components: Slab<f32>,
}

impl VectorPage {
    /// A page as read back from a snapshot.
    ///
    /// Bit `s` of `present` says that slot `s` has a vector; `audiences` and `components` hold one
    /// entry and `dimension` numbers for each, in slot order. `None` when their lengths say otherwise.
    #[must_use]
    pub fn from_slabs(
        present: u64,
        dimension: usize,
        audiences: Slab<u32>,
        components: Slab<f32>,
    ) -> Option<Self> {
        Rows::new(present, dimension, &components)?;
        (audiences.len() == present.count_ones() as usize).then_some(Self {
            present,
            dimension,
            audiences,
            components,
        })
    }

    /// Bit `s` is set when slot `s` has a vector.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.present
    }

    /// Number of vectors, 0 to 64.
    #[must_use]
    pub fn count(&self) -> usize {
        self.present.count_ones() as usize
    }

    /// Components of each vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The audience of each vector, in slot order.
    #[must_use]
    pub fn audiences(&self) -> &[u32] {
        &self.audiences
    }

    /// All vectors one after the other, in slot order.
    #[must_use]
    pub fn components(&self) -> &[f32] {
        &self.components
    }

    /// The vector in `slot` and its audience.
    #[must_use]
    pub fn vector(&self, slot: usize) -> Option<(&[f32], u32)> {
        let row = self.rows()?.row(slot)?;
        let rank = (self.present & ((1 << slot) - 1)).count_ones() as usize;
        Some((row, *self.audiences.get(rank)?))
    }

    /// The packed rows for a kernel. Always there: the lengths were checked when the page was made.
    #[inline]
    pub(super) fn rows(&self) -> Option<Rows<'_>> {
        Rows::new(self.present, self.dimension, &self.components)
    }

    /// Which slots have vectors, and the vectors.
    pub(super) fn slab(&self) -> (u64, &Slab<f32>) {
        (self.present, &self.components)
    }

    /// Moves the vectors of many pages into memory of huge pages, in their order.
    pub(super) fn pack<'a>(pages: impl Iterator<Item = &'a mut Self>) {
        let mut components: Vec<&mut Slab<f32>> = pages.map(|page| &mut page.components).collect();
        Slab::pack(&mut components);
    }

    /// The slots of `wanted` whose vector may be read.
    // hot
    pub(super) fn readable(&self, wanted: u64, visible: &dyn Fn(u32) -> bool) -> u64 {
        let mut readable = 0;
        let mut rest = wanted & self.present;
        while rest != 0 {
            let bit = rest & rest.wrapping_neg();
            let rank = (self.present & (bit - 1)).count_ones() as usize;
            if self.audiences.get(rank).is_some_and(|audience| visible(*audience)) {
                readable |= bit;
            }
            rest &= rest - 1;
        }
        readable
    }
}

/// The vectors of a page that is being made, slot by slot in rising order.
pub(super) struct PageBuilder {
    present: u64,
    audiences: Vec<u32>,
    components: Vec<f32>,
}

impl PageBuilder {
    /// Room for `count` vectors of `dimension` components.
    pub(super) fn with_capacity(count: usize, dimension: usize) -> Self {
        Self {
            present: 0,
            audiences: Vec::with_capacity(count),
            components: Vec::with_capacity(count * dimension),
        }
    }

    /// Appends the vector of `slot`, which must be above those appended before and below 64.
    pub(super) fn push(&mut self, slot: usize, components: &[f32], audience: u32) {
        debug_assert!(slot < PAGE_SLOTS && self.present >> slot == 0, "slots in rising order");
        self.present |= 1 << slot;
        self.audiences.push(audience);
        self.components.extend_from_slice(components);
    }

    /// `None` for a page without vectors.
    pub(super) fn finish(self, dimension: usize) -> Option<VectorPage> {
        (self.present != 0).then(|| VectorPage {
            present: self.present,
            dimension,
            audiences: self.audiences.into(),
            components: self.components.into(),
        })
    }
}
