//! What holds for every answer, on random worlds.

use std::collections::{BTreeMap, BTreeSet};

use affinity_core::{
    Answer, Change, Condition, Engine, Key, Match, Query, QuerySource, Scratch, Unobserved, Value, Viewer,
};
use proptest::prelude::{Just, Strategy, TestCaseError, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use crate::worlds::{
    OPEN, World, bytes, change, days, engine_of, history, matching_only, queries, sees, viewers,
};

const ALL: [&str; 5] = ["people", "varied", "companies", "goals", "mutual"];

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

/// A history and the same in another order.
fn shuffled(
    history: impl Strategy<Value = Vec<Change>>,
) -> impl Strategy<Value = (Vec<Change>, Vec<Change>)> {
    history.prop_flat_map(|changes| {
        let final_data = World::of(&changes).changes();
        (Just(final_data.clone()), Just(final_data).prop_shuffle())
    })
}

/// Sums in several orders: as they come, backwards, and small ones first.
fn check_sum(found: &Match) -> Result<(), TestCaseError> {
    let mut parts: Vec<f64> = found.contributions.iter().map(|part| part.contribution).collect();
    let forward = parts.iter().fold(0.0, |sum, part| sum + part);
    let backward = parts.iter().rev().fold(0.0, |sum, part| sum + part);
    parts.sort_by(f64::total_cmp);
    let ascending = parts.iter().fold(0.0, |sum, part| sum + part);
    for sum in [forward, backward, ascending] {
        prop_assert_eq!(sum.to_bits(), found.score.to_bits(), "contributions {:?}", parts);
    }
    for part in &found.contributions {
        match part.direction {
            None => prop_assert_eq!(part.value * part.weight, part.contribution),
            Some(_) => prop_assert_eq!((part.contribution * 2_f64.powi(40)).fract(), 0.0),
        }
        prop_assert_eq!(part.direction.is_some(), found.reciprocal.is_some());
        prop_assert!((0.0..=1.0).contains(&part.value), "value {} of {}", part.value, part.signal);
        prop_assert!(!part.absent || (part.value == 0.0 && part.evidence.is_empty()));
    }
    prop_assert!(found.score.is_finite() && found.score > 0.0 && found.score <= 1.0, "score {}", found.score);
    Ok(())
}

fn category<'w>(world: &'w World, kind: &str, key: &Key, attribute: &str) -> Option<&'w Value> {
    world.nodes.get(&(kind.to_string(), key.clone()))?.attributes.get(attribute)
}

/// Members joined with `source` by visible active partnerships, and its colleagues: read off the raw data.
fn excluded_people(world: &World, source: &Key, viewer: &Viewer) -> BTreeSet<Key> {
    let seen = world.seen_by(viewer);
    let mut excluded = BTreeSet::new();
    for (edge, record) in &seen.edges {
        let is_active = record.attributes.get("status") == Some(&Value::Category("active".to_string()));
        if edge.relation == "PARTNERS" && is_active {
            for (one, other) in [(&edge.source, &edge.target), (&edge.target, &edge.source)] {
                if one == source {
                    excluded.insert(other.clone());
                }
            }
        }
        let works_with =
            |other: &affinity_core::EdgeKey| other.relation == "WORKS" && other.target == edge.target;
        if edge.relation == "WORKS" && edge.source == *source {
            excluded.extend(
                seen.edges.keys().filter(|other| works_with(other)).map(|other| other.source.clone()),
            );
        }
    }
    excluded
}

