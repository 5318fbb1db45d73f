//! The best weights for a pull: Newton steps on the logistic loss of preferences, each solved signal by signal.
//!
//! Source: Friedman, Hastie & Tibshirani, "Regularization paths for generalized linear models via coordinate descent",
//! Journal of Statistical Software 33(1), 2010, with the bound 0 and the pull towards given weights instead of 0.

use super::preference::{Preference, loss, margin};

/// Newton steps at most; a dozen suffice.
const STEPS_MAX: usize = 40;
/// Rounds over the signals within a step at most.
const ROUNDS_MAX: usize = 500;
/// A step that moves every weight by less ends the search: a tenth of the grid of weights.
const MOVE_MIN: f64 = 1.5e-6;

/// What is minimized: losses at `scale` times the weights, and the pull towards the hand-set weights.
pub(super) struct Objective<'a> {
    pub(super) decisions: &'a [Vec<Preference>],
    pub(super) scale: f64,
    pub(super) towards: &'a [f64],
    /// How much a squared distance of 1 from the hand-set weights costs, in decisions.
    pub(super) pull: f64,
    /// The share of the pull that is on the absolute distance instead.
    pub(super) absolute_share: f64,
}

impl Objective<'_> {
    /// The non-negative weights of least cost, searched from `start`; they need not sum to anything.
    pub(super) fn minimize(&self, start: &[f64]) -> Vec<f64> {
        let mut weights = start.to_vec();
        let mut cost = self.cost(&weights);
        for _ in 0..STEPS_MAX {
            let (gradient, curvature) = self.derivatives(&weights);
            let wanted = self.minimize_parabola(&weights, &gradient, &curvature);
            let moved = |share: f64| -> Vec<f64> {
                weights.iter().zip(&wanted).map(|(from, to)| from + share * (to - from)).collect()
            };
            // Half as far until it helps: the parabola is only nearly the cost.
            let steps = std::iter::successors(Some(1.0), |share| Some(share / 2.0)).take(20);
            let better = steps.map(moved).map(|next| (self.cost(&next), next)).find(|(next, _)| *next < cost);
            let Some((next_cost, next)) = better else { break };
            let largest = weights.iter().zip(&next).map(|(from, to)| (from - to).abs()).fold(0.0, f64::max);
            (weights, cost) = (next, next_cost);
            if largest < MOVE_MIN {
                break;
            }
        }
        weights
    }

    fn cost(&self, weights: &[f64]) -> f64 {
        let losses: f64 = self.decisions.iter().map(|of| loss(of, self.scale, weights)).sum();
        let pulled = |(weight, towards): (&f64, &f64)| {
            let distance = weight - towards;
            (1.0 - self.absolute_share) * distance * distance / 2.0 + self.absolute_share * distance.abs()
        };
        losses + self.pull * weights.iter().zip(self.towards).map(pulled).sum::<f64>()
    }

    /// Of the losses alone: the gradient, and the matrix of second derivatives row by row.
    fn derivatives(&self, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = weights.len();
        let (mut gradient, mut curvature) = (vec![0.0; n], vec![0.0; n * n]);
        for preference in self.decisions.iter().flatten() {
            let wrong = 1.0 / (1.0 + libm::exp(self.scale * margin(preference, weights)));
            let slope = -preference.share * self.scale * wrong;
            let bend = preference.share * self.scale * self.scale * wrong * (1.0 - wrong);
            for (row, of_row) in &preference.difference {
                gradient[*row] += slope * of_row;
                for (column, of_column) in &preference.difference {
                    curvature[row * n + column] += bend * of_row * of_column; // signals are below n
                }
            }
        }
        (gradient, curvature)
    }

    /// The least point, at or above 0, of the parabola that touches the losses at `weights`, with the pull.
    fn minimize_parabola(&self, weights: &[f64], gradient: &[f64], curvature: &[f64]) -> Vec<f64> {
        let n = weights.len();
        let (square, absolute) = (self.pull * (1.0 - self.absolute_share), self.pull * self.absolute_share);
        let mut next = weights.to_vec();
        // The gradient of the parabola at `next`.
        let mut slope = gradient.to_vec();
        for _ in 0..ROUNDS_MAX {
            let mut largest = 0.0_f64;
            for signal in 0..n {
                let bend = curvature[signal * n + signal] + square;
                if bend <= 0.0 {
                    continue; // neither outcomes nor a pull say anything about it
                }
                let distance = next[signal] - self.towards[signal];
                // bend x distance of the least point, before the absolute pull.
                let free = bend * distance - slope[signal] - square * distance;
                let held =
                    if absolute > 0.0 { free.signum() * (free.abs() - absolute).max(0.0) } else { free };
                let best = (self.towards[signal] + held / bend).max(0.0);
                let step = best - next[signal];
                if step == 0.0 {
                    continue;
                }
                next[signal] = best;
                for (other, slope) in slope.iter_mut().enumerate() {
                    *slope += curvature[signal * n + other] * step;
                }
                largest = largest.max(step.abs());
            }
            if largest < MOVE_MIN / 10.0 {
                break;
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::Objective;
    use crate::learning::preference::Preference;

    fn decisions(differences: &[&[f64]]) -> Vec<Vec<Preference>> {
        let sparse = |of: &&[f64]| of.iter().copied().enumerate().filter(|(_, d)| *d != 0.0).collect();
        differences.iter().map(|of| vec![Preference { difference: sparse(of), share: 1.0 }]).collect()
    }

    #[test]
    fn one_signal_has_the_weight_of_its_odds() {
        // Right three times of four: the logistic regression through 0 has the weight ln 3.
        let decisions = decisions(&[&[1.0], &[1.0], &[1.0], &[-1.0]]);
        let objective =
            Objective { decisions: &decisions, scale: 1.0, towards: &[0.5], pull: 0.0, absolute_share: 0.0 };
        let weights = objective.minimize(&[0.5]);
        assert!((weights[0] - 3.0_f64.ln()).abs() < 1e-5, "{weights:?}");
    }

    #[test]
    fn no_point_of_a_grid_is_better() {
        let decisions = decisions(&[&[0.9, -0.2], &[-0.3, 0.4], &[0.5, -0.5], &[0.1, -0.9], &[-0.2, 0.8]]);
        for (pull, absolute_share) in [(0.0, 0.0), (0.5, 0.0), (3.0, 0.5), (0.3, 1.0)] {
            let objective =
                Objective { decisions: &decisions, scale: 2.0, towards: &[0.4, 0.3], pull, absolute_share };
            let found = objective.cost(&objective.minimize(&[0.4, 0.3]));
            for x in 0..200 {
                for y in 0..200 {
                    let cost = objective.cost(&[f64::from(x) * 0.02, f64::from(y) * 0.02]);
                    assert!(found <= cost + 1e-9, "pull {pull}: {found} > {cost} at {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn a_misleading_signal_goes_to_zero_and_a_strong_pull_holds() {
        let decisions = decisions(&[&[0.9, -0.8], &[0.7, -0.9], &[0.8, -0.5]]);
        let free = Objective {
            decisions: &decisions,
            scale: 1.0,
            towards: &[0.5, 0.5],
            pull: 0.01,
            absolute_share: 0.0,
        };
        assert_eq!(free.minimize(&[0.5, 0.5])[1], 0.0);
        let held = Objective { pull: 1e6, ..free }.minimize(&[0.5, 0.5]);
        assert!(held.iter().all(|weight| (weight - 0.5).abs() < 1e-3), "{held:?}");
    }
}
