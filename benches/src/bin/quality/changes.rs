//! What an engine is built from, in few words.

use affinity_core::{Change, EdgeKey, EdgeRecord, Key, NodeRecord, Value};

/// The key of a numbered node.
pub(crate) fn key(id: u32) -> Key {
    Key::from(id.to_string())
}

pub(crate) fn put_node<'a>(
    kind: &str,
    id: u32,
    attributes: impl IntoIterator<Item = (&'a str, Value)>,
) -> Change {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value));
    let record = NodeRecord { attributes: attributes.collect(), ..NodeRecord::default() };
    Change::PutNode { kind: kind.to_string(), key: key(id), record }
}

pub(crate) fn put_edge(relation: &str, source: u32, target: u32, weight: f32) -> Change {
    let edge =
        EdgeKey { relation: relation.to_string(), source: key(source), target: key(target), origin: None };
    Change::PutEdge { edge, record: EdgeRecord { weight, ..EdgeRecord::default() } }
}
