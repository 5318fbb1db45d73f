//! Weights from item to item, row by row, as integers so that sums of them are exact.

use std::sync::Arc;

use crate::storage::Slab;

/// Fractional bits of a weight: it counts in units of 2^-24.
pub const WEIGHT_BITS: u32 = 24;

/// Row `i` holds what a user's item `i` says for each item `j`: a sparse matrix of integer weights.
#[derive(Clone, Debug)]
pub struct ItemRows {
    /// Row `i` is `offsets[i]..offsets[i + 1]`.
    pub(crate) offsets: Slab<u64>,
    /// Rise strictly within a row.
    pub(crate) targets: Slab<u32>,
    /// In units of 2^-24.
    pub(crate) weights: Slab<i32>,
}

impl PartialEq for ItemRows {
    fn eq(&self, other: &Self) -> bool {
        *self.offsets == *other.offsets && *self.targets == *other.targets && *self.weights == *other.weights
    }
}

impl ItemRows {
    /// Items, with or without weights.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// The targets of item `item` and their weights in units of 2^-24; nothing for an item that is not there.
    #[inline]
    #[must_use]
    pub fn row(&self, item: usize) -> (&[u32], &[i32]) {
        match (self.offsets.get(item), self.offsets.get(item + 1)) {
            (Some(first), Some(end)) => {
                let range = place(*first)..place(*end);
                (&self.targets[range.clone()], &self.weights[range])
            }
            _ => (&[], &[]),
        }
    }

    /// The weight from one item to another in units of 2^-24; `None` when there is none.
    #[must_use]
    pub fn weight(&self, item: usize, target: u32) -> Option<i32> {
        let (targets, weights) = self.row(item);
        targets.binary_search(&target).ok().map(|place| weights[place])
    }

    /// Rows given one after the other, each with rising targets.
    pub(crate) fn from_rows(rows: impl Iterator<Item = Vec<(u32, i32)>>) -> Self {
        let (mut offsets, mut targets, mut weights) = (vec![0_u64], Vec::new(), Vec::new());
        for row in rows {
            targets.extend(row.iter().map(|(target, _)| *target));
            weights.extend(row.iter().map(|(_, weight)| *weight));
            offsets.push(targets.len() as u64);
        }
        Self { offsets: offsets.into(), targets: targets.into(), weights: weights.into() }
    }
}

/// An offset of a slab in memory, which fits.
#[inline]
fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// A weight in units of 2^-24, rounded to nearest; large ones stop at 2^7.
#[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
pub(crate) fn weight_units(weight: f64) -> i32 {
    (weight * crate::exact::VALUE_UNITS).round() as i32
}

/// Takes columns in rising order and writes rows, in memory that is allocated once.
pub(super) struct ColumnWriter {
    offsets: Vec<u64>,
    next: Vec<u64>,
    targets: Arc<[u32]>,
    weights: Arc<[i32]>,
}

impl ColumnWriter {
    /// For rows of exactly these lengths.
    pub(super) fn new(lengths: &[u32]) -> Self {
        let mut offsets = vec![0_u64];
        let mut total = 0_u64;
        for length in lengths {
            total += u64::from(*length);
            offsets.push(total);
        }
        let next = offsets.clone();
        Self {
            offsets,
            next,
            // Straight into shared memory: a vector would be copied into it at the end, and twice the memory used.
            targets: std::iter::repeat_n(0, place(total)).collect(),
            weights: std::iter::repeat_n(0, place(total)).collect(),
        }
    }

    /// Writes the weights from some items to `target`; targets must come in rising order.
    pub(super) fn column(&mut self, target: u32, items: &[u32], weights: &[i32]) {
        let (Some(all_targets), Some(all_weights)) =
            (Arc::get_mut(&mut self.targets), Arc::get_mut(&mut self.weights))
        else {
            return; // never: nobody else has them yet
        };
        for (item, weight) in items.iter().zip(weights) {
            let next = &mut self.next[*item as usize];
            all_targets[place(*next)] = target;
            all_weights[place(*next)] = *weight;
            *next += 1;
        }
    }

    pub(super) fn finish(self) -> ItemRows {
        ItemRows { offsets: self.offsets.into(), targets: self.targets.into(), weights: self.weights.into() }
    }
}
