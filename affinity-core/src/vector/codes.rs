//! Vectors in fewer bits: quick to compare, and close enough to say which ones to compare exactly.

use std::sync::Arc;

use serde::Deserialize;

use super::kernels::{BYTE_ZERO, ByteQuery};
use super::page::{PAGE_SLOTS, VectorPage};

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
pub(super) struct CodePage {
    present: u64,
    /// What a step of each code is worth, for bytes.
    scales: Vec<f32>,
    bytes: Vec<u8>,
    words: Vec<u64>,
}

/// The largest code of either sign.
const STEPS: f32 = 127.0;

impl CodePage {
    pub(super) fn of(page: &VectorPage, codes: Codes) -> Self {
        let mut coded =
            Self { present: page.present(), scales: Vec::new(), bytes: Vec::new(), words: Vec::new() };
        for row in page.components().chunks_exact(page.dimension()) {
            match codes {
                Codes::None => {}
                Codes::U8 => {
                    let (scale, steps) = stepped(row);
                    coded.scales.push(scale);
                    coded
                        .bytes
                        .extend(steps.map(|step| step.wrapping_add(i16::from(BYTE_ZERO)).to_le_bytes()[0]));
                }
                Codes::Binary => coded.words.extend(signs(row)),
            }
        }
        coded
    }

    #[inline]
    fn rank(&self, slot: usize) -> Option<usize> {
        let bit = 1_u64 << slot;
        (self.present & bit != 0).then(|| (self.present & (bit - 1)).count_ones() as usize)
    }

    /// The bytes of the vector in `slot`, and what a step is worth.
    #[inline]
    pub(super) fn bytes(&self, slot: usize, dimension: usize) -> Option<(&[u8], f32)> {
        let rank = self.rank(slot)?;
        Some((self.bytes.get(rank * dimension..(rank + 1) * dimension)?, *self.scales.get(rank)?))
    }

    /// The bits of the vector in `slot`.
    #[inline]
    pub(super) fn words(&self, slot: usize, dimension: usize) -> Option<&[u64]> {
        let (rank, width) = (self.rank(slot)?, dimension.div_ceil(64));
        self.words.get(rank * width..(rank + 1) * width)
    }
}

/// The codes of all vectors of a space, page by page.
#[derive(Clone, Debug)]
pub(super) struct CodeTable {
    pub(super) codes: Codes,
    pub(super) pages: Vec<Option<Arc<CodePage>>>,
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
        (codes != Codes::None).then(|| Self { codes, pages: pages.iter().enumerate().map(coded).collect() })
    }

    #[inline]
    pub(super) fn page(&self, node: u32) -> Option<(&CodePage, usize)> {
        let (page, slot) = (node as usize / PAGE_SLOTS, node as usize % PAGE_SLOTS);
        Some((self.pages.get(page)?.as_deref()?, slot))
    }
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
