//! Two-sided matches: worked numbers, and random worlds against the obvious way over one-way answers.

use affinity_core::{
    Change, Combination, Direction, Dropped, Engine, EngineError, Key, Matcher, MatcherError, NodeRecord,
    Query, QueryError, Reciprocal, Schema, Value, Viewer,
};
use proptest::prelude::{TestCaseError, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use crate::worlds::{MUTUAL, World, days, described, history, matcher, schema, viewers};

const COMBINATIONS: [(&str, Combination); 3] = [
    ("harmonic", Combination::Harmonic),
    ("geometric", Combination::Geometric),
    ("product", Combination::Product),
];

/// `mutual` without its second side and without variety.
fn one_way() -> String {
    let (text, _) = MUTUAL.split_once("[reciprocal]").unwrap();
    text.replace("\"mutual\"", "\"one_way\"")
}

fn two_sided(combine: &str) -> String {
    let text = one_way().replace("\"one_way\"", &format!("\"{combine}\""));
    format!("{text}[reciprocal]\ncombine = \"{combine}\"\nwindow = 5")
}

/// The same data asked one way, and both ways in each combination.
fn engine(changes: Vec<Change>) -> Engine {
    let both = COMBINATIONS.map(|(combine, _)| matcher(&two_sided(combine)));
    let builder = Engine::builder(schema()).matcher(matcher(&one_way())).matchers(both);
    builder.apply(changes).unwrap().build().unwrap()
}

/// What the definition says of two scores.
fn combined(combine: Combination, x: f64, y: f64) -> f64 {
    match combine {
        Combination::Harmonic if x + y == 0.0 => 0.0,
        Combination::Harmonic => 2.0 * x * y / (x + y),
        Combination::Geometric => (x * y).sqrt(),
        Combination::Product => x * y,
    }
}

fn ask(matcher: &str, source: &Key, viewer: &Viewer) -> Query {
    Query::new(matcher, source).viewer(viewer.clone()).as_of(days(100))
}

/// Each of the best one-way candidates is explained both ways by the one-way matcher, and sorted by hand.
fn check_against_one_way(engine: &Engine, source: &Key, viewer: &Viewer) -> Result<usize, TestCaseError> {
    let Ok(list) = engine.recommend(&ask("one_way", source, viewer).limit(100)) else { return Ok(0) };
    let mut checked = 0;
    for (name, combine) in COMBINATIONS {
        let mut expected: Vec<(f64, Key)> = Vec::new();
        for found in list.matches.iter().take(5) {
            let back = engine.explain(&ask("one_way", &found.id, viewer), source).unwrap();
            let both = combined(combine, found.score, back.target.score);
            if back.dropped.is_none() && both > 0.0 {
                expected.push((both, found.id.clone()));
            }
        }
        let answer = engine.recommend(&ask(name, source, viewer)).unwrap();
        prop_assert_eq!(answer.funnel["after_window"], list.matches.len().min(5));
        prop_assert_eq!(answer.funnel["after_reciprocity"], expected.len());
        prop_assert_eq!(
            answer.cuts.iter().any(|cut| cut.source == "reciprocal" && cut.cap == 5),
            list.matches.len() > 5
        );
        prop_assert_eq!(answer.matches.len(), expected.len().min(4));
        for found in &answer.matches {
            let known = expected.iter().find(|(_, key)| *key == found.id);
            let (both, _) = known.ok_or_else(|| TestCaseError::fail(format!("{} is no match", found.id)))?;
            prop_assert!((found.score - both).abs() < 1e-10, "{} instead of {both}", found.score);
            checked += 1;
        }
        expected.sort_by(|a, b| b.0.total_cmp(&a.0));
        for ((both, _), found) in expected.iter().zip(&answer.matches) {
            prop_assert!((found.score - both).abs() < 1e-10, "the order is not by both scores");
        }
    }
    Ok(checked)
}

proptest! {
    #![proptest_config(Config { cases: 8, failure_persistence: None, ..Config::default() })]

    #[test]
    fn two_sided_answers_equal_the_obvious_way(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine(changes);
        for viewer in viewers() {
            for source in world.keys("Member") {
                check_against_one_way(&engine, &source, &viewer)?;
            }
        }
    }

    #[test]
    fn partners_score_the_same_from_either_side(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine(changes);
        let members = world.keys("Member");
        for viewer in viewers() {
            for (name, _) in COMBINATIONS {
                for pair in members.windows(2) {
                    let (one, other) = (&pair[0], &pair[1]);
                    let there = engine.explain(&ask(name, one, &viewer), other);
                    let back = engine.explain(&ask(name, other, &viewer), one);
                    let (Ok(there), Ok(back)) = (there, back) else { continue };
                    prop_assert_eq!(there.target.score.to_bits(), back.target.score.to_bits());
                    prop_assert_eq!(there.dropped.is_some(), back.dropped.is_some());
                    let (ranks, mirrored) = (there.ranks.unwrap(), back.ranks.unwrap());
                    prop_assert_eq!(ranks.target_for_source, mirrored.source_for_target);
                }
            }
        }
    }

    #[test]
    fn explained_ranks_are_those_of_one_way_answers(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine(changes);
        let members = world.keys("Member");
        let rank = |source: &Key, target: &Key| {
            let list = engine.recommend(&ask("one_way", source, &Viewer::Operator).limit(100)).ok()?;
            list.matches.iter().find(|found| found.id == *target)?.rank
        };
        for (one, other) in members.iter().zip(members.iter().skip(1)) {
            let Ok(found) = engine.explain(&ask("product", one, &Viewer::Operator), other) else { continue };
            let ranks = found.ranks.unwrap();
            prop_assert_eq!(ranks.target_for_source, rank(one, other));
            prop_assert_eq!(ranks.source_for_target, rank(other, one));
        }
    }
}

#[test]
fn worlds_have_two_sided_matches_at_all() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut checked = 0;
    for _ in 0..5 {
        let tree = proptest::strategy::Strategy::new_tree(&history(140), &mut runner).unwrap();
        let engine = engine(proptest::strategy::ValueTree::current(&tree));
        for source in ["m1", "m3", "m4"] {
            checked += check_against_one_way(&engine, &source.into(), &Viewer::Operator).unwrap();
        }
    }
    assert!(checked > 30, "{checked}");
}

