//! Data sections: arrays of several types back to back, each at a multiple of 8 bytes, used where they are.

use std::sync::Arc;

use bytemuck::Pod;

use super::cursor::Cursor;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{AttributeType, Column, HashIndex, Lists, NO_CATEGORY_TERM};
use crate::snapshot::MappedFile;
use crate::storage::Slab;

/// Arrays start at multiples of this.
const ALIGNMENT: usize = 8;

/// The bytes of an array, and those that fill up to the next.
pub(super) fn padded<T: Pod>(array: &[T]) -> [&[u8]; 2] {
    let bytes: &[u8] = bytemuck::cast_slice(array);
    [bytes, &[0; ALIGNMENT][..bytes.len().next_multiple_of(ALIGNMENT) - bytes.len()]]
}

/// A data section, handed out from front to back.
#[derive(Clone)]
pub(super) struct Data<'a> {
    section: &'a str,
    file: &'a Arc<MappedFile>,
    first: usize,
    next: usize,
    end: usize,
}

impl<'a> Data<'a> {
    /// The section in bytes `offset..offset + length` of a file, `offset` a multiple of 64.
    pub(super) fn new(section: &'a str, file: &'a Arc<MappedFile>, offset: usize, length: usize) -> Self {
        Self { section, file, first: offset, next: offset, end: offset + length }
    }

