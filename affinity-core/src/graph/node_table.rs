//! The nodes of one kind: keys, audiences and attribute columns in shared pages.

use std::sync::Arc;

use super::column::{Cell, Column, Lists, columns_size_bytes};
use super::hash_index::HashIndex;
use super::key::{AttributeId, Key, NodeId};
use super::paged::Paged;
use super::schema::{AttributeType, Kind};
use super::terms::{NOBODY, Restrictions, Sight};
use crate::storage::{ARC_BYTES, Slab};

/// Nodes per page, of every paged structure: one bit each in a `u64` mask.
pub(crate) const PAGE_NODES: usize = 64;

/// Splits a node's index into its page and its place there.
#[inline]
pub(crate) fn page_and_slot(index: usize) -> (usize, usize) {
    (index / PAGE_NODES, index % PAGE_NODES)
}

/// What is known of 64 consecutive nodes of one kind besides their keys. Nodes behind the end are not there.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodePage {
    pub(crate) audiences: Slab<u32>,
    /// Each a text as [`joined`] writes it.
    pub(crate) principals: Lists<u8>,
    pub(crate) columns: Arc<[Column]>,
}

/// All data of a node from now on; `cells` has one entry per attribute, or none at all.
#[derive(Debug)]
pub(crate) struct NodeEdit {
    pub(crate) node: NodeId,
    pub(crate) audience: u32,
    pub(crate) principals: Vec<String>,
    pub(crate) cells: Vec<Cell>,
}

impl NodeEdit {
    /// The node is not there from now on.
    pub(crate) fn removal(node: NodeId) -> Self {
        Self { node, audience: NOBODY, principals: Vec::new(), cells: Vec::new() }
    }
}

/// The nodes of one kind.
#[derive(Clone, Debug)]
pub(crate) struct NodeTable {
    keys: Paged<Arc<Vec<Key>>>,
    pages: Paged<Arc<NodePage>>,
    index: HashIndex,
    node_count: usize,
    present_count: usize,
    restrictions: Restrictions,
    types: Arc<[AttributeType]>,
}

impl NodeTable {
    pub(crate) fn new(kind: &Kind) -> Self {
        Self {
            keys: Paged::default(),
            pages: Paged::default(),
            index: HashIndex::default(),
            node_count: 0,
            present_count: 0,
            restrictions: Restrictions::default(),
            types: kind.attributes.entries().iter().map(|(_, of)| *of).collect(),
        }
    }

    /// A hash of the key at a position, the same whatever the order of loading; 0 where no node is.
    pub(crate) fn key_hash(&self, index: usize) -> u64 {
        let (page, slot) = page_and_slot(index);
        self.keys.get(page).and_then(|keys| keys.get(slot)).map_or(0, Key::stable_hash)
    }

    /// A table from the parts of a snapshot, whose shape the reader has checked: all pages full but the last.
    pub(crate) fn from_parts(
        kind: &Kind,
        keys: Vec<Vec<Key>>,
        pages: Vec<NodePage>,
        index: HashIndex,
    ) -> Self {
        let mut table = Self { index, node_count: keys.iter().map(Vec::len).sum(), ..Self::new(kind) };
        for audience in pages.iter().flat_map(|page| page.audiences.iter()) {
            table.present_count += usize::from(*audience != NOBODY);
            table.restrictions.add(*audience);
        }
        let known_count = pages.iter().map(|page| page.audiences.len()).sum();
        (known_count..table.node_count).for_each(|_| table.restrictions.add(NOBODY));
        table.keys = keys.into_iter().map(Arc::new).collect();
        table.pages = pages.into_iter().map(Arc::new).collect();
        table
    }

    pub(crate) fn index(&self) -> &HashIndex {
        &self.index
    }

