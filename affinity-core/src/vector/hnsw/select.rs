//! Which of the nearest become neighbors.

use super::beam::Entry;
use super::measure::ExactRows;

/// Up to `room` of `candidates`, best first, that are nearer to the node itself than to one chosen before.
///
/// So neighbors lie in different directions and a walk can leave a cluster. `candidates` come best first.
///
/// Source: algorithm 4 of Malkov & Yashunin, without extending or keeping discarded candidates.
pub(super) fn select(rows: &ExactRows<'_>, candidates: &[Entry], room: usize) -> Vec<Entry> {
    let mut chosen: Vec<(Entry, &[f32])> = Vec::with_capacity(room);
    for candidate in candidates {
        if chosen.len() == room {
            break;
        }
        let Some(row) = rows.stored(candidate.node()) else { continue };
        if chosen.iter().all(|(_, known)| rows.between(row, known) <= candidate.closeness) {
            chosen.push((*candidate, row));
        }
    }
    chosen.into_iter().map(|(entry, _)| entry).collect()
}
