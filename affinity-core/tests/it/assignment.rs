//! Assignment: optimal against every assignment there is, stable, proven, and the same in any order.
#![allow(clippy::cast_possible_truncation, reason = "a handful of parties on each side")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use affinity_core::Key;
use affinity_core::assignment::{
    AssignmentError, Objective, Pair, Party, Problem, SCORE_UNITS, Side, Solution, Watch,
};
use pathfinding::matrix::Matrix;
use pathfinding::prelude::kuhn_munkres;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::subsequence;
use proptest::test_runner::Config;

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn party(key: impl Into<Key>, capacity: u32) -> Party {
    Party { key: key.into(), capacity }
}

fn pair(source: u32, target: u32, score: u64) -> Pair {
    Pair { source, target, score }
}

fn solve(problem: &Problem, objective: Objective) -> Solution {
    problem.solve(objective, Watch::default()).unwrap()
}

fn named(problem: &Problem, pairs: &[usize]) -> Vec<(Key, Key)> {
    let names = |position: &usize| {
        let pair = problem.pairs[*position];
        let (source, target) = (pair.source as usize, pair.target as usize);
        (problem.sources[source].key.clone(), problem.targets[target].key.clone())
    };
    pairs.iter().map(names).collect()
}

fn matches(problem: &Problem, chosen: &[usize], party: impl Fn(Pair) -> u32) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for position in chosen {
        *counts.entry(party(problem.pairs[*position])).or_default() += 1;
    }
    counts
}

/// Whether the pairs respect capacities, locks and what is forbidden.
fn is_assignment(problem: &Problem, chosen: &[usize]) -> bool {
    let ends: BTreeSet<(u32, u32)> = chosen
        .iter()
        .map(|position| (problem.pairs[*position].source, problem.pairs[*position].target))
        .collect();
    let fits = |counts: BTreeMap<u32, u32>, parties: &[Party]| {
        counts.iter().all(|(party, count)| *count <= parties[*party as usize].capacity)
    };
    fits(matches(problem, chosen, |pair| pair.source), &problem.sources)
        && fits(matches(problem, chosen, |pair| pair.target), &problem.targets)
        && problem.locked.iter().all(|locked| ends.contains(locked))
        && !problem.forbidden.iter().any(|forbidden| ends.contains(forbidden))
}

/// What the objective compares, the most important first: parties matched, total, pairs kept.
fn worth(problem: &Problem, objective: Objective, chosen: &[usize]) -> (usize, u64, usize) {
    let parties = matches(problem, chosen, |pair| pair.source).len()
        + matches(problem, chosen, |pair| pair.target).len();
    let total = chosen.iter().map(|position| problem.pairs[*position].score).sum();
    let is_kept = |position: &&usize| {
        let pair = problem.pairs[**position];
        problem.previous.contains(&(pair.source, pair.target))
    };
    let kept = chosen.iter().filter(is_kept).count();
    (if objective == Objective::Coverage { parties } else { 0 }, total, kept)
}

/// Every set of pairs that is an assignment.
fn assignments(problem: &Problem) -> impl Iterator<Item = Vec<usize>> {
    let count = problem.pairs.len();
    let sets = (0..1_u32 << count).map(move |set| (0..count).filter(|bit| set >> bit & 1 == 1).collect());
    sets.filter(|chosen: &Vec<usize>| is_assignment(problem, chosen))
}

