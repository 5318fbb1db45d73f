//! The nodes of one kind: decoded keys and lengths, and arrays that are used where they are.

use super::cursor::Cursor;
use super::data::{
    Data, column_arrays, decode_column, decode_index, encode_column, encode_index, encode_lists, list_arrays,
    padded,
};
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{Key, Kind, NodePage, NodeTable, PAGE_NODES};

/// How many ids there are of what nodes and edges refer to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) term_count: usize,
    pub(super) audience_count: usize,
}

pub(super) fn encode_nodes(nodes: &NodeTable, out: &mut Encoder) {
    out.count(nodes.node_count());
    nodes.pages().flat_map(|(keys, _)| keys).for_each(|key| encode_key(key, out));
    encode_index(nodes.index(), out);
    for (_, page) in nodes.pages() {
        out.count(page.map_or(0, |page| page.audiences.len()));
        let Some(page) = page.filter(|page| !page.audiences.is_empty()) else { continue };
        encode_lists(&page.principals, out);
        page.columns.iter().for_each(|column| encode_column(column, out));
    }
}

/// The arrays of the pages, in the order of their lengths.
pub(super) fn node_arrays(nodes: &NodeTable) -> impl Iterator<Item = &[u8]> {
    nodes.pages().filter_map(|(_, page)| page.filter(|page| !page.audiences.is_empty())).flat_map(|page| {
        let columns = page.columns.iter().flat_map(column_arrays);
        padded(&page.audiences).into_iter().chain(list_arrays(&page.principals)).chain(columns)
    })
}

pub(super) fn decode_nodes(
    kind: &Kind,
    limits: Limits,
    mut cursor: Cursor<'_>,
    mut index: Data<'_>,
    mut data: Data<'_>,
) -> Result<NodeTable, SnapshotError> {
    let node_count = cursor.count()?;
    if u32::try_from(node_count).is_err() {
        return Err(cursor.invalid("node count", "below 4294967296", node_count));
    }
    let mut keys = Vec::new();
    for first in (0..node_count).step_by(PAGE_NODES) {
        let page = (first..node_count.min(first + PAGE_NODES)).map(|_| decode_key(&mut cursor));
        keys.push(page.collect::<Result<Vec<Key>, _>>()?);
    }
    let found = decode_index(node_count, &mut cursor, &mut index)?;
    index.finish()?;
    let mut pages = Vec::with_capacity(keys.len());
    for keys in &keys {
        pages.push(decode_page(kind, limits, keys.len(), &mut cursor, &mut data)?);
    }
    data.finish()?;
    cursor.finish()?;
    Ok(NodeTable::from_parts(kind, keys, pages, found))
}

fn decode_page(
    kind: &Kind,
    limits: Limits,
    key_count: usize,
    cursor: &mut Cursor<'_>,
    data: &mut Data<'_>,
) -> Result<NodePage, SnapshotError> {
    let count = cursor.count()?;
    if count > key_count {
        return Err(cursor.invalid("nodes of a page", format_args!("at most {key_count}"), count));
    }
    if count == 0 {
        return Ok(NodePage::default());
    }
    let audiences = data.take_ids(count, limits.audience_count)?;
    let principals = data.take_texts(cursor)?;
    let types = kind.attributes.entries().iter();
    let columns = types.map(|(_, of)| decode_column(*of, (count, limits.term_count), cursor, data));
    Ok(NodePage { audiences, principals, columns: columns.collect::<Result<_, _>>()? })
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
