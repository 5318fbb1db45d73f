//! Each kind of evidence: a number worked by hand, and random worlds against a slow obvious version over the raw data.

use std::collections::BTreeMap;

use affinity_core::{Change, EdgeKey, EdgeRecord, Engine, Key, NodeRecord, Query, Value, Viewer};
use proptest::prelude::{TestCaseError, prop_assert, proptest};
use proptest::test_runner::Config;

use crate::worlds::{World, days, history, matcher, schema};

const AS_OF: i64 = 100;
/// The most that one shared neighbor counts.
const TERM_MAX: f64 = 16.0;

/// An engine with one matcher: every member or company is a candidate, and `signal` is the whole score.
fn engine(changes: Vec<Change>, to: &str, signal: &str) -> Engine {
    let text = format!(
        "name = \"one\"\nfrom = \"Member\"\nto = \"{to}\"\ncandidates = [{{ signal = \"all\", cap = 1000 }}]\n\
         [[signals]]\nname = \"one\"\nweight = 1.0\n{signal}\n"
    );
    Engine::builder(schema()).matcher(matcher(&text)).apply(changes).unwrap().build().unwrap()
}

/// The calibrated value of the signal; `None` when absent.
fn value(engine: &Engine, source: &Key, target: &Key) -> Option<f64> {
    let explained = engine.explain(&Query::new("one", source).as_of(days(AS_OF)), target).unwrap();
    let part = &explained.target.contributions[0];
    (!part.absent).then_some(part.value)
}

/// An edge as read: its weight and its day, if known.
type Edge = (f64, Option<i64>);

/// A member, trend or company's edges along a relation, by neighbor, read as the relation says; all that is there.
fn edges(world: &World, relation: &str, node: &Key, reversed: bool) -> Vec<(Key, Edge)> {
    let symmetric = ["KNOWS", "MEETS", "PARTNERS"].contains(&relation);
    let unweighted = relation == "WORKS";
    let untimed = ["WORKS", "KNOWS", "COVERS"].contains(&relation);
    let mut by_neighbor: BTreeMap<Key, Vec<(String, Edge)>> = BTreeMap::new();
    for (edge, record) in world.edges.iter().filter(|(edge, _)| edge.relation == relation) {
        let weight = if unweighted { 1.0 } else { f64::from(record.weight) };
        let day = record.at.filter(|_| !untimed).map(|at| (at.micros() - days(0).micros()) / 86_400_000_000);
        let origin = edge.origin.as_ref().map(Key::to_string).unwrap_or_default();
        let mut ends = vec![(&edge.source, &edge.target)];
        if symmetric && edge.source != edge.target {
            ends.push((&edge.target, &edge.source));
        }
        if reversed && !symmetric {
            ends = vec![(&edge.target, &edge.source)];
        }
        for (_, neighbor) in ends.into_iter().filter(|(own, _)| *own == node) {
            by_neighbor.entry(neighbor.clone()).or_default().push((origin.clone(), (weight, day)));
        }
    }
    let newest_day = |parallel: &[(String, Edge)]| parallel.iter().filter_map(|(_, (_, day))| *day).max();
    let mut edges = Vec::new();
    for (neighbor, mut parallel) in by_neighbor {
        let weights = parallel.iter().map(|(_, (weight, _))| *weight);
        match relation {
            "MEETS" => edges.push((neighbor, (weights.sum(), newest_day(&parallel)))),
            "RATES" => edges.push((neighbor, (weights.fold(0.0, f64::max), newest_day(&parallel)))),
            "VISITS" => {
                parallel.sort_by(|(a, (_, a_day)), (b, (_, b_day))| a_day.cmp(b_day).then(a.cmp(b)));
                edges.extend(parallel.pop().map(|(_, newest)| (neighbor, newest)));
            }
            _ => edges.extend(parallel.into_iter().map(|(_, edge)| (neighbor.clone(), edge))),
        }
    }
    edges
}

