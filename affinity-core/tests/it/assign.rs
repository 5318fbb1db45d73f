//! `Engine::assign`: every pair as the source's own list has it, under capacities, in the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use affinity_core::assignment::{AssignmentError, Objective};
use affinity_core::{Assign, AssignError, Engine, Key, Query, UnmatchedReason, Viewer};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;

use crate::worlds::{World, days, engine_of, history};

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn asked(engine: &Engine, world: &World, matcher: &str, objective: Objective) -> Assign {
    let can_ask = |key: &Key| engine.recommend(&query(matcher, key)).is_ok();
    let sources = world.keys("Member").into_iter().filter(can_ask);
    Assign {
        objective,
        source_capacity: 2,
        target_capacity: 2,
        viewer: Some(Viewer::Operator),
        as_of: days(100),
        ..Assign::new(matcher, sources)
    }
}

fn query(matcher: &str, source: &Key) -> Query {
    Query::new(matcher, source).as_of(days(100)).limit(100)
}

fn bytes(engine: &Engine, assign: &Assign) -> String {
    serde_json::to_string(&engine.assign(assign).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn pairs_are_what_each_source_gets_alone(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        for objective in [Objective::Total, Objective::Coverage, Objective::Stable] {
            let assign = asked(&engine, &world, "people", objective);
            let found = engine.assign(&assign).unwrap();
            let (mut total, mut seats) = (0.0, BTreeMap::<(bool, Key), u32>::new());
            for pair in &found.pairs {
                let alone = engine.recommend(&query("people", &pair.source.id)).unwrap();
                prop_assert!(alone.matches.contains(&pair.found), "{:?}", pair);
                total += pair.found.score;
                *seats.entry((true, pair.source.id.clone())).or_default() += 1;
                *seats.entry((false, pair.found.id.clone())).or_default() += 1;
            }
            prop_assert_eq!(total, found.total);
            prop_assert!(seats.values().all(|count| *count <= 2), "{:?}", seats);
            prop_assert_eq!(found.gap, (objective != Objective::Stable).then_some(0.0));
            let unmatched: BTreeSet<&Key> = found.unmatched.iter().map(|one| &one.id).collect();
            for source in &assign.sources {
                prop_assert_eq!(unmatched.contains(source), !seats.contains_key(&(true, source.clone())));
            }
            for one in &found.unmatched {
                let alone = engine.recommend(&query("people", &one.id)).unwrap();
                match &one.reason {
                    UnmatchedReason::NoCandidate => prop_assert!(alone.matches.is_empty()),
                    UnmatchedReason::Taken { by, left_out } => {
                        prop_assert_eq!(by.len() + left_out, alone.matches.len());
                        for full in by {
                            prop_assert_eq!(seats.get(&(false, full.id.clone())), Some(&full.capacity));
                        }
                    }
                    UnmatchedReason::Forbidden => prop_assert!(false, "nothing is forbidden"),
                }
            }
        }
    }

    #[test]
    fn locks_stay_and_forbidden_pairs_do_not(changes in history(140), which in 0_usize..50) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        let assign = asked(&engine, &world, "people", Objective::Total);
        let open = engine.assign(&assign).unwrap();
        let names = |pair: &affinity_core::AssignedPair| (pair.source.id.clone(), pair.found.id.clone());
        let previous: Vec<(Key, Key)> = open.pairs.iter().map(names).collect();
        let Some(pair) = previous.get(which % previous.len().max(1)).cloned() else { return Ok(()) };

        let locked = Assign { locked: vec![pair.clone()], previous: previous.clone(), ..assign.clone() };
        let locked = engine.assign(&locked).unwrap();
        prop_assert_eq!(locked.pairs.iter().map(names).collect::<Vec<_>>(), previous.clone());
        prop_assert!(locked.pairs.iter().all(|found| found.kept && found.locked == (names(found) == pair)));

        let without = Assign { forbidden: vec![pair.clone()], ..assign.clone() };
        let without = engine.assign(&without).unwrap();
        prop_assert!(!without.pairs.iter().any(|found| names(found) == pair));

        let both = Assign { locked: vec![pair.clone()], forbidden: vec![pair.clone()], ..assign.clone() };
        let (source, target) = pair;
        let refused = AssignmentError::LockForbidden { source: source.clone(), target };
        prop_assert_eq!(engine.assign(&both), Err(AssignError::Problem(refused)));
        let itself = Assign { locked: vec![(source.clone(), source.clone())], ..assign };
        let refused = AssignmentError::LockNotCandidate { source: source.clone(), target: source };
        prop_assert_eq!(engine.assign(&itself), Err(AssignError::Problem(refused)));
    }

    #[test]
    fn threads_and_order_change_no_byte(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes.clone(), None);
        let other = engine_of(world.changes(), Some(engine.models()));
        for matcher in ["people", "companies", "varied"] {
            let assign = asked(&engine, &world, matcher, Objective::Total);
            let expected = bytes(&engine, &assign);
            let turned = Assign { sources: assign.sources.iter().rev().cloned().collect(), ..assign.clone() };
            prop_assert_eq!(&bytes(&other, &turned), &expected);
            for thread_count in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(thread_count).build().unwrap();
                prop_assert_eq!(&pool.install(|| bytes(&engine, &assign)), &expected);
            }
        }
    }

    #[test]
    fn only_given_targets_are_matched_and_caps_are_said(changes in history(140)) {
        let world = World::of(&changes);
        let engine = engine_of(changes, None);
        let targets = vec![Key::from("m3"), Key::from("m4"), Key::from("nobody")];
        let assign = Assign {
            targets: Some(targets.clone()),
            ..asked(&engine, &world, "people", Objective::Coverage)
        };
        let found = engine.assign(&assign).unwrap();
        prop_assert!(found.pairs.iter().all(|pair| targets.contains(&pair.found.id)));
        let unknown = found.unmatched.iter().find(|one| one.id == targets[2]).unwrap();
        prop_assert_eq!(&unknown.reason, &UnmatchedReason::NoCandidate);

        let narrow = Assign { candidates: 1, targets: None, ..assign };
        let found = engine.assign(&narrow).unwrap();
        let lists = narrow.sources.iter().map(|key| engine.recommend(&query("people", key)).unwrap());
        let cut_count = lists.filter(|answer| answer.matches.len() > 1).count();
        let said = found.cuts.iter().find(|cut| cut.source == "candidates").map_or(0, |cut| cut.sources);
        prop_assert_eq!(said, cut_count);
    }
}
