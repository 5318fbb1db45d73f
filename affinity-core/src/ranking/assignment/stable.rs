//! Deferred acceptance: nobody would rather have each other than whom they have.
//!
//! Source: Gale & Shapley, "College admissions and the stability of marriage", American Mathematical Monthly 69(1),
//! 1962; for capacities on both sides Roth, "Stability and polarization of interests in job matching",
//! Econometrica 52(1), 1984.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::error::AssignmentError;
use super::network::{Cost, Network};
use super::problem::Watch;

/// Worth to the target, source and pair: the worst, of equal worth the one with the largest key, is the greatest.
type Held = Reverse<(i128, Reverse<usize>, u32)>;

/// Pairs, as positions in the problem, of the stable assignment that is best for sources.
///
/// `target_scores` are what pairs are worth to their targets; empty when the same as to sources.
/// O(pairs * log(pairs)).
pub(super) fn solve<C: Cost>(
    network: &Network<C>,
    target_scores: &[u64],
    watch: Watch<'_>,
) -> Result<Vec<usize>, AssignmentError> {
    let source_count = network.sources.capacity.len();
    let mut wishes: Vec<Vec<_>> = Vec::with_capacity(source_count);
    for source in 0..source_count {
        let mut row = network.row(source).to_vec();
        // The best wish comes last, to be popped.
        row.sort_unstable_by_key(|edge| (edge.worth, Reverse(edge.target)));
        wishes.push(row);
    }
    let mut free = network.sources.capacity.clone();
    let mut held: Vec<BinaryHeap<Held>> = vec![BinaryHeap::new(); network.targets.capacity.len()];
    let mut asking: Vec<usize> = (0..source_count).rev().collect();
    let mut done = 0;
    while let Some(source) = asking.pop() {
        if (watch.cancelled)() {
            return Err(AssignmentError::Cancelled);
        }
        while free[source] > 0 {
            let Some(wish) = wishes[source].pop() else { break };
            let target = wish.target as usize;
            let worth =
                target_scores.get(wish.pair as usize).map_or(wish.worth.into(), |score| i128::from(*score));
            free[source] -= 1;
            held[target].push(Reverse((worth, Reverse(source), wish.pair)));
            if held[target].len() > network.targets.capacity[target] as usize
                && let Some(Reverse((_, Reverse(refused), _))) = held[target].pop()
            {
                free[refused] += 1;
                if refused != source {
                    asking.push(refused);
                }
            }
        }
        done = source_count.saturating_sub(asking.len()).max(done);
        (watch.progress)(done, source_count);
    }
    Ok(held.into_iter().flatten().map(|Reverse((_, _, pair))| pair as usize).collect())
}