/// As [`edges`], with edges that are kept apart summed up.
fn neighbors(world: &World, relation: &str, node: &Key, reversed: bool) -> BTreeMap<Key, Edge> {
    let mut neighbors: BTreeMap<Key, Edge> = BTreeMap::new();
    for (neighbor, (weight, day)) in edges(world, relation, node, reversed) {
        let sum = neighbors.entry(neighbor).or_insert((0.0, None));
        *sum = (sum.0 + weight, sum.1.max(day));
    }
    neighbors
}

fn decayed((weight, day): Edge, half_life: Option<f64>) -> f64 {
    match (day, half_life) {
        (Some(day), Some(half_life)) => {
            let age = u8::try_from((AS_OF - day).max(0)).unwrap();
            weight * 0.5_f64.powf(f64::from(age) / half_life)
        }
        _ => weight,
    }
}

fn attribute<'w>(world: &'w World, kind: &str, key: &Key, name: &str) -> Option<&'w Value> {
    world.nodes[&(kind.to_string(), key.clone())].attributes.get(name)
}

fn number(value: Option<&Value>) -> Option<f64> {
    match value? {
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// Puts a signal to every pair of a world, beside its slow version.
fn check_signal(
    changes: &[Change],
    to: &str,
    signal: &str,
    slack: f64,
    slow: impl Fn(&World, &Key, &Key) -> Option<f64>,
) -> Result<(), TestCaseError> {
    let engine = engine(changes.to_vec(), to, signal);
    let world = World::of(changes).seen_by(&Viewer::Operator);
    for source in world.keys("Member") {
        for target in world.keys(to) {
            let (fast, slow) = (value(&engine, &source, &target), slow(&world, &source, &target));
            let agree = match (fast, slow) {
                (Some(fast), Some(slow)) => (fast - slow.clamp(0.0, 1.0)).abs() <= slack,
                (fast, slow) => fast.is_none() == slow.is_none(),
            };
            prop_assert!(agree, "{signal}: {source} to {target}: {fast:?}, slowly {slow:?}");
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct SharedCase {
    relation: &'static str,
    formula: &'static str,
    min_count: usize,
    half_life: Option<f64>,
}

fn slow_shared(world: &World, public: &World, case: SharedCase, source: &Key, target: &Key) -> Option<f64> {
    let own = neighbors(world, case.relation, source, false);
    let other = neighbors(world, case.relation, target, false);
    let shared: Vec<&Key> = own.keys().filter(|key| other.contains_key(*key)).collect();
    if shared.len() < case.min_count {
        return None;
    }
    let decayed = |edge: Edge| decayed(edge, case.half_life);
    let terms = shared.iter().map(|key| {
        // Degrees are counted over what any member may read, and are at least 2.
        let degree = neighbors(public, case.relation, key, true).len().max(2);
        let degree = f64::from(u8::try_from(degree).unwrap());
        let product = decayed(own[*key]) * decayed(other[*key]);
        match case.formula {
            "count" => 1.0,
            "adamic_adar" => (product / degree.ln()).min(TERM_MAX),
            "resource_allocation" => (product / degree).min(TERM_MAX),
            _ => product,
        }
    });
    let sum: f64 = terms.sum();
    let length =
        |list: &BTreeMap<Key, Edge>| list.values().map(|edge| decayed(*edge).powi(2)).sum::<f64>().sqrt();
    if case.formula != "cosine" {
        return Some(sum / 32.0);
    }
    let lengths = length(&own) * length(&other);
    Some(if lengths > 0.0 { sum / lengths } else { 0.0 })
}

fn cases() -> Config {
    Config { cases: 12, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn shared_equals_a_sum_over_maps(changes in history(140)) {
        let public = World::of(&changes).seen_by(&Viewer::Member(Default::default()));
        let case = |relation, formula, min_count, half_life| SharedCase { relation, formula, min_count, half_life };
        for case in [
            case("LIKES", "adamic_adar", 1, Some(30.0)),
            case("SUPPORTS", "count", 2, None),
            case("SUPPORTS", "adamic_adar", 1, None),
            case("RATES", "resource_allocation", 1, Some(10.0)),
            case("LIKES", "cosine", 1, None),
            case("WORKS", "count", 1, None),
            case("MEETS", "resource_allocation", 1, None),
        ] {
            let half_life = case.half_life.map_or(String::new(), |days| format!(", half_life_days = {days:?}"));
            let full = if case.formula == "cosine" { "" } else { "full = 32.0\n" };
            let signal = format!(
                "{full}shared = {{ relation = \"{}\", formula = \"{}\", min_count = {}{half_life} }}",
                case.relation, case.formula, case.min_count
            );
            check_signal(&changes, "Member", &signal, 1e-5, |world, source, target| {
                slow_shared(world, &public, case, source, target)
            })?;
        }
    }

    #[test]
    fn shared_over_two_relations_meets_in_the_middle(changes in history(140)) {
        let signal = "full = 32.0\nshared = { relation = \"LIKES\", target_relation = \"COVERS\", target_reversed = true, formula = \"count\" }";
        check_signal(&changes, "Company", signal, 0.0, |world, source, target| {
            let covered = neighbors(world, "COVERS", target, true);
            let count = neighbors(world, "LIKES", source, false).keys().filter(|key| covered.contains_key(*key)).count();
            (count > 0).then(|| f64::from(u8::try_from(count).unwrap()) / 32.0)
        })?;
    }

    #[test]
    fn path_by_degree_is_a_random_walk(changes in history(140)) {
        let signal = "[signals.path]\nsteps = [{ relation = \"SUPPORTS\", half_life_days = 40.0, factor = \"momentum\", nodes = [{ attribute = \"momentum\", min = 0.25 }] }, { relation = \"SUPPORTS\", reversed = true, where = [{ attribute = \"weight\", above = 0.1 }] }]";
        check_signal(&changes, "Member", signal, 1e-6, |world, source, target| {
            let first = edges(world, "SUPPORTS", source, false);
            let leaving: f64 = first.iter().map(|(_, edge)| decayed(*edge, Some(40.0))).sum();
            let mut sum = 0.0;
            for (middle, edge) in first {
                let momentum = number(attribute(world, "Trend", &middle, "momentum")).filter(|number| *number >= 0.25);
                let Some(momentum) = momentum else { continue };
                let mut back = edges(world, "SUPPORTS", &middle, true);
                back.retain(|(_, (weight, _))| *weight > f64::from(0.1_f32));
                let total: f64 = back.iter().map(|(_, (weight, _))| weight).sum();
                let to_target: f64 = back.iter().filter(|(key, _)| key == target).map(|(_, (weight, _))| weight).sum();
                if to_target > 0.0 && leaving > 0.0 {
                    sum += decayed(edge, Some(40.0)) / leaving * momentum.min(1.0) * to_target / total;
                }
            }
            (sum > 1e-9).then_some(sum)
        })?;
    }

    #[test]
    fn path_by_weight_takes_the_strongest(changes in history(140)) {
        let signal = "[signals.path]\ncombine = \"max\"\nnormalize = \"none\"\nsteps = [{ relation = \"RATES\" }, { relation = \"COVERS\" }, { relation = \"VISITS\", reversed = true }]";
        check_signal(&changes, "Member", signal, 1e-6, |world, source, target| {
            let mut strongest = 0.0_f64;
            for (trend, (first, _)) in edges(world, "RATES", source, false) {
                for (company, (second, _)) in edges(world, "COVERS", &trend, false) {
                    for (member, (third, _)) in edges(world, "VISITS", &company, true) {
                        if member == *target {
                            strongest = strongest.max(first.min(1.0) * second.min(1.0) * third.min(1.0));
                        }
                    }
                }
            }
            (strongest > 1e-9).then_some(strongest)
        })?;
    }

    #[test]
    fn walk_is_near_dense_power_iteration(changes in history(140)) {
        let (restart, precision) = (0.15, 1e-6);
        let signal = format!("walk = {{ relations = [\"LIKES\", \"KNOWS\", \"MEETS\"], precision = {precision:?} }}");
        let settled = engine(changes.clone(), "Member", &signal.replace(" }", ", settled = true }"));
        let engine = engine(changes.clone(), "Member", &signal);
        let world = World::of(&changes).seen_by(&Viewer::Operator);
        let nodes: Vec<Key> = ["Member", "Trend"].iter().flat_map(|kind| world.keys(kind)).collect();
        let leaving: BTreeMap<&Key, Vec<(Key, f64)>> = nodes
            .iter()
            .map(|node| {
                let walks = [("LIKES", false), ("LIKES", true), ("KNOWS", false), ("MEETS", false)];
                let list = walks.iter().flat_map(|(relation, reversed)| edges(&world, relation, node, *reversed));
                (node, list.map(|(to, (weight, _))| (to, weight)).collect())
            })
            .collect();
        let slack: f64 = leaving.values().map(|list| precision * f64::from(u16::try_from(list.len().max(1)).unwrap())).sum();
        for source in world.keys("Member") {
            let mut residual = BTreeMap::from([(source.clone(), 1.0)]);
            let mut kept: BTreeMap<Key, f64> = BTreeMap::new();
            for _ in 0..300 {
                let mut next: BTreeMap<Key, f64> = BTreeMap::new();
                for (node, mass) in residual {
                    *kept.entry(node.clone()).or_default() += restart * mass;
                    let total: f64 = leaving[&node].iter().map(|(_, weight)| weight).sum();
                    for (to, weight) in leaving[&node].iter().filter(|_| total > 0.0) {
                        *next.entry(to.clone()).or_default() += (1.0 - restart) * mass * weight / total;
                    }
                }
                residual = next;
            }
            for target in world.keys("Member") {
                let exact = kept.get(&target).copied().unwrap_or(0.0);
                let pushed = value(&engine, &source, &target).unwrap_or(0.0);
                prop_assert!(pushed <= exact + 1e-7 && exact - pushed <= slack + 1e-7, "{source} to {target}: {pushed}, exactly {exact}");
                // What was left over is at most the slack, wherever it is put.
                let settled = value(&settled, &source, &target).unwrap_or(0.0);
                prop_assert!(settled >= pushed && settled - pushed <= slack + 1e-7, "{source} to {target}: {settled} after {pushed}");
            }
        }
    }

    #[test]
    fn pattern_equals_a_tally_over_pairs(changes in history(140)) {
        let signal = "[signals.pattern]\nrelation = \"LIKES\"\noutcome = \"PARTNERS\"\nwhere = [{ attribute = \"status\", in = [\"completed\"] }]\nvalue = \"success\"\nscale = 5.0\nsupport_min = 2\nprior_strength = 3.0";
        // Aggregates are over all pairs, whoever may read them, as long as the people are there.
        let all = World::of(&changes);
        let is_there = |kind: &str, key: &Key| {
            let node = all.nodes.get(&(kind.to_string(), key.clone()));
            node.is_some_and(|record| record.audience != affinity_core::Audience::Principals(Default::default()))
        };
        let mut tallies: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
        let mut overall = Vec::new();
        for (edge, record) in all.edges.iter().filter(|(edge, _)| edge.relation == "PARTNERS" && edge.source != edge.target) {
            let completed = record.attributes.get("status") == Some(&Value::Category("completed".to_string()));
            let success = number(record.attributes.get("success")).filter(|_| completed);
            let (true, true, Some(success)) = (is_there("Member", &edge.source), is_there("Member", &edge.target), success) else { continue };
            overall.push(success / 5.0);
            let liked = |member: &Key| neighbors(&all, "LIKES", member, false);
            for trend in liked(&edge.source).keys().filter(|trend| is_there("Trend", trend) && liked(&edge.target).contains_key(trend)) {
                tallies.entry(trend.clone()).or_default().push(success / 5.0);
            }
        }
        let count_of = |list: &Vec<f64>| f64::from(u16::try_from(list.len()).unwrap());
        let mean = if overall.is_empty() { 0.0 } else { overall.iter().sum::<f64>() / count_of(&overall) };
        check_signal(&changes, "Member", signal, 1e-6, |world, source, target| {
            let other = neighbors(world, "LIKES", target, false);
            let shared: Vec<f64> = neighbors(world, "LIKES", source, false)
                .keys()
                .filter(|trend| other.contains_key(trend))
                .filter_map(|trend| tallies.get(trend).filter(|seen| seen.len() >= 2))
                .map(|seen| (seen.iter().sum::<f64>() + 3.0 * mean) / (count_of(seen) + 3.0))
                .collect();
            (!shared.is_empty()).then(|| shared.iter().sum::<f64>() / count_of(&shared))
        })?;
    }

    #[test]
    fn near_is_the_cosine_above_0(changes in history(40)) {
        check_signal(&changes, "Company", "near = { space = \"profile\", target_space = \"pitch\" }", 1e-6, |world, source, target| {
            let vector = |space: &str, key: &Key| world.vectors.get(&(space.to_string(), key.clone())).map(|(vector, _)| vector);
            let (own, other) = (vector("profile", source)?, vector("pitch", target)?);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            Some(dot(own, other) / (dot(own, own) * dot(other, other)).sqrt())
        })?;
    }

    #[test]
    fn attribute_signals_equal_their_formulas(changes in history(20)) {
        let tags = |world: &World, key: &Key| match attribute(world, "Member", key, "tags") {
            Some(Value::Tags(tags)) if !tags.is_empty() => Some(tags.clone()),
            _ => None,
        };
        for measure in ["jaccard", "of_source", "of_target"] {
            check_signal(&changes, "Member", &format!("overlap = {{ attribute = \"tags\", measure = \"{measure}\" }}"), 1e-6, |world, source, target| {
                let (own, other) = (tags(world, source)?, tags(world, target)?);
                let count = |number: usize| f64::from(u8::try_from(number).unwrap());
                let shared = own.iter().filter(|tag| other.contains(tag)).count();
                let whole = match measure {
                    "jaccard" => own.len() + other.len() - shared,
                    "of_source" => own.len(),
                    _ => other.len(),
                };
                Some(count(shared) / count(whole))
            })?;
        }
        let reputation = |world: &World, key: &Key| number(attribute(world, "Member", key, "reputation"));
        check_signal(&changes, "Member", "close = { attribute = \"reputation\", scale = 2.0 }", 1e-6, |world, source, target| {
            Some((-(reputation(world, source)? - reputation(world, target)?).abs() / 2.0).exp())
        })?;
        let order = ["junior", "senior", "lead"];
        let place = |world: &World, key: &Key| match attribute(world, "Member", key, "rank")? {
            Value::Category(rank) => u8::try_from(order.iter().position(|known| known == rank)?).ok().map(f64::from),
            _ => None,
        };
        check_signal(&changes, "Member", "close = { attribute = \"rank\", scale = 1.5, order = [\"junior\", \"senior\", \"lead\"] }", 1e-6, |world, source, target| {
            Some((-(place(world, source)? - place(world, target)?).abs() / 1.5).exp())
        })?;
        check_signal(&changes, "Member", "complement = { attribute = \"rank\", table = { junior = { lead = 1.0, senior = 0.5 } } }", 0.0, |world, source, target| {
            let (own, other) = (place(world, source)?, place(world, target)?);
            Some(if own == 0.0 { other / 2.0 } else { 0.0 })
        })?;
        let public = World::of(&changes).seen_by(&Viewer::Member(Default::default()));
        let known: Vec<f64> = public.keys("Member").iter().filter_map(|key| reputation(&public, key)).collect();
        let mean = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / f64::from(u8::try_from(known.len()).unwrap()) };
        check_signal(&changes, "Member", "prior = { attribute = \"reputation\", count_attribute = \"reputation_count\", strength = 4.0, scale = 5.0 }", 1e-6, |world, _, target| {
            let count = number(attribute(world, "Member", target, "reputation_count")).unwrap_or(0.0);
            Some((count * reputation(world, target)? + 4.0 * mean) / (count + 4.0) / 5.0)
        })?;
        check_signal(&changes, "Member", "fresh = { attribute = \"active\", half_life_days = 20.0 }", 1e-6, |world, _, target| {
            match attribute(world, "Member", target, "active")? {
                Value::Time(time) => {
                    let age = (days(AS_OF).micros() - time.micros()).max(0) / 86_400_000_000;
                    Some(0.5_f64.powf(f64::from(u8::try_from(age).unwrap()) / 20.0))
                }
                _ => None,
            }
        })?;
    }
}

/// Ann and Bob like jazz and soul, Cid only jazz; jazz has momentum 0.5.
fn hand_made() -> Vec<Change> {
    let node = |kind: &str, key: &str, attributes: &[(&str, Value)]| Change::PutNode {
        kind: kind.to_string(),
        key: key.into(),
        record: NodeRecord {
            attributes: attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            ..NodeRecord::default()
        },
    };
    let edge =
        |relation: &str, source: &str, target: &str, origin: Option<&str>, weight: f32| Change::PutEdge {
            edge: EdgeKey {
                relation: relation.to_string(),
                source: source.into(),
                target: target.into(),
                origin: origin.map(Key::from),
            },
            record: EdgeRecord { weight, at: Some(days(AS_OF - 30)), ..EdgeRecord::default() },
        };
    vec![
        node("Member", "ann", &[]),
        node("Member", "bob", &[("active", Value::Time(days(AS_OF - 40)))]),
        node("Member", "cid", &[]),
        node("Trend", "jazz", &[("momentum", Value::Number(0.5))]),
        node("Trend", "soul", &[]),
        edge("LIKES", "ann", "jazz", None, 1.0),
        edge("LIKES", "ann", "soul", None, 0.5),
        edge("LIKES", "bob", "jazz", None, 0.5),
        edge("LIKES", "bob", "soul", None, 0.5),
        edge("LIKES", "cid", "jazz", None, 1.0),
        edge("SUPPORTS", "ann", "jazz", Some("o1"), 0.25),
        edge("SUPPORTS", "ann", "jazz", Some("o2"), 0.25),
        edge("SUPPORTS", "bob", "jazz", Some("o1"), 1.0),
        edge("KNOWS", "ann", "bob", None, 1.0),
    ]
}

#[track_caller]
fn check_worked(signal: &str, expected: Option<f64>) {
    let engine = engine(hand_made(), "Member", signal);
    let found = value(&engine, &Key::from("ann"), &Key::from("bob"));
    let agree = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
        (found, expected) => found == expected,
    };
    assert!(agree, "{signal}: {found:?}, by hand {expected:?}");
}

#[test]
fn shared_worked_by_hand() {
    // jazz: 1 * 0.5, liked by three; soul: 0.5 * 0.5, liked by two.
    check_worked(
        "full = 8.0\nshared = { relation = \"LIKES\" }",
        Some((0.5 / 3.0_f64.ln() + 0.25 / 2.0_f64.ln()) / 8.0),
    );
    check_worked(
        "shared = { relation = \"LIKES\", formula = \"resource_allocation\" }",
        Some(0.5 / 3.0 + 0.25 / 2.0),
    );
    check_worked(
        "full = 4.0\nshared = { relation = \"LIKES\", formula = \"count\", min_count = 2 }",
        Some(0.5),
    );
    check_worked("full = 4.0\nshared = { relation = \"LIKES\", formula = \"count\", min_count = 3 }", None);
    // 0.75 over sqrt(1.25) * sqrt(0.5).
    check_worked(
        "shared = { relation = \"LIKES\", formula = \"cosine\" }",
        Some(0.75 / (1.25_f64 * 0.5).sqrt()),
    );
    // Both edges are one half-life old: a quarter is left of each product.
    check_worked(
        "shared = { relation = \"LIKES\", formula = \"resource_allocation\", half_life_days = 30.0 }",
        Some((0.5 / 3.0 + 0.25 / 2.0) / 4.0),
    );
    // Parallel edges are one neighbor with their weights together: 0.5 * 1, supported by two.
    check_worked("shared = { relation = \"SUPPORTS\", formula = \"resource_allocation\" }", Some(0.25));
    check_worked("full = 4.0\nshared = { relation = \"SUPPORTS\", formula = \"count\" }", Some(0.25));
}

#[test]
fn cosine_of_weights_far_from_1_worked_by_hand() {
    for weight in [1e-4, 0.5, 10.0, 1e6] {
        let mut changes = hand_made();
        for change in &mut changes {
            if let Change::PutEdge { record, .. } = change {
                record.weight *= weight;
            }
        }
        let engine = engine(changes, "Member", "shared = { relation = \"LIKES\", formula = \"cosine\" }");
        let found = value(&engine, &Key::from("ann"), &Key::from("bob")).unwrap();
        assert!((found - 0.75 / (1.25_f64 * 0.5).sqrt()).abs() < 1e-6, "{found} at weight {weight}");
    }
}

#[test]
fn path_worked_by_hand() {
    // To jazz 1 of 1.5, times momentum 0.5, on to Bob 0.5 of 2.5; soul has no momentum.
    let steps = "steps = [{ relation = \"LIKES\", factor = \"momentum\" }, { relation = \"LIKES\", reversed = true }]";
    check_worked(&format!("path = {{ {steps} }}"), Some(1.0 / 1.5 * 0.5 * (0.5 / 2.5)));
    let plain = "steps = [{ relation = \"LIKES\" }, { relation = \"LIKES\", reversed = true }]";
    check_worked(&format!("path = {{ {plain}, normalize = \"none\" }}"), Some(1.0 * 0.5 + 0.5 * 0.5));
    check_worked(&format!("path = {{ {plain}, normalize = \"none\", combine = \"max\" }}"), Some(0.5));
}

#[test]
fn walk_worked_by_hand() {
    // Two people who know only each other: 0.15 of the time it stays, so Bob gets 0.15 (b + b^3 + b^5 + ...), b = 0.85.
    let b = 0.85_f64;
    check_worked("walk = { relations = [\"KNOWS\"], precision = 0.0000001 }", Some(b * 0.15 / (1.0 - b * b)));
    // It stops when 0.85^15 is left, which is below 0.1: both get half of that.
    let settled = "walk = { relations = [\"KNOWS\"], precision = 0.1, settled = true }";
    check_worked(settled, Some(b * 0.15 * (1.0 - b.powi(14)) / (1.0 - b * b) + b.powi(15) / 2.0));
}

#[test]
fn settled_walk_is_nearer_the_truth_than_what_it_has_pushed() {
    // Everyone likes three of seven trends: a well mixed graph of two sides.
    let mut changes = Vec::new();
    for member in 0..40_u32 {
        let (kind, record) = ("Member".to_string(), NodeRecord::default());
        changes.push(Change::PutNode { kind, key: format!("m{member}").into(), record });
        for step in [1, 2, 4] {
            let trend = Key::from(format!("t{}", (member * 5 + step) % 7));
            let (kind, record) = ("Trend".to_string(), NodeRecord::default());
            changes.push(Change::PutNode { kind, key: trend.clone(), record });
            let (relation, source) = ("LIKES".to_string(), format!("m{member}").into());
            let edge = EdgeKey { relation, source, target: trend, origin: None };
            changes.push(Change::PutEdge { edge, record: EdgeRecord::default() });
        }
    }
    let ranks = |fields: &str| {
        let walk = format!("half = 0.001\nwalk = {{ relations = [\"LIKES\"], {fields} }}");
        let engine = engine(changes.clone(), "Member", &walk);
        let rank = |member: u32| value(&engine, &"m0".into(), &format!("m{member}").into()).unwrap_or(0.0);
        (1..40).map(rank).map(|value| 0.001 * value / (1.0 - value)).collect::<Vec<f64>>()
    };
    let exact = ranks("precision = 0.000000000001");
    let error =
        |ranks: Vec<f64>| ranks.iter().zip(&exact).map(|(rank, exact)| (rank - exact).abs()).sum::<f64>();
    let (pushed, settled) =
        (error(ranks("precision = 0.01")), error(ranks("precision = 0.01, settled = true")));
    assert!(pushed > 0.1 && settled < pushed / 5.0, "{settled} settled, {pushed} before");
}

#[test]
fn fresh_worked_by_hand() {
    check_worked("fresh = { attribute = \"active\", half_life_days = 20.0 }", Some(0.25));
}
