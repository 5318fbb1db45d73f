//! The nodes of one kind: keys, audiences, principals and attributes, page by page.

use std::sync::Arc;

use super::columns::{decode_column, encode_column};
use super::cursor::Cursor;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{Key, Kind, NodeId, NodePage, NodeTable, PAGE_NODES};

/// How many ids there are of what nodes and edges refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) term_count: usize,
    pub(super) audience_count: usize,
}

pub(super) fn encode_node_page(page: &NodePage, out: &mut Encoder) {
    page.keys.iter().for_each(|key| encode_key(key, out));
    page.audiences.iter().for_each(|audience| out.u32(*audience));
    for principals in &page.principals {
        out.count(principals.len());
        principals.iter().for_each(|principal| out.text(principal));
    }
    page.columns.iter().for_each(|column| encode_column(column, out));
}

pub(super) fn decode_nodes(
    kind: &Kind,
    limits: Limits,
    mut cursor: Cursor<'_>,
) -> Result<NodeTable, SnapshotError> {
    let mut left = cursor.count()?;
    if u32::try_from(left).is_err() {
        return Err(cursor.invalid("node count", "below 4294967296", left));
    }
    let mut pages = Vec::new();
    while left > 0 {
        let count = left.min(PAGE_NODES);
        pages.push(decode_page(kind, limits, count, &mut cursor)?);
        left -= count;
    }
    let table = NodeTable::from_pages(kind, pages);
    for node in (0..table.node_count()).filter_map(NodeId::from_index) {
        if table.find(table.key(node)) != Some(node) {
            return Err(cursor.invalid("key", "different keys", table.key(node)));
        }
    }
    cursor.finish()?;
    Ok(table)
}

fn decode_page(
    kind: &Kind,
    limits: Limits,
    count: usize,
    cursor: &mut Cursor<'_>,
) -> Result<NodePage, SnapshotError> {
    let mut page = NodePage::default();
    for _ in 0..count {
        page.keys.push(decode_key(cursor)?);
    }
    for _ in 0..count {
        page.audiences.push(cursor.id("audience", limits.audience_count)?);
    }
    for _ in 0..count {
        let principal_count = cursor.count()?;
        let principals = (0..principal_count).map(|_| cursor.text().map(str::to_string));
        page.principals.push(principals.collect::<Result<Arc<[String]>, _>>()?);
    }
    for (_, of) in kind.attributes.entries() {
        page.columns.push(decode_column(*of, count, limits.term_count, cursor)?);
    }
    Ok(page)
}

pub(super) fn encode_key(key: &Key, out: &mut Encoder) {
    match key {
        Key::Uuid(bytes) => {
            out.byte(0);
            out.raw(bytes);
        }
        Key::Text(text) => {
            out.byte(1);
            out.text(text);
        }
    }
}

pub(super) fn decode_key(cursor: &mut Cursor<'_>) -> Result<Key, SnapshotError> {
    match cursor.byte()? {
        0 => cursor.uuid().map(Key::Uuid),
        1 => match Key::from(cursor.text()?) {
            // Kept as text it could never be found.
            uuid @ Key::Uuid(_) => Err(cursor.invalid("key", "a text that is no UUID", uuid)),
            text @ Key::Text(_) => Ok(text),
        },
        other => Err(cursor.invalid("kind of key", "0 or 1", other)),
    }
}
