//! From the hash of a value to the ids that may be its: sorted shards that versions share.

use super::paged::Paged;
use crate::storage::Slab;

/// Entries per shard, on average, before the index doubles its shards.
const SHARD_ENTRIES_MAX: usize = 128;

/// Finds ids by hash; whoever asks compares the values themselves.
///
/// A shard holds the entries whose hash starts with its number, sorted by the lower half of the hash. An insertion
/// copies one shard, about a kilobyte, and an entry takes 8 bytes.
#[derive(Clone, Debug)]
pub(crate) struct HashIndex {
    shards: Paged<Slab<[u32; 2]>>,
    shard_bits: u32,
    entry_count: usize,
}

impl Default for HashIndex {
    fn default() -> Self {
        Self { shards: std::iter::once(Slab::default()).collect(), shard_bits: 0, entry_count: 0 }
    }
}

impl HashIndex {
    /// The id for which `is_it` answers yes among those with this hash.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let shard = self.shards.get(shard_of(hash, self.shard_bits))?;
        let lower = lower_half(hash);
        let first = shard.partition_point(|[known, _]| *known < lower);
        let same = shard[first..].iter().take_while(|[known, _]| *known == lower);
        same.map(|[_, id]| *id).find(|id| is_it(*id))
    }

    /// Adds an id that is not there yet; `hash_of` tells the hash of each id.
    pub(crate) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        if self.entry_count >= self.shards.count() * SHARD_ENTRIES_MAX {
            *self = Self::from_hashes(self.shard_bits + 1, self.ids().map(|id| (hash_of(id), id)));
        }
        let shard = self.shards.get_mut(shard_of(hash, self.shard_bits));
        let lower = lower_half(hash);
        let (before, after) = shard.split_at(shard.partition_point(|[known, _]| *known <= lower));
        *shard = [before, &[[lower, id]], after].concat().into();
        self.entry_count += 1;
    }

    fn from_hashes(shard_bits: u32, entries: impl Iterator<Item = (u64, u32)>) -> Self {
        let mut shards = vec![Vec::new(); 1 << shard_bits];
        let mut entry_count = 0;
        for (hash, id) in entries {
            shards[shard_of(hash, shard_bits)].push([lower_half(hash), id]);
            entry_count += 1;
        }
        let sorted = shards.into_iter().map(|mut shard| {
            shard.sort_unstable();
            Slab::from(shard)
        });
        Self { shards: sorted.collect(), shard_bits, entry_count }
    }

    /// Hashes and ids, shard by shard.
    pub(crate) fn shards(&self) -> impl Iterator<Item = &[[u32; 2]]> {
        self.shards.iter().map(|shard| &**shard)
    }

    /// An index from the shards of a snapshot; `None` unless they are a power of two and have `id_count` entries.
    pub(crate) fn from_shards(shards: Vec<Slab<[u32; 2]>>, id_count: usize) -> Option<Self> {
        let (count, entry_count) = (shards.len(), shards.iter().map(|shard| shard.len()).sum::<usize>());
        let shards = shards.into_iter().collect();
        let index = Self { shards, shard_bits: count.trailing_zeros(), entry_count };
        (count.is_power_of_two() && entry_count == id_count).then_some(index)
    }

    fn ids(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().flat_map(|shard| shard.iter().map(|[_, id]| *id))
    }

    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        self.shards.size_bytes() + self.shards.iter().map(Slab::size_bytes).sum::<usize>()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
fn lower_half(hash: u64) -> u32 {
    hash as u32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 32 leading bits are left, and usize is 64 bits wide"
)]
fn shard_of(hash: u64, bits: u32) -> usize {
    if bits == 0 { 0 } else { (hash >> (64 - bits)) as usize }
}

#[cfg(test)]
mod tests {
    use super::HashIndex;

    #[test]
    fn every_id_is_found_by_its_hash_among_equal_ones_too() {
        // A hash that many share in both halves.
        let hash = |id: u32| u64::from(id % 700).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut grown = HashIndex::default();
        (0..3_000).for_each(|id| grown.insert(hash(id), id, hash));
        assert!((0..3_000).all(|id| grown.find(hash(id), |known| known == id) == Some(id)));
        assert_eq!(grown.find(hash(1), |known| known == 2), None);
    }
}
