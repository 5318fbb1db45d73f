//! The mixes that a run tries, and the part of the training data that it tries them on.
//!
//! A random hold-out ranks models in another order than later choices do. So some items lose most of their users and
//! others few, as happens with time: every item has a hidden tendency, drawn once, to be among what is held out.

use std::collections::BTreeMap;

use crate::protocol::count;
use crate::read::Lists;
use crate::seeded::mix;

/// Shares of the signals `ease`, `steps`, `even_steps`, `smooth` and `friends`, in multiples of raw over scale.
pub(super) const MIXES: [(&str, [f64; 5]); 8] = [
    ("ease", [1.0, 0.0, 0.0, 0.0, 0.0]),
    ("ease and steps", [0.4, 0.6, 0.0, 0.0, 0.0]),
    ("ease and both kinds of steps", [0.41, 0.38, 0.21, 0.0, 0.0]),
    ("ease and smooth", [0.28, 0.0, 0.0, 0.72, 0.0]),
    ("ease, even steps and smooth", [0.4, 0.0, 0.2, 0.4, 0.0]),
    ("ease, even steps, less smooth", [0.4, 0.0, 0.3, 0.3, 0.0]),
    ("ease, even steps, smooth and friends", [0.36, 0.0, 0.18, 0.36, 0.1]),
    ("ease, even steps, less smooth, friends", [0.36, 0.0, 0.27, 0.27, 0.1]),
];
/// As in [`MIXES`].
pub(super) const SIGNALS: [&str; 5] = ["ease", "steps", "even_steps", "smooth", "friends"];

/// The share of a user's items that is hidden.
const SHARE: f64 = 0.2;

/// Training lists without what is hidden, and what is: a fifth of each user's items, of some items more than of others.
pub(super) fn hold_out(train: &Lists) -> (Lists, Lists) {
    let (mut kept, mut hidden) = (train.clone(), Lists::new());
    let mut tendencies: BTreeMap<u32, f64> = BTreeMap::new();
    for (user, items) in train {
        let mut drawn: Vec<(f64, u32)> = items
            .iter()
            .map(|item| {
                let tendency = tendencies.entry(*item).or_insert_with(|| normal(u64::from(*item)).exp());
                // The smallest of exponential times are a draw without replacement, by weight.
                (-uniform(mix(u64::from(*user)) ^ u64::from(*item)).ln() / *tendency, *item)
            })
            .collect();
        drawn.sort_by(|a, b| a.0.total_cmp(&b.0));
        let taken = drawn.iter().enumerate();
        let taken = taken.take_while(|(position, _)| count(*position) + 0.5 <= SHARE * count(items.len()));
        for (_, (_, item)) in taken {
            kept.entry(*user).or_default().remove(item);
            hidden.entry(*user).or_default().insert(*item);
        }
    }
    (kept, hidden)
}

/// In (0, 1), by a seed.
fn uniform(seed: u64) -> f64 {
    let high = u32::try_from(mix(seed) >> 32).unwrap_or(0);
    (f64::from(high) + 0.5) / 4_294_967_296.0
}

/// Normally distributed, by a seed: Box and Muller's transform.
fn normal(seed: u64) -> f64 {
    (-2.0 * uniform(mix(seed)).ln()).sqrt() * (std::f64::consts::TAU * uniform(mix(seed) ^ 1)).cos()
}
