//! Who links to whom: fixed lists in pages of 64 nodes that versions share.

use std::sync::Arc;

use crate::storage::Slab;
use crate::vector::page::PAGE_SLOTS;
use crate::vector::row_table::RowTable;

/// Levels above 0 at most: with sixteen links, one node in 2^32 reaches the eighth.
pub const LEVEL_MAX: u8 = 12;
/// The rest of a list that is not full.
pub(in crate::vector) const VACANT: u32 = u32::MAX;

/// The links of nodes `64 p .. 64 p + 64`, of those that have a vector.
#[derive(Clone, Debug)]
pub struct LinkPage {
    present: u64,
    /// For each node that is present, the highest level that it is on.
    levels: Slab<u8>,
    /// For each node twice `links_max` links: those of level 0.
    base: Slab<u32>,
    /// For each node and each of its levels above 0, `links_max` links.
    upper: Slab<u32>,
}

impl LinkPage {
    /// A page as read back from a snapshot; `None` when the lengths do not fit each other or a level is too high.
    ///
    /// Links may be any numbers: a walk passes by those that lead to no node of its level.
    #[must_use]
    pub fn from_slabs(
        present: u64,
        links_max: usize,
        levels: Slab<u8>,
        base: Slab<u32>,
        upper: Slab<u32>,
    ) -> Option<Self> {
        let count = present.count_ones() as usize;
        let upper_lists: usize = levels.iter().map(|level| usize::from(*level)).sum();
        let fits = levels.len() == count
            && levels.iter().all(|level| *level <= LEVEL_MAX)
            && base.len() == count * 2 * links_max
            && upper.len() == upper_lists * links_max;
        fits.then_some(Self { present, levels, base, upper })
    }

    /// Levels, links of level 0 and links of the levels above, as a snapshot keeps them.
    #[must_use]
    pub fn slabs(&self) -> (&[u8], &[u32], &[u32]) {
        (&self.levels, &self.base, &self.upper)
    }

    /// Which nodes have links.
    #[must_use]
    pub fn present(&self) -> u64 {
        self.present
    }

    #[inline]
    fn rank(&self, slot: usize) -> Option<usize> {
        let bit = 1_u64 << slot;
        (self.present & bit != 0).then(|| (self.present & (bit - 1)).count_ones() as usize)
    }

    fn lists_before(&self, rank: usize) -> usize {
        self.levels[..rank].iter().map(|level| usize::from(*level)).sum()
    }
}

/// The links of all nodes.
#[derive(Clone, Debug)]
pub(super) struct LinkTable {
    pub(super) links_max: usize,
    pub(super) pages: Vec<Option<Arc<LinkPage>>>,
    /// The lists of level 0 of `pages`; `None` while they change.
    base: Option<RowTable<u32>>,
}

impl LinkTable {
    pub(super) fn new(links_max: usize, pages: Vec<Option<Arc<LinkPage>>>) -> Self {
        let mut table = Self { links_max, pages, base: None };
        table.settle();
        table
    }

    /// To be called when all changes are made: until then lists are found more slowly.
    pub(super) fn settle(&mut self) {
        let pages = self.pages.iter().map(|page| page.as_deref().map(|page| (page.present, &page.base)));
        self.base = Some(RowTable::new(2 * self.links_max, pages));
    }

    /// The links that a list of `level` has room for.
    pub(super) fn room(&self, level: u8) -> usize {
        if level == 0 { 2 * self.links_max } else { self.links_max }
    }

    /// The list of a node: its links, then [`VACANT`] where it is not full. Empty when there is no such node or level.
    // hot
    #[inline]
    pub(super) fn list(&self, node: u32, level: u8) -> &[u32] {
        if let (0, Some(base)) = (level, &self.base) {
            return base.row(node).unwrap_or(&[]);
        }
        let (page, slot) = (node as usize / PAGE_SLOTS, node as usize % PAGE_SLOTS);
        let Some(Some(page)) = self.pages.get(page) else { return &[] };
        let Some(rank) = page.rank(slot) else { return &[] };
        if level == 0 {
            let room = 2 * self.links_max;
            return page.base.get(rank * room..(rank + 1) * room).unwrap_or(&[]);
        }
        if page.levels.get(rank).is_none_or(|top| level > *top) {
            return &[];
        }
        let first = (page.lists_before(rank) + usize::from(level) - 1) * self.links_max;
        page.upper.get(first..first + self.links_max).unwrap_or(&[])
    }

