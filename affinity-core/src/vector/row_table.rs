//! Where the row of each node lies, in one look.

use bytemuck::Pod;

use super::page::PAGE_SLOTS;
use crate::storage::Slab;

/// Rows of one width that pages keep, those of a page one after the other.
///
/// A walk goes to nodes in no order, and each look at memory that is in no cache costs it more than a comparison. Pages
/// are looked up in memory of their own; this table takes 16 bytes for 64 rows and stays in the second cache.
#[derive(Clone, Debug)]
pub(super) struct RowTable<T> {
    width: usize,
    places: Vec<Place>,
    /// The first is the memory in which most pages lie; pages that changed since have slabs of their own.
    slabs: Vec<Slab<T>>,
}

/// Where the rows of one page are.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Bit `s` is set when slot `s` has a row.
    present: u64,
    slab: u32,
    /// The row of the slab that is the first of this page.
    first: u32,
}

impl<T> Default for RowTable<T> {
    fn default() -> Self {
        Self { width: 0, places: Vec::new(), slabs: Vec::new() }
    }
}

impl<T: Pod> RowTable<T> {
    /// `pages` holds for each page which slots have a row and the rows, in slot order.
    pub(super) fn new<'a>(
        width: usize,
        pages: impl Iterator<Item = Option<(u64, &'a Slab<T>)>> + Clone,
    ) -> Self
    where
        T: 'a,
    {
        let main = pages.clone().flatten().find_map(|(_, rows)| rows.onward());
        let mut slabs = vec![main.unwrap_or_else(|| Slab::from(Vec::new()))];
        let mut place = |page: Option<(u64, &Slab<T>)>| {
            let Some((present, rows)) = page else { return Place::default() };
            let offset = rows.offset_in(&slabs[0]).filter(|offset| width > 0 && offset % width == 0);
            let (slab, first) = offset.map_or((slabs.len(), 0), |offset| (0, offset / width));
            if slab > 0 {
                slabs.push(rows.clone());
            }
            // A place that has no number leads nowhere, as a damaged link does.
            let [slab, first] = [slab, first].map(|place| u32::try_from(place).unwrap_or(u32::MAX));
            Place { present, slab, first }
        };
        let places = pages.map(&mut place).collect();
        Self { width, places, slabs }
    }

    /// The row of a node; `None` when it has none.
    // hot
    #[inline]
    pub(super) fn row(&self, node: u32) -> Option<&[T]> {
        let (page, slot) = (node as usize / PAGE_SLOTS, node as usize % PAGE_SLOTS);
        let place = self.places.get(page)?;
        if place.present >> slot & 1 == 0 {
            return None;
        }
        let below = place.present & ((1 << slot) - 1);
        // Most pages are full, and not every processor that this is compiled for counts bits quickly.
        let rank = if place.present == u64::MAX { slot } else { below.count_ones() as usize };
        let first = (place.first as usize + rank) * self.width;
        self.slabs.get(place.slab as usize)?.get(first..first + self.width)
    }

    /// Which slots of a page have a row.
    pub(super) fn present(&self, page_idx: usize) -> u64 {
        self.places.get(page_idx).map_or(0, |place| place.present)
    }

    pub(super) fn page_count(&self) -> usize {
        self.places.len()
    }

    /// All nodes with a row, in rising order.
    pub(super) fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().enumerate().flat_map(|(page_idx, place)| {
            let slots = (0..PAGE_SLOTS).filter(move |slot| place.present >> slot & 1 == 1);
            slots.filter_map(move |slot| u32::try_from(page_idx * PAGE_SLOTS + slot).ok())
        })
    }
}
