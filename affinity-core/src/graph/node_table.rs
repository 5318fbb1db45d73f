//! The nodes of one kind: keys, audiences and attribute columns in shared pages.

use std::sync::Arc;

use super::column::{Cell, Column};
use super::key::{AttributeId, Key, NodeId};
use super::key_index::KeyIndex;
use super::schema::{AttributeType, Kind};
use super::terms::{NOBODY, Restrictions, Sight};

/// Nodes per page, of every paged structure: one bit each in a `u64` mask.
pub(crate) const PAGE_NODES: usize = 64;

/// Splits a node's index into its page and its place there.
#[inline]
pub(crate) fn page_and_slot(index: usize) -> (usize, usize) {
    (index / PAGE_NODES, index % PAGE_NODES)
}

/// 64 consecutive nodes of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodePage {
    pub(crate) keys: Vec<Key>,
    pub(crate) audiences: Vec<u32>,
    pub(crate) principals: Vec<Arc<[String]>>,
    pub(crate) columns: Vec<Column>,
}

/// The nodes of one kind.
#[derive(Clone, Debug)]
pub(crate) struct NodeTable {
    pages: Vec<Arc<NodePage>>,
    index: KeyIndex,
    node_count: usize,
    present_count: usize,
    restrictions: Restrictions,
    types: Arc<[AttributeType]>,
}

impl NodeTable {
    pub(crate) fn new(kind: &Kind) -> Self {
        Self {
            pages: Vec::new(),
            index: KeyIndex::default(),
            node_count: 0,
            present_count: 0,
            restrictions: Restrictions::default(),
            types: kind.attributes.entries().iter().map(|(_, of)| *of).collect(),
        }
    }

    /// A hash of the key at a position, the same whatever the order of loading; 0 where no node is.
    pub(crate) fn key_hash(&self, index: usize) -> u64 {
        let (page, slot) = page_and_slot(index);
        self.pages.get(page).and_then(|page| page.keys.get(slot)).map_or(0, Key::stable_hash)
    }

    /// A table from the pages of a snapshot, whose shape the reader has checked.
    pub(crate) fn from_pages(kind: &Kind, pages: Vec<NodePage>) -> Self {
        let mut table = Self::new(kind);
        for page in pages {
            for (key, audience) in page.keys.iter().zip(&page.audiences) {
                if let Some(node) = NodeId::from_index(table.node_count) {
                    table.index.insert(key, node);
                    table.node_count += 1;
                    table.present_count += usize::from(*audience != NOBODY);
                    table.restrictions.add(*audience);
                }
            }
            table.pages.push(Arc::new(page));
        }
        table
    }

    pub(crate) fn pages(&self) -> &[Arc<NodePage>] {
        &self.pages
    }

    /// Slots in use, absent nodes included: dense ids are below it.
    pub(crate) fn node_count(&self) -> usize {
        self.node_count
    }

    /// Nodes that are there.
    pub(crate) fn present_count(&self) -> usize {
        self.present_count
    }

    /// Whether every slot is a node that the viewer may read.
    pub(crate) fn is_open_to(&self, sight: Sight<'_>) -> bool {
        self.restrictions.are_open_to(sight)
    }

    pub(crate) fn find(&self, key: &Key) -> Option<NodeId> {
        self.index.find(key, |node| self.key(node) == key)
    }

    pub(crate) fn key(&self, node: NodeId) -> &Key {
        let (page, slot) = page_and_slot(node.index());
        &self.pages[page].keys[slot]
    }

    #[inline]
    pub(crate) fn audience(&self, node: NodeId) -> u32 {
        let (page, slot) = page_and_slot(node.index());
        self.pages[page].audiences[slot]
    }

    pub(crate) fn is_present(&self, node: NodeId) -> bool {
        self.audience(node) != NOBODY
    }

    pub(crate) fn principals(&self, node: NodeId) -> &[String] {
        let (page, slot) = page_and_slot(node.index());
        &self.pages[page].principals[slot]
    }

    pub(crate) fn cell(&self, node: NodeId, attribute: AttributeId) -> Cell {
        let (page, slot) = page_and_slot(node.index());
        self.pages[page].columns[attribute.index()].get(slot)
    }

    /// The node of `key`, which gets a slot of its own, still absent, when it is new; `None` after 2^32 nodes.
    pub(crate) fn find_or_add(&mut self, key: &Key) -> Option<NodeId> {
        if let Some(node) = self.find(key) {
            return Some(node);
        }
        let node = NodeId::from_index(self.node_count)?;
        let (page, slot) = page_and_slot(node.index());
        if slot == 0 {
            let columns = self.types.iter().map(|of| Column::new(*of)).collect();
            self.pages.push(Arc::new(NodePage { columns, ..NodePage::default() }));
        }
        let page = Arc::make_mut(&mut self.pages[page]);
        page.keys.push(key.clone());
        page.audiences.push(NOBODY);
        page.principals.push(Arc::default());
        for column in &mut page.columns {
            column.push(Cell::Absent);
        }
        self.index.insert(key, node);
        self.node_count += 1;
        self.restrictions.add(NOBODY);
        Some(node)
    }

    /// Replaces all data of a node of this table; `cells` has one entry per attribute.
    pub(crate) fn set(&mut self, node: NodeId, audience: u32, principals: Arc<[String]>, cells: Vec<Cell>) {
        let (page, slot) = page_and_slot(node.index());
        let page = Arc::make_mut(&mut self.pages[page]);
        let before = std::mem::replace(&mut page.audiences[slot], audience);
        page.principals[slot] = principals;
        for (column, cell) in page.columns.iter_mut().zip(cells) {
            column.set(slot, cell);
        }
        self.present_count =
            self.present_count + usize::from(audience != NOBODY) - usize::from(before != NOBODY);
        self.restrictions.remove(before);
        self.restrictions.add(audience);
    }

    /// Makes a node absent.
    pub(crate) fn clear(&mut self, node: NodeId) {
        self.set(node, NOBODY, Arc::default(), vec![Cell::Absent; self.types.len()]);
    }
}
