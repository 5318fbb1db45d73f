//! Weight and day of an edge in 32 bits, for relations that are declared `compact`.

const SECONDS_PER_DAY: u32 = 86_400;
/// Bits of a weight's fraction that are kept.
const FRACTION_BITS: u32 = 10;
/// Bits of a single's fraction that are not.
const LEFT_OUT_BITS: u32 = 23 - FRACTION_BITS;
/// What the code 1 stands for, as a single without the bits left out: 2^-40, whose exponent is written as 87.
const LEAST: u32 = 87 << FRACTION_BITS;

/// A weight, and the day of a time.
///
/// A weight from 2^-40 to 2^23 is off by at most 1/2048 of itself, a smaller one counts 0, a larger one as 2^24; powers
/// of two and their multiples with ten binary digits are exact. A time is the midnight (UTC) before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark(u32);

impl Mark {
    /// Of a finite weight from 0 and seconds since 1970, 0 for none.
    pub(crate) fn new(weight: f32, seconds: u32) -> Self {
        let rounded = (weight.to_bits() + (1 << (LEFT_OUT_BITS - 1))) >> LEFT_OUT_BITS;
        let code = (rounded + 1).saturating_sub(LEAST).min(u32::from(u16::MAX));
        Self((code << 16) | (seconds / SECONDS_PER_DAY)) // 2106 is day 49,710
    }

    #[inline]
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) fn weight(self) -> f32 {
        match self.0 >> 16 {
            0 => 0.0,
            code => f32::from_bits((code + LEAST - 1) << LEFT_OUT_BITS),
        }
    }

    /// Days since 1970; 0 for none.
    #[inline]
    pub(crate) fn day(self) -> u32 {
        self.0 & 0xffff
    }

    /// Seconds since 1970; 0 for none.
    #[inline]
    pub(crate) fn seconds(self) -> u32 {
        self.day() * SECONDS_PER_DAY
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Mark;

    proptest! {
        #[test]
        fn mark_is_as_close_as_it_says(weight in 1e-12_f32..8e6, seconds: u32) {
            let mark = Mark::new(weight, seconds);
            prop_assert!((mark.weight() - weight).abs() <= weight / 2048.0, "{weight} became {}", mark.weight());
            prop_assert_eq!(mark.seconds(), seconds - seconds % 86_400);
            prop_assert_eq!(Mark::new(mark.weight(), mark.seconds()), mark);
        }
    }

    #[test]
    fn short_binary_fractions_are_exact_and_extremes_stop() {
        for weight in [0.0, 1.0, 0.5, 0.625, 3.0, 1_000.0, 2.0_f32.powi(-40)] {
            assert_eq!(Mark::new(weight, 0).weight().to_bits(), weight.to_bits());
        }
        assert_eq!(Mark::new(1e-30, 0).weight().to_bits(), 0.0_f32.to_bits());
        assert!(Mark::new(f32::MAX, 0).weight() > 1.6e7);
    }
}
