//! What one signal alone would have to add for a candidate to be shown.

use serde::Serialize;

use super::explain::Run;
use crate::exact::{VALUE_UNITS, WEIGHT_UNITS, score_units};

/// What one signal alone would have to add for a candidate to be shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalShortfall {
    /// The signal's name.
    pub signal: String,
    /// The candidate's value, in [0, 1]; 0 when absent.
    pub value: f64,
    /// The signal's weight.
    pub weight: f64,
    /// The smallest value that overtakes the last match shown; absent when even 1 does not.
    pub value_needed: Option<f64>,
    /// By how much the value would have to grow.
    pub delta: Option<f64>,
    /// The smallest weight of this signal that lets the candidate in; absent when none that leaves the sum of weights
    /// at most 1 does.
    pub weight_needed: Option<f64>,
}

/// One per signal, in the matcher's order, for the candidate at `place` of the order, which is not below `limit`.
pub(super) fn shortfalls(run: &Run<'_>, place: usize, limit: usize) -> Vec<SignalShortfall> {
    let (explain, order) = (&run.explain, &run.ranking.order);
    let Some(last) = limit.checked_sub(1).and_then(|last| order.get(last)) else { return Vec::new() };
    let (position, node, score) = order[place];
    let keys = explain.engine.graph.nodes(explain.matcher.to);
    // Equal scores go to the smaller key.
    let tie = i64::from(keys.key(node) > keys.key(last.1));
    let wanted = whole(score_units(last.2)) + tie;
    let total: f64 = explain.weights.iter().sum();
    let signals = explain.matcher.signals.iter().zip(explain.weights).enumerate();
    let shortfall = |(signal, (known, weight)): (usize, (&crate::matcher::WeightedSignal, &f64))| {
        let value = run.ranking.features.value(signal, position).unwrap_or(0.0);
        let without = whole(score_units(score - value * weight));
        let needed = value_needed(wanted - without, weight_units(*weight));
        let value_needed = needed.map(to_value);
        let competition = Competition { run, signal, position, limit };
        SignalShortfall {
            signal: known.name.clone(),
            value,
            weight: *weight,
            value_needed,
            delta: value_needed.map(|needed| needed - value),
            weight_needed: competition
                .weight_needed(weight_units(*weight), weight_units(1.0 - total + weight))
                .map(to_weight),
        }
    };
    signals.map(shortfall).collect()
}

/// The smallest value, in units of 2^-24, that gives `wanted` units of score at a weight; `None` above 1.
fn value_needed(wanted: i64, weight: i64) -> Option<i64> {
    let needed = if weight == 0 { return None } else { (wanted + weight - 1).div_euclid(weight) };
    (needed <= value_units(1.0)).then_some(needed.max(0))
}

/// A candidate against all the others while the weight of one signal changes.
struct Competition<'a> {
    run: &'a Run<'a>,
    signal: usize,
    /// Among the candidates.
    position: usize,
    limit: usize,
}

impl Competition<'_> {
    /// The smallest weight from `now` to `most`, in units of 2^-16, at which fewer than `limit` candidates are ahead.
    fn weight_needed(&self, now: i64, most: i64) -> Option<i64> {
        let own = self.line(self.position);
        let keys = self.run.explain.engine.graph.nodes(self.run.explain.matcher.to);
        let key = |position: usize| keys.key(self.run.ranking.candidates[position]);
        let (mut ahead, mut turns) = (0_i64, Vec::new());
        for other in (0..self.run.ranking.candidates.len()).filter(|other| *other != self.position) {
            let line = self.line(other);
            // The candidate leads while `lead + slope * weight >= need`.
            let (lead, slope) = (own.0 - line.0, own.1 - line.1);
            let need = i64::from(key(self.position) > key(other));
            let leads = lead + slope * now >= need;
            ahead += i64::from(!leads);
            let turn = match (leads, slope) {
                (false, slope) if slope > 0 => Some(((need - lead + slope - 1).div_euclid(slope), -1)),
                (true, slope) if slope < 0 => Some(((lead - need).div_euclid(-slope) + 1, 1)),
                _ => None,
            };
            turns.extend(turn.filter(|(weight, _)| *weight <= most));
        }
        turns.sort_unstable();
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        for at in turns.chunk_by(|a, b| a.0 == b.0) {
            ahead += at.iter().map(|(_, change)| change).sum::<i64>();
            if ahead < limit {
                return at.first().map(|(weight, _)| *weight);
            }
        }
        None
    }

    /// Score without the signal in units of 2^-40, and the signal's value in units of 2^-24.
    fn line(&self, position: usize) -> (i64, i64) {
        let features = &self.run.ranking.features;
        let value = |signal: usize| value_units(features.value(signal, position).unwrap_or(0.0));
        let others = self.run.explain.weights.iter().enumerate().filter(|(signal, _)| *signal != self.signal);
        (others.map(|(signal, weight)| value(signal) * weight_units(*weight)).sum(), value(self.signal))
    }
}

fn whole(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "a multiple of 2^-24 in [0, 1]")]
fn value_units(value: f64) -> i64 {
    (value * VALUE_UNITS) as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a multiple of 2^-16 in [0, 1]")]
fn weight_units(weight: f64) -> i64 {
    (weight * WEIGHT_UNITS) as i64
}

#[expect(clippy::cast_precision_loss, reason = "at most 2^24")]
fn to_value(units: i64) -> f64 {
    units as f64 / VALUE_UNITS
}

#[expect(clippy::cast_precision_loss, reason = "at most 2^16")]
fn to_weight(units: i64) -> f64 {
    units as f64 / WEIGHT_UNITS
}
