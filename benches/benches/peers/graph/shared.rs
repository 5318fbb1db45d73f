//! The rows of the source's query 1: partners by shared affinities.

use super::affinity::Affinity;
use super::data::{Data, Found};
use super::neo4j::Neo4j;
use super::petgraph_peer::Petgraph;
use super::python_peers::Python;
use crate::rounds::{Measured, medians, timed};
use crate::setting::Setting;
use crate::table::{Better, Row, Table};

/// Queries of one round of Neo4j, each some hundred milliseconds.
const NEO4J_QUERIES: usize = 10;
/// Rounds that Neo4j runs before any is measured: its compiler and caches are warm then.
const NEO4J_WARM_ROUNDS: usize = 5;

/// Ratios that the issue asks for.
const GOAL_SCIPY: f64 = 5.0;
const GOAL_PETGRAPH: f64 = 10.0;
const GOAL_NEO4J: f64 = 300.0;

/// Affinity beside one peer, both in seconds a query.
struct Turn<'a> {
    peer: String,
    goal: Option<f64>,
    note: &'a str,
    ours: &'a mut dyn FnMut() -> f64,
    theirs: Result<&'a mut dyn FnMut() -> f64, String>,
}

/// All rows of one graph.
pub(crate) fn measure(
    setting: &Setting,
    data: &Data,
    affinity: &mut Affinity,
    python: &mut Result<Python<'_>, String>,
    table: &mut Table,
) {
    for (query, truth) in data.queries.iter().zip(&data.truth) {
        assert_eq!(&affinity.shared(*query, false), truth, "members who share with {query}");
    }
    let mut ours = || timed(|| data.queries.iter().for_each(|query| drop(affinity.shared(*query, false)))).1;
    let mut petgraph = Petgraph::build(data);
    for (query, truth) in data.queries.iter().zip(&data.truth) {
        assert_eq!(&petgraph.shared(*query), truth, "petgraph, {query}");
    }
    let mut theirs = || timed(|| data.queries.iter().for_each(|query| drop(petgraph.shared(*query)))).1;
    let (peer, goal) = (Petgraph::NAME.to_string(), Some(GOAL_PETGRAPH));
    let note = "counts in an array that is reused";
    push(setting, data, table, Turn { peer, goal, note, ours: &mut ours, theirs: Ok(&mut theirs) });
    drop(petgraph);
    for (library, goal) in [("scipy", Some(GOAL_SCIPY)), ("implicit", None)] {
        let note =
            if library == "scipy" { "row product, then the best of it" } else { "NearestNeighboursScorer" };
        let peer = python.as_ref().map_or_else(|_| library.to_string(), |python| python.name(library));
        let answered = python.as_mut().map_err(|reason| reason.clone()).and_then(|python| {
            let (found, _) = python.shared(library, &data.queries)?;
            check(&found, data, library, library == "scipy");
            Ok(python)
        });
        match answered {
            Err(reason) => {
                push(setting, data, table, Turn { peer, goal, note, ours: &mut ours, theirs: Err(reason) })
            }
            Ok(python) => {
                let mut theirs = || python.shared(library, &data.queries).unwrap().1;
                push(
                    setting,
                    data,
                    table,
                    Turn { peer, goal, note, ours: &mut ours, theirs: Ok(&mut theirs) },
                );
            }
        }
    }
    neo4j(setting, data, affinity, python, table);
}

/// Neo4j returns the shared trends, so ours are answers with every one of them.
fn neo4j(
    setting: &Setting,
    data: &Data,
    affinity: &mut Affinity,
    python: &mut Result<Python<'_>, String>,
    table: &mut Table,
) {
    let queries = &data.queries[..NEO4J_QUERIES.min(data.queries.len())];
    let mut ours = || timed(|| queries.iter().for_each(|query| drop(affinity.shared(*query, true)))).1;
    let (peer, goal) = (Neo4j::NAME.to_string(), Some(GOAL_NEO4J));
    let note = "both with the shared trends; its time is the wall's, at the driver";
    let started = python.as_mut().map_err(|reason| reason.clone()).and_then(|python| {
        let neo4j = Neo4j::start(&setting.target, data)?;
        let warm_rounds = if setting.is_small { 1 } else { NEO4J_WARM_ROUNDS };
        for _ in 0..warm_rounds {
            let (found, _) = python.neo4j(neo4j.port, queries)?;
            check(&found, data, "Neo4j", false);
        }
        Ok((python, neo4j))
    });
    match started {
        Err(reason) => {
            push(setting, data, table, Turn { peer, goal, note, ours: &mut ours, theirs: Err(reason) })
        }
        Ok((python, neo4j)) => {
            let mut theirs = || python.neo4j(neo4j.port, queries).unwrap().1;
            let turn = Turn { peer, goal, note, ours: &mut ours, theirs: Ok(&mut theirs) };
            push_of(queries.len(), setting, data, table, turn);
        }
    }
}

/// Answers must have the counts of the truth; also the same members, where the peer breaks ties by number.
fn check(found: &[Found], data: &Data, who: &str, same_ties: bool) {
    for ((found, truth), query) in found.iter().zip(&data.truth).zip(&data.queries) {
        let counts = |found: &Found| found.iter().map(|(_, count)| *count).collect::<Vec<_>>();
        assert_eq!(counts(found), counts(truth), "{who}, {query}");
        assert!(!same_ties || found == truth, "{who}, {query}: {found:?} and {truth:?}");
    }
}

fn push(setting: &Setting, data: &Data, table: &mut Table, turn: Turn<'_>) {
    push_of(data.queries.len(), setting, data, table, turn);
}

fn push_of(query_count: usize, setting: &Setting, data: &Data, table: &mut Table, turn: Turn<'_>) {
    let milliseconds = |measured: Measured| measured.times(1e3 / query_count as f64);
    let (ours, theirs, note) = match turn.theirs {
        Ok(theirs) => {
            let measured = medians(setting.rounds, &mut [turn.ours, theirs]);
            let note = format!("{}; the median query touches {} edges", turn.note, data.touched_median);
            (Some(milliseconds(measured[0])), Some(milliseconds(measured[1])), note)
        }
        Err(reason) => (None, None, format!("not measured: {reason}")),
    };
    table.push(Row {
        case: format!("graph/shared_top20/{}/count", data.name),
        peer: turn.peer,
        unit: "milliseconds a query",
        better: Better::Less,
        ours,
        theirs,
        goal: turn.goal,
        note,
    });
}
