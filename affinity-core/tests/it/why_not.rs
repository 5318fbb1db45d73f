//! Why-not: what it says keeps a node out does, and what it says would let it in does.

use affinity_core::{
    Change, Engine, FilterOf, Key, Matcher, Models, Query, QueryError, Remedy, SignalShortfall, Viewer,
    WhyNot, WhyNotReason,
};
use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use crate::worlds::{World, engine_of, history, matcher_text, queries, schema, sees};

const NAMES: [&str; 3] = ["people", "varied", "companies"];

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// The text of a matcher without its line or lines that start with `first`, and `more` after it.
fn without(text: &str, first: &str, more: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.starts_with(first)).unwrap();
    [&lines[..at], &lines[at + 1 + more..]].concat().join("\n")
}

/// An engine and a query with the changes made.
fn changed(changes: &[Remedy], query: &Query, world: &[Change], models: &Models) -> (Engine, Query) {
    let (mut text, mut query) = (matcher_text(&query.matcher), query.clone());
    for change in changes {
        match change {
            Remedy::Include => query.excluded.clear(),
            Remedy::DropFilter { of: FilterOf::Query, condition } => {
                query.filters.retain(|filter| filter != condition);
            }
            Remedy::DropFilter { of: FilterOf::Matcher, .. } => text = without(&text, "filters = ", 0),
            Remedy::DropExclusion { rule } => {
                let named = text.replace("[[exclusions]]\nrule", "[[exclusions]] #\nrule");
                let marked = format!("[[exclusions]] #\nrule = \"{rule}\"");
                assert!(named.contains(&marked), "{text}");
                text = without(&named.replace(&marked, "GONE\nrule"), "GONE", 2);
            }
            Remedy::RaiseCap { source, cap } => {
                let (before, after) = text.split_once(&format!("signal = \"{source}\", cap = ")).unwrap();
                let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
                text = format!("{before}signal = \"{source}\", cap = {cap}{rest}");
            }
            Remedy::RaiseLimit { limit } => query.limit = Some(*limit),
            Remedy::RaiseWeight { signal, weight } => {
                query.weights.insert(signal.clone(), *weight);
            }
        }
    }
    let matcher = Matcher::from_toml(&text, "changed.toml", &schema()).unwrap();
    let builder = Engine::builder(schema()).models(models.clone()).matcher(matcher);
    (builder.apply(world.to_vec()).unwrap().build().unwrap(), query)
}

fn place(engine: &Engine, query: &Query, target: &Key) -> Option<usize> {
    let matches = engine.recommend(query).unwrap().matches;
    matches.iter().position(|found| found.id == *target).map(|place| place + 1)
}

