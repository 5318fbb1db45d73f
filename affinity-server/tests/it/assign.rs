//! Many sources at once, and why somebody is not among the matches, over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::matching::{SARAH, ask, ids, partners};
use crate::server_process::{Server, command_with_demo};

const ASSIGN: &str = "/match/teraffi/partners/assign";

fn start(folder: &tempfile::TempDir) -> Server {
    Server::try_start(command_with_demo(folder.path(), 200), folder.path()).unwrap()
}

#[track_caller]
fn assign(server: &Server, body: &Value) -> Value {
    let (status, answer) = server.ask(ASSIGN, &body.to_string());
    assert_eq!(status, 200, "{answer}");
    answer
}

fn pairs(assignment: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let pairs = assignment["pairs"].as_array().unwrap().iter();
    pairs.map(|pair| (text(&pair["source"]["id"]), text(&pair["match"]["id"]))).collect()
}

#[test]
fn assignment_keeps_capacities_locks_and_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);
    let top = ids(&ask(&server, &partners()));
    let sources: Vec<&str> = std::iter::once(SARAH).chain(top.iter().take(7).map(String::as_str)).collect();
    let at = "2026-11-01T00:00:00Z";

    let free = assign(&server, &json!({ "sources": sources, "as_of": at }));
    let matched = pairs(&free);
    assert_eq!(free["gap"], 0.0, "the proof of the optimum");
    assert!(!matched.is_empty());
    assert_eq!(matched.iter().map(|(source, _)| source).collect::<BTreeSet<_>>().len(), matched.len());
    assert_eq!(matched.iter().map(|(_, target)| target).collect::<BTreeSet<_>>().len(), matched.len());
    let mut total = 0.0;
    for pair in free["pairs"].as_array().unwrap() {
        let parts = pair["match"]["contributions"].as_array().unwrap().iter();
        let sum: f64 = parts.map(|part| part["contribution"].as_f64().unwrap()).sum();
        assert_eq!(sum.to_bits(), pair["match"]["score"].as_f64().unwrap().to_bits());
        total += sum;
    }
    assert_eq!(total.to_bits(), free["total"].as_f64().unwrap().to_bits());

    // The same question gets the same bytes.
    assert_eq!(free.to_string(), assign(&server, &json!({ "sources": sources, "as_of": at })).to_string());

    // What is locked is in, what is forbidden is not, and as much as can be stays as it was.
    let (source, target) = matched.iter().next().unwrap().clone();
    let pair = json!({ "source": source, "target": target });
    let previous: Vec<Value> =
        matched.iter().map(|(source, target)| json!({ "source": source, "target": target })).collect();
    let same =
        assign(&server, &json!({ "sources": sources, "as_of": at, "locked": [pair], "previous": previous }));
    assert_eq!(pairs(&same), matched);
    assert_eq!(same["kept"].as_u64(), u64::try_from(matched.len()).ok());
    let without = assign(&server, &json!({ "sources": sources, "as_of": at, "forbidden": [pair] }));
    assert!(!pairs(&without).contains(&(source.clone(), target.clone())));
    assert!(without["total"].as_f64().unwrap() <= total);

    // One target for all: one source has it, the others are told who is full.
    let only = json!({ "sources": sources, "targets": [target], "as_of": at, "objective": "coverage" });
    let crowded = assign(&server, &only);
    assert_eq!(pairs(&crowded).len(), 1);
    let unmatched = crowded["unmatched"].as_array().unwrap();
    assert!(unmatched.iter().any(|one| one["reason"] == "taken" && one["by"][0]["id"] == target.as_str()));
    let stable = assign(&server, &json!({ "sources": sources, "as_of": at, "objective": "stable" }));
    assert!(!pairs(&stable).is_empty() && stable.get("gap").is_none());

    let both = json!({ "sources": sources, "locked": [pair], "forbidden": [pair] });
    let (status, problem) = server.ask(ASSIGN, &both.to_string());
    assert_eq!((status, problem["code"].as_str()), (422, Some("lock_cannot_be_kept")), "{problem}");
    let (status, problem) = server.ask(ASSIGN, &json!({ "sources": [] }).to_string());
    assert_eq!((status, problem["code"].as_str()), (400, Some("too_many")), "{problem}");
    let unknown = json!({ "sources": ["00000000-0000-4000-8000-00000000dead"] });
    assert_eq!(server.ask(ASSIGN, &unknown.to_string()).0, 404);

    check_why_not(&server, &top);
    check_many(&server, &sources);
    check_two_sided(&server);
}

