//! Diversity after fusion: maximal marginal relevance.
//!
//! Source: Carbonell & Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998.

use serde::Serialize;

use crate::exact::count_of;
use crate::graph::{Cell, NodeId};
use crate::matcher::{Diversity, Similar};
use crate::signals::Context;

/// What variety cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DiversityCost {
    /// The attribute or space that makes matches alike.
    pub by: String,
    /// As in the matcher.
    pub strength: f64,
    /// Mean score of the matches with the best scores, minus that of the matches shown; from 0.
    pub mean_score_given_up: f64,
}

/// A candidate with its score.
pub(crate) type Ranked = (NodeId, f64);

/// Re-orders the head of `ranked`, which comes best first, and cuts it to `limit`.
///
/// Each pick has the largest `(1 - strength) * score - strength * likeness`, where likeness is the largest
/// similarity to a match picked before; ties go to the one that ranked higher.
pub(crate) fn diversify(
    context: &Context<'_>,
    diversity: &Diversity,
    ranked: &[Ranked],
    limit: usize,
) -> (Vec<Ranked>, DiversityCost) {
    let window = &ranked[..ranked.len().min(limit.saturating_mul(diversity.window))];
    let mut left: Vec<(Ranked, f64)> = window.iter().map(|candidate| (*candidate, 0.0)).collect();
    let mut picked: Vec<Ranked> = Vec::with_capacity(limit.min(left.len()));
    while picked.len() < limit && !left.is_empty() {
        let worth = |((_, score), likeness): &(Ranked, f64)| {
            (1.0 - diversity.strength) * score - diversity.strength * likeness
        };
        let mut best = 0;
        for position in 1..left.len() {
            if worth(&left[position]).total_cmp(&worth(&left[best])).is_gt() {
                best = position;
            }
        }
        let (pick, _) = left.remove(best);
        for ((node, _), likeness) in &mut left {
            *likeness = likeness.max(alike(context, diversity.by, pick.0, *node));
        }
        picked.push(pick);
    }
    let mean = |list: &[Ranked]| {
        if list.is_empty() {
            0.0
        } else {
            list.iter().map(|(_, score)| score).sum::<f64>() / count_of(list.len())
        }
    };
    let given_up = mean(&ranked[..picked.len()]) - mean(&picked);
    let cost = DiversityCost {
        by: diversity.name.clone(),
        strength: diversity.strength,
        mean_score_given_up: given_up.max(0.0),
    };
    (picked, cost)
}

/// In [0, 1]; 0 where either has nothing to compare.
fn alike(context: &Context<'_>, by: Similar, left: NodeId, right: NodeId) -> f64 {
    match by {
        Similar::Attribute(attribute) => {
            match (context.target_cell(left, attribute), context.target_cell(right, attribute)) {
                (Cell::Category(left), Cell::Category(right)) => f64::from(u8::from(left == right)),
                (Cell::Tags(left), Cell::Tags(right)) => {
                    let shared = left.iter().filter(|tag| right.binary_search(tag).is_ok()).count();
                    let all = left.len() + right.len() - shared;
                    if all == 0 { 0.0 } else { count_of(shared) / count_of(all) }
                }
                _ => 0.0,
            }
        }
        Similar::Space(space) => {
            let space = context.space(space);
            let readable = |node: NodeId| {
                space.vector(node.index()).is_some_and(|(_, audience)| context.sight.sees(audience))
            };
            if !readable(left) || !readable(right) {
                return 0.0;
            }
            let query = space.query_of(left.index());
            let similarity = query.and_then(|query| space.similarity(&query, right.index()));
            similarity.map_or(0.0, |similarity| space.metric().signal(similarity).clamp(0.0, 1.0))
        }
    }
}
