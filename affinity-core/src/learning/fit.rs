//! Learning weights: fit on early decisions, stop by later ones, and check on the latest, which neither has seen.
//!
//! Unweighted fusion of good signals was measured to be worse than the best of them, so learned weights are taken only
//! when they are better than the weights before beyond noise, and not worse than the best single signal.

use serde::Serialize;

use super::calibration::probability_curve;
use super::decision::{Decision, OutcomeCounts};
use super::error::LearningError;
use super::path::{Point, on_grid, path, start, steps_by_later, total};
use super::preference::{Preference, loss, preferences};
use crate::evaluation::{
    BootstrapParams, Comparison, Forecast, Interval, Reliability, Summary, difference_interval, ndcg_at,
    reliability,
};
use crate::exact::count_of;
use crate::matcher::ProbabilityCurve;

/// How to learn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitParams {
    /// Fewer outcomes than this teach nothing.
    pub needed: OutcomeCounts,
    /// How much of a rejection it is that nobody spoke of a candidate, in [0, 1].
    pub unlabelled_weight: f64,
    /// Pairs of candidates that a decision teaches by at most, chosen at random.
    pub pairs_max: usize,
    /// The share of the pull to the hand-set weights that holds weights exactly there, in [0, 1].
    pub absolute_share: f64,
    /// The shares of decisions, by time, to fit and to stop by; the rest checks.
    pub shares: [f64; 2],
    /// How many of a ranking count in quality.
    pub k: usize,
    /// For all intervals.
    pub bootstrap: BootstrapParams,
    /// Decides which pairs are taken.
    pub seed: u64,
}

impl FitParams {
    /// 50 successes in 20 decisions; half to fit, a fifth to stop by; NDCG@20.
    pub const STANDARD: Self = Self {
        needed: OutcomeCounts { decisions: 20, positives: 50 },
        unlabelled_weight: 0.25,
        pairs_max: 400,
        absolute_share: 0.0,
        shares: [0.5, 0.2],
        k: 20,
        bootstrap: BootstrapParams::STANDARD,
        seed: 1,
    };
}

/// What came of learning.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One per signal, in the order given. Unless the verdict is [`Verdict::Learned`], nothing changes.
    pub weights: Vec<WeightChange>,
    /// Whether the weights should change, and if not, why.
    pub verdict: Verdict,
    /// By how much less the new weights were surprised than the ones before, in nats a decision, on the check part.
    pub gain: Interval,
    /// From the score under [`Fit::weights`] to the probability of success; `None` of too few outcomes or when none
    /// is a rejection.
    pub probability: Option<ProbabilityCurve>,
    /// Whether such probabilities mean what they say, each half of the check part forecast by the other.
    pub reliability: Option<Reliability>,
    /// On the check part: `learned weights`, `weights before`, and the best single signal of the part before.
    pub quality: Summary,
    /// What there was to learn from.
    pub counts: OutcomeCounts,
    /// Decisions with a success to fit, to stop by and to check.
    pub parts: [usize; 3],
}

/// One signal's weight.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightChange {
    /// The signal.
    pub signal: String,
    /// The hand-set weight.
    pub before: f64,
    /// The learned weight, a multiple of 2^-16.
    pub after: f64,
}

/// Whether learned weights are better.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Better than the weights before, and not worse than any signal alone.
    Learned,
    /// Not better than the weights before beyond noise.
    NoGain,
    /// The ranking is worse than before.
    WorseThanBefore {
        /// By how much its NDCG is above: below 0.
        lead: Interval,
    },
    /// The ranking is worse than that of one signal alone.
    WorseThanSingle {
        /// That signal.
        signal: String,
        /// By how much the NDCG of the learned weights is above: below 0.
        lead: Interval,
    },
}

