//! The vectors of one page, as kernels read them.

/// Up to 64 vectors, packed: the row of slot `s` comes after those of the present slots below `s`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    present: u64,
    dimension: usize,
    components: &'a [f32],
}

impl<'a> Rows<'a> {
    /// `None` unless `components` holds exactly `dimension` numbers for each bit of `present`.
    #[must_use]
    pub fn new(present: u64, dimension: usize, components: &'a [f32]) -> Option<Self> {
        let expected = (present.count_ones() as usize).checked_mul(dimension)?;
        (components.len() == expected).then_some(Self { present, dimension, components })
    }

    /// The vector in `slot`; `None` when there is none or `slot > 63`.
    #[must_use]
    #[inline]
    pub fn row(self, slot: usize) -> Option<&'a [f32]> {
        let bit = 1_u64.checked_shl(u32::try_from(slot).ok()?)?;
        (self.present & bit != 0).then(|| {
            let start = (self.present & (bit - 1)).count_ones() as usize * self.dimension;
            &self.components[start..start + self.dimension]
        })
    }

    /// Writes `compare(row)` to `out[slot]` for every slot in both `wanted` and `present`.
    // hot: always inlined, so that `compare` is compiled with its caller's instruction set.
    #[inline(always)]
    pub(super) fn compare(self, wanted: u64, out: &mut [f32; 64], compare: impl Fn(&[f32]) -> f32) {
        let mut rest = wanted & self.present;
        while rest != 0 {
            let slot = rest.trailing_zeros() as usize;
            let start = (self.present & ((1 << slot) - 1)).count_ones() as usize * self.dimension;
            // `slot` is a bit of a u64, and `new` checked that there are `dimension` numbers for each.
            out[slot] = compare(&self.components[start..start + self.dimension]);
            rest &= rest - 1;
        }
    }
}

/// Writes `compare(row)` of each row to the place of the row in `out`, and has the next row fetched meanwhile.
///
/// `out` is at least as long as `rows`.
// hot: always inlined, so that `compare` is compiled with its caller's instruction set.
#[inline(always)]
pub(super) fn compare_each<R: Copy, T>(
    rows: &[R],
    out: &mut [T],
    fetch: impl Fn(R),
    compare: impl Fn(R) -> T,
) {
    let next = rows.iter().skip(1).map(Some).chain(std::iter::once(None));
    for ((row, next), out) in rows.iter().zip(next).zip(out) {
        if let Some(next) = next {
            fetch(*next);
        }
        *out = compare(*row);
    }
}
