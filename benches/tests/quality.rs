//! The command `quality` as its user runs it, on the small made-up samples.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn quality(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_quality")).args(arguments).output().unwrap()
}

/// What a successful run prints as JSON, without what differs from run to run.
fn results(arguments: &[&str]) -> Vec<Value> {
    let output = quality(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for result in &mut results {
        for cost in ["fit_cpu_s", "peak_mb", "users_per_s", "p50_us", "p99_us"] {
            let cost = result.as_object_mut().unwrap().remove(cost);
            assert!(cost.is_some_and(|cost| cost.as_f64().is_some_and(|cost| cost >= 0.0)));
        }
    }
    results
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn all_samples_run_and_give_the_same_again() {
    let first = results(&["all", "--smoke", "--json"]);
    let names: Vec<&str> = first.iter().map(|result| result["dataset"].as_str().unwrap()).collect();
    let expected = [
        "dates",
        "dates, one-sided",
        "link",
        "pairs",
        "papers cold, titles and citations",
        "papers cold, titles, citations and tags",
        "papers warm, titles and citations",
        "papers warm, titles, citations and tags",
        "topk",
    ];
    assert_eq!(names, expected);
    assert_eq!(first, results(&["all", "--smoke", "--json"]));
    // Groups of users, of nodes and of papers are what the samples are made of, and looks what dates are.
    let check = |dataset: &str, metric: &str, least: f64| {
        let result = first.iter().find(|result| result["dataset"] == dataset).unwrap();
        assert!(result["metrics"][metric].as_f64().unwrap() > least, "{result}");
    };
    check("link", "roc_auc", 0.95);
    check("topk", "recall@20", 0.8);
    check(expected[4], "ndcg@100", 0.7);
    check(expected[7], "ndcg@20", 0.5);
    check("dates", "match_ap", 0.45);
}

#[test]
fn tables_and_pictures_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let output = quality(&["all", "--smoke", "--out", folder.path().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = std::fs::read_to_string(folder.path().join("quality.md")).unwrap();
    assert!(table.contains("recall@20") && table.contains("roc_auc"), "{table}");
    assert!(std::fs::read_to_string(folder.path().join("recall_at_20.svg")).unwrap().starts_with("<svg"));
}

#[test]
fn predictions_are_unseen_items_and_candidates_restrict_them() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "train.txt", "0 1 2\n1 1 2 3\n2 2 3 4\n3 1 4\n10000000 1 2\n4\n");
    write(folder.path(), "test.txt", "0 3\n1\n3 2 3\n10000000 3 4\n4 1\n9 1\n");
    let predictions = folder.path().join("predictions.txt");
    let only = write(folder.path(), "only.txt", "3\n");
    let run = |more: &[&str]| {
        let fixed = ["topk", folder.path().to_str().unwrap(), "--json", "--predictions"];
        let arguments: Vec<&str> =
            fixed.into_iter().chain([predictions.to_str().unwrap()]).chain(more.iter().copied()).collect();
        results(&arguments);
        let text = std::fs::read_to_string(&predictions).unwrap();
        let line = |line: &str| line.split(' ').map(|id| id.parse().unwrap()).collect::<Vec<u32>>();
        text.lines().map(line).collect::<Vec<_>>()
    };
    let lines = run(&[]);
    // Users 4 and 9 have no past; user 1 has nothing to find.
    let users: Vec<u32> = lines.iter().map(|line| line[0]).collect();
    assert_eq!(users, [0, 3, 4, 9, 10_000_000]);
    assert!(lines[0].len() > 1 && !lines[0][1..].contains(&1) && !lines[0][1..].contains(&2), "{lines:?}");
    for line in run(&["--candidates", only.to_str().unwrap()]) {
        assert!(line[1..].iter().all(|item| *item == 3), "{line:?}");
    }
}

#[test]
fn a_wrong_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "train.txt", "0 1 2\n1 one\n");
    write(folder.path(), "test.txt", "0 3\n");
    let output = quality(&["topk", folder.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("train.txt line 2") && said.contains("1 one"),
        "{said}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = quality(&["link", folder.path().to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("train.txt"), "{said}");
}
