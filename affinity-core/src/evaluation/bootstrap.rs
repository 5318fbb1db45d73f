//! How far a measured number may be off: intervals from drawing the queries again.
//!
//! Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals); paired as
//! in Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006: two systems meet the same draws.

use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use crate::exact::count_of;
use crate::seeded::Seeded;

/// How often and how to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapParams {
    /// Draws; more make the ends of an interval steadier.
    pub draw_count: usize,
    /// The share of draws that an interval holds, in (0, 1).
    pub confidence: f64,
    /// Decides the draws.
    pub seed: u64,
}

impl BootstrapParams {
    /// 1,000 draws, 95 %.
    pub const STANDARD: Self = Self { draw_count: 1_000, confidence: 0.95, seed: 1 };
}

/// A measured number and where it lies with the confidence asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The number on the data as it is; NaN when the data does not define it.
    pub estimate: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// A number without doubt.
    #[must_use]
    pub fn exactly(value: f64) -> Self {
        Self { estimate: value, low: value, high: value }
    }
}

/// Intervals of some statistics of `unit_count` units, usually queries, that are drawn with repetition.
///
/// `statistics` gets how often each unit was drawn and returns as many numbers every time; NaN is "not defined" and
/// leaves that draw out. All statistics of one call meet the same draws, so a difference is one more statistic.
/// The result depends on the seed and the order of the units, not on threads. O(draws x cost of the statistics).
///
/// ```
/// use affinity_core::evaluation::{BootstrapParams, bootstrap};
/// let heights = [1.0, 2.0, 6.0];
/// let mean = |drawn: &[u32]| vec![drawn.iter().zip(heights).map(|(n, x)| f64::from(*n) * x).sum::<f64>() / 3.0];
/// let interval = bootstrap(3, &BootstrapParams::STANDARD, mean)[0];
/// assert_eq!((interval.estimate, interval.low, interval.high), (3.0, 1.0, 6.0));
/// ```
pub fn bootstrap<F: Fn(&[u32]) -> Vec<f64> + Sync>(
    unit_count: usize,
    params: &BootstrapParams,
    statistics: F,
) -> Vec<Interval> {
    let estimates = statistics(&vec![1; unit_count]);
    let draw = |number: u64| {
        let mut random = Seeded::stream(params.seed, &[number]);
        let mut drawn = vec![0_u32; unit_count];
        (0..unit_count).for_each(|_| drawn[random.below(unit_count)] += 1); // `below` keeps it in bounds
        statistics(&drawn)
    };
    let draws: Vec<Vec<f64>> = (0..params.draw_count as u64).into_par_iter().map(draw).collect();
    let interval = |(position, estimate): (usize, &f64)| {
        let mut values: Vec<f64> = draws.iter().map(|draw| draw[position]).filter(|x| !x.is_nan()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - params.confidence) / 2.0;
        let (low, high) = (quantile(&values, tail), quantile(&values, 1.0 - tail));
        Interval { estimate: *estimate, low: low.unwrap_or(*estimate), high: high.unwrap_or(*estimate) }
    };
    estimates.iter().enumerate().map(interval).collect()
}

/// The interval of the mean of `values`, one per query; NaN values do not count.
#[must_use]
pub fn mean_interval(values: &[f64], params: &BootstrapParams) -> Interval {
    bootstrap(values.len(), params, |drawn| vec![mean_of_drawn(values, drawn)])[0]
}

/// The interval of the mean of `left - right`, both one per query in the same order; NaN on a side does not count.
///
/// An interval above 0 says that `left` is better beyond noise.
#[must_use]
pub fn difference_interval(left: &[f64], right: &[f64], params: &BootstrapParams) -> Interval {
    let differences: Vec<f64> = left.iter().zip(right).map(|(left, right)| left - right).collect();
    mean_interval(&differences, params)
}

/// The mean of `values` when each counts as often as it was drawn; NaN when none counts.
pub(super) fn mean_of_drawn(values: &[f64], drawn: &[u32]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (value, times) in values.iter().zip(drawn).filter(|(value, _)| !value.is_nan()) {
        sum += value * f64::from(*times);
        count += f64::from(*times);
    }
    sum / count
}

/// The value at this share of sorted `values`, the nearest one; `None` of nothing.
fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let rank = (share * count_of(values.len().saturating_sub(1))).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the length")]
    values.get(rank as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::{BootstrapParams, Interval, difference_interval, mean_interval};

    const PARAMS: BootstrapParams = BootstrapParams::STANDARD;

    #[test]
    fn the_mean_of_many_is_as_sure_as_the_normal_distribution_says() {
        // 400 values of 0 and 1 in turn: standard error 0.5 / 20, so 95 % within 1.96 x 0.025 = 0.049.
        let values: Vec<f64> = (0..400).map(|number| f64::from(number % 2)).collect();
        let interval = mean_interval(&values, &PARAMS);
        assert_eq!(interval.estimate, 0.5);
        assert!(
            (interval.low - 0.451).abs() < 0.008 && (interval.high - 0.549).abs() < 0.008,
            "{interval:?}"
        );
    }

    #[test]
    fn a_steady_small_lead_is_beyond_noise_when_paired() {
        let right: Vec<f64> = (0..50).map(|number| f64::from(number % 7)).collect();
        let left: Vec<f64> =
            right.iter().enumerate().map(|(n, x)| x + if n % 5 == 0 { 0.0 } else { 0.01 }).collect();
        let lead = difference_interval(&left, &right, &PARAMS);
        assert!(lead.low > 0.0 && lead.high < 0.011, "{lead:?}");
        assert_eq!(difference_interval(&right, &right, &PARAMS), Interval::exactly(0.0));
    }

    #[test]
    fn a_seed_decides_everything_and_nothing_is_not_a_number() {
        let values = [0.1, 0.9, 0.4, 0.2];
        assert_eq!(mean_interval(&values, &PARAMS), mean_interval(&values, &PARAMS));
        assert!(mean_interval(&[], &PARAMS).estimate.is_nan());
        let with_gaps = mean_interval(&[0.5, f64::NAN, 0.5], &PARAMS);
        assert_eq!(with_gaps, Interval::exactly(0.5));
    }
}
