//! The index of one version of a space.

use std::sync::Arc;

use super::beam::EXPANDED;
use super::insert::insert;
use super::links::{LEVEL_MAX, LinkPage, LinkTable};
use super::measure::{ExactRows, Measure};
use super::remove::remove;
use super::walk::{SearchScratch, Walk};
use crate::seeded::Seeded;
use crate::vector::page::PAGE_SLOTS;
use crate::vector::scan::ScanCancelled;

/// Names the stream of levels.
const LEVEL_SEED: u64 = 0x6c65_7665_6c73;
/// From one change per so many nodes on, building anew is quicker than changing, and no worse.
const CHANGES_PER_REBUILD: usize = 2;

/// How an index is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HnswParams {
    /// Links of a node per level, twice as many on level 0: 2 to 32. The paper's `M`.
    pub links_max: usize,
    /// Nearest nodes among which the neighbors of a new one are chosen. The paper's `efConstruction`.
    pub build_beam_width: usize,
}

impl HnswParams {
    /// What spaces use: 16 links as in the paper's experiments, and a beam of 128.
    pub const STANDARD: Self = Self { links_max: 16, build_beam_width: 128 };
}

/// Links between the vectors of a space. A clone is cheap and shares all pages.
#[derive(Clone, Debug)]
pub struct Hnsw {
    pub(super) params: HnswParams,
    pub(super) links: LinkTable,
    /// Where every search starts, and the highest level.
    pub(super) entry: Option<(u32, u8)>,
    pub(super) count: usize,
}

/// One change from the vectors that an index knows to others.
pub(in crate::vector) struct Reindex<'a> {
    /// The vectors as the index knows them, and as they are now; their queries do not count.
    pub(in crate::vector) before: ExactRows<'a>,
    pub(in crate::vector) after: ExactRows<'a>,
    /// Nodes whose vector is new, another one or gone, in rising order.
    pub(in crate::vector) changed: &'a [usize],
    /// A hash of each node's external key: levels, order and ties come from it, so the order of loading does not matter.
    pub(in crate::vector) key_hash: &'a (dyn Fn(usize) -> u64 + Sync),
}

impl Hnsw {
    /// An index of nothing.
    pub(in crate::vector) fn empty(params: HnswParams) -> Self {
        let links = LinkTable::new(params.links_max, Vec::new());
        Self { params, links, entry: None, count: 0 }
    }

    /// An index as read back from a snapshot, `pages[p]` with the links of nodes `64 p .. 64 p + 64`.
    ///
    /// `key_hash` is a hash of a node's external key.
    #[must_use]
    pub fn from_pages(
        params: HnswParams,
        pages: Vec<Option<LinkPage>>,
        key_hash: &dyn Fn(usize) -> u64,
    ) -> Self {
        let pages = pages.into_iter().map(|page| page.map(Arc::new)).collect();
        let links = LinkTable::new(params.links_max, pages);
        let counts = links.pages.iter().flatten().map(|page| page.present().count_ones() as usize);
        Self { entry: links.highest(&[], key_hash), count: counts.sum(), params, links }
    }

    /// How it is built.
    #[must_use]
    pub fn params(&self) -> HnswParams {
        self.params
    }

    /// All pages: `pages()[p]` holds the links of nodes `64 p .. 64 p + 64`.
    #[must_use]
    pub fn pages(&self) -> &[Option<Arc<LinkPage>>] {
        &self.links.pages
    }

    /// The index after a change; `None` when there are too many nodes for one.
    ///
    /// The same for any number of threads. Recall is that of an index built anew; the links are others.
    pub(in crate::vector) fn changed(&self, change: &Reindex<'_>) -> Option<Self> {
        if change.after.rows.page_count() * PAGE_SLOTS >= EXPANDED as usize {
            return None;
        }
        let nodes = change.changed.iter().filter_map(|node| u32::try_from(*node).ok());
        let (mut gone, mut arriving) = (Vec::new(), Vec::new());
        for node in nodes {
            let is_there = change.after.stored(node).is_some();
            gone.extend(self.links.level(node).map(|_| node));
            arriving.extend(is_there.then_some(node));
        }
        if self.count > 0 && (gone.len() + arriving.len()) * CHANGES_PER_REBUILD > self.count {
            let changed: Vec<usize> = change.after.rows.nodes().map(|node| node as usize).collect();
            return Self::empty(self.params).changed(&Reindex { changed: &changed, ..*change });
        }
        let mut next = self.clone();
        remove(&mut next, &change.before, &gone, change.key_hash);
        next.reshape(change, &gone);
        if gone.iter().any(|node| next.entry.is_some_and(|(entry, _)| entry == *node)) {
            next.entry = next.links.highest(&arriving, change.key_hash);
        }
        next.count -= gone.len();
        insert(&mut next, &change.after, arriving, change.key_hash);
        if self.count == 0 {
            next.links.pack();
        }
        next.links.settle();
        Some(next)
    }

    /// Fills the scratch with the `width` nearest nodes of a query, of those that `admits` lets through where there is one.
    ///
    /// # Errors
    /// [`ScanCancelled`] when `cancelled` returned true.
    // hot
    pub(in crate::vector) fn search(
        &self,
        measure: &impl Measure,
        width: usize,
        by_key: &dyn Fn(usize, usize) -> std::cmp::Ordering,
        cancelled: &dyn Fn() -> bool,
        admits: Option<&mut dyn FnMut(u32) -> bool>,
        scratch: &mut SearchScratch,
    ) -> Result<(), ScanCancelled> {
        scratch.beam.start(width);
        scratch.compared = 0;
        let Some((entry, top)) = self.entry else { return Ok(()) };
        let ties = |left: u32, right: u32| by_key(left as usize, right as usize);
        let walk = Walk { links: &self.links, measure, ties: &ties, cancelled };
        let nearest = walk.descend(entry, top, 1, scratch);
        let admits = admits.map(|admits| (nearest.node(), admits));
        if admits.is_none() {
            scratch.beam.offer(nearest, &ties);
        }
        walk.spread(0, admits, scratch)
    }

    /// Pages with room for the nodes that are there now, those that changed without links.
    fn reshape(&mut self, change: &Reindex<'_>, gone: &[u32]) {
        let links_max = self.params.links_max as u64;
        let level = |node: usize| level_of((change.key_hash)(node), links_max);
        let mut changed = change.changed.iter().peekable();
        while let Some(first) = changed.peek() {
            let page_idx = **first / PAGE_SLOTS;
            while changed.next_if(|node| **node / PAGE_SLOTS == page_idx).is_some() {}
            let present = change.after.rows.present(page_idx);
            let of_page = gone.iter().map(|node| *node as usize).filter(|node| node / PAGE_SLOTS == page_idx);
            let emptied = of_page.fold(0, |bits, node| bits | 1 << (node % PAGE_SLOTS));
            self.links.reshape(page_idx, present, emptied, &level);
        }
        while self.links.pages.last().is_some_and(Option::is_none) {
            self.links.pages.pop();
        }
    }
}

/// The highest level of a node: at least `l` with probability `links_max^-l`, as in the paper, without a logarithm.
fn level_of(key_hash: u64, links_max: u64) -> u8 {
    let mut drawn = Seeded::stream(LEVEL_SEED, &[key_hash]).next();
    let mut level = 0;
    while drawn.is_multiple_of(links_max) && level < LEVEL_MAX {
        level += 1;
        drawn /= links_max;
    }
    level
}
