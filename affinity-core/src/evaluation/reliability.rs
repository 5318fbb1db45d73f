//! Whether probabilities mean what they say: the reliability diagram and the expected calibration error.
//!
//! Source: `DeGroot` & Fienberg, "The comparison and evaluation of forecasters", The Statistician 32, 1983; Guo et al.,
//! "On calibration of modern neural networks", ICML 2017 (the error over bins of equal width).

use serde::Serialize;

use super::bootstrap::{BootstrapParams, Interval, bootstrap};
use crate::exact::count_of;

/// A probability that was given, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The query that it belongs to, from 0: forecasts of one query are drawn together.
    pub query: usize,
    /// In [0, 1].
    pub probability: f64,
    /// In [0, 1]; 1 is success.
    pub outcome: f64,
}

/// Forecasts of about the same probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Their mean probability.
    pub forecast: f64,
    /// Their mean outcome.
    pub observed: Interval,
    /// How many there are, from 1.
    pub count: usize,
}

/// A calibration curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// By rising probability; empty bins are left out.
    pub bins: Vec<ReliabilityBin>,
    /// Mean distance of forecast and outcome over the bins, weighted by their counts; 0 is perfect.
    pub expected_calibration_error: Interval,
}

/// The calibration curve over `bin_count` bins of equal width.
///
/// # Panics
/// If `bin_count` is 0.
#[must_use]
pub fn reliability(forecasts: &[Forecast], bin_count: usize, params: &BootstrapParams) -> Reliability {
    assert!(bin_count > 0, "a curve has at least one bin");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the bin count"
    )]
    let bin = |probability: f64| ((probability * count_of(bin_count)) as usize).min(bin_count - 1);
    // Per bin: how many, the sum of probabilities, the sum of outcomes.
    let sums = |drawn: &[u32]| {
        let mut sums = vec![[0.0_f64; 3]; bin_count];
        for forecast in forecasts {
            let (times, sum) = (f64::from(drawn[forecast.query]), &mut sums[bin(forecast.probability)]);
            *sum = [sum[0] + times, sum[1] + times * forecast.probability, sum[2] + times * forecast.outcome];
        }
        sums
    };
    let query_count = forecasts.iter().map(|forecast| forecast.query + 1).max().unwrap_or(0);
    let statistics = |drawn: &[u32]| {
        let sums = sums(drawn);
        let total: f64 = sums.iter().map(|[count, ..]| count).sum();
        let error: f64 = sums.iter().map(|[_, forecast, outcome]| (forecast - outcome).abs()).sum();
        let observed = sums.iter().map(|[count, _, outcome]| outcome / count);
        observed.chain([error / total]).collect()
    };
    let intervals = bootstrap(query_count, params, statistics);
    let whole = sums(&vec![1; query_count]);
    let bins = whole.iter().zip(&intervals).enumerate().filter(|(_, ([count, ..], _))| *count > 0.0);
    let bins = bins.map(|(position, ([count, forecast, _], observed))| ReliabilityBin {
        forecast: forecast / count,
        observed: *observed,
        count: forecasts.iter().filter(|forecast| bin(forecast.probability) == position).count(),
    });
    Reliability { bins: bins.collect(), expected_calibration_error: intervals[bin_count] }
}

#[cfg(test)]
mod tests {
    use super::{BootstrapParams, Forecast, reliability};

    #[test]
    fn bins_and_error_of_a_worked_example() {
        let forecast = |query, probability, outcome| Forecast { query, probability, outcome };
        // Bin [0, 0.5): 0.1 and 0.3, one success of two. Bin [0.5, 1]: 0.9 and 1.0, two of two.
        let forecasts =
            [forecast(0, 0.1, 0.0), forecast(1, 0.3, 1.0), forecast(2, 0.9, 1.0), forecast(3, 1.0, 1.0)];
        let curve = reliability(&forecasts, 2, &BootstrapParams::STANDARD);
        let bins: Vec<_> =
            curve.bins.iter().map(|bin| (bin.forecast, bin.observed.estimate, bin.count)).collect();
        assert_eq!(bins, [(0.2, 0.5, 2), (0.95, 1.0, 2)]);
        // |0.4 - 1| and |1.9 - 2| over four.
        assert!((curve.expected_calibration_error.estimate - 0.7 / 4.0).abs() < 1e-12);
        assert_eq!((curve.bins[0].observed.low, curve.bins[0].observed.high), (0.0, 1.0));
    }

    #[test]
    fn bins_without_forecasts_are_left_out() {
        let forecasts = [Forecast { query: 0, probability: 0.55, outcome: 1.0 }];
        let curve = reliability(&forecasts, 10, &BootstrapParams::STANDARD);
        assert_eq!(curve.bins.len(), 1);
        assert!(reliability(&[], 10, &BootstrapParams::STANDARD).bins.is_empty());
    }
}