/// The bound that the prices prove, from the definition; and the worth of the solution on the same scale.
fn bound_and_worth(problem: &Problem, solution: &Solution) -> (i128, i128) {
    let proof = solution.certificate.as_ref().unwrap();
    let ranks = |parties: &[Party]| {
        let mut keys: Vec<&Key> = parties.iter().map(|party| &party.key).collect();
        keys.sort();
        parties.iter().map(|party| keys.binary_search(&&party.key).unwrap()).collect::<Vec<_>>()
    };
    let (source_rank, target_rank) = (ranks(&problem.sources), ranks(&problem.targets));
    let worth = |pair: &Pair| {
        let kept = problem.previous.contains(&(pair.source, pair.target));
        i128::from(pair.score) * proof.per_unit + i128::from(kept)
    };
    let is_locked = |pair: &&Pair| problem.locked.contains(&(pair.source, pair.target));
    let is_free = |pair: &&Pair| !is_locked(pair) && !problem.forbidden.contains(&(pair.source, pair.target));
    let mut bound = 0;
    for pair in problem.pairs.iter().filter(is_free) {
        let source = proof.source_prices[source_rank[pair.source as usize]];
        let target = proof.target_prices[target_rank[pair.target as usize]];
        bound += (worth(pair) - source - target).max(0);
    }
    let mut reached = 0;
    let chosen: Vec<Pair> = solution.pairs.iter().map(|position| problem.pairs[*position]).collect();
    reached += chosen.iter().filter(is_free).map(worth).sum::<i128>();
    for (parties, rank, prices, end) in [
        (&problem.sources, &source_rank, &proof.source_prices, (|pair| pair.source) as fn(&Pair) -> u32),
        (&problem.targets, &target_rank, &proof.target_prices, |pair| pair.target),
    ] {
        for (position, party) in parties.iter().enumerate() {
            let is_mine = |pair: &&Pair| end(pair) as usize == position;
            let locked = problem.pairs.iter().filter(is_locked).filter(is_mine).count();
            let left = i128::from(party.capacity) - locked as i128;
            let bonus = if locked > 0 { 0 } else { proof.per_party };
            let earns = |sold: i128| prices[rank[position]] * sold + if sold > 0 { bonus } else { 0 };
            bound += (0..=left).map(earns).max().unwrap();
            let is_matched = chosen.iter().any(|pair| is_mine(&pair));
            reached += if is_matched { bonus } else { 0 };
        }
    }
    (bound, reached)
}

/// Sources, targets, pairs, locked, forbidden and previous ones; few scores, so that many assignments tie.
fn problem(side_max: usize, pairs_max: usize) -> impl Strategy<Value = Problem> {
    let sides = (1..=side_max, 1..=side_max);
    sides.prop_flat_map(move |(source_count, target_count)| {
        let all: Vec<(u32, u32)> = (0..source_count as u32)
            .flat_map(|source| (0..target_count as u32).map(move |target| (source, target)))
            .collect();
        let count = all.len().min(pairs_max);
        let parties = |letter: &'static str, count: usize| {
            let keys: Vec<Key> = (0..count).map(|at| Key::from(format!("{letter}{at}"))).collect();
            (Just(keys).prop_shuffle(), proptest::collection::vec(1_u32..=3, count)).prop_map(
                |(keys, capacities)| {
                    keys.into_iter().zip(capacities).map(|(key, capacity)| party(key, capacity)).collect()
                },
            )
        };
        let pairs = subsequence(all, 0..=count).prop_shuffle().prop_flat_map(|pairs| {
            let count = pairs.len();
            let some = |most: usize| subsequence(pairs.clone(), 0..=count.min(most));
            let scores = || proptest::collection::vec(0_u64..5, count);
            (Just(pairs.clone()), scores(), scores(), some(2), some(2), some(4))
        });
        (parties("s", source_count), parties("t", target_count), pairs).prop_map(
            |(sources, targets, (ends, scores, target_scores, locked, forbidden, previous))| {
                let pairs =
                    ends.iter().zip(scores).map(|(ends, score)| pair(ends.0, ends.1, score)).collect();
                let forbidden = forbidden.into_iter().filter(|pair| !locked.contains(pair)).collect();
                Problem { sources, targets, pairs, target_scores, locked, forbidden, previous }
            },
        )
    })
}

/// Pairs that are not in although both ends would rather have each other.
fn blocking(problem: &Problem, solution: &Solution) -> Vec<usize> {
    let is_locked = |pair: Pair| problem.locked.contains(&(pair.source, pair.target));
    let is_forbidden = |pair: Pair| problem.forbidden.contains(&(pair.source, pair.target));
    let by_source = |position: usize| {
        let pair = problem.pairs[position];
        (std::cmp::Reverse(pair.score), problem.targets[pair.target as usize].key.clone())
    };
    let by_target = |position: usize| {
        let pair = problem.pairs[position];
        let score = problem.target_scores.get(position).copied().unwrap_or(pair.score);
        (std::cmp::Reverse(score), problem.sources[pair.source as usize].key.clone())
    };
    let wants = |capacity: u32, mine: &dyn Fn(Pair) -> bool, better: &dyn Fn(usize) -> bool| {
        let held: Vec<usize> = solution.pairs.iter().copied().filter(|at| mine(problem.pairs[*at])).collect();
        held.len() < capacity as usize || held.iter().any(|at| !is_locked(problem.pairs[*at]) && better(*at))
    };
    let left_out = (0..problem.pairs.len()).filter(|position| !solution.pairs.contains(position));
    let candidates = left_out.filter(|position| !is_forbidden(problem.pairs[*position]));
    let blocks = |position: &usize| {
        let pair = problem.pairs[*position];
        let (source, target) =
            (&problem.sources[pair.source as usize], &problem.targets[pair.target as usize]);
        wants(source.capacity, &|other| other.source == pair.source, &|at| {
            by_source(*position) < by_source(at)
        }) && wants(target.capacity, &|other| other.target == pair.target, &|at| {
            by_target(*position) < by_target(at)
        })
    };
    candidates.filter(blocks).collect()
}