const ART: &str = r#"
name = "art"
[kinds.Artist]
attributes = { fame = "number", city = "category", taste = "tags" }
[kinds.Patron]
attributes = { wealth = "number", city = "category", taste = "tags" }
"#;

const PATRONS: &str = r#"
name = "patrons"
from = "Artist"
to = "Patron"
candidates = [{ signal = "all", cap = 10 }]
[[signals]]
name = "wealth"
phrase = "they are rich"
weight = 0.5
full = 1.0
prior = { attribute = "wealth", strength = 0.000001, scale = 1.0 }
[[signals]]
name = "taste"
phrase = "you both want {names}"
weight = 0.5
overlap = { attribute = "taste" }
[reciprocal]
matcher = "artists"
combine = "harmonic"
"#;

const ARTISTS: &str = r#"
name = "artists"
from = "Patron"
to = "Artist"
candidates = [{ signal = "all", cap = 10 }]
[[signals]]
name = "taste"
phrase = "they want {names} too"
weight = 0.25
overlap = { attribute = "taste", measure = "of_source" }
[[exclusions]]
rule = "no neighbors"
same = "city"
"#;

fn art(texts: &[&str]) -> Result<Engine, EngineError> {
    let schema = Schema::from_toml(ART).unwrap();
    let matchers: Vec<Matcher> =
        texts.iter().map(|text| Matcher::from_toml(text, "art.toml", &schema).unwrap()).collect();
    let node = |kind: &str, key: &str, city: &str, tastes: &[&str]| {
        let tags = Value::Tags(tastes.iter().map(ToString::to_string).collect());
        let attributes = [("city", Value::Category(city.to_string())), ("taste", tags)]
            .map(|(name, value)| (name.to_string(), value));
        Change::PutNode {
            kind: kind.to_string(),
            key: key.into(),
            record: NodeRecord { attributes: attributes.into(), ..NodeRecord::default() },
        }
    };
    let data = [
        node("Artist", "ada", "rome", &["clay", "ink"]),
        node("Patron", "pia", "oslo", &["clay", "oil"]),
        node("Patron", "rex", "rome", &["clay"]),
        node("Patron", "tom", "oslo", &["oil"]),
    ];
    Engine::builder(schema).matchers(matchers).apply(data)?.build()
}

#[test]
fn worked_example_says_both_ways_and_why() {
    let engine = art(&[PATRONS, ARTISTS]).unwrap();
    let answer = engine.recommend(&Query::new("patrons", "ada")).unwrap();
    // Pia: 1 of 3 tastes for 0.5, and half of hers for 0.25. Rex lives next door; Tom wants nothing of Ada.
    let [pia] = answer.matches.as_slice() else { panic!("{:?}", answer.matches) };
    let third = (16_777_216.0_f64 / 3.0).round() / 16_777_216.0;
    let (x, y) = (third / 2.0, 0.125);
    let both = pia.reciprocal.unwrap();
    assert_eq!((both.source_to_target, both.target_to_source), (x, y));
    assert_eq!((both.combine, both.combined), (Combination::Harmonic, 2.0 * (x * y) / (x + y)));
    assert!((pia.score - 1.0 / 7.0).abs() < 1e-7, "{}", pia.score);
    assert!(pia.score <= both.combined && both.combined - pia.score < 3.0 / 2_f64.powi(40));
    let part = |position: usize| {
        let part = &pia.contributions[position];
        (part.signal.as_str(), part.direction.unwrap(), part.value, part.weight)
    };
    assert_eq!(part(0), ("wealth", Direction::SourceToTarget, 0.0, 0.5));
    assert_eq!(part(1), ("taste", Direction::SourceToTarget, third, 0.5));
    assert_eq!(part(2), ("taste", Direction::TargetToSource, 0.5, 0.25));
    // dH/dx = 2 (y / (x + y))^2 = 18/49 for 1/6 and 1/8.
    assert!((pia.contributions[1].contribution - 18.0 / 49.0 / 6.0).abs() < 1e-7);
    assert!((pia.contributions[2].contribution - 32.0 / 49.0 / 8.0).abs() < 1e-7);
    assert_eq!(pia.sentence, "pia: you both want clay. In return: they want clay too.");
    assert_eq!(answer.funnel["after_way_back"], 1);
    let json = serde_json::to_value(pia).unwrap();
    assert_eq!(json["contributions"][2]["direction"], "target_to_source");
    assert_eq!(json["reciprocal"]["combine"], "harmonic");
}