/// Learns one weight per signal from `decisions`, one per source and time and in any order, starting at the hand-set weights `before`.
///
/// The learned weights are not negative, multiples of 2^-16, and sum to what those before sum to. Same decisions and
/// params give the same fit, whatever the order and the number of threads. O(decisions x pairs x signals^2).
///
/// Among candidates of a decision, a higher label is preferred to a lower one by their difference, and any label above 0
/// to an unlabelled candidate by [`FitParams::unlabelled_weight`].
///
/// # Errors
/// [`LearningError::TooFewOutcomes`] and [`LearningError::WrongValueCount`].
pub fn fit_weights(
    mut decisions: Vec<Decision>,
    before: &[(String, f64)],
    params: &FitParams,
) -> Result<Fit, LearningError> {
    for decision in &mut decisions {
        decision.candidates.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(wrong) = decision.candidates.iter().find(|of| of.values.len() != before.len()) {
            let (candidate, got) = (wrong.id.to_string(), wrong.values.len());
            return Err(LearningError::WrongValueCount { candidate, got, expected: before.len() });
        }
    }
    let (got, needed) = (OutcomeCounts::of(&decisions), params.needed);
    if got.decisions < needed.decisions || got.positives < needed.positives {
        return Err(LearningError::TooFewOutcomes { got, needed });
    }
    decisions.sort_by(|a, b| (a.as_of, &a.source).cmp(&(b.as_of, &b.source)));
    let hand_set: Vec<f64> = before.iter().map(|(_, weight)| *weight).collect();
    let Split { fit_end, stop_end } = Split::of(&decisions, params);
    let pairs: Vec<Vec<Preference>> =
        decisions.iter().enumerate().map(|(number, of)| preferences(of, number, params)).collect();
    let steps =
        steps_by_later(&pairs[..fit_end], &pairs[fit_end..stop_end], &hand_set, params.absolute_share);
    let seen = &pairs[..stop_end];
    let first = start(seen, &hand_set);
    let free = steps.checked_sub(1).and_then(|last| path(seen, &hand_set, params.absolute_share).nth(last));
    let free = free.unwrap_or_else(|| first.clone());
    let learned = Point { weights: on_grid(&free.weights, total(&hand_set)), scale: free.scale };

    let check = &decisions[stop_end..];
    let single = best_single(&decisions[..stop_end], before.len(), params.k);
    let systems = [learned.weights.clone(), hand_set.clone(), alone(single, before.len())];
    let single_name = before.get(single).map_or_else(String::new, |(name, _)| name.clone());
    let quality = quality(check, &systems, &single_name, params);
    let losses = |point: &Point| -> Vec<f64> {
        let known = |of: &Vec<Preference>| {
            if of.is_empty() { f64::NAN } else { loss(of, point.scale, &point.weights) }
        };
        pairs[stop_end..].iter().map(known).collect()
    };
    let gain = difference_interval(&losses(&first), &losses(&learned), &params.bootstrap);
    let verdict = match quality.systems.as_slice() {
        _ if steps == 0 || gain.low.is_nan() || gain.low <= 0.0 => Verdict::NoGain,
        [_, before, _] if before.lead.high < 0.0 => Verdict::WorseThanBefore { lead: before.lead },
        [_, _, single] if single.lead.high < 0.0 => {
            Verdict::WorseThanSingle { signal: single_name, lead: single.lead }
        }
        _ => Verdict::Learned,
    };
    let after = if verdict == Verdict::Learned { learned.weights } else { hand_set };
    let outcomes = outcomes(check, &after);
    let change = |((signal, before), after): (&(String, f64), &f64)| WeightChange {
        signal: signal.clone(),
        before: *before,
        after: *after,
    };
    Ok(Fit {
        probability: probability_curve(&scores_and_labels(&outcomes, |_| true)),
        reliability: cross_checked(&outcomes, params),
        weights: before.iter().zip(&after).map(change).collect(),
        verdict,
        gain,
        quality,
        counts: got,
        parts: [&decisions[..fit_end], &decisions[fit_end..stop_end], check]
            .map(|part| OutcomeCounts::of(part).decisions),
    })
}