fn can_be_locked(problem: &Problem) -> bool {
    let locks: Vec<usize> = (0..problem.pairs.len())
        .filter(|at| problem.locked.contains(&(problem.pairs[*at].source, problem.pairs[*at].target)))
        .collect();
    is_assignment(problem, &locks)
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn no_assignment_is_better_or_keeps_more(problem in problem(4, 10)) {
        for objective in [Objective::Total, Objective::Coverage] {
            if !can_be_locked(&problem) {
                let refused = problem.solve(objective, Watch::default());
                let is_named = matches!(refused, Err(AssignmentError::LockOverCapacity { .. }));
                prop_assert!(is_named, "{:?}", refused);
                continue;
            }
            let solution = solve(&problem, objective);
            prop_assert!(is_assignment(&problem, &solution.pairs), "{:?}", solution);
            let best = assignments(&problem).map(|chosen| worth(&problem, objective, &chosen)).max().unwrap();
            prop_assert_eq!(worth(&problem, objective, &solution.pairs), best);
            let (_, total, kept) = worth(&problem, objective, &solution.pairs);
            prop_assert_eq!((solution.total, solution.kept), (total, kept));
            let (bound, reached) = bound_and_worth(&problem, &solution);
            prop_assert_eq!(bound, reached);
            let proof = solution.certificate.unwrap();
            prop_assert_eq!((proof.gap, proof.bound), (0, i128::from(total)));
        }
    }

    #[test]
    fn coverage_has_most_sources_and_most_targets_at_once(problem in problem(4, 10)) {
        if can_be_locked(&problem) {
            let solution = solve(&problem, Objective::Coverage);
            let most = |end: fn(Pair) -> u32| {
                assignments(&problem).map(|chosen| matches(&problem, &chosen, end).len()).max().unwrap()
            };
            prop_assert_eq!(solution.sources_matched, most(|pair| pair.source));
            prop_assert_eq!(solution.targets_matched, most(|pair| pair.target));
        }
    }

    #[test]
    fn stable_has_no_blocking_pair(problem in problem(5, 25), one_sided in any::<bool>()) {
        let problem = Problem {
            target_scores: if one_sided { Vec::new() } else { problem.target_scores.clone() },
            ..problem
        };
        if can_be_locked(&problem) {
            let solution = solve(&problem, Objective::Stable);
            prop_assert!(is_assignment(&problem, &solution.pairs), "{:?}", solution);
            prop_assert_eq!(blocking(&problem, &solution), Vec::<usize>::new());
        }
    }

    #[test]
    fn order_of_input_changes_nothing(problem in problem(5, 25), shift in 0_usize..25) {
        if can_be_locked(&problem) {
            let count = problem.pairs.len().max(1);
            let (mut turned, sources) = (problem.clone(), problem.sources.len() as u32);
            turned.pairs.rotate_left(shift % count);
            turned.target_scores.rotate_left(shift % count);
            turned.sources.reverse();
            for pair in &mut turned.pairs {
                pair.source = sources - 1 - pair.source;
            }
            for pair in turned.locked.iter_mut().chain(&mut turned.forbidden).chain(&mut turned.previous) {
                pair.0 = sources - 1 - pair.0;
            }
            for objective in [Objective::Total, Objective::Coverage, Objective::Stable] {
                let (one, other) = (solve(&problem, objective), solve(&turned, objective));
                prop_assert_eq!(named(&problem, &one.pairs), named(&turned, &other.pairs));
                prop_assert_eq!(one.certificate, other.certificate);
            }
        }
    }

    #[test]
    fn total_of_a_square_equals_kuhn_munkres(
        scores in (1_usize..9).prop_flat_map(|side| proptest::collection::vec(0_u64..=SCORE_UNITS, side * side)),
    ) {
        let side = scores.len().isqrt();
        let weights = Matrix::from_vec(side, side, scores.iter().map(|score| *score as i64).collect()).unwrap();
        let (expected, _) = kuhn_munkres(&weights);
        let parties: Vec<Party> = (0..side).map(|at| party(format!("{at}"), 1)).collect();
        let ends = (0..side as u32).flat_map(|source| (0..side as u32).map(move |target| (source, target)));
        let pairs = ends.zip(&scores).map(|((source, target), score)| pair(source, target, *score)).collect();
        let problem = Problem { sources: parties.clone(), targets: parties, pairs, ..Problem::default() };
        let solution = solve(&problem, Objective::Total);
        prop_assert_eq!(i64::try_from(solution.total).unwrap(), expected);
    }

    #[test]
    fn locking_a_chosen_pair_changes_nothing(mut problem in problem(5, 25), which in 0_usize..25) {
        problem.pairs.iter_mut().for_each(|pair| pair.score += 1);
        for objective in [Objective::Total, Objective::Coverage] {
            if !can_be_locked(&problem) {
                continue;
            }
            let before = solve(&problem, objective);
            let ends = |at: &usize| (problem.pairs[*at].source, problem.pairs[*at].target);
            let previous: Vec<(u32, u32)> = before.pairs.iter().map(ends).collect();
            let mut locked = problem.clone();
            locked.locked.extend(previous.get(which % previous.len().max(1)));
            locked.previous = previous;
            prop_assert_eq!(solve(&locked, objective).pairs, before.pairs);
        }
    }
}

