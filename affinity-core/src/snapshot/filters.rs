//! The filter models: a decoded list with their keys, and arrays that are used where they are.

use std::sync::Arc;

use super::cursor::Cursor;
use super::edges::Array;
use super::encoder::Encoder;
use super::error::SnapshotError;
use super::nodes::{decode_key, encode_key};
use crate::filtering::{Factors, ItemRows, LEFT_BITS, PRODUCT_BITS_MAX, RANK_MAX, RIGHT_BITS};
use crate::graph::Key;
use crate::signals::{FilterModel, FilterModels};
use crate::storage::Slab;

/// Bits are written with this added, so that they are not negative.
const BITS_BIAS: i32 = 1 << 16;
/// Components of a vector at most: two for each direction.
const WIDTH_MAX: usize = 2 * RANK_MAX;

pub(super) fn encode_list(models: &FilterModels, out: &mut Encoder) {
    out.count(models.len());
    for (name, model) in models {
        out.text(name);
        out.text(&model.digest);
        out.count(model.keys.len());
        model.keys.iter().for_each(|key| encode_key(key, out));
        out.count(model.rows.targets.len());
        match &model.factors {
            None => out.byte(0),
            Some(factors) => {
                out.byte(1);
                out.count(factors.width);
                [factors.left_bits]
                    .iter()
                    .chain(&*factors.right_bits)
                    .for_each(|bits| out.u32((bits + BITS_BIAS).cast_unsigned()));
            }
        }
    }
}

/// The sections of all filter models.
pub(super) struct FilterSections<'a> {
    pub(super) list: Cursor<'a>,
    pub(super) offsets: Array<'a, u64>,
    pub(super) targets: Array<'a, u32>,
    pub(super) weights: Array<'a, i32>,
    pub(super) factors: Array<'a, i16>,
}

impl FilterSections<'_> {
    pub(super) fn decode(mut self) -> Result<FilterModels, SnapshotError> {
        let mut models = FilterModels::new();
        for _ in 0..self.list.count()? {
            let name = self.list.text()?.to_string();
            if models.last_key_value().is_some_and(|(before, _)| *before >= name) {
                return Err(self.list.invalid("name", "names that rise", name));
            }
            let model = self.model()?;
            models.insert(name, Arc::new(model));
        }
        self.list.finish()?;
        self.offsets.finish()?;
        self.targets.finish()?;
        self.weights.finish()?;
        self.factors.finish()?;
        Ok(models)
    }

    fn model(&mut self) -> Result<FilterModel, SnapshotError> {
        let digest = self.list.text()?.into();
        let item_count = self.list.count()?;
        let mut keys: Vec<Key> = Vec::new();
        for _ in 0..item_count {
            let key = decode_key(&mut self.list)?;
            if keys.last().is_some_and(|before| *before >= key) {
                return Err(self.list.invalid("key", "keys that rise", key));
            }
            keys.push(key);
        }
        let entry_count = self.list.count()?;
        let rows = ItemRows {
            offsets: self.offsets.take(item_count + 1)?,
            targets: self.targets.take(entry_count)?,
            weights: self.weights.take(entry_count)?,
        };
        self.check_rows(&rows)?;
        let factors = match self.list.byte()? {
            0 => None,
            1 => Some(self.factors(item_count)?),
            other => return Err(self.list.invalid("factors", "0 or 1", other)),
        };
        Ok(FilterModel { keys: keys.into(), rows, factors, digest })
    }

    /// Rows follow each other, and their targets rise and exist.
    fn check_rows(&self, rows: &ItemRows) -> Result<(), SnapshotError> {
        let (item_count, entry_count) = (rows.item_count(), rows.targets.len() as u64);
        let is_whole = rows.offsets.first() == Some(&0) && rows.offsets.last() == Some(&entry_count);
        if !is_whole || rows.offsets.windows(2).any(|pair| pair[0] > pair[1]) {
            return Err(self.list.invalid("offsets", "offsets that rise from 0 to the end", entry_count));
        }
        for item in 0..item_count {
            let (targets, _) = rows.row(item);
            let exist = targets.last().is_none_or(|target| (*target as usize) < item_count);
            if !exist || targets.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(self.list.invalid("targets", "targets that rise and exist", item));
            }
        }
        Ok(())
    }

    /// Sizes within which sums cannot leave their integers.
    fn factors(&mut self, item_count: usize) -> Result<Factors, SnapshotError> {
        let width = self.list.count()?;
        if width > WIDTH_MAX {
            return Err(self.list.invalid("width", WIDTH_MAX, width));
        }
        let left_bits = self.bits()?;
        let right_bits = (0..item_count).map(|_| self.bits()).collect::<Result<Vec<i32>, _>>()?;
        let left = self.vectors(item_count * width, LEFT_BITS)?;
        let right = self.vectors(item_count * width, RIGHT_BITS)?;
        Ok(Factors { width, left, left_bits, right, right_bits: right_bits.into() })
    }

    fn bits(&mut self) -> Result<i32, SnapshotError> {
        let bits = self.list.u32()?.cast_signed().wrapping_sub(BITS_BIAS);
        let range = -BITS_BIAS / 2..=PRODUCT_BITS_MAX;
        if range.contains(&bits) { Ok(bits) } else { Err(self.list.invalid("bits", PRODUCT_BITS_MAX, bits)) }
    }

    fn vectors(&mut self, count: usize, bits: i32) -> Result<Slab<i16>, SnapshotError> {
        let vectors = self.factors.take(count)?;
        match vectors.iter().find(|entry| i32::from(entry.unsigned_abs()) > 1 << bits) {
            None => Ok(vectors),
            Some(entry) => Err(self.list.invalid("factor", 1 << bits, entry)),
        }
    }
}
