//! How widely recommendations spread: coverage, concentration and novelty.
//!
//! Source: Herlocker et al., "Evaluating collaborative filtering recommender systems", ACM TOIS 22(1), 2004 (catalog
//! coverage); Fleder & Hosanagar, "Blockbuster culture's next rise or fall", Management Science 55(5), 2009 (Gini);
//! Zhou et al., "Solving the apparent diversity-accuracy dilemma", PNAS 107(10), 2010 (self-information).

use crate::exact::count_of;

/// The share of the catalog that was recommended at all, in [0, 1]; `counts` has one entry per item, NaN of none.
#[must_use]
pub fn coverage(counts: &[u64]) -> f64 {
    count_of(counts.iter().filter(|count| **count > 0).count()) / count_of(counts.len())
}

/// The Gini coefficient of recommendations per item: 0 when all are recommended alike, near 1 when a few take all.
///
/// `counts` has one entry per item of the catalog, also for those never recommended; NaN without recommendations.
/// O(n log n).
///
/// ```
/// use affinity_core::evaluation::concentration;
/// assert_eq!(concentration(&[3, 3]), 0.0);
/// assert_eq!(concentration(&[0, 0, 0, 8]), 0.75);
/// ```
#[must_use]
pub fn concentration(counts: &[u64]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "counts of recommendations stay below 2^53")]
    let sorted: Vec<f64> = sorted.into_iter().map(|count| count as f64).collect();
    let (n, total): (f64, f64) = (count_of(sorted.len()), sorted.iter().sum());
    let ranked: f64 = sorted.iter().enumerate().map(|(i, x)| (2.0 * count_of(i + 1) - n - 1.0) * x).sum();
    ranked / (n * total)
}

/// `-log2` of how likely a choice falls on an item: the bits of surprise in recommending it, from 0.
///
/// `count` of the `total` choices among `item_count` items fell on it; every item counts one more, so that one never
/// chosen is surprising and not infinitely so.
#[must_use]
pub fn novelty(count: u64, total: u64, item_count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of choices stay below 2^53")]
    let share = (count + 1) as f64 / (total as f64 + count_of(item_count));
    -libm::log2(share)
}

#[cfg(test)]
mod tests {
    use super::{concentration, coverage, novelty};
    use proptest::prelude::{Strategy, proptest};

    #[test]
    fn spread_of_a_worked_example() {
        // Counts 1, 2, 3, 4: the mean difference of all pairs is 20 / 16, half of it over the mean 2.5 is 0.25.
        assert_eq!(concentration(&[4, 1, 3, 2]), 0.25);
        assert_eq!(coverage(&[4, 0, 3, 0]), 0.5);
        // 3 of 12 choices among 4 items: (3 + 1) / (12 + 4) is two bits.
        assert_eq!(novelty(3, 12, 4), 2.0);
        assert!(concentration(&[0, 0]).is_nan() && coverage(&[]).is_nan());
    }

    proptest! {
        #[test]
        fn concentration_is_half_the_mean_difference_over_the_mean(
            counts in proptest::collection::vec(0_u32..50, 1..20).prop_filter("some", |c| c.iter().sum::<u32>() > 0)
        ) {
            let n = f64::from(u32::try_from(counts.len()).unwrap_or(0));
            let sum: f64 = counts.iter().copied().map(f64::from).sum();
            let pairs = counts.iter().flat_map(|a| counts.iter().map(|b| f64::from(a.abs_diff(*b))));
            let naive = pairs.sum::<f64>() / (2.0 * n * sum);
            let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
            assert!((concentration(&counts) - naive).abs() < 1e-12);
        }
    }
}