fn check_match(world: &World, query: &Query, found: &Match) -> Result<(), TestCaseError> {
    let QuerySource::Node(source) = &query.source else { return Ok(()) };
    prop_assert!(&found.id != source || found.kind != "Member", "the source is its own match");
    let record = &world.nodes[&(found.kind.to_string(), found.id.clone())];
    prop_assert!(sees(&query.viewer, &record.audience), "{} is hidden from {:?}", found.id, query.viewer);
    match query.matcher.as_str() {
        "people" | "mutual" => {
            let excluded = excluded_people(world, source, &query.viewer);
            prop_assert!(!excluded.contains(&found.id), "{} is excluded", found.id);
            if let Some(Value::Number(reputation)) = record.attributes.get("reputation") {
                let least = if query.matcher == "people" { 1.0 } else { 0.5 };
                prop_assert!(*reputation >= least, "{} is filtered", found.id);
            }
        }
        "varied" => {
            let own = category(world, "Member", source, "industry");
            prop_assert!(own.is_none() || own != category(world, "Member", &found.id, "industry"));
        }
        "companies" => {
            let own = category(world, "Member", source, "tags");
            if let (Some(Value::Tags(own)), Some(Value::Tags(tags))) = (own, record.attributes.get("tags")) {
                prop_assert!(tags.iter().any(|tag| own.contains(tag)), "{} shares no tag", found.id);
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_answer(world: &World, query: &Query, answer: &Answer) -> Result<(), TestCaseError> {
    for (position, found) in answer.matches.iter().enumerate() {
        check_sum(found)?;
        check_match(world, query, found)?;
        prop_assert_eq!(found.rank, Some(position + 1));
    }
    let keys: BTreeSet<&Key> = answer.matches.iter().map(|found| &found.id).collect();
    prop_assert_eq!(keys.len(), answer.matches.len(), "a node is listed twice");
    if answer.diversity.is_none() {
        for pair in answer.matches.windows(2) {
            let in_order = pair[1].score.total_cmp(&pair[0].score).then(pair[0].id.cmp(&pair[1].id));
            prop_assert!(in_order.is_lt(), "{} before {}", pair[0].id, pair[1].id);
        }
    }
    prop_assert_eq!(answer.matches.len(), answer.funnel["after_limit"]);
    prop_assert!(answer.funnel["after_scoring"] <= answer.funnel["candidates"]);
    Ok(())
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn answers_of_random_worlds_add_up_and_obey_the_rules(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        for viewer in viewers() {
            for query in queries(&ALL) {
                let query = query.viewer(viewer.clone());
                if let Ok(answer) = engine.recommend(&query) {
                    check_answer(&world, &query, &answer)?;
                }
            }
        }
    }

    #[test]
    fn explain_of_a_match_says_what_the_answer_says(changes in history(140)) {
        let engine = engine_of(changes, None);
        for query in queries(&ALL) {
            let Ok(answer) = engine.recommend(&query) else { continue };
            for found in &answer.matches {
                let explained = engine.explain(&query, &found.id).unwrap();
                prop_assert_eq!(&explained.dropped, &None);
                let expected = Match { rank: None, ..found.clone() };
                prop_assert_eq!(&explained.target, &expected);
            }
        }
    }

    #[test]
    fn what_a_viewer_may_not_read_changes_nothing(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        for viewer in viewers() {
            let without = world.seen_by(&viewer).engine(Some(engine.models()));
            for query in queries(&OPEN) {
                let query = Query { with_attributes: true, ..query.viewer(viewer.clone()) };
                prop_assert_eq!(bytes(&engine, &query), bytes(&without, &query), "{:?}", query);
                for target in world.keys("Member").iter().take(3) {
                    let explain = |engine: &Engine| {
                        let explained = engine.explain(&query, target);
                        explained.map(|explained| serde_json::to_string(&explained).unwrap())
                    };
                    prop_assert_eq!(explain(&engine), explain(&without), "{:?} and {}", query, target);
                }
            }
        }
    }

    #[test]
    fn shuffled_input_gives_the_same_bytes((ordered, shuffled) in shuffled(history(140))) {
        let (ordered, shuffled) = (engine_of(ordered, None), engine_of(shuffled, None));
        prop_assert_eq!(ordered.models(), shuffled.models());
        for viewer in viewers() {
            for query in queries(&ALL) {
                let query = query.viewer(viewer.clone());
                prop_assert_eq!(bytes(&ordered, &query), bytes(&shuffled, &query), "{:?}", query);
            }
        }
    }

    #[test]
    fn any_updates_equal_a_rebuild_from_the_final_data(
        first in history(80),
        batches in proptest::collection::vec(proptest::collection::vec(change(), 1..12), 1..8),
    ) {
        let mut world = World::of(&first);
        let mut live = engine_of(first, None);
        for batch in batches {
            batch.iter().for_each(|change| world.apply(change));
            live = live.update(batch).unwrap();
        }
        let rebuilt = world.engine(Some(live.models()));
        prop_assert_eq!(rebuilt.counts(), live.counts());
        for viewer in viewers() {
            for query in queries(&ALL) {
                let query = query.viewer(viewer.clone());
                prop_assert_eq!(bytes(&rebuilt, &query), bytes(&live, &query), "{:?}", query);
            }
        }
        let (rebuilt, live) = (rebuilt.refit(), live.refit());
        prop_assert_eq!(rebuilt.models(), live.models());
    }

    #[test]
    fn an_update_leaves_the_version_before_as_it_was(
        first in history(80),
        batch in proptest::collection::vec(change(), 1..20),
    ) {
        let before = engine_of(first, None);
        let asked: Vec<Query> = queries(&ALL);
        let answers: Vec<String> = asked.iter().map(|query| bytes(&before, query)).collect();
        let after = before.update(batch.clone()).unwrap();
        let again: Vec<String> = asked.iter().map(|query| bytes(&before, query)).collect();
        prop_assert_eq!(answers, again);
        // Each change is complete in itself: twice is once.
        let twice = after.update(batch).unwrap();
        for query in &asked {
            prop_assert_eq!(bytes(&after, query), bytes(&twice, query));
        }
    }

    #[test]
    fn threads_and_reused_memory_change_no_byte(changes in history(140)) {
        let engine = engine_of(changes, None);
        let asked = queries(&ALL);
        let expected: Vec<String> = asked.iter().map(|query| bytes(&engine, query)).collect();
        for thread_count in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(thread_count).build().unwrap();
            let mut answers = vec![String::new(); asked.len()];
            pool.scope(|scope| {
                for (query, answer) in asked.iter().zip(&mut answers) {
                    let engine = &engine;
                    scope.spawn(move |_| *answer = bytes(engine, query));
                }
            });
            prop_assert_eq!(&answers, &expected);
        }
        let mut scratch = Scratch::default();
        for (query, expected) in asked.iter().zip(&expected) {
            if let Ok(answer) = engine.recommend_with(query, &mut scratch, &mut Unobserved) {
                prop_assert_eq!(&serde_json::to_string(&answer).unwrap(), expected);
            }
        }
    }

    #[test]
    fn filters_exclusions_and_weights_of_a_query_hold(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        let left_out = Key::from("m3");
        for query in queries(&["people"]) {
            let filter = Condition {
                attribute: "industry".to_string(),
                is_in: Some(vec!["media".to_string(), "film".to_string()]),
                ..Condition::default()
            };
            let mut query = query.filter(filter).weight("likes", 0.05).weight("circle", 0.0);
            query.excluded.push(left_out.clone());
            let Ok(answer) = engine.recommend(&query) else { continue };
            check_answer(&world, &query, &answer)?;
            for found in &answer.matches {
                prop_assert!(found.id != left_out);
                let industry = category(&world, "Member", &found.id, "industry");
                let allowed = ["media", "film"].map(|name| Value::Category(name.to_string()));
                prop_assert!(industry.is_some_and(|industry| allowed.contains(industry)), "{:?}", industry);
                let weights: BTreeMap<&str, f64> =
                    found.contributions.iter().map(|part| (part.signal.as_str(), part.weight)).collect();
                prop_assert_eq!(weights["likes"], (0.05_f64 * 65_536.0).round() / 65_536.0);
                prop_assert_eq!(weights["circle"], 0.0);
            }
        }
    }

    #[test]
    fn matching_only_input_counts_and_is_never_shown(changes in history(60)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        prop_assert!(matching_only().signals()[0].matching_only);
        for query in queries(&["goals"]) {
            let query = query.viewer(Viewer::Member(BTreeSet::new()));
            let Ok(answer) = engine.recommend(&query) else { continue };
            for found in &answer.matches {
                let goals = &found.contributions[0];
                let has_goals = |key: &Key| world.vectors.contains_key(&("goals".to_string(), key.clone()));
                let QuerySource::Node(source) = &query.source else { continue };
                prop_assert_eq!(!goals.absent, has_goals(source) && has_goals(&found.id));
                let shown = serde_json::to_string(&goals.evidence).unwrap();
                let withheld = r#"[{"withheld":"given for matching only"}]"#;
                prop_assert_eq!(shown.as_str(), if goals.absent { "[]" } else { withheld });
            }
        }
    }
}

#[test]
fn worlds_have_matches_at_all() {
    // Guards the properties above: they would all hold of engines that answer nothing.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut match_count, mut cut_count, mut evidence_count) = (0, 0, 0);
    for _ in 0..10 {
        let tree = proptest::strategy::Strategy::new_tree(&history(140), &mut runner).unwrap();
        let engine = engine_of(proptest::strategy::ValueTree::current(&tree), None);
        for query in queries(&ALL) {
            if let Ok(answer) = engine.recommend(&query.as_of(days(100))) {
                match_count += answer.matches.len();
                cut_count += answer.cuts.len();
                let parts = answer.matches.iter().flat_map(|found| &found.contributions);
                evidence_count += parts.map(|part| part.evidence.len()).sum::<usize>();
            }
        }
    }
    assert!(
        match_count > 500 && cut_count > 100 && evidence_count > 2_000,
        "{match_count} {cut_count} {evidence_count}"
    );
}