    pub(super) fn invalid(&self, what: &'static str, expected: &str, got: usize) -> SnapshotError {
        SnapshotError::Invalid {
            section: self.section.to_string(),
            position: self.next - self.first,
            what,
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    /// The next `count` elements.
    pub(super) fn take<T: Pod>(&mut self, count: usize) -> Result<Slab<T>, SnapshotError> {
        if count == 0 {
            return Ok(Slab::default());
        }
        let end = count.checked_mul(size_of::<T>()).and_then(|length| self.next.checked_add(length));
        let end = end.filter(|end| *end <= self.end);
        let first = self.next / size_of::<T>(); // exact: arrays start at multiples of 8
        let slab = end.and_then(|end| Some((Slab::mapped(self.file, first..first + count)?, end)));
        let (slab, end) =
            slab.ok_or_else(|| self.invalid("bytes left", "as many as its lists say", count))?;
        self.next = end.next_multiple_of(ALIGNMENT).min(self.end);
        Ok(slab)
    }

    /// The next `count` ids, each below `limit`.
    pub(super) fn take_ids(&mut self, count: usize, limit: usize) -> Result<Slab<u32>, SnapshotError> {
        let ids: Slab<u32> = self.take(count)?;
        match ids.iter().all(|id| (*id as usize) < limit) {
            true => Ok(ids),
            false => Err(self.invalid("an id before here", "ids that exist", limit)),
        }
    }

    /// Lists that were written by [`encode_lists`].
    pub(super) fn take_lists<T: Pod>(&mut self, lengths: &mut Cursor<'_>) -> Result<Lists<T>, SnapshotError> {
        let (list_count, item_count) = (lengths.count()?, lengths.count()?);
        let (ends, items) = (self.take(list_count)?, self.take(item_count)?);
        Lists::from_slabs(ends, items)
            .ok_or_else(|| self.invalid("ends of lists before here", "rising to the last item", item_count))
    }

    /// As [`Data::take_lists`], of texts.
    pub(super) fn take_texts(&mut self, lengths: &mut Cursor<'_>) -> Result<Lists<u8>, SnapshotError> {
        let lists = self.take_lists(lengths)?;
        match lists.are_texts() {
            true => Ok(lists),
            false => Err(self.invalid("text before here", "UTF-8", 0)),
        }
    }

    pub(super) fn finish(self) -> Result<(), SnapshotError> {
        let left = self.end - self.next;
        if left == 0 { Ok(()) } else { Err(self.invalid("bytes left", "none", left)) }
    }
}

/// How many lists and items there are.
pub(super) fn encode_lists<T: Pod>(lists: &Lists<T>, out: &mut Encoder) {
    out.count(lists.ends().len());
    out.count(lists.items().len());
}

/// The lengths of the arrays of a column; [`column_arrays`] are the arrays.
pub(super) fn encode_column(column: &Column, out: &mut Encoder) {
    match column {
        Column::Number(numbers) => out.count(numbers.len()),
        Column::Category(terms) => out.count(terms.len()),
        Column::Time(times) => out.count(times.len()),
        Column::Tags(lists) => encode_lists(lists, out),
        Column::Text(lists) => encode_lists(lists, out),
    }
}

/// The arrays of lists, padded.
pub(super) fn list_arrays<T: Pod>(lists: &Lists<T>) -> [&[u8]; 4] {
    let ([ends, ends_padding], [items, items_padding]) = (padded(lists.ends()), padded(lists.items()));
    [ends, ends_padding, items, items_padding]
}

/// The arrays of a column, padded.
pub(super) fn column_arrays(column: &Column) -> [&[u8]; 4] {
    fn one([array, padding]: [&[u8]; 2]) -> [&[u8]; 4] {
        [array, padding, &[], &[]]
    }
    match column {
        Column::Number(numbers) => one(padded(numbers)),
        Column::Category(terms) => one(padded(terms)),
        Column::Time(times) => one(padded(times)),
        Column::Tags(lists) => list_arrays(lists),
        Column::Text(lists) => list_arrays(lists),
    }
}

/// A column of at most `count` cells; terms must be below `term_count`.
pub(super) fn decode_column(
    of: AttributeType,
    (count, term_count): (usize, usize),
    lengths: &mut Cursor<'_>,
    data: &mut Data<'_>,
) -> Result<Column, SnapshotError> {
    let length = |lengths: &mut Cursor<'_>| match lengths.count()? {
        length if length <= count => Ok(length),
        length => Err(lengths.invalid("cells of a column", format_args!("at most {count}"), length)),
    };
    Ok(match of {
        AttributeType::Number => {
            let numbers: Slab<f64> = data.take(length(lengths)?)?;
            if numbers.iter().any(|number| number.is_infinite()) {
                return Err(data.invalid("number before here", "finite numbers", 0));
            }
            Column::Number(numbers)
        }
        AttributeType::Category => {
            let terms: Slab<u32> = data.take(length(lengths)?)?;
            if terms.iter().any(|term| *term != NO_CATEGORY_TERM && *term as usize >= term_count) {
                return Err(data.invalid("category before here", "terms that exist", term_count));
            }
            Column::Category(terms)
        }
        AttributeType::Time => Column::Time(data.take(length(lengths)?)?),
        AttributeType::Tags => {
            let lists: Lists<u32> = data.take_lists(lengths)?;
            let is_right = |tags: &[u32]| {
                let is_rising = tags.windows(2).all(|pair| pair[0] < pair[1]);
                is_rising && tags.last().is_none_or(|last| (*last as usize) < term_count)
            };
            if !(0..lists.ends().len()).all(|list| lists.get(list).is_none_or(is_right)) {
                return Err(data.invalid("tags before here", "terms that exist, rising", term_count));
            }
            Column::Tags(lists)
        }
        AttributeType::Text => Column::Text(data.take_texts(lengths)?),
    })
}

/// How many entries each shard of an index has.
pub(super) fn encode_index(index: &HashIndex, out: &mut Encoder) {
    out.count(index.shards().count());
    index.shards().for_each(|shard| out.count(shard.len()));
}

/// An index of ids below `id_count`; that it finds them is for its checksum to say.
pub(super) fn decode_index(
    id_count: usize,
    lengths: &mut Cursor<'_>,
    data: &mut Data<'_>,
) -> Result<HashIndex, SnapshotError> {
    let shard_count = lengths.count()?;
    let mut shards = Vec::new();
    for _ in 0..shard_count {
        let shard: Slab<[u32; 2]> = data.take(lengths.count()?)?;
        if shard.iter().any(|[_, id]| *id as usize >= id_count) {
            return Err(data.invalid("an id before here", "ids that exist", id_count));
        }
        shards.push(shard);
    }
    HashIndex::from_shards(shards, id_count)
        .ok_or_else(|| lengths.invalid("index", "a power of two of shards with all ids", shard_count))
}