/// Where the parts of the decisions end.
struct Split {
    fit_end: usize,
    stop_end: usize,
}

impl Split {
    /// By shares of the decisions with a success, which are those that teach; the others fall where their time is.
    fn of(decisions: &[Decision], params: &FitParams) -> Self {
        let successful =
            decisions.iter().enumerate().filter(|(_, of)| of.candidates.iter().any(|c| c.is_success()));
        let places: Vec<usize> = successful.map(|(place, _)| place).collect();
        let end = |share: f64| {
            let wanted = (share.clamp(0.0, 1.0) * count_of(places.len())).round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and the count"
            )]
            places.get(wanted as usize).copied().unwrap_or(decisions.len())
        };
        let [fit, stop] = params.shares;
        Self { fit_end: end(fit), stop_end: end(fit + stop.max(0.0)) }
    }
}

/// All weight on one signal.
fn alone(signal: usize, count: usize) -> Vec<f64> {
    (0..count).map(|other| if other == signal { 1.0 } else { 0.0 }).collect()
}

/// The signal that ranks best alone; the first of several.
fn best_single(decisions: &[Decision], signal_count: usize, k: usize) -> usize {
    let gained = |signal: usize| -> f64 {
        let weights = alone(signal, signal_count);
        decisions.iter().filter_map(|of| ndcg_at(k, &of.ranked(&weights), &of.wanted())).sum()
    };
    let gains = (0..signal_count).map(|signal| (signal, gained(signal)));
    gains.fold((0, f64::MIN), |best, next| if next.1 > best.1 { next } else { best }).0
}

fn quality(decisions: &[Decision], systems: &[Vec<f64>], single: &str, params: &FitParams) -> Summary {
    let mut chosen = std::collections::BTreeMap::new();
    for candidate in decisions.iter().flat_map(|decision| &decision.candidates) {
        *chosen.entry(candidate.id.clone()).or_insert(0) += u64::from(candidate.is_success());
    }
    let names = ["learned weights".to_string(), "weights before".to_string(), format!("only {single}")];
    let mut comparison = Comparison::new(params.k, names, chosen);
    for decision in decisions {
        let rankings: Vec<_> = systems.iter().map(|weights| decision.ranked(weights)).collect();
        let rankings: Vec<&[_]> = rankings.iter().map(Vec::as_slice).collect();
        comparison.add(&[], &decision.wanted(), &rankings);
    }
    comparison.summarize(&params.bootstrap)
}

/// Decision, score and label of every outcome.
fn outcomes(decisions: &[Decision], weights: &[f64]) -> Vec<(usize, f64, f64)> {
    let of = |(number, decision): (usize, &Decision)| {
        let labelled = decision.candidates.iter().filter_map(|of| Some((of.score(weights), of.label?)));
        labelled.map(|(score, label)| (number, score, label)).collect::<Vec<_>>()
    };
    decisions.iter().enumerate().flat_map(of).collect()
}

fn scores_and_labels(outcomes: &[(usize, f64, f64)], chosen: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let of = outcomes.iter().filter(|(number, ..)| chosen(*number));
    of.map(|(_, score, label)| (*score, *label)).collect()
}

/// How well curves forecast that were fitted to the other half of the decisions.
fn cross_checked(outcomes: &[(usize, f64, f64)], params: &FitParams) -> Option<Reliability> {
    const BINS: usize = 10;
    let curves = [1, 0].map(|other| probability_curve(&scores_and_labels(outcomes, |n| n % 2 == other)));
    let [Some(even), Some(odd)] = curves else { return None };
    let forecast = |(number, score, label): &(usize, f64, f64)| {
        let curve = if number % 2 == 0 { &even } else { &odd };
        Forecast { query: *number, probability: curve.at(*score), outcome: *label }
    };
    let forecasts: Vec<Forecast> = outcomes.iter().map(forecast).collect();
    Some(reliability(&forecasts, BINS, &params.bootstrap))
}
