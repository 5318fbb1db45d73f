//! The feature matrix and its weighted sum.

use crate::exact::quantize_value;
use crate::graph::NodeId;
use crate::matcher::WeightedSignal;
use crate::signals::Reading;

/// One calibrated value per candidate and signal; NaN is absent.
pub(crate) struct FeatureMatrix {
    candidate_count: usize,
    /// Signal by signal, each with one entry per candidate.
    values: Vec<f64>,
}

impl FeatureMatrix {
    /// Measures and calibrates; each value is a multiple of 2^-24 in [0, 1].
    pub(crate) fn measure(
        signals: &[WeightedSignal],
        readings: &[Box<dyn Reading + '_>],
        candidates: &[NodeId],
    ) -> Self {
        let mut values = vec![f64::NAN; signals.len() * candidates.len()];
        if !candidates.is_empty() {
            let columns = values.chunks_exact_mut(candidates.len());
            for ((signal, reading), column) in signals.iter().zip(readings).zip(columns) {
                reading.measure(candidates, column);
                for value in column.iter_mut().filter(|value| !value.is_nan()) {
                    *value = quantize_value(signal.calibration.apply(*value));
                }
            }
        }
        Self { candidate_count: candidates.len(), values }
    }

    /// The value of a signal for a candidate, by position; `None` when absent.
    pub(crate) fn value(&self, signal: usize, candidate: usize) -> Option<f64> {
        let value = self.values[signal * self.candidate_count + candidate];
        (!value.is_nan()).then_some(value)
    }

    /// The score of each candidate: exact, so the order of the signals does not count.
    pub(crate) fn scores(&self, weights: &[f64]) -> Vec<f64> {
        let mut scores = vec![0.0; self.candidate_count];
        if self.candidate_count > 0 {
            for (weight, column) in weights.iter().zip(self.values.chunks_exact(self.candidate_count)) {
                add_weighted(*weight, column, &mut scores);
            }
        }
        scores
    }
}

/// `scores[i] += weight * values[i]`, with absent values as 0.
// hot
fn add_weighted(weight: f64, values: &[f64], scores: &mut [f64]) {
    for (score, value) in scores.iter_mut().zip(values) {
        *score += if value.is_nan() { 0.0 } else { weight * value };
    }
}