    /// Keys and data, page by page; a page may have data of fewer nodes than it has keys.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (&[Key], Option<&NodePage>)> {
        let keys = self.keys.iter().enumerate();
        keys.map(|(page, keys)| (keys.as_slice(), self.pages.get(page).map(Arc::as_ref)))
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
        let is_it = |id| self.key(NodeId::from_raw(id)) == key;
        self.index.find(key.stable_hash(), is_it).map(NodeId::from_raw)
    }

    /// The key of a node of this table.
    pub(crate) fn key(&self, node: NodeId) -> &Key {
        let (page, slot) = page_and_slot(node.index());
        static NO_KEY: Key = Key::Uuid([0; 16]);
        self.keys.get(page).and_then(|keys| keys.get(slot)).unwrap_or(&NO_KEY) // every node has one
    }

    #[inline]
    fn page(&self, node: NodeId) -> Option<(&NodePage, usize)> {
        let (page, slot) = page_and_slot(node.index());
        self.pages.get(page).map(|page| (page.as_ref(), slot))
    }

    #[inline]
    pub(crate) fn audience(&self, node: NodeId) -> u32 {
        self.page(node).and_then(|(page, slot)| page.audiences.get(slot)).copied().unwrap_or(NOBODY)
    }

    pub(crate) fn is_present(&self, node: NodeId) -> bool {
        self.audience(node) != NOBODY
    }

    pub(crate) fn principals(&self, node: NodeId) -> Vec<String> {
        let text = self.page(node).and_then(|(page, slot)| page.principals.text(slot));
        text.map_or_else(Vec::new, split)
    }

    pub(crate) fn cell(&self, node: NodeId, attribute: AttributeId) -> Cell {
        let column =
            self.page(node).and_then(|(page, slot)| Some((page.columns.get(attribute.index())?, slot)));
        column.map_or(Cell::Absent, |(column, slot)| column.get(slot))
    }

    /// The terms of an attribute that is a set; empty where it is absent.
    pub(crate) fn tags(&self, node: NodeId, attribute: AttributeId) -> &[u32] {
        match self.page(node).and_then(|(page, slot)| Some((page.columns.get(attribute.index())?, slot))) {
            Some((Column::Tags(lists), slot)) => lists.get(slot).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The node with this key, made absent if it is new; `None` after 2^32 nodes.
    pub(crate) fn find_or_add(&mut self, key: &Key) -> Option<NodeId> {
        if let Some(node) = self.find(key) {
            return Some(node);
        }
        let node = NodeId::from_index(self.node_count)?;
        let (page, _) = page_and_slot(node.index());
        Arc::make_mut(self.keys.get_mut(page)).push(key.clone());
        let mut index = std::mem::take(&mut self.index);
        index.insert(key.stable_hash(), node.raw(), |id| self.key_hash(id as usize));
        self.index = index;
        self.node_count += 1;
        self.restrictions.add(NOBODY);
        Some(node)
    }

    /// Replaces the data of nodes of this table; of several edits of one node the last one counts.
    pub(crate) fn apply(&mut self, mut edits: Vec<NodeEdit>) {
        edits.sort_by_key(|edit| edit.node); // stable: the last one stays last
        let mut rest = edits.as_mut_slice();
        while let Some(first) = rest.first() {
            let (page, _) = page_and_slot(first.node.index());
            let count = rest.partition_point(|edit| page_and_slot(edit.node.index()).0 == page);
            let (now, later) = std::mem::take(&mut rest).split_at_mut(count);
            self.apply_to_page(page, now);
            rest = later;
        }
    }

    fn apply_to_page(&mut self, page: usize, edits: &mut [NodeEdit]) {
        let node_count = PAGE_NODES.min(self.node_count - page * PAGE_NODES);
        let mut new: [Option<NodeEdit>; PAGE_NODES] = [const { None }; PAGE_NODES];
        for edit in edits {
            let (_, slot) = page_and_slot(edit.node.index());
            new[slot] = Some(std::mem::replace(edit, NodeEdit::removal(edit.node)));
        }
        let before = self.pages.get(page).cloned().unwrap_or_default();
        let audience_before = |slot: usize| before.audiences.get(slot).copied().unwrap_or(NOBODY);
        let mut audiences = Vec::with_capacity(node_count);
        for (slot, edit) in new.iter().enumerate().take(node_count) {
            let audience = edit.as_ref().map_or_else(|| audience_before(slot), |edit| edit.audience);
            self.present_count += usize::from(audience != NOBODY);
            self.present_count -= usize::from(audience_before(slot) != NOBODY);
            self.restrictions.remove(audience_before(slot));
            self.restrictions.add(audience);
            audiences.push(audience);
        }
        let principals: Vec<Option<String>> = (0..node_count)
            .map(|slot| match &new[slot] {
                Some(edit) => joined(&edit.principals),
                None => before.principals.text(slot).map(str::to_owned),
            })
            .collect();
        let column = |(position, of): (usize, &AttributeType)| {
            let cell = |slot: usize| match &new[slot] {
                Some(edit) => edit.cells.get(position).cloned().unwrap_or_default(),
                None => before.columns.get(position).map_or(Cell::Absent, |column| column.get(slot)),
            };
            Column::from_cells(*of, &(0..node_count).map(cell).collect::<Vec<Cell>>())
        };
        *self.pages.get_mut(page) = Arc::new(NodePage {
            audiences: audiences.into(),
            principals: Lists::new(principals.iter().map(|text| text.as_ref().map(String::as_bytes))),
            columns: self.types.iter().enumerate().map(column).collect(),
        });
    }

    /// Memory by what it holds.
    pub(crate) fn sizes(&self) -> NodeSizes {
        let mut sizes = NodeSizes {
            node_count: self.node_count,
            keys: self.keys.size_bytes(),
            index: self.index.size_bytes(),
            pages: self.pages.size_bytes(),
            ..NodeSizes::default()
        };
        for keys in self.keys.iter() {
            sizes.keys += ARC_BYTES + size_of::<Vec<Key>>() + keys.capacity() * size_of::<Key>();
            sizes.keys += keys.iter().map(Key::heap_bytes).sum::<usize>();
        }
        for page in self.pages.iter() {
            sizes.pages += ARC_BYTES + size_of::<NodePage>() + page.audiences.size_bytes();
            sizes.principals += page.principals.size_bytes();
            sizes.attributes += columns_size_bytes(&page.columns);
        }
        sizes
    }
}

/// Where the bytes of the nodes of a kind are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeSizes {
    /// Nodes, also those that are only mentioned.
    pub(crate) node_count: usize,
    pub(crate) keys: usize,
    /// From keys to nodes.
    pub(crate) index: usize,
    /// Pages, and who may read each node.
    pub(crate) pages: usize,
    pub(crate) principals: usize,
    pub(crate) attributes: usize,
}

/// Texts as one: the length of each before it.
fn joined(texts: &[String]) -> Option<String> {
    let join = |joined: String, text: &String| joined + &text.len().to_string() + ":" + text;
    (!texts.is_empty()).then(|| texts.iter().fold(String::new(), join))
}

/// The texts that [`joined`] made one.
fn split(mut joined: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some((length, rest)) = joined.split_once(':') {
        let Some((text, rest)) = length.parse().ok().and_then(|length| rest.split_at_checked(length)) else {
            break; // of a damaged snapshot
        };
        texts.push(text.to_owned());
        joined = rest;
    }
    texts
}
