//! Proof that no assignment is better: a bound from prices alone, whoever found them.
//!
//! Source: weak duality of linear programs; for flows with concave gains Ahuja, Magnanti & Orlin, "Network Flows",
//! 1993, chapter 14.

use serde::Serialize;

use super::network::{Cost, Network, Parties, Scale};
use super::shortest_path::Prices;

/// What any assignment can reach at most.
///
/// Worths are integers: `per_unit` for a unit of score (2^-40), `per_party` for a party's first match, 1 for a pair
/// that is kept, so that one more of the more important outweighs everything else. For any prices the sum of
/// `max(0, worth - source price - target price)` over pairs, plus the most that each party can earn by selling up to
/// its capacity of seats at its price, is at least the worth of every assignment. Locked pairs add the same to both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// No assignment that matches as many parties has a larger sum of scores, in units of 2^-40.
    pub bound: i128,
    /// The bound on the worth minus the worth: 0 when nothing is better.
    pub gap: i128,
    /// Worth of a unit of score.
    pub per_unit: i128,
    /// Worth of a party's first match; 0 when coverage does not count.
    pub per_party: i128,
    /// By source, in the order of keys: what a seat is worth.
    pub source_prices: Vec<i128>,
    /// By target, in the order of keys.
    pub target_prices: Vec<i128>,
}

impl Certificate {
    /// Compares `chosen`, positions among the pairs, with the bound that `prices` give.
    ///
    /// `locked` is the sum of scores of the pairs that the network does not hold. O(pairs).
    pub(super) fn new<C: Cost>(
        network: &Network<C>,
        scale: Scale,
        chosen: &[usize],
        locked: u64,
        prices: Prices<C>,
    ) -> Self {
        let wide = |prices: Vec<C>| prices.into_iter().map(Into::into).collect::<Vec<i128>>();
        let (source_prices, target_prices) = (wide(prices.sources), wide(prices.targets));
        let mut is_chosen = Vec::new();
        for pair in chosen {
            if *pair >= is_chosen.len() {
                is_chosen.resize(pair + 1, false);
            }
            is_chosen[*pair] = true;
        }
        let (mut worth, mut bound) = (0, 0);
        let mut is_matched = vec![false; target_prices.len()];
        for (source, price) in source_prices.iter().enumerate() {
            let mut has_match = false;
            for edge in network.row(source) {
                let target = edge.target as usize;
                bound += (edge.worth.into() - price - target_prices[target]).max(0);
                if is_chosen.get(edge.pair as usize) == Some(&true) {
                    worth += edge.worth.into();
                    (has_match, is_matched[target]) = (true, true);
                }
            }
            worth += if has_match { network.sources.bonus(source) } else { 0 };
        }
        let matched = is_matched.iter().enumerate().filter(|(_, is_matched)| **is_matched);
        worth += matched.map(|(target, _)| network.targets.bonus(target)).sum::<i128>();
        bound += earned(&network.sources, &source_prices) + earned(&network.targets, &target_prices);
        let ((parties, total), (parties_bound, total_bound)) = (scale.split(worth), scale.split(bound));
        // A larger bound on the parties says nothing about the sum at this number of them.
        let slack = if parties == parties_bound { total_bound } else { total + bound - worth };
        Self {
            bound: slack + i128::from(locked),
            gap: bound - worth,
            per_unit: scale.worth(1, false),
            per_party: scale.bonus(),
            source_prices,
            target_prices,
        }
    }
}

/// The most that parties can earn when a match pays its price, and the first one a bonus besides.
fn earned<C: Cost>(parties: &Parties<C>, prices: &[i128]) -> i128 {
    let most = |(party, price): (usize, &i128)| {
        let capacity = i128::from(parties.capacity[party]);
        let with = |matches: i128| parties.bonus(party) + price * matches;
        if capacity == 0 { 0 } else { with(1).max(with(capacity)).max(0) }
    };
    prices.iter().enumerate().map(most).sum()
}
