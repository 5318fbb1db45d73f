//! From outcomes to the probability of a score.
//!
//! Source: pool adjacent violators, Ayer et al., "An empirical distribution function for sampling with incomplete
//! information", Annals of Mathematical Statistics 26(4), 1955; as calibration in Zadrozny & Elkan, KDD 2002.

use crate::exact::count_of;
use crate::matcher::ProbabilityCurve;

/// Outcomes that each point of a curve stands on at least.
const BLOCK_MIN: usize = 10;
/// Points of a curve at most.
const POINTS_MAX: usize = 16;
/// How many made-up outcomes at the mean each block gets, so that none is certain.
const PRIOR: f64 = 1.0;

/// The rising curve closest to `outcomes`, pairs of score and label in [0, 1]; `None` of fewer than twenty outcomes or
/// when all are alike.
///
/// Scores and probabilities have six decimals. Depends on the set of outcomes, not on their order.
#[must_use]
pub fn probability_curve(outcomes: &[(f64, f64)]) -> Option<ProbabilityCurve> {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|(a, a_label), (b, b_label)| a.total_cmp(b).then(a_label.total_cmp(b_label)));
    let is_mixed = sorted.iter().any(|(_, label)| *label != sorted[0].1);
    if sorted.len() < 2 * BLOCK_MIN || !is_mixed {
        return None;
    }
    let mean = sorted.iter().map(|(_, label)| label).sum::<f64>() / count_of(sorted.len());
    let size = sorted.len().div_ceil(POINTS_MAX).max(BLOCK_MIN);
    let block = |outcomes: &[(f64, f64)]| {
        let count = count_of(outcomes.len());
        let (scores, labels) =
            outcomes.iter().fold((0.0, 0.0), |(s, l), (score, label)| (s + score, l + label));
        [count, scores / count, (labels + PRIOR * mean) / (count + PRIOR)]
    };
    let mut pooled: Vec<[f64; 3]> = Vec::new();
    for next in sorted.chunks(size).map(block) {
        pooled.push(next);
        // Blocks of one score or of falling probability are one block.
        while let [.., [n, s, p], [m, t, q]] = *pooled.as_slice()
            && (p > q || rounded(s) >= rounded(t))
        {
            pooled.truncate(pooled.len() - 2);
            pooled.push([n + m, (n * s + m * t) / (n + m), (n * p + m * q) / (n + m)]);
        }
    }
    ProbabilityCurve::new(pooled.into_iter().map(|[_, score, p]| [rounded(score), rounded(p)]).collect())
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::probability_curve;
    use proptest::prelude::proptest;

    #[test]
    fn two_blocks_of_a_worked_example() {
        // Ten at 0.2 of which 2 succeeded, ten at 0.6 of which 8 did, each with one made-up outcome at the mean 0.5.
        let outcomes: Vec<(f64, f64)> = (0..20)
            .map(|n| if n < 10 { (0.2, f64::from(n < 2)) } else { (0.6, f64::from(n < 18)) })
            .collect();
        let curve = probability_curve(&outcomes).unwrap();
        assert_eq!(curve.points(), [[0.2, 0.227_273], [0.6, 0.772_727]]);
    }

    #[test]
    fn outcomes_that_fall_with_the_score_are_one_block() {
        let outcomes: Vec<(f64, f64)> = (0..40).map(|n| (f64::from(n) / 40.0, f64::from(n < 20))).collect();
        assert_eq!(probability_curve(&outcomes).unwrap().points(), [[0.4875, 0.5]]);
    }

    #[test]
    fn few_or_equal_outcomes_give_no_curve() {
        assert_eq!(probability_curve(&[(0.1, 0.0), (0.9, 1.0)]), None);
        assert_eq!(probability_curve(&[(0.5, 1.0); 40]), None);
        assert_eq!(probability_curve(&[]), None);
    }

    proptest! {
        #[test]
        fn curves_rise_and_order_does_not_count(
            outcomes in proptest::collection::vec((0.0..=1.0_f64, 0_u8..2), 20..80)
        ) {
            let outcomes: Vec<(f64, f64)> = outcomes.into_iter().map(|(s, l)| (s, f64::from(l))).collect();
            let curve = probability_curve(&outcomes);
            let reversed: Vec<_> = outcomes.iter().rev().copied().collect();
            assert_eq!(curve, probability_curve(&reversed));
            if let Some(curve) = curve {
                let at: Vec<f64> = (0..=100).map(|n| curve.at(f64::from(n) / 100.0)).collect();
                assert!(at.windows(2).all(|pair| pair[0] <= pair[1]), "{at:?}");
                assert!(at.iter().all(|p| *p > 0.0 && *p < 1.0), "{at:?}");
            }
        }
    }
}
