//! Signals that reach targets nobody has touched: terms, propagation and polynomials of walks, against slow obvious sums.

use std::collections::{BTreeMap, BTreeSet};

use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, Evidence, Key, Match, Matcher, NodeRecord, Query, Schema,
    Viewer, terms_of,
};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::subsequence;
use proptest::test_runner::Config;

use crate::worlds::{OPEN, bytes, engine_of, history, matchers, queries, schema};

const SCHEMA: &str = r#"
name = "papers"
[kinds.User]
[kinds.Item]
[relations.LIKES]
from = "User"
to = "Item"
weighted = true
[relations.CITES]
from = "Item"
to = "Item"
[spaces.title]
kind = "Item"
form = "terms"
[spaces.text]
kind = "Item"
dimension = 3
"#;

const ITEM_COUNT: usize = 9;
const USER_COUNT: usize = 4;
/// The unit of values.
const UNIT: f64 = 1.0 / 16_777_216.0;

fn item(index: usize) -> Key {
    format!("i{index}").into()
}

fn user(index: usize) -> Key {
    format!("u{index}").into()
}

fn node(kind: &str, key: Key) -> Change {
    Change::PutNode { kind: kind.into(), key, record: NodeRecord::default() }
}

fn edge(relation: &str, source: Key, target: Key, weight: f32) -> Change {
    let edge = EdgeKey { relation: relation.into(), source, target, origin: None };
    Change::PutEdge { edge, record: EdgeRecord { weight, ..EdgeRecord::default() } }
}

fn title(index: usize, text: &str) -> Change {
    let (space, terms) = ("title".to_string(), terms_of(text));
    Change::PutTerms { space, key: item(index), terms, audience: Audience::Everyone }
}

fn engine(from: &str, signal: &str, changes: Vec<Change>) -> Engine {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let matcher = format!(
        "name = 'm'\nfrom = '{from}'\nto = 'Item'\nlimit = 20\ncandidates = [{{ signal = 's', cap = 20 }}]\n\
         [[signals]]\nname = 's'\nweight = 1.0\n{signal}"
    );
    let matcher = Matcher::from_toml(&matcher, "m.toml", &schema).unwrap();
    Engine::builder(schema).matcher(matcher).apply(changes).unwrap().build().unwrap()
}

fn matches(engine: &Engine, source: Key) -> Vec<Match> {
    engine.recommend(&Query { evidence_max: 100, ..Query::new("m", source) }).unwrap().matches
}

/// What the pieces of evidence add up to, and the value left out that they admit.
fn evidence_sum(found: &Match) -> (f64, f64) {
    let (mut sum, mut missing) = (0.0, 0.0);
    for piece in &found.contributions[0].evidence {
        match piece {
            Evidence::Term { contribution, .. } => sum += contribution,
            Evidence::Path { strength, .. } => sum += strength,
            Evidence::Missing { missing_max } => missing = *missing_max,
            other => panic!("{other:?}"),
        }
    }
    (sum, missing)
}

#[test]
fn terms_of_two_titles_give_the_worked_cosine() {
    let titles = ["Deep graph", "The graph: a walk", "Cooking"];
    let nodes = (0..3).map(|index| node("Item", item(index)));
    let mut changes: Vec<Change> =
        nodes.chain(titles.iter().enumerate().map(|(index, text)| title(index, text))).collect();
    changes.push(title(1, "Graph walk")); // replaces all terms: "the" is gone
    let found = matches(&engine("Item", "terms = { space = 'title' }", changes), item(0));
    // idf: graph ln(4/3) = 0.287682, deep and walk ln(4/2) = 0.693147;
    // cosine 0.082761 / (0.082761 + 0.480453) = 0.146944.
    assert_eq!(found.len(), 1, "{found:?}");
    assert!((found[0].score - 0.146_944).abs() < 1e-6, "{}", found[0].score);
    assert_eq!(evidence_sum(&found[0]).0, found[0].score);
    assert!(
        matches!(&found[0].contributions[0].evidence[..], [Evidence::Term { term, .. }] if term == "graph")
    );
}