/// A problem of some size: `count` on each side, `degree` candidates each, capacities 1 to 5.
fn large(count: u32, degree: u32) -> Problem {
    let mut state = 7_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut side = |letter: &str| {
        (0..count)
            .map(|at| party(format!("{letter}{at:06}"), 1 + u32::try_from(next(5)).unwrap()))
            .collect::<Vec<_>>()
    };
    let (sources, targets) = (side("s"), side("t"));
    let mut pairs = Vec::new();
    for source in 0..count {
        let mut ends = BTreeSet::new();
        while ends.len() < degree as usize {
            ends.insert(u32::try_from(next(u64::from(count))).unwrap());
        }
        pairs.extend(ends.into_iter().map(|target| pair(source, target, next(1 << 31) << 9)));
    }
    Problem { sources, targets, pairs, ..Problem::default() }
}

#[test]
fn large_problems_are_proven_optimal() {
    let problem = large(1_000, 20);
    for objective in [Objective::Total, Objective::Coverage] {
        let solution = solve(&problem, objective);
        assert!(is_assignment(&problem, &solution.pairs));
        let (bound, reached) = bound_and_worth(&problem, &solution);
        assert_eq!(bound, reached);
        assert_eq!(solution.certificate.unwrap().gap, 0);
    }
}

#[test]
fn locking_another_pair_changes_one_alternating_path() {
    let mut problem = large(300, 10);
    let before = solve(&problem, Objective::Total);
    let chosen: BTreeSet<usize> = before.pairs.iter().copied().collect();
    let ends = |at: &usize| (problem.pairs[*at].source, problem.pairs[*at].target);
    problem.previous = before.pairs.iter().map(ends).collect();
    for other in (0..problem.pairs.len()).filter(|at| !chosen.contains(at)).step_by(97) {
        let locked = Problem { locked: vec![ends(&other)], ..problem.clone() };
        let after: BTreeSet<usize> = solve(&locked, Objective::Total).pairs.into_iter().collect();
        let changed: Vec<usize> = chosen.symmetric_difference(&after).copied().collect();
        // On a path or circle nobody has more than one pair come and one go.
        for end in [|pair: Pair| pair.source, |pair: Pair| pair.target] {
            for set in [&chosen, &after] {
                let own: Vec<usize> = changed.iter().copied().filter(|at| set.contains(at)).collect();
                assert!(matches(&locked, &own, end).values().all(|count| *count == 1), "{changed:?}");
            }
        }
        assert!(changed.contains(&other));
    }
}

#[test]
fn worked_example_leaves_the_best_pair_for_a_better_total() {
    let problem = Problem {
        sources: vec![party("ann", 1), party("bob", 1)],
        targets: vec![party("x", 1), party("y", 1)],
        pairs: vec![pair(0, 0, 9), pair(0, 1, 5), pair(1, 0, 6)],
        ..Problem::default()
    };
    let total = solve(&problem, Objective::Total); // 5 + 6 = 11 beats 9
    assert_eq!((total.pairs, total.total), (vec![1, 2], 11));
    let stable = solve(&problem, Objective::Stable); // ann and x would rather have each other
    assert_eq!((stable.pairs, stable.total), (vec![0], 9));
}