/// Told to raise the limit to a rank, the caller finds the target there.
fn check_why_not(server: &Server, top: &[String]) {
    let ask_why =
        |target: &str| ask(server, &format!("/match/teraffi/partners/{SARAH}/why-not/{target}?limit=3"));
    let shown = ask_why(&top[0]);
    assert_eq!((shown["rank"].as_u64(), shown["reasons"].as_array().map(Vec::len)), (Some(1), Some(0)));
    let missed = ask_why(&top[9]);
    let reason = &missed["reasons"][0];
    assert_eq!((reason["stage"].as_str(), reason["rank"].as_u64()), (Some("rank"), Some(10)), "{missed}");
    assert!(!missed["changes"].as_array().unwrap().is_empty());
    let itself = ask_why(SARAH);
    assert_eq!(itself["reasons"][0]["stage"], "source");
}

/// Matches that want each other: both directions add up to the score, and look the same from the other side.
fn check_two_sided(server: &Server) {
    let answer = ask(server, &format!("{}&two_sided=harmonic", partners()));
    let found = &answer["matches"][0];
    let parts = found["contributions"].as_array().unwrap();
    let of = |direction: &str| parts.iter().filter(|part| part["direction"] == direction).count();
    assert!(of("source_to_target") > 0 && of("source_to_target") == of("target_to_source"));
    let sum: f64 = parts.iter().map(|part| part["contribution"].as_f64().unwrap()).sum();
    let score = found["score"].as_f64().unwrap();
    assert_eq!(sum.to_bits(), score.to_bits());
    let sides =
        ["source_to_target", "target_to_source"].map(|side| found["reciprocal"][side].as_f64().unwrap());
    let mean = 2.0 * sides[0] * sides[1] / (sides[0] + sides[1]);
    assert!((mean - score).abs() < 1e-9, "{mean} and {score}");
    let target = found["id"].as_str().unwrap();
    let explained =
        ask(server, &format!("/match/teraffi/partners/{SARAH}/explain/{target}?two_sided=harmonic"));
    assert!(explained["ranks"]["target_for_source"].as_u64().is_some(), "{explained}");
    let no_way = format!("/match/teraffi/sponsorships/{SARAH}?two_sided=product");
    assert_ne!(server.ask(&no_way, "").0, 200);
    assert_eq!(server.ask(&format!("{}&way_back=partners", partners()), "").1["code"], "bad_query");
}

/// Several sources in one request get the answers that they would get one by one.
fn check_many(server: &Server, sources: &[&str]) {
    let at = "2026-11-01T00:00:00Z";
    let body = json!({ "sources": sources, "limit": 5, "as_of": at });
    let (status, many) = server.ask("/match/teraffi/partners", &body.to_string());
    assert_eq!(status, 200, "{many}");
    let answers = many["answers"].as_array().unwrap();
    assert_eq!(answers.len(), sources.len());
    for (source, answer) in sources.iter().zip(answers) {
        let alone = ask(server, &format!("/match/teraffi/partners/{source}?limit=5&as_of={at}"));
        assert_eq!((&answer["id"], &answer["matches"]), (&alone["id"], &alone["matches"]));
    }
    let one_wrong = json!({ "sources": [SARAH, "nobody"], "limit": 1 });
    let (_, many) = server.ask("/match/teraffi/partners", &one_wrong.to_string());
    assert_eq!(many["answers"][1]["problem"]["code"], "unknown_node");
    let neither = json!({ "limit": 1 });
    assert_eq!(server.ask("/match/teraffi/partners", &neither.to_string()).1["code"], "bad_source");
}