#[test]
fn terms_of_liked_items_make_a_profile_of_what_the_viewer_may_read() {
    let mut changes: Vec<Change> = (0..4).map(|index| node("Item", item(index))).collect();
    changes.push(node("User", user(0)));
    changes.extend([title(0, "red fox"), title(2, "red apple"), title(3, "blue bird")]);
    let terms = terms_of("blue sky");
    let hidden = Audience::Principals(BTreeSet::from(["owner".to_string()]));
    changes.push(Change::PutTerms { space: "title".into(), key: item(1), terms, audience: hidden });
    changes.extend([edge("LIKES", user(0), item(0), 1.0), edge("LIKES", user(0), item(1), 1.0)]);
    let engine = engine("User", "terms = { space = 'title', relation = 'LIKES' }", changes);
    let keys = |viewer: Viewer| {
        let answer = engine.recommend(&Query::new("m", user(0)).viewer(viewer)).unwrap();
        answer.matches.into_iter().map(|found| found.id).collect::<BTreeSet<Key>>()
    };
    assert!(keys(Viewer::Operator).contains(&item(3)));
    assert_eq!(keys(Viewer::Anonymous), BTreeSet::from([item(0), item(2)]));
}

#[test]
fn propagation_along_citations_gives_the_worked_value() {
    let mut changes: Vec<Change> = (0..4).map(|index| node("Item", item(index))).collect();
    changes.push(node("User", user(0)));
    changes.push(edge("LIKES", user(0), item(0), 1.0));
    // 1 and 3 cite 0, and 1 cites 2 in both directions: degrees 2, 2, 1 and 1.
    changes.extend([(1, 0), (3, 0), (1, 2), (2, 1)].map(|(a, b)| edge("CITES", item(a), item(b), 1.0)));
    let signal = "full = 4.0\nfilter = { relation = 'LIKES', model = 'propagation', along = 'CITES' }";
    let found = matches(&engine("User", signal, changes), user(0));
    let value = |index: usize| 4.0 * found.iter().find(|found| found.id == item(index)).unwrap().score;
    // One step 1/2; three: back and forth over 0, 1, 3 and 2 it is 1/2 (1/4 + 1/2 + 1/2).
    assert!((value(1) - (0.5 + 0.625)).abs() < 1e-6, "{}", value(1));
    // Two steps over 1: 1/2 times 1/sqrt(2).
    assert!((value(2) - 0.5 * 0.5_f64.sqrt()).abs() < 1e-6, "{}", value(2));
    // One step 1/sqrt(2); three: 1/sqrt(2) (1/4 + 1/2).
    assert!((value(3) - 0.5_f64.sqrt() * 1.75).abs() < 1e-6, "{}", value(3));
}

#[test]
fn schema_of_terms_takes_no_dimension_and_weights_are_positive() {
    let wrong = SCHEMA.replace("form = \"terms\"", "form = \"terms\"\ndimension = 3");
    assert!(Schema::from_toml(&wrong).unwrap_err().to_string().contains("spaces.title.dimension"));
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY, 40_000.0] {
        let terms = BTreeMap::from([("word".to_string(), weight)]);
        let put =
            Change::PutTerms { space: "title".into(), key: item(0), terms, audience: Audience::Everyone };
        let refused = Engine::builder(Schema::from_toml(SCHEMA).unwrap()).apply([put]);
        assert!(refused.is_err(), "{weight} was taken");
    }
}

/// How much alike two items are.
type Similarity<'a> = &'a dyn Fn(usize, usize) -> f64;

/// A random little library.
#[derive(Clone, Debug)]
struct Library {
    titles: Vec<Vec<&'static str>>,
    vectors: Vec<[i8; 3]>,
    likes: BTreeMap<(usize, usize), f32>,
    cites: BTreeSet<(usize, usize)>,
}

