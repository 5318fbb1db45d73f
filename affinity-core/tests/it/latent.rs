//! `latent`: probabilities from known decisions, and the log-odds behind them.

use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, Evidence, Key, Matcher, MatcherError, Models, NodeRecord,
    Query, Schema, Value, Viewer,
};
use proptest::prelude::{prop_assert, proptest};
use proptest::test_runner::Config;

use crate::worlds::{World, days, engine_of, history, viewers};

const SCHEMA: &str = r#"
name = "evening"
[kinds.Guest]
attributes = { age = "number", diet = "category", likes = "tags", calm = "number", loud = "number", neat = "number" }
[kinds.Host]
attributes = { age = "number", diet = "category", likes = "tags", calm = "number", loud = "number", neat = "number" }
[relations.LIKED]
from = "Guest"
to = "Host"
attributes = { yes = "number" }
"#;

const HOSTS: &str = r#"
name = "hosts"
from = "Guest"
to = "Host"
candidates = [{ signal = "all", cap = 100 }]
[[signals]]
name = "likes"
weight = 1.0
[signals.latent]
relation = "LIKED"
value = "yes"
"#;

const TERMS: &str = r#"
terms = [
    { difference = "age" }, { same = "diet" }, { overlap = "likes" }, { source = "calm", target = "loud" },
    { target = "neat" }, { name = "character", correlation = ["calm", "loud", "neat"] },
]
"#;

fn guest(number: usize) -> String {
    format!("g{number}")
}

fn host(number: usize) -> String {
    format!("h{number}")
}

fn person(kind: &str, key: &str, attributes: &[(&str, Value)]) -> Change {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect();
    Change::PutNode {
        kind: kind.to_string(),
        key: key.into(),
        record: NodeRecord { attributes, ..NodeRecord::default() },
    }
}

fn decision(guest: &str, host: &str, yes: f64, audience: Audience) -> Change {
    let attributes = [("yes".to_string(), Value::Number(yes))].into();
    Change::PutEdge {
        edge: EdgeKey { relation: "LIKED".into(), source: guest.into(), target: host.into(), origin: None },
        record: EdgeRecord { attributes, audience, ..EdgeRecord::default() },
    }
}

fn engine(matcher: &str, changes: &[Change]) -> Engine {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let matcher = Matcher::from_toml(matcher, "hosts.toml", &schema).unwrap();
    Engine::builder(schema).matcher(matcher).apply(changes.to_vec()).unwrap().build().unwrap()
}

/// Guest 0 says yes to all and guest 5 to none; host 0 pleases all but him, host 5 nobody but guest 0.
fn evening() -> Vec<Change> {
    let mut changes = Vec::new();
    for number in 0..7 {
        changes.push(person("Guest", &guest(number), &[]));
        changes.push(person("Host", &host(number), &[]));
    }
    for own in 0..6 {
        for their in 0..6 {
            let yes = f64::from(u8::from(own == 0 || (own + their < 6 && own != 5)));
            changes.push(decision(&guest(own), &host(their), yes, Audience::Everyone));
        }
    }
    changes
}

fn probability(engine: &Engine, guest: &str, host: &str) -> f64 {
    engine.explain(&Query::new("hosts", guest), &host.into()).unwrap().target.score
}

#[test]
fn those_who_please_and_those_easy_to_please_are_more_likely_pairs() {
    let engine = engine(HOSTS, &evening());
    let p = |own: usize, their: usize| probability(&engine, &guest(own), &host(their));
    for number in 0..5 {
        let pleases_more = p(2, number) > p(2, number + 1) || number == 0; // hosts 0 and 1 please alike
        assert!(pleases_more, "host {number} pleases more than the next");
        assert!(p(number, 2) > p(number + 1, 2), "guest {number} is easier to please than the next");
    }
    // Nobody knows guest 6 and host 6: they stand in the middle of the others.
    assert!(p(6, 0) > p(6, 6) && p(6, 6) > p(6, 5));
    let known: f64 = (0..36).map(|pair| p(pair / 6, pair % 6)).sum::<f64>() / 36.0;
    let seen = 20.0 / 36.0;
    assert!((known - seen).abs() < 0.01, "calibrated: {known} of {seen}");
}

#[test]
fn without_differences_everybody_gets_the_share_of_yes() {
    let engine = engine(&format!("{HOSTS}ridge = 1e6"), &evening());
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let found = logit(probability(&engine, "g1", "h1"));
    // The ridge of 0.01 on the baseline itself: 36 p (1 - p) = 8.9 times its change is 0.01 times its value.
    assert!((found - logit(20.0 / 36.0)).abs() < 0.001, "{found}");
}

#[test]
fn decisions_that_members_may_not_read_are_not_counted() {
    let hidden = Audience::Principals(["staff".to_string()].into());
    let mut changes = evening();
    changes.push(decision("g6", "h6", 1.0, hidden));
    assert_eq!(engine(HOSTS, &changes).models(), engine(HOSTS, &evening()).models());
    changes.push(decision("g6", "h6", 1.0, Audience::Members));
    assert_ne!(engine(HOSTS, &changes).models(), engine(HOSTS, &evening()).models());
}

