//! Exact products of whole numbers, in steps of 32 bits that compilers turn into vector instructions.

use super::low_pass::{LEFT_BITS, RIGHT_BITS};

/// Digits lie from -2^12 to 2^12 - 1.
const DIGIT_BITS: i32 = 13;
/// Components over which products of a digit and a right factor sum to at most 2^30.
const DIGIT_CHUNK: usize = 1 << (30 - (DIGIT_BITS - 1) - RIGHT_BITS);
/// Components over which products of a left and a right factor sum to at most 2^30.
const FACTOR_CHUNK: usize = 1 << (30 - LEFT_BITS - RIGHT_BITS);

/// A sum of left factors in digits of 13 bits, ready for many products with right ones.
#[derive(Debug, Default)]
pub(crate) struct Digits {
    /// One vector a digit, the lowest first.
    digits: Vec<Vec<i16>>,
}

impl Digits {
    #[expect(clippy::cast_possible_truncation, reason = "digits have 13 bits")]
    pub(crate) fn new(mut numbers: Vec<i64>) -> Self {
        let half = 1 << (DIGIT_BITS - 1);
        let mut digits = Vec::new();
        while numbers.iter().any(|number| *number != 0) {
            let next = numbers.iter_mut().map(|number| {
                let digit = ((*number + half) & (2 * half - 1)) - half;
                *number = (*number - digit) >> DIGIT_BITS;
                digit as i16
            });
            digits.push(next.collect());
        }
        Self { digits }
    }

    /// The sum of products with right factors; exact where it stays below 2^63.
    // hot
    pub(crate) fn product(&self, right: &[i16]) -> i64 {
        let add = |high: i64, digits: &Vec<i16>| {
            (high << DIGIT_BITS).wrapping_add(sum_of_products::<DIGIT_CHUNK>(digits, right))
        };
        self.digits.iter().rev().fold(0, add)
    }
}

/// The sum of products of a left and a right vector.
// hot
pub(crate) fn factor_product(left: &[i16], right: &[i16]) -> i64 {
    sum_of_products::<FACTOR_CHUNK>(left, right)
}

#[inline]
fn sum_of_products<const CHUNK: usize>(left: &[i16], right: &[i16]) -> i64 {
    let sum = |left: &[i16], right: &[i16]| {
        let products = left.iter().zip(right).map(|(left, right)| i32::from(*left) * i32::from(*right));
        i64::from(products.sum::<i32>())
    };
    let ((left, left_tail), (right, right_tail)) = (left.as_chunks::<CHUNK>(), right.as_chunks::<CHUNK>());
    let chunks = left.iter().zip(right).map(|(left, right)| sum(left, right));
    chunks.sum::<i64>() + sum(left_tail, right_tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Digits, factor_product};

    proptest! {
        #[test]
        fn products_in_digits_equal_the_sum_of_products(
            pairs in proptest::collection::vec((-(1_i64 << 42)..=1 << 42, -2_048_i16..=2_048), 0..600),
        ) {
            let (left, right): (Vec<i64>, Vec<i16>) = pairs.into_iter().unzip();
            let expected: i64 = left.iter().zip(&right).map(|(left, right)| left * i64::from(*right)).sum();
            prop_assert_eq!(Digits::new(left).product(&right), expected);
        }
    }

    #[test]
    fn the_largest_factors_do_not_overflow() {
        let (left, right) = ([1 << 14; 512], [-2_048; 512]);
        assert_eq!(factor_product(&left, &right), -(512 << 25));
        assert_eq!(Digits::new(vec![-(1 << 42); 512]).product(&right), 512 << 53);
    }
}
