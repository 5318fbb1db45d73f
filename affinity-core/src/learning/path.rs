//! From the hand-set weights to freer ones, stopping where later outcomes no longer agree.
//!
//! Source: early stopping along a path of penalties, Hastie, Tibshirani & Friedman, "The Elements of Statistical
//! Learning", 2nd edition, 2009, sections 3.4 and 7.4.

use super::newton::Objective;
use super::preference::{Preference, mean_loss};
use crate::exact::{WEIGHT_UNITS, quantize_weight};

/// Pulls along the path, strongest first; before it lie the hand-set weights themselves.
const PULLS: [f64; 12] = [3e3, 1e3, 3e2, 1e2, 3e1, 1e1, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01];
/// Steps without a better loss on later outcomes that end the path.
const PATIENCE: usize = 2;
/// A loss has to fall by this much to be better.
const LOSS_STEP: f64 = 1e-4;

/// Non-negative weights that sum to what the hand-set ones sum to, and the scale at which they predict best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) weights: Vec<f64>,
    pub(super) scale: f64,
}

/// The point of the hand-set weights.
pub(super) fn start(decisions: &[Vec<Preference>], hand_set: &[f64]) -> Point {
    Point { weights: hand_set.to_vec(), scale: scale_of(decisions, hand_set) }
}

/// How many steps of the path of `decisions` fit `later` best; 0 is none.
pub(super) fn steps_by_later(
    decisions: &[Vec<Preference>],
    later: &[Vec<Preference>],
    hand_set: &[f64],
    absolute_share: f64,
) -> usize {
    let start = start(decisions, hand_set);
    let (mut best, mut best_loss) = (0, mean_loss(later, start.scale, &start.weights));
    for (step, point) in path(decisions, hand_set, absolute_share).enumerate() {
        let loss = mean_loss(later, point.scale, &point.weights);
        if loss < best_loss - LOSS_STEP {
            (best, best_loss) = (step + 1, loss);
        } else if step + 1 - best >= PATIENCE {
            break;
        }
    }
    best
}

/// The points of the path, each searched from the one before.
pub(super) fn path<'a>(
    decisions: &'a [Vec<Preference>],
    hand_set: &'a [f64],
    absolute_share: f64,
) -> impl Iterator<Item = Point> + 'a {
    let total = total(hand_set);
    let mut point = start(decisions, hand_set);
    PULLS.into_iter().map(move |pull| {
        let objective = Objective { decisions, scale: point.scale, towards: hand_set, pull, absolute_share };
        let free = objective.minimize(&point.weights);
        let sum: f64 = free.iter().sum();
        // Only the direction is ours to choose: what the sum gains, the scale takes.
        if sum > 0.0 {
            point = Point {
                weights: free.iter().map(|weight| weight * total / sum).collect(),
                scale: (point.scale * sum / total).max(SCALE_MIN),
            };
        }
        point.clone()
    })
}

/// What weights sum to: what the hand-set ones sum to, or 1 where all of those are 0.
pub(super) fn total(hand_set: &[f64]) -> f64 {
    let sum: f64 = hand_set.iter().sum();
    if sum > 0.0 { sum } else { 1.0 }
}

/// The least scale: below it a score would not say anything.
const SCALE_MIN: f64 = 1.0;

/// The scale at which these weights predict best: Newton steps in one dimension.
fn scale_of(decisions: &[Vec<Preference>], weights: &[f64]) -> f64 {
    let along = |of: &Preference| {
        let margin = super::preference::margin(of, weights);
        Preference { difference: vec![(0, margin)], share: of.share }
    };
    let along: Vec<Vec<Preference>> = decisions.iter().map(|of| of.iter().map(along).collect()).collect();
    // A pull this weak only keeps outcomes that are all predicted right from an endless scale.
    let objective =
        Objective { decisions: &along, scale: 1.0, towards: &[SCALE_MIN], pull: 1e-4, absolute_share: 0.0 };
    objective.minimize(&[SCALE_MIN])[0].max(SCALE_MIN)
}

/// `weights` on the grid of 2^-16, their sum not above `total`'s grid point: what rounding adds, the largest gives.
pub(super) fn on_grid(weights: &[f64], total: f64) -> Vec<f64> {
    let mut rounded: Vec<f64> = weights.iter().copied().map(quantize_weight).collect();
    let excess = rounded.iter().sum::<f64>() - quantize_weight(total).min(1.0);
    let largest = rounded.iter_mut().max_by(|a, b| a.total_cmp(b));
    if let Some(largest) = largest.filter(|_| excess > 0.0) {
        *largest = (*largest - excess).max(0.0);
    }
    debug_assert!(rounded.iter().all(|weight| (weight * WEIGHT_UNITS).fract() == 0.0));
    rounded
}
