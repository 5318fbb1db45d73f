//! The vectors of one kind of node for one purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codes::{CodeTable, Codes};
use super::error::VectorError;
use super::hnsw::{ExactRows, Hnsw, HnswParams, Reindex};
use super::kernels::Kernel;
use super::metric::Metric;
use super::page::{PAGE_SLOTS, PageBuilder, VectorPage};
use super::row_table::RowTable;

/// Largest squared length of a vector compared by product or distance.
///
/// By Cauchy-Schwarz no partial sum of a product then exceeds an eighth of the largest float, and
/// no squared distance half of it: similarities are finite.
const SQUARED_NORM_MAX: f64 = f32::MAX as f64 / 8.0;

/// What a space is called and what its vectors look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceParams {
    /// Name, as in the platform's schema.
    pub name: String,
    /// Components of every vector.
    pub dimension: usize,
    /// How two vectors are compared.
    pub metric: Metric,
    /// The most vectors without an index: [`SpaceParams::EXACT_MAX`] unless declared otherwise.
    pub exact_max: usize,
    /// What an index compares on its way.
    pub codes: Codes,
}

impl SpaceParams {
    /// 20,000: reading so many vectors of 256 components takes a core about 2 ms.
    pub const EXACT_MAX: usize = 20_000;
}

/// A vector that enters a space, as its source gave it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVector {
    /// As many finite numbers as the space has dimensions.
    pub components: Vec<f32>,
    /// Who may read it: an id in the engine's table of audiences.
    pub audience: u32,
}

/// What becomes of one node's vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorChange {
    /// Index of the node within its kind, dense: memory grows with the largest.
    pub node: usize,
    /// The new vector; `None` removes the old one, if any.
    pub vector: Option<NewVector>,
}

/// A vector checked and scaled by a space, ready to be compared with those in it.
#[derive(Clone, Debug)]
pub struct PreparedQuery(Vec<f32>);

impl PreparedQuery {
    /// The components, of length 1 in a cosine space.
    #[must_use]
    pub fn components(&self) -> &[f32] {
        &self.0
    }
}

/// What happens to one slot of a page.
enum SlotChange {
    Keep,
    Remove,
    Put(Vec<f32>, u32),
}

/// An immutable set of vectors, at most one per node.
///
/// ```
/// use affinity_core::vector::{Codes, Kernel, Metric, NewVector, Scan, Space, SpaceParams, VectorChange};
///
/// let (name, metric, exact_max) = ("profile".into(), Metric::Cosine, SpaceParams::EXACT_MAX);
/// let params = SpaceParams { name, dimension: 2, metric, exact_max, codes: Codes::None };
/// let vectors = [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]];
/// let changes = vectors.iter().enumerate().map(|(node, components)| VectorChange {
///     node,
///     vector: Some(NewVector { components: components.to_vec(), audience: 0 }),
/// });
/// let key_hash = |node: usize| node as u64;
/// let space = Space::empty(params, Kernel::detect()).with_changes(changes.collect(), &key_hash)?;
///
/// let query = space.prepare(&[0.0, 3.0])?;
/// let mut found = Vec::new();
/// let scan = Scan {
///     query: &query,
///     limit: 2,
///     allowed: &mut |_page, present| present,
///     visible: &|audience| audience == 0,
///     by_key: &|a, b| a.cmp(&b),
///     cancelled: &|| false,
/// };
/// assert_eq!(space.scan(scan, &mut found), Ok(3));
/// assert_eq!(found.iter().map(|neighbor| neighbor.node).collect::<Vec<_>>(), [2, 1]);
/// assert_eq!(space.similarity(&query, 1), Some(0.8));
/// # Ok::<(), affinity_core::vector::VectorError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Space {
    params: Arc<SpaceParams>,
    kernel: Kernel,
    count: usize,
    /// `pages[p]` holds nodes `64 p .. 64 p + 64`; the last one is never `None`.
    pages: Vec<Option<Arc<VectorPage>>>,
    /// Where the vectors of `pages` lie.
    rows: RowTable<f32>,
    /// Of exactly the vectors of `pages`; `None` while they are few.
    index: Option<Hnsw>,
    /// Of exactly the vectors of `pages`, where there is an index and the space has codes.
    codes: Option<CodeTable>,
}

