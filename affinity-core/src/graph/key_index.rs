//! From key to node: sorted shards that versions share.

use std::sync::Arc;

use super::key::{Key, NodeId};

/// Entries per shard, on average, before the index doubles its shards.
const SHARD_ENTRIES_MAX: usize = 256;

/// Finds nodes by the hash of their key; whoever asks compares the keys themselves.
///
/// A shard holds the entries whose hash starts with its number, sorted by hash. An insertion copies one shard
/// at most, so a clone costs one pointer per shard and an update a few kilobytes.
#[derive(Clone, Debug)]
pub(crate) struct KeyIndex {
    shards: Vec<Arc<Vec<(u64, NodeId)>>>,
    shard_bits: u32,
    entry_count: usize,
}

impl Default for KeyIndex {
    fn default() -> Self {
        Self { shards: vec![Arc::default()], shard_bits: 0, entry_count: 0 }
    }
}

impl KeyIndex {
    /// The node for which `is_it` answers yes among those whose key has this hash.
    pub(crate) fn find(&self, key: &Key, is_it: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let hash = key.stable_hash();
        let shard = &self.shards[shard_of(hash, self.shard_bits)];
        let first = shard.partition_point(|(known, _)| *known < hash);
        shard[first..]
            .iter()
            .take_while(|(known, _)| *known == hash)
            .map(|(_, node)| *node)
            .find(|node| is_it(*node))
    }

    /// Adds a node under a key that is not there yet.
    pub(crate) fn insert(&mut self, key: &Key, node: NodeId) {
        if self.entry_count >= self.shards.len() * SHARD_ENTRIES_MAX {
            self.double();
        }
        let hash = key.stable_hash();
        let shard = Arc::make_mut(&mut self.shards[shard_of(hash, self.shard_bits)]);
        let position = shard.partition_point(|(known, _)| *known <= hash);
        shard.insert(position, (hash, node));
        self.entry_count += 1;
    }

    fn double(&mut self) {
        let bits = self.shard_bits + 1;
        let mut shards = vec![Vec::new(); 1 << bits];
        for entry in self.shards.iter().flat_map(|shard| shard.iter()) {
            shards[shard_of(entry.0, bits)].push(*entry); // a doubled shard number still fits the doubled list
        }
        self.shards = shards.into_iter().map(Arc::new).collect();
        self.shard_bits = bits;
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 32 leading bits are left, and usize is 64 bits wide"
)]
fn shard_of(hash: u64, bits: u32) -> usize {
    if bits == 0 { 0 } else { (hash >> (64 - bits)) as usize }
}
