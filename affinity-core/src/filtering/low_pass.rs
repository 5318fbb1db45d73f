//! Graph filtering: what two steps say, plus the strongest directions of the whole matrix, sharpened.
//!
//! Source: GF-CF; Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021. Sharpening after
//! BSPM; Choi et al., "Blurring-Sharpening Process Models for Collaborative Filtering", SIGIR 2023, solved in closed
//! form: it multiplies each direction of strength `l` by `exp(-time * l)`, and all that are not kept by that of the
//! weakest kept.

use super::interactions::Interactions;
use super::item_rows::{ItemRows, weight_units};
use super::local_ease::all_items;
use super::rp3::SparseSums;
use super::subspace::Scaled;
use super::workers::Workers;
use crate::exact::narrow;
use crate::storage::Slab;

/// The most directions of a model.
pub const RANK_MAX: usize = 256;
/// Left factors are below 2^14, right ones below 2^11: with it no sum of a query leaves 63 bits.
pub(crate) const LEFT_BITS: i32 = 14;
pub(crate) const RIGHT_BITS: i32 = 11;
/// Fractional bits of a product at most, so that exact sums fit a double.
pub(crate) const PRODUCT_BITS_MAX: i32 = 36;

/// What a low-pass model is fitted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowPassParams {
    /// Targets kept in each row of the linear part: the largest.
    pub neighbors: usize,
    /// Directions kept, at most [`RANK_MAX`].
    pub rank: usize,
    /// What the linear part counts, sharpened.
    pub linear: f64,
    /// What the ideal low-pass part counts.
    pub ideal: f64,
    /// The power of popularity that the ideal part divides past items by, and multiplies candidates with.
    pub exponent: f64,
    /// How long the result is sharpened; 0 is not at all.
    pub sharpening: f64,
}

/// Two integer vectors per item: what item `i` says for item `j` is the product of `i`'s left and `j`'s right one.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Components of a vector.
    pub(crate) width: usize,
    /// One row an item, in units of `2^-left_bits`.
    pub(crate) left: Slab<i16>,
    pub(crate) left_bits: i32,
    /// One row an item, in units of 2 to the minus its entry of `right_bits`.
    pub(crate) right: Slab<i16>,
    pub(crate) right_bits: Slab<i32>,
}

impl PartialEq for Factors {
    fn eq(&self, other: &Self) -> bool {
        (self.width, self.left_bits) == (other.width, other.left_bits)
            && *self.left == *other.left
            && *self.right == *other.right
            && *self.right_bits == *other.right_bits
    }
}

impl Factors {
    /// The left vector of an item.
    ///
    /// # Panics
    /// Unless the item exists.
    #[must_use]
    pub fn left(&self, item: usize) -> &[i16] {
        &self.left[item * self.width..(item + 1) * self.width]
    }

    /// The right vector of an item.
    ///
    /// # Panics
    /// Unless the item exists.
    #[must_use]
    pub fn right(&self, item: usize) -> &[i16] {
        &self.right[item * self.width..(item + 1) * self.width]
    }

    /// Fractional bits of products with the right vector of an item.
    ///
    /// # Panics
    /// Unless the item exists.
    #[must_use]
    pub fn product_bits(&self, item: usize) -> i32 {
        self.left_bits + self.right_bits[item]
    }

    /// Rounds vectors of `width` components to integers.
    fn quantize(width: usize, left: &[f32], right: &[f32]) -> Self {
        let left_bits = fractional_bits(left, LEFT_BITS).min(PRODUCT_BITS_MAX / 2);
        let right_bits: Vec<i32> = right
            .chunks_exact(width.max(1))
            .map(|row| fractional_bits(row, RIGHT_BITS).min(PRODUCT_BITS_MAX - left_bits))
            .collect();
        let rows = right.chunks_exact(width.max(1)).zip(&right_bits);
        let right: Vec<i16> =
            rows.flat_map(|(row, bits)| row.iter().map(|entry| round(*entry, *bits))).collect();
        let left: Vec<i16> = left.iter().map(|entry| round(*entry, left_bits)).collect();
        Self { width, left: left.into(), left_bits, right: right.into(), right_bits: right_bits.into() }
    }
}