/// What a single signal would have to add, against the arithmetic and against the answers.
fn check_shortfall(
    engine: &Engine,
    query: &Query,
    found: &WhyNot,
    signal: &SignalShortfall,
) -> Result<(), TestCaseError> {
    let Some(WhyNotReason::Rank { score, last: Some(last), .. }) = found.reasons.first() else {
        return Ok(());
    };
    let wins = |value: f64| {
        let lifted = score - signal.value * signal.weight + value * signal.weight;
        lifted > last.score || (lifted == last.score && found.target.id < last.id)
    };
    match signal.value_needed {
        Some(value) => prop_assert!(wins(value) && !wins(value - 1.0 / 16_777_216.0), "{:?}", signal),
        None => prop_assert!(!wins(1.0), "{:?}", signal),
    }
    if let Some(weight) = signal.weight_needed {
        let heavier = query.clone().weight(&signal.signal, weight);
        prop_assert!(place(engine, &heavier, &found.target.id).is_some(), "{:?}", signal);
        let almost = query.clone().weight(&signal.signal, weight - 1.0 / 65_536.0);
        prop_assert_eq!(place(engine, &almost, &found.target.id), None, "{:?}", signal);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn what_would_let_a_node_in_does(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        for query in queries(&NAMES) {
            let query = query.limit(2);
            let Ok(answer) = engine.recommend(&query) else { continue };
            let kind = if query.matcher == "companies" { "Company" } else { "Member" };
            let all = engine.recommend(&query.clone().limit(100)).unwrap();
            for target in world.keys(kind) {
                let Ok(found) = engine.why_not(&query, &target) else { continue };
                let shown = answer.matches.iter().position(|shown| shown.id == target);
                prop_assert_eq!(found.rank, shown.map(|place| place + 1));
                prop_assert_eq!(found.reasons.is_empty(), shown.is_some());
                if let Some(WhyNotReason::Rank { rank, score, signals, .. }) = found.reasons.first() {
                    if all.diversity.is_none() {
                        prop_assert_eq!(&all.matches[rank - 1].id, &target);
                        prop_assert_eq!(all.matches[rank - 1].score, *score);
                    }
                    for signal in signals {
                        check_shortfall(&engine, &query, &found, signal)?;
                    }
                }
                let Some(changes) = &found.changes else { continue };
                let (bent, bent_query) = changed(changes, &query, &world.changes(), engine.models());
                prop_assert!(place(&bent, &bent_query, &target).is_some(), "{:?} by {:?}", query, found);
                // Every change but the last is needed for the last to help.
                if let Some((last, before)) = changes.split_last() {
                    let (bent, bent_query) = changed(before, &query, &world.changes(), engine.models());
                    prop_assert_eq!(place(&bent, &bent_query, &target), None, "without {:?}", last);
                }
            }
        }
    }

    #[test]
    fn hidden_is_unknown(changes in history(100)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        for query in queries(&["varied"]) {
            let query = query.viewer(Viewer::Anonymous);
            if engine.recommend(&query).is_err() {
                continue;
            }
            for ((kind, key), record) in world.nodes.iter().filter(|((kind, _), _)| kind == "Member") {
                let refused = engine.why_not(&query, key);
                if !sees(&query.viewer, &record.audience) {
                    let unknown = QueryError::UnknownNode { kind: kind.clone(), key: key.clone() };
                    prop_assert_eq!(refused, Err(unknown));
                } else {
                    prop_assert!(refused.is_ok());
                }
            }
        }
    }
}

#[test]
fn stages_say_what_was_found_and_what_is_allowed() {
    let text = "name = 'people'\nfrom = 'Member'\nto = 'Member'\nlimit = 1\ncandidates = [{ signal = 'all', cap = 9 }]
        filters = [{ attribute = 'reputation', min = 1.0 }]
        signals = [{ name = 'rep', weight = 0.5, prior = { attribute = 'reputation', strength = 1.0, scale = 5.0 } }]";
    let member = |key: &str, reputation: f64| Change::PutNode {
        kind: "Member".into(),
        key: key.into(),
        record: affinity_core::NodeRecord {
            attributes: [("reputation".to_string(), affinity_core::Value::Number(reputation))].into(),
            ..Default::default()
        },
    };
    let matcher = Matcher::from_toml(text, "people.toml", &schema()).unwrap();
    let data = [member("ann", 5.0), member("bob", 4.0), member("cid", 3.0), member("dan", 0.5)];
    let engine = Engine::builder(schema()).matcher(matcher).apply(data).unwrap().build().unwrap();
    let query = Query::new("people", "ann");
    let why = |query: &Query, target: &str| engine.why_not(query, &target.into()).unwrap();

    assert_eq!((why(&query, "bob").rank, why(&query, "bob").reasons), (Some(1), vec![]));
    assert_eq!(why(&query, "ann").reasons, vec![WhyNotReason::Source]);
    assert_eq!(why(&query, "ann").changes, None);

    let third = why(&query, "cid");
    assert_eq!(third.changes, Some(vec![Remedy::RaiseLimit { limit: 2 }]));
    let [WhyNotReason::Rank { rank: 2, limit: 1, last: Some(last), .. }] = &third.reasons[..] else {
        panic!("{third:?}")
    };
    assert_eq!(last.id, Key::from("bob"));

    let filtered = why(&query, "dan");
    let [WhyNotReason::Filter { of: FilterOf::Matcher, found, .. }, WhyNotReason::Rank { rank: 3, .. }] =
        &filtered.reasons[..]
    else {
        panic!("{filtered:?}")
    };
    assert_eq!(*found, Some(affinity_core::Value::Number(0.5)));

    let left_out = Query { excluded: vec!["bob".into()], ..query };
    let left_out = why(&left_out, "bob");
    assert_eq!(
        (left_out.reasons, left_out.changes),
        (vec![WhyNotReason::Query], Some(vec![Remedy::Include]))
    );
}