impl Library {
    fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = (0..ITEM_COUNT).map(|index| node("Item", item(index))).collect();
        changes.extend((0..USER_COUNT).map(|index| node("User", user(index))));
        for (index, words) in self.titles.iter().enumerate() {
            changes.push(title(index, &words.join(" ")));
        }
        for (index, vector) in self.vectors.iter().enumerate().filter(|(_, vector)| **vector != [0; 3]) {
            let (space, vector) = ("text".to_string(), vector.map(f32::from).to_vec());
            changes.push(Change::PutVector { space, key: item(index), vector, audience: Audience::Everyone });
        }
        changes.extend(
            self.likes.iter().map(|((from, to), weight)| edge("LIKES", user(*from), item(*to), *weight)),
        );
        changes.extend(self.cites.iter().map(|(from, to)| edge("CITES", item(*from), item(*to), 1.0)));
        changes
    }

    fn has_past(&self, item: usize) -> bool {
        self.likes.keys().any(|(_, liked)| *liked == item)
    }

    /// tf-idf vectors of length 1, by word.
    fn unit_terms(&self) -> Vec<BTreeMap<&'static str, f64>> {
        let with_words = self.titles.iter().filter(|words| !words.is_empty()).count() as f64;
        let idf = |word: &str| {
            let count = self.titles.iter().filter(|words| words.contains(&word)).count() as f64;
            ((1.0 + with_words) / (1.0 + count)).ln()
        };
        let unit = |words: &Vec<&'static str>| {
            let length = words.iter().map(|word| idf(word) * idf(word)).sum::<f64>().sqrt().max(1e-9);
            words.iter().map(|word| (*word, idf(word) / length)).collect()
        };
        self.titles.iter().map(unit).collect()
    }

    /// Unit vectors after the mean of the items with a past is taken away; empty without one.
    fn centered(&self) -> Vec<Vec<f64>> {
        let unit = |vector: Vec<f64>| {
            let length = vector.iter().map(|part| part * part).sum::<f64>().sqrt();
            if length > 1e-3 { vector.iter().map(|part| part / length).collect() } else { Vec::new() }
        };
        let units: Vec<Vec<f64>> =
            self.vectors.iter().map(|vector| unit(vector.map(f64::from).to_vec())).collect();
        let past: Vec<&Vec<f64>> = (0..ITEM_COUNT)
            .filter(|item| self.has_past(*item))
            .map(|item| &units[item])
            .filter(|v| !v.is_empty())
            .collect();
        let mean: Vec<f64> =
            (0..3).map(|part| past.iter().map(|v| v[part]).sum::<f64>() / past.len().max(1) as f64).collect();
        let minus = |vector: &Vec<f64>| unit(vector.iter().zip(&mean).map(|(a, b)| a - b).collect());
        units.iter().map(minus).collect()
    }

    /// The sum over the nearest `neighbors` items with a past; `None` when a tie at the border leaves it open.
    fn propagated(
        &self,
        (source, candidate): (usize, usize),
        (neighbors, exponent): (usize, f64),
        similarity: Similarity<'_>,
    ) -> Option<f64> {
        let mut near: Vec<(f64, usize)> = (0..ITEM_COUNT)
            .filter(|other| *other != candidate && self.has_past(*other))
            .map(|other| (similarity(candidate, other), other))
            .filter(|(similarity, _)| *similarity > 0.0)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        if near.len() > neighbors && near[neighbors - 1].0 - near[neighbors].0 < 1e-4 {
            return None;
        }
        let weight = |(similarity, other): &(f64, usize)| {
            let liked = self.likes.get(&(source, *other)).copied().unwrap_or(0.0);
            similarity.powf(exponent) * f64::from(liked)
        };
        Some(near.iter().take(neighbors).map(weight).sum())
    }

    /// The sum of `c_k (D^-1/2 A D^-1/2)^k` over citations in either direction.
    fn walks(&self, coefficients: &[f64]) -> Vec<Vec<f64>> {
        let cites = |a: usize, b: usize| self.cites.contains(&(a, b)) || self.cites.contains(&(b, a));
        let degree = |a: usize| (0..ITEM_COUNT).filter(|b| cites(a, *b)).count() as f64;
        let near = |a: usize, b: usize| if cites(a, b) { (degree(a) * degree(b)).powf(-0.5) } else { 0.0 };
        let mut sums = vec![vec![0.0; ITEM_COUNT]; ITEM_COUNT];
        for (from, sums) in sums.iter_mut().enumerate() {
            let mut at = vec![0.0; ITEM_COUNT];
            at[from] = 1.0;
            for coefficient in coefficients {
                let step = |to: usize| (0..ITEM_COUNT).map(|by| at[by] * near(by, to)).sum::<f64>();
                at = (0..ITEM_COUNT).map(step).collect();
                sums.iter_mut().zip(&at).for_each(|(sum, mass)| *sum += coefficient * mass);
            }
        }
        sums
    }

    /// Weighted adjacency of users and items, users first.
    fn adjacency(&self, likes: f64, cites: f64) -> Vec<Vec<f64>> {
        let mut adjacency = vec![vec![0.0; USER_COUNT + ITEM_COUNT]; USER_COUNT + ITEM_COUNT];
        let mut add = |from: usize, to: usize, weight: f64| {
            adjacency[from][to] += weight;
            adjacency[to][from] += weight;
        };
        for ((from, to), weight) in &self.likes {
            add(*from, USER_COUNT + to, f64::from(*weight) * likes);
        }
        for (from, to) in &self.cites {
            add(USER_COUNT + from, USER_COUNT + to, cites);
        }
        adjacency
    }

    /// The sum of `c_k (P^k)_sj`, times the ratio of degrees to a power, for each item.
    fn polynomial(&self, source: usize, weights: (f64, f64), coefficients: &[f64], power: f64) -> Vec<f64> {
        let adjacency = self.adjacency(weights.0, weights.1);
        let degree: Vec<f64> = adjacency.iter().map(|row| row.iter().sum()).collect();
        let mut at = vec![0.0; degree.len()];
        at[source] = 1.0;
        let mut sums = vec![0.0; degree.len()];
        for coefficient in coefficients {
            let mut next = vec![0.0; degree.len()];
            for (from, mass) in at.iter().enumerate().filter(|(from, _)| degree[*from] > 0.0) {
                for (to, weight) in adjacency[from].iter().enumerate() {
                    next[to] += mass * weight / degree[from];
                }
            }
            at = next;
            sums.iter_mut().zip(&at).for_each(|(sum, mass)| *sum += coefficient * mass);
        }
        let scaled = |item: usize| {
            sums[item] * if sums[item] > 0.0 { (degree[source] / degree[item]).powf(power) } else { 0.0 }
        };
        (USER_COUNT..degree.len()).map(scaled).collect()
    }
}

