//! The rows of personalized PageRank at equal L1 error.

use super::affinity::Affinity;
use super::data::Data;
use super::python_peers::Python;
use crate::rounds::{Measured, medians, timed};
use crate::setting::Setting;
use crate::table::{Better, Row, Table};

/// Sources asked about.
const QUERIES: usize = 3;
/// Probability of going on.
const DAMPING: f64 = 0.85;
/// Iterations of the peer: its default, and twice as many.
const ITERATIONS: [usize; 2] = [10, 20];
/// Precisions that Affinity tries, until its error is not above the peer's.
const PRECISIONS: [f64; 10] = [1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 1e-8];
/// Iterations of the exact ranks: what is left is below `0.85^150`.
const EXACT_ITERATIONS: usize = 150;
const GOAL: f64 = 10.0;

pub(crate) fn measure(
    setting: &Setting,
    data: &Data,
    affinity: &mut Affinity,
    python: &mut Result<Python<'_>, String>,
    table: &mut Table,
) {
    let queries = &data.queries[1..=QUERIES];
    let last = queries[QUERIES - 1];
    let exact = exact(data, last);
    let peer = python.as_ref();
    let peer = peer.map_or_else(|_| "scikit-network".to_string(), |python| python.name("scikit-network"));
    for iterations in ITERATIONS {
        let row = |ours, theirs, note| Row {
            case: format!("graph/page_rank/{}/iterations{iterations}", data.name),
            peer: peer.clone(),
            unit: "milliseconds a query",
            better: Better::Less,
            ours,
            theirs,
            goal: Some(GOAL),
            note,
        };
        let answered = match python {
            Ok(python) => python.page_rank(&[last], iterations),
            Err(reason) => Err(reason.clone()),
        };
        let (scores, _) = match answered {
            Ok(answered) => answered,
            Err(reason) => {
                table.push(row(None, None, format!("not measured: {reason}")));
                continue;
            }
        };
        let their_error = error(scores.iter().copied().enumerate(), &exact, last);
        let reached = PRECISIONS.iter().find_map(|precision| {
            affinity.walk_with(*precision);
            let walked = affinity.walked(last, data);
            let places = (0..exact.len()).map(|place| (place, walked.get(&place).copied().unwrap_or(0.0)));
            let our_error = error(places, &exact, last);
            (our_error <= their_error).then_some((*precision, our_error))
        });
        let Some((precision, our_error)) = reached else {
            table.push(row(None, None, format!("Affinity does not reach their error of {their_error:.3}")));
            continue;
        };
        assert!(!affinity.walk(last).is_empty());
        let mut ours = || timed(|| queries.iter().for_each(|query| drop(affinity.walk(*query)))).1;
        let mut theirs = || match python {
            Ok(python) => python.page_rank(queries, iterations).unwrap().1,
            Err(_) => f64::NAN,
        };
        let measured = medians(setting.rounds, &mut [&mut ours, &mut theirs]);
        let milliseconds = |measured: Measured| Some(measured.times(1e3 / QUERIES as f64));
        let note = format!(
            "L1 error {our_error:.3} (precision {precision:e}), peer {their_error:.3}; ours ends with the 20 best members"
        );
        table.push(row(milliseconds(measured[0]), milliseconds(measured[1]), note));
    }
}

/// Sum of the differences over all places but the source.
fn error(ranks: impl Iterator<Item = (usize, f64)>, exact: &[f64], source: usize) -> f64 {
    let others = ranks.filter(|(place, _)| *place != source);
    others.map(|(place, rank)| (rank - exact[place]).abs()).sum()
}

/// Personalized PageRank by definition: the walk, step by step.
fn exact(data: &Data, source: usize) -> Vec<f64> {
    let mut degrees = vec![0.0; data.place_count()];
    for (from, to) in data.edges() {
        degrees[from] += 1.0;
        degrees[to] += 1.0;
    }
    let mut at = vec![0.0; degrees.len()];
    at[source] = 1.0;
    let mut ranks = vec![0.0; degrees.len()];
    for _ in 0..EXACT_ITERATIONS {
        ranks.iter_mut().zip(&at).for_each(|(rank, at)| *rank += (1.0 - DAMPING) * at);
        let given: Vec<f64> = at.iter().zip(&degrees).map(|(at, degree)| DAMPING * at / degree).collect();
        at.fill(0.0);
        for (from, to) in data.edges() {
            at[to] += given[from];
            at[from] += given[to];
        }
    }
    ranks
}
