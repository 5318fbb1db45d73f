//! Attribute values of a run of nodes or edges.

use std::sync::Arc;

use super::cursor::Cursor;
use super::encoder::Encoder;
use super::error::SnapshotError;
use crate::graph::{AttributeType, Column, NO_CATEGORY_TERM};

pub(super) fn encode_column(column: &Column, out: &mut Encoder) {
    match column {
        Column::Number(numbers) => numbers.iter().for_each(|number| out.u64(number.to_bits())),
        Column::Category(terms) => terms.iter().for_each(|term| out.u32(*term)),
        Column::Time(times) => times.iter().for_each(|time| out.raw(&time.to_le_bytes())),
        Column::Tags(sets) => {
            for set in sets {
                out.count(set.as_ref().map_or(0, |tags| tags.len() + 1));
                set.iter().flat_map(|tags| tags.iter()).for_each(|tag| out.u32(*tag));
            }
        }
        Column::Text(texts) => {
            for text in texts {
                out.count(text.as_ref().map_or(0, |text| text.len() + 1));
                out.raw(text.as_ref().map_or(&[], |text| text.as_bytes()));
            }
        }
    }
}

/// `count` cells of one attribute; terms must be below `term_count`.
pub(super) fn decode_column(
    of: AttributeType,
    count: usize,
    term_count: usize,
    cursor: &mut Cursor<'_>,
) -> Result<Column, SnapshotError> {
    Ok(match of {
        AttributeType::Number => Column::Number(repeat(count, || {
            let number = f64::from_bits(cursor.u64()?);
            if number.is_infinite() {
                Err(cursor.invalid("number", "a finite number", number))
            } else {
                Ok(number)
            }
        })?),
        AttributeType::Category => Column::Category(repeat(count, || {
            let term = cursor.u32()?;
            if term == NO_CATEGORY_TERM || (term as usize) < term_count {
                Ok(term)
            } else {
                Err(cursor.invalid("category", format_args!("below {term_count}"), term))
            }
        })?),
        AttributeType::Time => {
            Column::Time(repeat(count, || Ok(i64::from_le_bytes(cursor.u64()?.to_le_bytes())))?)
        }
        AttributeType::Tags => Column::Tags(repeat(count, || tags(term_count, cursor))?),
        AttributeType::Text => Column::Text(repeat(count, || {
            let length = cursor.count()?;
            length.checked_sub(1).map(|length| cursor.text_of(length).map(Arc::from)).transpose()
        })?),
    })
}

fn tags(term_count: usize, cursor: &mut Cursor<'_>) -> Result<Option<Arc<[u32]>>, SnapshotError> {
    let Some(count) = cursor.count()?.checked_sub(1) else { return Ok(None) };
    let mut tags: Vec<u32> = Vec::new();
    for _ in 0..count {
        let tag = cursor.id("tag", term_count)?;
        if tags.last().is_some_and(|last| *last >= tag) {
            return Err(cursor.invalid("tag", "tags in rising order", tag));
        }
        tags.push(tag);
    }
    Ok(Some(tags.into()))
}

/// `count` times `read`; grows as it reads, because the count may be damaged.
fn repeat<T>(
    count: usize,
    mut read: impl FnMut() -> Result<T, SnapshotError>,
) -> Result<Vec<T>, SnapshotError> {
    (0..count).map(|_| read()).collect()
}
