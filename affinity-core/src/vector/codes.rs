//! Vectors in fewer bits: quick to compare, and close enough to say which ones to compare exactly.

use std::sync::Arc;

use serde::Deserialize;

use super::kernels::{BYTE_ZERO, ByteQuery};
use super::page::VectorPage;
use super::row_table::RowTable;
use crate::storage::Slab;

/// What an index compares on its way; what it finds is compared again with the vectors as they are.
///
/// Codes come on top of the vectors. They pay where memory limits a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codes {
    /// The vectors themselves.
    #[default]
    None,
    /// One byte per component, in units of the vector's largest component: a quarter of the memory to read.
    U8,
    /// One bit per component, its sign: a thirty-second, for vectors of a thousand components and more.
    Binary,
}

impl Codes {
    /// The name used in schemas: `none`, `u8` or `binary`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::U8 => "u8",
            Self::Binary => "binary",
        }
    }
}

/// The codes of the vectors of one page, in slot order.
#[derive(Clone, Debug)]
struct CodePage {
    present: u64,
    /// Of each vector its components, then what a step of them is worth: together, they are read together.
    bytes: Slab<u8>,
    words: Slab<u64>,
}

/// A row of bytes is so much longer than the vector: a number of four bytes says what a step is worth.
const SCALE_BYTES: usize = 4;

/// The largest code of either sign.
const STEPS: f32 = 127.0;

impl CodePage {
    fn of(page: &VectorPage, codes: Codes) -> Self {
        let (mut bytes, mut words) = (Vec::new(), Vec::new());
        for row in page.components().chunks_exact(page.dimension()) {
            match codes {
                Codes::None => {}
                Codes::U8 => {
                    let (scale, steps) = stepped(row);
                    bytes.extend(steps.map(|step| step.wrapping_add(i16::from(BYTE_ZERO)).to_le_bytes()[0]));
                    bytes.extend(scale.to_le_bytes());
                }
                Codes::Binary => words.extend(signs(row)),
            }
        }
        Self { present: page.present(), bytes: bytes.into(), words: words.into() }
    }
}

/// The components of a row of bytes, and what a step of them is worth.
// hot
#[inline]
pub(super) fn split_scale(row: &[u8]) -> (&[u8], f32) {
    let Some((steps, scale)) = row.split_last_chunk::<SCALE_BYTES>() else { return (row, 0.0) };
    (steps, f32::from_le_bytes(*scale))
}

/// The codes of all vectors of a space, page by page.
#[derive(Clone, Debug)]
pub(super) struct CodeTable {
    pub(super) codes: Codes,
    pages: Vec<Option<Arc<CodePage>>>,
    /// The rows of `pages`; one of the two is empty.
    pub(super) bytes: RowTable<u8>,
    pub(super) words: RowTable<u64>,
}

impl CodeTable {
    /// `None` where the space has no codes. Pages that `before` has of the same vectors are shared.
    pub(super) fn of(
        codes: Codes,
        pages: &[Option<Arc<VectorPage>>],
        before: Option<(&Self, &[Option<Arc<VectorPage>>])>,
    ) -> Option<Self> {
        let known = |page_idx: usize, page: &Arc<VectorPage>| {
            let (table, vectors) = before?;
            let is_same = Arc::ptr_eq(vectors.get(page_idx)?.as_ref()?, page);
            table.pages.get(page_idx)?.clone().filter(|_| is_same)
        };
        let coded = |(page_idx, page): (usize, &Option<Arc<VectorPage>>)| {
            let page = page.as_ref()?;
            Some(known(page_idx, page).unwrap_or_else(|| Arc::new(CodePage::of(page, codes))))
        };
        if codes == Codes::None {
            return None;
        }
        let mut coded: Vec<Option<Arc<CodePage>>> = pages.iter().enumerate().map(coded).collect();
        if before.is_none() {
            pack(&mut coded);
        }
        let dimension = pages.iter().flatten().next().map_or(0, |page| page.dimension());
        let rows = || coded.iter().map(Option::as_deref);
        let bytes = rows().map(|page| page.map(|page| (page.present, &page.bytes)));
        let words = rows().map(|page| page.map(|page| (page.present, &page.words)));
        let (bytes, words) = match codes {
            Codes::U8 => (RowTable::new(dimension + SCALE_BYTES, bytes), RowTable::default()),
            _ => (RowTable::default(), RowTable::new(dimension.div_ceil(64), words)),
        };
        Some(Self { codes, bytes, words, pages: coded })
    }
}

/// Moves all codes into memory of huge pages.
fn pack(pages: &mut [Option<Arc<CodePage>>]) {
    let pages = pages.iter_mut().flatten().map(Arc::make_mut);
    let (mut bytes, mut words): (Vec<_>, Vec<_>) =
        pages.map(|page| (&mut page.bytes, &mut page.words)).unzip();
    Slab::pack(&mut bytes);
    Slab::pack(&mut words);
}

/// What a step is worth, and the components in steps, from -127 to 127.
#[expect(clippy::cast_possible_truncation, reason = "a float is rounded into its range; NaN becomes 0")]
fn stepped(components: &[f32]) -> (f32, impl Iterator<Item = i16> + '_) {
    let largest = components.iter().fold(0.0_f32, |largest, component| largest.max(component.abs()));
    // A vector of zeros, possible only with products, has codes of 0.
    let scale = if largest > 0.0 { largest / STEPS } else { 1.0 };
    (scale, components.iter().map(move |component| (component / scale).round().clamp(-STEPS, STEPS) as i16))
}

/// One bit per component: set where it is not negative.
fn signs(components: &[f32]) -> impl Iterator<Item = u64> + '_ {
    let word = |chunk: &[f32]| {
        chunk.iter().enumerate().fold(0, |word, (bit, component)| word | u64::from(*component >= 0.0) << bit)
    };
    components.chunks(64).map(word)
}

/// A query in bytes, and what a step of it is worth; `None` when it has too many components.
#[expect(clippy::cast_possible_truncation, reason = "steps are within 127 of 0")]
pub(super) fn byte_query(components: &[f32]) -> Option<(ByteQuery, f32)> {
    let (scale, steps) = stepped(components);
    ByteQuery::new(steps.map(|step| step as i8).collect()).map(|query| (query, scale))
}

/// A query in bits.
pub(super) fn bit_query(components: &[f32]) -> Vec<u64> {
    signs(components).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Codes, stepped};

    #[test]
    fn steps_are_of_the_largest_component() {
        let (scale, steps) = stepped(&[1.27, -0.635, 0.004, 0.0]);
        assert!((scale - 0.01).abs() < 1e-7);
        assert_eq!(steps.collect::<Vec<i16>>(), [127, -64, 0, 0]);
        assert_eq!(stepped(&[0.0; 3]).1.collect::<Vec<i16>>(), [0; 3]);
    }

    #[test]
    fn names_are_those_of_schemas() {
        for codes in [Codes::None, Codes::U8, Codes::Binary] {
            let read: Codes = serde_json::from_value(codes.name().into()).unwrap();
            assert_eq!(read, codes);
        }
    }
}
