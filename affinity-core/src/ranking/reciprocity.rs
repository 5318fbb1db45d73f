//! Two-sided scores: what two people are worth to each other, and how much of it each reason is.
//!
//! Source: harmonic mean of both directions as in Pizzato et al., "RECON: a reciprocal recommender for online
//! dating", RecSys 2010; geometric mean as in Neve & Palomares, "Latent factor models and aggregation operators for
//! collaborative filtering in reciprocal recommender systems", RecSys 2019; the shares are Euler's theorem on
//! homogeneous functions: a mean `M` of degree one is `x dM/dx + y dM/dy`.

use serde::Serialize;

use crate::matcher::Combination;

/// Units in 1.0 of a contribution of a two-sided score: contributions are multiples of 2^-40.
const CONTRIBUTION_UNITS: f64 = 1_099_511_627_776.0;

/// What two nodes are worth to each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reciprocal {
    /// What the match scores for the source, in [0, 1].
    pub source_to_target: f64,
    /// What the source scores for the match, in [0, 1].
    pub target_to_source: f64,
    /// How the two become one.
    pub combine: Combination,
    /// The combination, in [0, 1]: the match's score but for rounding, less than 2^-40 per contribution.
    pub combined: f64,
}

impl Reciprocal {
    /// Harmonic `2xy / (x + y)`, geometric `sqrt(xy)`, product `xy`; 0 where either is.
    pub(crate) fn new(combine: Combination, source_to_target: f64, target_to_source: f64) -> Self {
        let (x, y) = (source_to_target, target_to_source);
        let combined = match combine {
            _ if x == 0.0 || y == 0.0 => 0.0,
            Combination::Harmonic => 2.0 * (x * y) / (x + y),
            Combination::Geometric => libm::sqrt(x * y),
            Combination::Product => x * y,
        };
        Self { source_to_target, target_to_source, combine, combined }
    }

    /// What the contributions of each direction are multiplied with, so that together they sum to the combination.
    ///
    /// For the means these are the derivatives `dM/dx` and `dM/dy`; of a product each direction carries half.
    pub(crate) fn shares(self) -> (f64, f64) {
        let (x, y) = (self.source_to_target, self.target_to_source);
        match self.combine {
            _ if self.combined == 0.0 => (0.0, 0.0),
            Combination::Harmonic => {
                let (own, other) = (x / (x + y), y / (x + y));
                (2.0 * other * other, 2.0 * own * own)
            }
            Combination::Geometric | Combination::Product => {
                (self.combined / (2.0 * x), self.combined / (2.0 * y))
            }
        }
    }
}

/// A contribution's part of the two-sided score, a multiple of 2^-40.
///
/// Rounded down, so that the parts of a score never sum to more than 1. Such parts add up exactly in any order.
pub(crate) fn scaled(contribution: f64, share: f64) -> f64 {
    (contribution * share * CONTRIBUTION_UNITS).floor() / CONTRIBUTION_UNITS
}

#[cfg(test)]
mod tests {
    use super::{Combination, Reciprocal, scaled};

    #[track_caller]
    fn check(combine: Combination, combined: f64, forward: f64, back: f64) {
        let found = Reciprocal::new(combine, 0.5, 0.125);
        assert!((found.combined - combined).abs() < 1e-15, "{found:?}");
        let shares = found.shares();
        assert!((shares.0 * 0.5 - forward).abs() < 1e-15, "{shares:?}");
        assert!((shares.1 * 0.125 - back).abs() < 1e-15, "{shares:?}");
    }

    /// Worked by hand for 1/2 and 1/8.
    #[test]
    fn parts_of_both_directions_sum_to_the_combination() {
        check(Combination::Harmonic, 0.2, 0.04, 0.16);
        check(Combination::Geometric, 0.25, 0.125, 0.125);
        check(Combination::Product, 0.0625, 0.03125, 0.03125);
    }

    #[test]
    fn nobody_who_is_worth_nothing_to_the_other_scores() {
        for combine in [Combination::Harmonic, Combination::Geometric, Combination::Product] {
            for (x, y) in [(0.0, 0.0), (0.0, 0.5), (1.0, 0.0)] {
                let found = Reciprocal::new(combine, x, y);
                assert_eq!((found.combined, found.shares()), (0.0, (0.0, 0.0)), "{combine:?} of {x} and {y}");
            }
        }
    }

    #[test]
    fn parts_are_rounded_down_to_their_unit() {
        let unit = libm::ldexp(1.0, -40);
        assert_eq!(scaled(1.9 * unit, 1.0), unit);
        assert_eq!(scaled(0.75, 0.5), 0.375);
    }
}
