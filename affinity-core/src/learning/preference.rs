//! Which of two candidates outcomes prefer, as differences of their values.
//!
//! Source: Burges et al., "Learning to rank using gradient descent", ICML 2005 (`RankNet`); candidates that nobody spoke
//! of count less than rejected ones, as in Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback
//! datasets", ICDM 2008.

use super::decision::Decision;
use super::fit::FitParams;
use crate::exact::count_of;
use crate::seeded::Seeded;

/// The better candidate's values minus the worse one's.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Preference {
    /// Signals in which the two differ.
    pub(super) difference: Vec<(usize, f64)>,
    /// Its share of its decision: those of one decision sum to 1.
    pub(super) share: f64,
}

/// The preferences of one decision, at most as many as the params allow; none without outcomes that differ.
///
/// `number` names the decision's random choice. The candidates are sorted by key.
pub(super) fn preferences(decision: &Decision, number: usize, params: &FitParams) -> Vec<Preference> {
    let candidates = &decision.candidates;
    let mut pairs: Vec<(usize, usize, f64)> = Vec::new();
    for (better, candidate) in candidates.iter().enumerate() {
        let Some(label) = candidate.label else { continue };
        for (worse, other) in candidates.iter().enumerate() {
            let strength = match other.label {
                Some(other) => label - other,
                None => label * params.unlabelled_weight,
            };
            if strength > 0.0 {
                pairs.push((better, worse, strength));
            }
        }
    }
    let mut random = Seeded::stream(params.seed, &[number as u64]);
    for place in 0..pairs.len().min(params.pairs_max) {
        let other = place + random.below(pairs.len() - place);
        pairs.swap(place, other);
    }
    pairs.truncate(params.pairs_max);
    let total: f64 = pairs.iter().map(|(.., strength)| strength).sum();
    let known = |value: f64| if value.is_nan() { 0.0 } else { value };
    let preference = |(better, worse, strength): (usize, usize, f64)| {
        let values = candidates[better].values.iter().zip(&candidates[worse].values);
        let differences = values.map(|(better, worse)| known(*better) - known(*worse)).enumerate();
        Preference { difference: differences.filter(|(_, d)| *d != 0.0).collect(), share: strength / total }
    };
    pairs.into_iter().map(preference).collect()
}

/// Mean over decisions with preferences of the logistic loss at `scale` times `weights`; ln 2 is a coin.
pub(super) fn mean_loss(decisions: &[Vec<Preference>], scale: f64, weights: &[f64]) -> f64 {
    let with_any: Vec<f64> =
        decisions.iter().filter(|of| !of.is_empty()).map(|of| loss(of, scale, weights)).collect();
    with_any.iter().sum::<f64>() / count_of(with_any.len())
}

/// The logistic loss of one decision's preferences, in [0, infinity).
pub(super) fn loss(preferences: &[Preference], scale: f64, weights: &[f64]) -> f64 {
    preferences.iter().map(|of| of.share * log_one_plus_exp(-scale * margin(of, weights))).sum()
}

/// By how much the better candidate scores above the worse.
pub(super) fn margin(preference: &Preference, weights: &[f64]) -> f64 {
    preference.difference.iter().map(|(signal, difference)| weights[*signal] * difference).sum()
}

/// `ln(1 + e^x)` without overflow.
fn log_one_plus_exp(x: f64) -> f64 {
    x.max(0.0) + libm::log1p(libm::exp(-x.abs()))
}
