//! The mixes that a run tries, and the part of the training data that it tries them on.
//!
//! A random hold-out ranks models in another order than later choices do. So some items lose most of their users and
//! others few, as happens with time: every item has a hidden tendency, drawn once, to be among what is held out.

use std::collections::BTreeMap;

use crate::mixes::Mix;
use crate::protocol::count;
use crate::read::Lists;
use crate::seeded::mix;

pub(super) const MIXES: [Mix; 8] = [
    of("ease", &[("ease", 1.0)]),
    of("ease and steps", &[("ease", 0.4), ("steps", 0.6)]),
    of("ease and both kinds of steps", &[("ease", 0.41), ("steps", 0.38), ("even_steps", 0.21)]),
    of("ease and smooth", &[("ease", 0.28), ("smooth", 0.72)]),
    of("ease, even steps and smooth", &[("ease", 0.4), ("even_steps", 0.2), ("smooth", 0.4)]),
    of("ease, even steps, less smooth", &[("ease", 0.4), ("even_steps", 0.3), ("smooth", 0.3)]),
    of(
        "ease, even steps, smooth and friends",
        &[("ease", 0.36), ("even_steps", 0.18), ("smooth", 0.36), (FRIENDS, 0.1)],
    ),
    of(
        "ease, even steps, less smooth, friends",
        &[("ease", 0.36), ("even_steps", 0.27), ("smooth", 0.27), (FRIENDS, 0.1)],
    ),
];
/// The signal that needs a trust.txt.
pub(super) const FRIENDS: &str = "friends";

const fn of(name: &'static str, shares: &'static [(&'static str, f64)]) -> Mix {
    Mix { name, shares }
}

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
