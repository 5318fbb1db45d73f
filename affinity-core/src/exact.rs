//! Exact sums: every term is an integer number of units, so a sum is the same in any order.
//!
//! A signal's value is a multiple of 2^-24 and a weight a multiple of 2^-16, so that a product has at most
//! 40 fractional bits and a sum of products below 1 fits the 53 bits of a double without rounding.

/// Units in 1.0 of a signal's value: values are multiples of 2^-24.
pub(crate) const VALUE_UNITS: f64 = 16_777_216.0;
/// Units in 1.0 of a score: a product of a value and a weight is a multiple of 2^-40.
const SCORE_UNITS: f64 = VALUE_UNITS * WEIGHT_UNITS;
/// Units in 1.0 of a weight: weights are multiples of 2^-16.
pub(crate) const WEIGHT_UNITS: f64 = 65_536.0;
/// The largest term that [`units`] hands out, 2^39: two to the power of 24 such terms still fit an accumulator.
const TERM_UNITS_MAX: f64 = 549_755_813_888.0;

/// `value` in units of 2^-24, rounded to nearest; negative and NaN become 0, and large values stop at 2^15.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "clamped to [0, 2^39] first; NaN casts to 0")]
pub(crate) fn units(value: f64) -> u64 {
    // By way of i64, which processors convert to in one instruction.
    ((value * VALUE_UNITS + 0.5).clamp(0.0, TERM_UNITS_MAX) as i64).cast_unsigned()
}

/// The value of a number of units of 2^-24; exact below 2^53 units.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "accumulators stay below 2^53")]
pub(crate) fn value_of(units: u64) -> f64 {
    units as f64 / VALUE_UNITS
}

/// A score in units of 2^-40, of which it is a multiple in [0, 1].
#[expect(clippy::cast_possible_truncation, reason = "at most 2^40; NaN casts to 0")]
pub(crate) fn score_units(score: f64) -> u64 {
    ((score * SCORE_UNITS) as i64).cast_unsigned()
}

/// The score of a number of units of 2^-40; exact below 2^53 units.
#[expect(clippy::cast_precision_loss, reason = "sums of thousands of scores stay below 2^53")]
pub(crate) fn score_of(units: u64) -> f64 {
    units as f64 / SCORE_UNITS
}

/// `value` clamped to [0, 1] and rounded to a multiple of 2^-24; NaN becomes 0.
pub(crate) fn quantize_value(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { (value.clamp(0.0, 1.0) * VALUE_UNITS).round() / VALUE_UNITS }
}

/// `weight` rounded to a multiple of 2^-16.
pub(crate) fn quantize_weight(weight: f64) -> f64 {
    (weight * WEIGHT_UNITS).round() / WEIGHT_UNITS
}

/// The nearest single to `value`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
pub(crate) fn narrow(value: f64) -> f32 {
    value as f32
}

/// `count` as a double; exact below 2^53, which no graph that fits in memory reaches.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "counts of things in memory stay below 2^53")]
pub(crate) fn count_of(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::{quantize_value, units, value_of};

    #[test]
    fn units_of_odd_input_stay_in_range() {
        assert_eq!(units(f64::NAN), 0);
        assert_eq!(units(-1.0), 0);
        assert_eq!(units(f64::INFINITY), 1 << 39);
        assert_eq!(units(1.0), 1 << 24);
    }

    #[test]
    fn quantize_value_is_a_multiple_of_the_unit() {
        assert_eq!(quantize_value(0.1), value_of(units(0.1)));
        assert_eq!(quantize_value(f64::NAN), 0.0);
        assert_eq!(quantize_value(7.0), 1.0);
    }
}