fn library() -> impl Strategy<Value = Library> {
    let words = subsequence(vec!["ant", "bee", "cat", "dog", "elk", "fox"], 0..=4);
    let like = ((0..USER_COUNT, 0..ITEM_COUNT - 2), proptest::sample::select(&[0.25_f32, 0.5, 1.0][..]));
    (
        proptest::collection::vec(words, ITEM_COUNT),
        proptest::collection::vec(proptest::array::uniform3(-3_i8..=3), ITEM_COUNT),
        proptest::collection::btree_map(like.0, like.1, 3..16),
        proptest::collection::btree_set((0..ITEM_COUNT, 0..ITEM_COUNT), 0..12),
    )
        .prop_map(|(titles, vectors, likes, cites)| {
            let cites = cites.into_iter().filter(|(from, to)| from < to).collect();
            Library { titles, vectors, likes, cites }
        })
}

fn cases() -> Config {
    Config { cases: 64, failure_persistence: None, ..Config::default() }
}

/// Scores of a source by item, from its matches; 0 for items that are none.
fn scores(found: &[Match]) -> Vec<f64> {
    let score = |key: Key| found.iter().find(|found| found.id == key).map_or(0.0, |found| found.score);
    (0..ITEM_COUNT).map(|index| score(item(index))).collect()
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn propagation_equals_the_sum_over_nearest_items(library in library(), neighbors in 1_usize..5) {
        let terms = library.unit_terms();
        let cosine = |a: usize, b: usize| {
            terms[a].iter().map(|(word, part)| part * terms[b].get(word).copied().unwrap_or(0.0)).sum::<f64>()
        };
        let vectors = library.centered();
        let dense = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum::<f64>();
        let walks = library.walks(&[0.5, 1.0, 0.25]);
        let walked = |a: usize, b: usize| walks[a][b];
        let ways: [(&str, Similarity<'_>); 3] = [
            ("space = 'title'", &cosine),
            ("space = 'text', centered = true", &dense),
            ("along = 'CITES', steps = [0.5, 1.0, 0.25]", &walked),
        ];
        for (way, similarity) in ways {
            let signal = format!(
                "full = 8.0\nfilter = {{ relation = 'LIKES', model = 'propagation', weighted = true, {way}, neighbors = {neighbors}, similarity_power = 2.0 }}"
            );
            let engine = engine("User", &signal, library.changes());
            for source in 0..USER_COUNT {
                let found = matches(&engine, user(source));
                for (candidate, got) in scores(&found).into_iter().enumerate() {
                    let Some(expected) = library.propagated((source, candidate), (neighbors, 2.0), similarity)
                    else { continue };
                    prop_assert!((got * 8.0 - expected).abs() < 1e-3, "{way} {got} {expected} of {candidate}");
                }
                for found in &found {
                    prop_assert!((evidence_sum(found).0 - found.score * 8.0).abs() < 8.0 * UNIT);
                }
            }
        }
    }

    #[test]
    fn walk_with_steps_is_a_dense_polynomial_within_its_bound(
        library in library(),
        coefficients in proptest::collection::vec(0.1_f64..1.0, 1..5),
        power in proptest::sample::select(&[0.0, 0.5, 1.0][..]),
        precision in proptest::sample::select(&[1e-12, 1e-3, 2e-2, 1e-1][..]),
        cites in proptest::sample::select(&[0.5, 1.0, 2.0][..]),
    ) {
        let signal = format!(
            "full = 64.0\nwalk = {{ relations = ['LIKES', 'CITES'], weights = [1.0, {cites:?}], \
             steps = {coefficients:?}, degree_power = {power:?}, precision = {precision:?} }}"
        );
        let engine = engine("User", &signal, library.changes());
        for source in 0..USER_COUNT {
            let expected = library.polynomial(source, (1.0, cites), &coefficients, power);
            let found = matches(&engine, user(source));
            if precision < 1e-9 {
                for (got, expected) in scores(&found).into_iter().zip(&expected) {
                    prop_assert!((got * 64.0 - expected).abs() < 64.0 * UNIT, "{got} {expected}");
                }
            }
            for found in &found {
                let index: usize = found.id.to_string()[1..].parse().unwrap();
                let (sum, missing) = evidence_sum(found);
                prop_assert!((sum - found.score * 64.0).abs() <= 64.0 * UNIT, "{sum} {}", found.score);
                prop_assert!(sum <= expected[index] + 1e-9, "{sum} is over {}", expected[index]);
                prop_assert!(expected[index] <= sum + missing + 1e-7, "{} {sum} {missing}", expected[index]);
            }
        }
    }

    #[test]
    fn walk_of_two_steps_without_a_first_edge_is_what_the_evidence_leaves(library in library(), pick in any::<u32>()) {
        let signal = "full = 64.0\nwalk = { relations = ['LIKES', 'CITES'], steps = [0.5, 1.0], precision = 1e-12 }";
        let (source, removed) = *library.likes.keys().nth(pick as usize % library.likes.len()).unwrap();
        let weight = |edges: &BTreeMap<(usize, usize), f32>| {
            edges.iter().filter(|((from, _), _)| *from == source).map(|(_, weight)| f64::from(*weight)).sum::<f64>()
        };
        let before = matches(&engine("User", signal, library.changes()), user(source));
        let mut without = library.clone();
        without.likes.remove(&(source, removed));
        let after = scores(&matches(&engine("User", signal, without.changes()), user(source)));
        for found in before.iter().filter(|found| found.id != item(removed)) {
            let index: usize = found.id.to_string()[1..].parse().unwrap();
            let lost: f64 = found.contributions[0].evidence.iter().map(|piece| match piece {
                Evidence::Path { path, strength, .. } if path[1].id == item(removed) => *strength,
                _ => 0.0,
            }).sum();
            // The other first edges share what the removed one had.
            let share = weight(&library.likes) / weight(&without.likes).max(1e-9);
            let expected = if without.likes.keys().any(|(from, _)| *from == source) {
                (found.score * 64.0 - lost) * share
            } else { 0.0 };
            prop_assert!((after[index] * 64.0 - expected).abs() < 1e-4, "{} {expected}", after[index] * 64.0);
        }
    }

    #[test]
    fn snapshot_and_update_after_it_keep_terms(changes in history(60), more in history(20)) {
        let engine = engine_of(changes, None);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.affinity");
        engine.save(&path).unwrap();
        let opened = Engine::open_verified(&path, schema(), matchers()).unwrap();
        prop_assert_eq!(opened.models(), engine.models());
        let (updated, expected) = (opened.update(more.clone()).unwrap(), engine.update(more).unwrap());
        for query in queries(&OPEN) {
            prop_assert_eq!(bytes(&opened, &query), bytes(&engine, &query));
            prop_assert_eq!(bytes(&updated, &query), bytes(&expected, &query));
        }
    }
}