#[test]
fn attributes_that_go_together_are_found() {
    let mut changes = Vec::new();
    let diets = ["herbs", "bread"].map(|diet| Value::Category(diet.to_string()));
    for number in 0..12 {
        let attributes = [("diet", diets[number % 2].clone())];
        changes.push(person("Guest", &guest(number), &attributes));
        changes.push(person("Host", &host(number), &attributes));
    }
    changes.push(person("Guest", "new", &[("diet", diets[0].clone())]));
    for pair in 0..144 {
        let (own, their) = (pair / 12, pair % 12);
        // Four of five meals go well among those who eat the same, one of five among others.
        let mixed = (own * 7 + their * 5 + own * their) % 5;
        let yes = if (own + their) % 2 == 0 { mixed != 0 } else { mixed == 0 };
        changes.push(decision(&guest(own), &host(their), f64::from(u8::from(yes)), Audience::Everyone));
    }
    let engine = engine(&format!("{HOSTS}terms = [{{ same = \"diet\" }}]"), &changes);
    assert!(probability(&engine, "new", "h0") > probability(&engine, "new", "h1") + 0.2);
    let explained = engine.explain(&Query::new("hosts", "new"), &"h1".into()).unwrap().target;
    let found = explained.contributions[0].evidence.iter().find_map(|evidence| match evidence {
        Evidence::LogOdds { term, log_odds } if term == "same diet" => Some(*log_odds),
        _ => None,
    });
    assert!(found.unwrap() < -0.3, "{found:?}");
    // A model survives its text form as it is.
    let text = serde_json::to_string(engine.models()).unwrap();
    let read: Models = serde_json::from_str(&text).unwrap();
    assert_eq!(&read, engine.models());
}

#[test]
fn terms_are_refused_unless_each_compares_one_thing() {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let refused = |terms: &str| {
        let text = format!("{HOSTS}terms = [{terms}]");
        Matcher::from_toml(&text, "hosts.toml", &schema).unwrap_err()
    };
    for (terms, expected) in [
        ("{ }", "exactly one of: difference"),
        ("{ same = \"diet\", difference = \"age\" }", "exactly one of: difference"),
        ("{ correlation = [\"calm\", \"loud\"] }", "3 to 256 numbers"),
        ("{ same = \"diet\" }, { same = \"diet\" }", "a name that no other term has"),
    ] {
        let error = refused(terms);
        assert!(
            matches!(&error, MatcherError::OutOfRange { expected: found, .. } if found.contains(expected)),
            "{error:?}"
        );
    }
    let error = refused("{ same = \"age\" }");
    assert!(
        matches!(&error, MatcherError::Unknown { field: "same", allowed, .. } if allowed == &["diet"]),
        "{error:?}"
    );
}

/// Of every pair: the listed log-odds sum to those of the value, but for its rounding to 2^-24.
fn check_log_odds(engine: &Engine, query: &Query, target: &Key) -> Result<usize, String> {
    let Ok(explained) = engine.explain(query, target) else { return Ok(0) };
    let mut checked = 0;
    for part in &explained.target.contributions {
        let log_odds: Vec<f64> = part
            .evidence
            .iter()
            .filter_map(|evidence| match evidence {
                Evidence::LogOdds { log_odds, .. } => Some(*log_odds),
                _ => None,
            })
            .collect();
        if log_odds.is_empty() {
            continue;
        }
        let (sum, p) = (log_odds.iter().sum::<f64>(), part.value);
        let rounding = 2_f64.powi(-24) / (p * (1.0 - p));
        if (sum - (p / (1.0 - p)).ln()).abs() > rounding {
            return Err(format!("{sum} for the probability {p} of {log_odds:?}"));
        }
        checked += 1;
    }
    Ok(checked)
}

proptest! {
    #![proptest_config(Config { cases: 12, failure_persistence: None, ..Config::default() })]

    #[test]
    fn listed_log_odds_sum_to_those_of_the_probability(changes in history(140), evidence_max in 1_usize..6) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        let members = world.keys("Member");
        for viewer in viewers() {
            for (one, other) in members.iter().zip(members.iter().skip(1)) {
                let query = Query::new("mutual", one).viewer(viewer.clone()).as_of(days(100));
                let found = check_log_odds(&engine, &Query { evidence_max, ..query }, other);
                prop_assert!(found.is_ok(), "{found:?}");
            }
        }
    }
}

#[test]
fn log_odds_are_listed_at_all() {
    let mut changes = evening();
    let attributes = [("age", 30.0), ("calm", 1.0), ("loud", 4.0), ("neat", 2.0)];
    for (number, kind) in ["Guest", "Host"].iter().flat_map(|kind| (0..6).map(move |number| (number, *kind)))
    {
        let key = if kind == "Guest" { guest(number) } else { host(number) };
        let mut values: Vec<(&str, Value)> = Vec::new();
        for (place, (name, value)) in attributes.iter().enumerate() {
            let twist = f64::from(u8::try_from((number * (place + 2)) % 5).unwrap());
            values.push((name, Value::Number(value + twist)));
        }
        values.push(("likes", Value::Tags(vec!["tea".to_string(), format!("t{}", number % 3)])));
        values.push(("diet", Value::Category(format!("d{}", number % 2))));
        changes.push(person(kind, &key, &values));
    }
    let engine = engine(&format!("{HOSTS}{TERMS}"), &changes);
    for evidence_max in 1..12 {
        let query = Query { evidence_max, viewer: Viewer::Operator, ..Query::new("hosts", "g1") };
        assert_eq!(check_log_odds(&engine, &query, &"h2".into()), Ok(1));
    }
    let query = Query { evidence_max: 100, ..Query::new("hosts", "g1") };
    let explained = engine.explain(&query, &"h2".into()).unwrap().target;
    let terms = explained.contributions[0].evidence.len();
    assert!(terms >= 7, "{:?}", explained.contributions[0].evidence);
}