impl Space {
    /// A space without vectors.
    #[must_use]
    pub fn empty(params: SpaceParams, kernel: Kernel) -> Self {
        let (pages, rows) = (Vec::new(), RowTable::default());
        Self { params: Arc::new(params), kernel, count: 0, pages, rows, index: None, codes: None }
    }

    /// A space as read back from a snapshot, `pages[p]` for nodes `64 p .. 64 p + 64`, without an index.
    ///
    /// # Errors
    /// [`VectorError::WrongDimension`] when a page has another dimension than `params`.
    pub fn from_pages(
        params: SpaceParams,
        kernel: Kernel,
        pages: Vec<Option<VectorPage>>,
    ) -> Result<Self, VectorError> {
        let mut space = Self::empty(params, kernel);
        for page in pages.iter().flatten() {
            space.check_dimension(page.dimension())?;
        }
        space.pages = pages.into_iter().map(|page| page.filter(|p| p.count() > 0).map(Arc::new)).collect();
        space.settle();
        Ok(space)
    }

    /// This space with some vectors added, replaced or removed; the last change of a node holds.
    ///
    /// Equal to a space built from the resulting vectors, but for the links of an index, which depend on the order in
    /// which vectors came. Pages without a changed node are shared with `self`.
    /// O(changed pages · 64 · dimension + pages), and a search per change where there is an index.
    ///
    /// `key_hash` is a hash of a node's external key, from which the shape of an index is drawn.
    ///
    /// # Errors
    /// A [`VectorError`] for the first vector that does not fit; no change is applied then.
    pub fn with_changes(
        &self,
        changes: Vec<VectorChange>,
        key_hash: &(dyn Fn(usize) -> u64 + Sync),
    ) -> Result<Self, VectorError> {
        let mut by_node = BTreeMap::new();
        for VectorChange { node, vector } in changes {
            let checked = match vector {
                Some(new) => Some((self.checked(new.components)?, new.audience)),
                None => None,
            };
            by_node.insert(node, checked);
        }
        let changed: Vec<usize> = by_node.keys().copied().collect();
        let mut next = self.clone();
        let mut rest = by_node.into_iter().peekable();
        while let Some((node, _)) = rest.peek() {
            let page_idx = node / PAGE_SLOTS;
            let mut slots = [const { SlotChange::Keep }; PAGE_SLOTS];
            while let Some((node, vector)) = rest.next_if(|(node, _)| node / PAGE_SLOTS == page_idx) {
                slots[node % PAGE_SLOTS] = match vector {
                    Some((components, audience)) => SlotChange::Put(components, audience),
                    None => SlotChange::Remove,
                };
            }
            let page = self.changed_page(page_idx, &slots);
            if page_idx >= next.pages.len() {
                next.pages.resize(page_idx + 1, None);
            }
            next.pages[page_idx] = page.map(Arc::new);
        }
        next.settle();
        let is_new = self.index.is_none() || changed.len() > self.count / 2;
        if is_new && next.is_indexed(self) {
            VectorPage::pack(next.pages.iter_mut().flatten().map(Arc::make_mut));
            next.locate();
        }
        next.index = next.reindexed(self, &changed, key_hash);
        next.codes = next.recoded(self.codes.as_ref().map(|codes| (codes, self.pages.as_slice())));
        Ok(next)
    }