    /// The links of a node on a level.
    pub(super) fn links(&self, node: u32, level: u8) -> impl Iterator<Item = u32> + '_ {
        self.list(node, level).iter().copied().take_while(|link| *link != VACANT)
    }

    /// The highest level of a node; `None` when it has no links.
    pub(super) fn level(&self, node: u32) -> Option<u8> {
        let page = self.pages.get(node as usize / PAGE_SLOTS)?.as_ref()?;
        page.levels.get(page.rank(node as usize % PAGE_SLOTS)?).copied()
    }

    /// Replaces the list of a node, which is on that level; links without room are left out.
    pub(super) fn set(&mut self, node: u32, level: u8, links: &[u32]) {
        self.base = None;
        let (links_max, room) = (self.links_max, self.room(level));
        let (page, slot) = (node as usize / PAGE_SLOTS, node as usize % PAGE_SLOTS);
        let Some(Some(page)) = self.pages.get_mut(page) else { return };
        let Some(rank) = page.rank(slot) else { return };
        let page = Arc::make_mut(page);
        let list = if level == 0 {
            page.base.make_mut().get_mut(rank * room..(rank + 1) * room)
        } else {
            let first = (page.lists_before(rank) + usize::from(level) - 1) * links_max;
            page.upper.make_mut().get_mut(first..first + room)
        };
        let Some(list) = list else { return };
        list.fill(VACANT);
        list.iter_mut().zip(links).for_each(|(place, link)| *place = *link);
    }

    /// Gives each page the nodes of `present`: those in `emptied` and new ones with empty lists on `level(node)`.
    pub(super) fn reshape(
        &mut self,
        page_idx: usize,
        present: u64,
        emptied: u64,
        level: &dyn Fn(usize) -> u8,
    ) {
        self.base = None;
        if page_idx >= self.pages.len() {
            self.pages.resize(page_idx + 1, None);
        }
        let old = self.pages[page_idx].take();
        if present == 0 {
            return;
        }
        let (mut levels, mut base, mut upper) = (Vec::new(), Vec::new(), Vec::new());
        for slot in (0..PAGE_SLOTS).filter(|slot| present >> slot & 1 == 1) {
            let kept = old.as_deref().filter(|_| emptied >> slot & 1 == 0);
            match kept.and_then(|page| Some((page, page.rank(slot)?))) {
                Some((page, rank)) => {
                    let (room, top) = (2 * self.links_max, page.levels[rank]);
                    let first = page.lists_before(rank) * self.links_max;
                    levels.push(top);
                    base.extend_from_slice(&page.base[rank * room..(rank + 1) * room]);
                    upper.extend_from_slice(&page.upper[first..first + usize::from(top) * self.links_max]);
                }
                None => {
                    let top = level(page_idx * PAGE_SLOTS + slot);
                    levels.push(top);
                    base.resize(base.len() + 2 * self.links_max, VACANT);
                    upper.resize(upper.len() + usize::from(top) * self.links_max, VACANT);
                }
            }
        }
        self.pages[page_idx] = Some(Arc::new(LinkPage {
            present,
            levels: levels.into(),
            base: base.into(),
            upper: upper.into(),
        }));
    }

    /// Moves all links into memory of huge pages.
    pub(super) fn pack(&mut self) {
        let pages = self.pages.iter_mut().flatten().map(Arc::make_mut);
        let (mut base, mut upper): (Vec<_>, Vec<_>) =
            pages.map(|page| (&mut page.base, &mut page.upper)).unzip();
        Slab::pack(&mut base);
        Slab::pack(&mut upper);
    }

    /// The node on the highest level, the one with the smallest hash among several. O(nodes).
    ///
    /// `but` are nodes that do not count, in rising order.
    pub(super) fn highest(&self, but: &[u32], key_hash: &dyn Fn(usize) -> u64) -> Option<(u32, u8)> {
        let mut highest: Option<(u32, u8)> = None;
        for (node, level) in self.levels() {
            let is_higher = highest.is_none_or(|(known, top)| {
                level > top || (level == top && key_hash(node as usize) < key_hash(known as usize))
            });
            if is_higher && but.binary_search(&node).is_err() {
                highest = Some((node, level));
            }
        }
        highest
    }

    /// All nodes with their highest levels, in rising order.
    fn levels(&self) -> impl Iterator<Item = (u32, u8)> + '_ {
        self.pages.iter().enumerate().flat_map(|(page_idx, page)| {
            let (present, levels) = page.as_ref().map_or((0, &[][..]), |page| (page.present, &*page.levels));
            let slots = (0..PAGE_SLOTS).filter(move |slot| present >> slot & 1 == 1);
            let node = move |slot| u32::try_from(page_idx * PAGE_SLOTS + slot).ok();
            slots.zip(levels).filter_map(move |(slot, level)| Some((node(slot)?, *level)))
        })
    }
}
