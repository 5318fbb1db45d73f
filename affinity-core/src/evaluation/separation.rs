//! How well scores separate what is there from what is not: areas under the curves, and F1.
//!
//! Source: `evaluate` of GATNE (Cen et al., "Representation learning for attributed multiplex heterogeneous network",
//! KDD 2019): area under the ROC curve, under the precision-recall curve by trapezoids, and F1 when as many are taken
//! for positive as there are positives.

use serde::Serialize;

use super::bootstrap::{BootstrapParams, Interval, bootstrap};

/// Areas and F1 of scored pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Separation<N = f64> {
    /// The chance that a positive scores above a negative, ties counting half.
    pub roc_auc: N,
    /// The area under precision over recall, straight between the thresholds, from precision 1 at recall 0.
    pub pr_auc: N,
    /// F1 at the threshold that takes at least as many as there are positives.
    pub f1: N,
}

impl Separation {
    /// Of scores and whether the pair is there; NaN where a class is empty. O(n log n).
    ///
    /// ```
    /// use affinity_core::evaluation::Separation;
    /// let separation = Separation::of(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)]);
    /// assert_eq!((separation.roc_auc, separation.f1), (0.75, 0.5));
    /// ```
    #[must_use]
    pub fn of(scored: &[(f64, bool)]) -> Self {
        let sorted = best_first(scored);
        weighted(&sorted, &vec![1; scored.len()])
    }

    /// The same with intervals from drawing the pairs again.
    #[must_use]
    pub fn with_intervals(scored: &[(f64, bool)], params: &BootstrapParams) -> Separation<Interval> {
        let sorted = best_first(scored);
        let statistics = |drawn: &[u32]| {
            let Self { roc_auc, pr_auc, f1 } = weighted(&sorted, drawn);
            vec![roc_auc, pr_auc, f1]
        };
        let intervals = bootstrap(scored.len(), params, statistics);
        Separation { roc_auc: intervals[0], pr_auc: intervals[1], f1: intervals[2] }
    }
}

/// Position, score and class, by falling score.
fn best_first(scored: &[(f64, bool)]) -> Vec<(usize, f64, bool)> {
    let mut sorted: Vec<_> =
        scored.iter().enumerate().map(|(position, (score, class))| (position, *score, *class)).collect();
    sorted.sort_by(|(_, a, _), (_, b, _)| b.total_cmp(a));
    sorted
}

/// Each pair counts as often as `times` says.
fn weighted(sorted: &[(usize, f64, bool)], times: &[u32]) -> Separation {
    let counted = |wanted: bool| {
        let of_class = sorted.iter().filter(|(_, _, class)| *class == wanted);
        of_class.map(|(position, _, _)| f64::from(times[*position])).sum::<f64>()
    };
    let (positives, negatives) = (counted(true), counted(false));
    let (mut hits, mut misses) = (0.0, 0.0);
    let (mut above, mut area, mut precision_before) = (0.0, 0.0, 1.0);
    let mut f1 = f64::NAN;
    // Pairs of one score lie on one point of the curves.
    for tied in sorted.chunk_by(|(_, a, _), (_, b, _)| a == b) {
        let in_class = |wanted: bool| {
            let of_class = tied.iter().filter(|(_, _, class)| *class == wanted);
            of_class.map(|(position, _, _)| f64::from(times[*position])).sum::<f64>()
        };
        let (new_hits, new_misses) = (in_class(true), in_class(false));
        if new_hits + new_misses == 0.0 {
            continue;
        }
        above += new_misses * (hits + new_hits / 2.0);
        (hits, misses) = (hits + new_hits, misses + new_misses);
        let precision = hits / (hits + misses);
        area += new_hits * (precision_before + precision) / 2.0;
        precision_before = precision;
        if f1.is_nan() && hits + misses >= positives {
            f1 = 2.0 * hits / (hits + misses + positives);
        }
    }
    Separation { roc_auc: above / (positives * negatives), pr_auc: area / positives, f1 }
}

#[cfg(test)]
mod tests {
    use super::{BootstrapParams, Separation};
    use proptest::prelude::{any, proptest};

    #[test]
    fn areas_and_f1_of_a_worked_example() {
        // Curve of precision: 1, 1/2, 2/3, 1/2 at recall 1/2, 1/2, 1, 1; the area from recall 0: 1/2 + (1/2 + 2/3) / 4.
        let scored = [(0.9, true), (0.8, false), (0.7, true), (0.1, false)];
        let separation = Separation::of(&scored);
        assert_eq!(separation.roc_auc, 0.75);
        assert!((separation.pr_auc - (0.5 + (0.5 + 2.0 / 3.0) / 4.0)).abs() < 1e-12);
        assert_eq!(separation.f1, 0.5);
    }

    #[test]
    fn scores_that_say_nothing_are_a_coin() {
        let separation = Separation::of(&[(0.5, true), (0.5, false), (0.5, false), (0.5, true)]);
        assert_eq!((separation.roc_auc, separation.f1), (0.5, 2.0 / 3.0));
        assert!(Separation::of(&[(0.5, true)]).roc_auc.is_nan());
    }

    #[test]
    fn intervals_hold_the_estimate() {
        let scored: Vec<(f64, bool)> = (0..60).map(|n| (f64::from(n * 7 % 60), n % 3 == 0)).collect();
        let (plain, interval) =
            (Separation::of(&scored), Separation::with_intervals(&scored, &BootstrapParams::STANDARD));
        assert_eq!(plain.roc_auc, interval.roc_auc.estimate);
        assert!(interval.roc_auc.low < plain.roc_auc && plain.roc_auc < interval.roc_auc.high);
        assert!(interval.f1.low < plain.f1 && plain.f1 < interval.f1.high);
    }

    proptest! {
        #[test]
        fn roc_area_is_the_chance_of_the_right_order(scored in proptest::collection::vec((0_u8..9, any::<bool>()), 2..40)) {
            let of = |wanted: bool| scored.iter().filter(move |(_, class)| *class == wanted).map(|(score, _)| *score);
            let pairs: Vec<f64> = of(true)
                .flat_map(|p| of(false).map(move |n| if p > n { 1.0 } else if p == n { 0.5 } else { 0.0 }))
                .collect();
            let naive = pairs.iter().sum::<f64>() / f64::from(u32::try_from(pairs.len()).unwrap_or(0));
            let scored: Vec<(f64, bool)> = scored.iter().map(|(score, class)| (f64::from(*score), *class)).collect();
            let area = Separation::of(&scored).roc_auc;
            assert!((area - naive).abs() < 1e-12 || area.is_nan() && naive.is_nan());
        }
    }
}