#[test]
fn coverage_prefers_another_person_to_a_second_seat() {
    let problem = Problem {
        sources: vec![party("ann", 2), party("bob", 2)],
        targets: vec![party("x", 1), party("y", 1)],
        pairs: vec![pair(0, 0, 9), pair(0, 1, 9), pair(1, 1, 2)],
        ..Problem::default()
    };
    assert_eq!(solve(&problem, Objective::Total).pairs, vec![0, 1]);
    let coverage = solve(&problem, Objective::Coverage);
    assert_eq!((coverage.pairs, coverage.sources_matched, coverage.total), (vec![0, 2], 2, 11));
}

#[test]
fn equal_preferences_make_stable_the_greedy_choice() {
    let problem = large(200, 10);
    let mut order: Vec<usize> = (0..problem.pairs.len()).collect();
    order.sort_by_key(|at| {
        let pair = problem.pairs[*at];
        (std::cmp::Reverse(pair.score), pair.source, pair.target)
    });
    let mut greedy = Vec::new();
    for at in order {
        greedy.push(at);
        if !is_assignment(&problem, &greedy) {
            greedy.pop();
        }
    }
    greedy.sort_unstable();
    let mut stable = solve(&problem, Objective::Stable).pairs;
    stable.sort_unstable();
    assert_eq!(stable, greedy);
}

#[test]
fn impossible_problems_are_refused_by_name() {
    let open = Problem {
        sources: vec![party("ann", 1), party("bob", 1)],
        targets: vec![party("x", 1), party("y", 2)],
        pairs: vec![pair(0, 0, 9), pair(0, 1, 5), pair(1, 0, 6)],
        ..Problem::default()
    };
    let refused = |problem: Problem| problem.solve(Objective::Total, Watch::default()).unwrap_err();
    let (ann, bob, x, y) = (Key::from("ann"), Key::from("bob"), Key::from("x"), Key::from("y"));
    assert_eq!(
        refused(Problem { locked: vec![(1, 1)], ..open.clone() }),
        AssignmentError::LockNotCandidate { source: bob.clone(), target: y.clone() }
    );
    assert_eq!(
        refused(Problem { locked: vec![(0, 1)], forbidden: vec![(0, 1)], ..open.clone() }),
        AssignmentError::LockForbidden { source: ann.clone(), target: y.clone() }
    );
    let over = |source, target, side| AssignmentError::LockOverCapacity { source, target, side, capacity: 1 };
    assert_eq!(
        refused(Problem { locked: vec![(0, 0), (0, 1)], ..open.clone() }),
        over(ann.clone(), y, Side::Source)
    );
    assert_eq!(
        refused(Problem { locked: vec![(1, 0), (0, 0)], ..open.clone() }),
        over(bob, x.clone(), Side::Target)
    );
    let twice = vec![pair(0, 0, 9), pair(0, 0, 8)];
    assert_eq!(
        refused(Problem { pairs: twice, ..open.clone() }),
        AssignmentError::RepeatedPair { source: ann.clone(), target: x.clone() }
    );
    let high = vec![pair(0, 0, SCORE_UNITS + 1)];
    assert_eq!(
        refused(Problem { pairs: high, ..open.clone() }),
        AssignmentError::Score { source: ann.clone(), target: x, got: SCORE_UNITS + 1 }
    );
    let empty = vec![party("ann", 0), party("bob", 1)];
    let max = affinity_core::assignment::CAPACITY_MAX;
    assert_eq!(
        refused(Problem { sources: empty, ..open.clone() }),
        AssignmentError::Capacity { side: Side::Source, key: ann.clone(), got: 0, max }
    );
    let twins = vec![party("ann", 1), party("ann", 1)];
    assert_eq!(
        refused(Problem { sources: twins, ..open.clone() }),
        AssignmentError::RepeatedKey { side: Side::Source, key: ann }
    );
    assert_eq!(
        refused(Problem { forbidden: vec![(0, 7)], ..open }),
        AssignmentError::NoSuchParty { side: Side::Target, got: 7, count: 2 }
    );
}

#[test]
fn a_caller_follows_the_search_and_ends_it() {
    let problem = large(200, 5);
    let seen = AtomicUsize::new(0);
    for objective in [Objective::Total, Objective::Stable] {
        let watch = Watch { cancelled: &|| true, ..Watch::default() };
        assert_eq!(problem.solve(objective, watch), Err(AssignmentError::Cancelled));
        let progress = |done: usize, total: usize| {
            assert_eq!(total, 200);
            seen.store(done, Ordering::Relaxed);
        };
        problem.solve(objective, Watch { progress: &progress, ..Watch::default() }).unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 200);
    }
}