    /// The same space with an index as read back from a snapshot; unchanged when it is not one of these vectors.
    #[must_use]
    pub fn with_index(mut self, index: Hnsw) -> Self {
        let present = |page: Option<u64>| page.unwrap_or(0);
        let vectors = self.pages.iter().map(|page| present(page.as_ref().map(|page| page.present())));
        let links = index.pages().iter().map(|page| present(page.as_ref().map(|page| page.present())));
        if vectors.eq(links) {
            self.index = Some(index);
            self.codes = self.recoded(None);
        }
        self
    }

    /// The links by which large spaces are searched.
    #[must_use]
    pub fn index(&self) -> Option<&Hnsw> {
        self.index.as_ref()
    }

    /// Name, dimension and metric.
    #[must_use]
    pub fn params(&self) -> &SpaceParams {
        &self.params
    }

    /// How vectors are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.params.metric
    }

    /// The kernel that compares them.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Number of vectors.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// All pages: `pages()[p]` holds nodes `64 p .. 64 p + 64`. Missing pages hold no vectors.
    #[must_use]
    pub fn pages(&self) -> &[Option<Arc<VectorPage>>] {
        &self.pages
    }

    /// The stored vector of `node` and its audience.
    #[must_use]
    pub fn vector(&self, node: usize) -> Option<(&[f32], u32)> {
        self.pages.get(node / PAGE_SLOTS)?.as_ref()?.vector(node % PAGE_SLOTS)
    }

    /// `components` checked, and scaled to length 1 in a cosine space.
    ///
    /// # Errors
    /// A [`VectorError`] when they cannot be compared with the vectors of this space.
    pub fn prepare(&self, components: &[f32]) -> Result<PreparedQuery, VectorError> {
        self.checked(components.to_vec()).map(PreparedQuery)
    }

    /// The stored vector of `node` as a query, bit for bit as stored.
    #[must_use]
    pub fn query_of(&self, node: usize) -> Option<PreparedQuery> {
        self.vector(node).map(|(components, _)| PreparedQuery(components.to_vec()))
    }

    /// How near `node` is to `query`: the same number as a scan gives. `None` without a vector.
    ///
    /// # Panics
    /// If the query was prepared by a space of another dimension.
    #[must_use]
    // hot
    pub fn similarity(&self, query: &PreparedQuery, node: usize) -> Option<f32> {
        let (components, _) = self.vector(node)?;
        let mut similarity = [match self.metric() {
            Metric::Cosine | Metric::Dot => self.kernel.dot(&query.0, components),
            Metric::L2 => self.kernel.squared_distance(&query.0, components),
        }];
        self.metric().similarities(&mut similarity);
        // NaN is possible only while the checksums of a damaged snapshot are still being read.
        (!similarity[0].is_nan()).then_some(similarity[0])
    }

    /// The page of `page_idx` with `slots` applied; `None` when no vector is left.
    fn changed_page(&self, page_idx: usize, slots: &[SlotChange; PAGE_SLOTS]) -> Option<VectorPage> {
        let old = self.pages.get(page_idx).and_then(Option::as_deref);
        let added = slots.iter().filter(|slot| matches!(slot, SlotChange::Put(..))).count();
        let room = PAGE_SLOTS.min(old.map_or(0, VectorPage::count) + added);
        let mut builder = PageBuilder::with_capacity(room, self.params.dimension);
        for (slot, change) in slots.iter().enumerate() {
            let kept = match change {
                SlotChange::Keep => old.and_then(|page| page.vector(slot)),
                SlotChange::Remove => None,
                SlotChange::Put(components, audience) => Some((components.as_slice(), *audience)),
            };
            if let Some((components, audience)) = kept {
                builder.push(slot, components, audience);
            }
        }
        builder.finish(self.params.dimension)
    }

    /// Drops empty pages at the end, so that equal contents have equal pages, and counts.
    fn settle(&mut self) {
        while self.pages.last().is_some_and(Option::is_none) {
            self.pages.pop();
        }
        self.count = self.pages.iter().flatten().map(|page| page.count()).sum();
        self.locate();
    }

    /// Looks up where the vectors of the pages lie.
    fn locate(&mut self) {
        let pages = self.pages.iter().map(|page| page.as_deref().map(VectorPage::slab));
        self.rows = RowTable::new(self.params.dimension, pages);
    }

    /// Whether there are enough vectors for an index.
    ///
    /// One that is there stays until half of `exact_max` are left: a space does not build at every change.
    fn is_indexed(&self, before: &Self) -> bool {
        self.count > self.params.exact_max
            || (before.index.is_some() && self.count > self.params.exact_max / 2)
    }

    /// The index of these vectors, which differ from those of `before` at most in `changed`.
    fn reindexed(
        &self,
        before: &Self,
        changed: &[usize],
        key_hash: &(dyn Fn(usize) -> u64 + Sync),
    ) -> Option<Hnsw> {
        if !self.is_indexed(before) {
            return None;
        }
        let change = |changed| Reindex { before: before.rows(&[]), after: self.rows(&[]), changed, key_hash };
        match &before.index {
            Some(index) => index.changed(&change(changed)),
            None => {
                let all: Vec<usize> = self.rows.nodes().map(|node| node as usize).collect();
                Hnsw::empty(HnswParams::STANDARD).changed(&change(&all))
            }
        }
    }

    /// The codes of these vectors: squared distances have none.
    fn recoded(&self, before: Option<(&CodeTable, &[Option<Arc<VectorPage>>])>) -> Option<CodeTable> {
        let is_wanted = self.index.is_some() && self.params.metric != Metric::L2;
        is_wanted.then(|| CodeTable::of(self.params.codes, &self.pages, before)).flatten()
    }

    /// Which slots of a page have a vector, without a look at the page.
    pub(super) fn present(&self, page_idx: usize) -> u64 {
        self.rows.present(page_idx)
    }

    /// What the index compares instead of the vectors.
    pub(super) fn codes(&self) -> Option<&CodeTable> {
        self.codes.as_ref()
    }

    /// The vectors as they are, to be compared with `query`.
    pub(super) fn rows<'a>(&'a self, query: &'a [f32]) -> ExactRows<'a> {
        ExactRows { rows: &self.rows, kernel: self.kernel, metric: self.params.metric, query }
    }

    fn check_dimension(&self, got: usize) -> Result<(), VectorError> {
        let expected = self.params.dimension;
        if got == expected {
            return Ok(());
        }
        Err(VectorError::WrongDimension { space: self.params.name.clone(), expected, got })
    }

    /// The vector as it is stored, or why it cannot be.
    fn checked(&self, mut components: Vec<f32>) -> Result<Vec<f32>, VectorError> {
        let space = || self.params.name.clone();
        self.check_dimension(components.len())?;
        if let Some(component) = components.iter().position(|c| !c.is_finite()) {
            return Err(VectorError::NotFinite { space: space(), component });
        }
        // In doubles the squares of floats neither overflow nor vanish.
        let squared_norm: f64 = components.iter().map(|c| f64::from(*c) * f64::from(*c)).sum();
        match self.params.metric {
            Metric::Cosine if squared_norm == 0.0 => {
                return Err(VectorError::ZeroNorm { space: space() });
            }
            Metric::Cosine => scale(&mut components, squared_norm.sqrt()),
            Metric::Dot | Metric::L2 if squared_norm > SQUARED_NORM_MAX => {
                return Err(VectorError::NormTooLarge { space: space() });
            }
            Metric::Dot | Metric::L2 => {}
        }
        Ok(components)
    }
}

/// Divides each component by `norm`, which is at least the largest of them.
#[expect(clippy::cast_possible_truncation, reason = "rounds a number in [-1, 1] to the nearest float")]
fn scale(components: &mut [f32], norm: f64) {
    for component in components {
        *component = (f64::from(*component) / norm) as f32;
    }
}