/// The most fractional bits with which every number stays below `2^bits`.
fn fractional_bits(numbers: &[f32], bits: i32) -> i32 {
    let largest = numbers.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
    let (_, exponent) = libm::frexp(f64::from(largest)); // largest is below 2^exponent
    bits - exponent
}

#[expect(clippy::cast_possible_truncation, reason = "the caller chose bits that fit; casts saturate")]
fn round(number: f32, bits: i32) -> i16 {
    let limit = 1 << LEFT_BITS;
    (libm::ldexp(f64::from(number), bits).round() as i16).clamp(1 - limit, limit - 1)
}

impl LowPassParams {
    /// 256 directions as in GF-CF, sharpened for one unit of time.
    pub const STANDARD: Self =
        Self { neighbors: 200, rank: 256, linear: 1.0, ideal: 0.3, exponent: 0.5, sharpening: 1.0 };

    /// The linear part as rows, the rest as factors; the same bits for any number of threads.
    ///
    /// With `P = D^-1/2 R' D_U^-1 R D^-1/2` and its strongest eigenvectors `V` with eigenvalues `l`, a user's row `x`
    /// gives `linear * (x P e^(-t l_min) + x V f V') + ideal * x D^-e V V' D^e` with `f = l e^(-t l) - l e^(-t l_min)`
    /// and `e` the exponent.
    /// Linear rows are truncated, and do not hold the item itself.
    #[must_use]
    pub fn fit(&self, interactions: &Interactions) -> (ItemRows, Factors) {
        let root = |total: &f64| if *total > 0.0 { narrow(1.0 / libm::sqrt(*total)) } else { 0.0 };
        let scaled = Scaled {
            interactions,
            left: interactions.user_totals().iter().map(root).collect(),
            right: interactions.item_totals().iter().map(root).collect(),
        };
        let directions = scaled.directions(self.rank.min(RANK_MAX));
        let weakest = directions.strengths.last().copied().unwrap_or(0.0);
        let rest = libm::exp(-self.sharpening * weakest);
        let sharpened =
            |strength: &f64| narrow(self.linear * strength * (libm::exp(-self.sharpening * strength) - rest));
        let sharpened: Vec<f32> = directions.strengths.iter().map(sharpened).collect();
        let has_two = self.sharpening != 0.0 && self.linear != 0.0;
        let width = directions.count * (1 + usize::from(has_two));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let ideal = narrow(self.ideal);
        let powers = interactions.item_totals();
        let powers =
            powers.iter().map(|total| narrow(libm::pow(total.max(f64::MIN_POSITIVE), self.exponent)));
        for (vector, power) in directions.vectors.chunks_exact(directions.count.max(1)).zip(powers) {
            left.extend(vector.iter().map(|entry| entry / power));
            right.extend(vector.iter().map(|entry| entry * ideal * power));
            if has_two {
                left.extend(vector);
                right.extend(vector.iter().zip(&sharpened).map(|(entry, factor)| entry * factor));
            }
        }
        (self.linear_rows(&scaled, self.linear * rest), Factors::quantize(width, &left, &right))
    }

    fn linear_rows(&self, scaled: &Scaled<'_>, factor: f64) -> ItemRows {
        let interactions = scaled.interactions;
        if factor == 0.0 {
            return ItemRows::from_rows((0..interactions.item_count()).map(|_| Vec::new()));
        }
        let mut rows = Vec::with_capacity(interactions.item_count());
        Workers::new(|| SparseSums::new(interactions.item_count())).run(
            &all_items(interactions),
            |sums, item| {
                let item = item as usize;
                for (user, value) in interactions.users_of(item).entries() {
                    let there = f64::from(scaled.right[item] * scaled.left[user] * value) * factor;
                    for (target, value) in interactions.items_of(user).entries() {
                        let back = scaled.left[user] * scaled.right[target] * value;
                        sums.add(target, there * f64::from(back));
                    }
                }
                let best = sums.take_best(item, self.neighbors).into_iter();
                best.map(|(target, sum)| (target, weight_units(sum))).collect::<Vec<_>>()
            },
            |_, row| rows.push(row),
        );
        ItemRows::from_rows(rows.into_iter())
    }
}