#[test]
fn a_match_whose_own_matcher_drops_the_source_is_none() {
    let engine = art(&[PATRONS, ARTISTS]).unwrap();
    let explained = engine.explain(&Query::new("patrons", "ada"), &"rex".into()).unwrap();
    let rule = Dropped::Exclusion { rule: "no neighbors".to_string() };
    assert_eq!(explained.dropped, Some(Dropped::WayBack { reason: Box::new(rule) }));
    let json = serde_json::to_value(&explained.dropped).unwrap();
    assert_eq!(json["stage"], "way_back");
    assert_eq!(json["reason"]["rule"], "no neighbors");
    let ranks = explained.ranks.unwrap();
    assert_eq!((ranks.target_for_source, ranks.source_for_target), (Some(1), None));
}

#[test]
fn a_match_worth_nothing_to_one_side_scores_nothing() {
    let engine = art(&[PATRONS, ARTISTS]).unwrap();
    let tom = engine.explain(&Query::new("patrons", "ada"), &"tom".into()).unwrap().target;
    let nothing = Reciprocal {
        source_to_target: 0.0,
        target_to_source: 0.0,
        combine: Combination::Harmonic,
        combined: 0.0,
    };
    assert_eq!((tom.score, tom.reciprocal), (0.0, Some(nothing)));
}

#[test]
fn ways_back_that_do_not_fit_are_refused() {
    let check = |texts: &[&str], named: &str, would_do: &[&str]| match art(texts).unwrap_err() {
        EngineError::NoWayBack { matcher, got, allowed } => {
            assert_eq!((matcher.as_str(), got.as_str()), ("patrons", named));
            assert_eq!(allowed, would_do);
        }
        other => panic!("{other:?}"),
    };
    let patrons = |named: &str| PATRONS.replace("\"artists\"", named);
    check(&[PATRONS], "artists", &[]);
    check(&[&patrons("\"nobody\""), ARTISTS], "nobody", &["artists"]);
    check(&[&patrons("\"patrons\""), ARTISTS], "patrons", &["artists"]);
    // A way back with another way back of its own is a chain; two that name each other are a pair.
    let named = |name: &str, back: &str| {
        let text = ARTISTS.replace("\"artists\"", &format!("\"{name}\""));
        format!("{text}[reciprocal]\nmatcher = \"{back}\"\ncombine = \"product\"")
    };
    let others = PATRONS.split("[reciprocal]").next().unwrap().replace("\"patrons\"", "\"others\"");
    check(&[PATRONS, &named("artists", "others"), &others], "artists", &[]);
    assert!(art(&[PATRONS, &named("artists", "patrons")]).is_ok());
}

#[test]
fn wrong_second_sides_are_refused_at_their_line() {
    let schema = Schema::from_toml(ART).unwrap();
    let check = |text: &str, wanted: &str, expected: &str| match Matcher::from_toml(text, "art.toml", &schema)
        .unwrap_err()
    {
        MatcherError::OutOfRange { field, expected: found, .. } => {
            assert_eq!(field, wanted);
            assert!(found.contains(expected), "{found}");
        }
        other => panic!("{other:?}"),
    };
    let unnamed = PATRONS.replace("matcher = \"artists\"\n", "");
    check(&unnamed, "reciprocal.matcher", "two different kinds");
    check(&format!("{PATRONS}window = 3"), "window", "at least the limit of 20");
    check(&format!("{PATRONS}window = 10001"), "window", "at most 10000");
}

#[test]
fn sources_described_on_the_spot_have_no_way_back() {
    let engine = engine(Vec::new());
    let refused = engine.recommend(&Query::ad_hoc(
        "product",
        affinity_core::AdHocSource { links: Vec::new(), ..described() },
    ));
    assert_eq!(refused.unwrap_err(), QueryError::NotInGraph { matcher: "product".to_string() });
}
