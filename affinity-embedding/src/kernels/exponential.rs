//! The exponential function and what is made of it, written so that the compiler computes many at once.

/// `e^x` for `x` in [-87, 88], to two units in the last place; beyond, the value at the border.
///
/// Source: Cody & Waite, "Software Manual for the Elementary Functions", 1980 (argument reduction by a split ln 2);
/// the polynomial is Cephes' `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding it leaves a rounded integer in the low bits.
    const ROUNDER: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    let rest = whole.mul_add(-LN_2_LOW, whole.mul_add(-LN_2_HIGH, x));
    let mut series = 1.987_569_1e-4_f32;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5, 1.0, 1.0] {
        series = series.mul_add(rest, coefficient);
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    series * power
}

/// `x / 2 * (1 + erf(x / sqrt(2)))`, to 2e-7 of `max(|x|, 1)`.
///
/// Source: Hendrycks & Gimpel, "Gaussian Error Linear Units", 2016; erf by Abramowitz & Stegun,
/// "Handbook of Mathematical Functions", 7.1.26.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let mut series = 1.061_405_4_f32;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        series = series.mul_add(t, coefficient);
    }
    // 1 - erf(|x| / sqrt 2): for a negative x it is what is left of 1 + erf.
    let tail = series * t * exp(-z * z);
    let share = if x < 0.0 { 0.5 * tail } else { (-0.5_f32).mul_add(tail, 1.0) };
    x * share
}

#[cfg(test)]
mod tests {
    use super::{exp, gelu};

    #[track_caller]
    fn check_close(got: f32, expected: f64, tolerance: f64, x: f32) {
        assert!((f64::from(got) - expected).abs() <= tolerance, "at {x}: {got}, expected {expected}");
    }

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -8_700_i16..=8_800 {
            let x = f32::from(step) / 100.0;
            let expected = f64::from(x).exp();
            check_close(exp(x), expected, expected * 2.0 * f64::from(f32::EPSILON), x);
        }
        assert_eq!((exp(0.0), exp(-1e9), exp(f32::NEG_INFINITY)), (1.0, exp(-87.0), exp(-87.0)));
    }

    #[test]
    fn gelu_is_that_of_the_error_function() {
        // erf by its Maclaurin series, exact to 1e-12 in this range.
        let erf = |z: f64| {
            let mut term = z;
            let mut total = z;
            for n in 1..200 {
                term *= -z * z / f64::from(n);
                total += term / f64::from(2 * n + 1);
            }
            total * std::f64::consts::FRAC_2_SQRT_PI
        };
        for step in -400_i16..=400 {
            let x = f32::from(step) / 100.0;
            let wide = f64::from(x);
            let expected = 0.5 * wide * (1.0 + erf(wide / std::f64::consts::SQRT_2));
            check_close(gelu(x), expected, 4e-7 * wide.abs().max(1.0), x);
        }
        assert_eq!((gelu(0.0), gelu(40.0)), (0.0, 40.0));
        check_close(gelu(-40.0), 0.0, 1e-37, -40.0);
    }
}
