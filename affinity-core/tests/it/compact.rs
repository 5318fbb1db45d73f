//! Relations whose edges keep weight and day in four bytes.

use std::collections::BTreeSet;

use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Key, Matcher, NodeRecord, Query, Schema, SchemaError, Timestamp,
};

const SCHEMA: &str = r#"
name = "network"
[kinds.Member]
[kinds.Trend]
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
timed = true
[relations.WORKS_WITH]
from = "Member"
to = "Member"
symmetric = true
weighted = true
timed = true
parallel = "sum"
"#;

const MATCHER: &str = r#"
name = "partners"
from = "Member"
to = "Member"
candidates = [{ signal = "taste", cap = 30 }, { signal = "count", cap = 30 }, { signal = "way", cap = 30 }]
signals = [
    { name = "taste", weight = 0.3, half = 1.0, shared = { relation = "LIKES", half_life_days = 30.0 } },
    { name = "length", weight = 0.1, half = 1.0, shared = { relation = "LIKES", formula = "cosine" } },
    { name = "count", weight = 0.1, half = 1.0, shared = { relation = "LIKES", formula = "count" } },
    { name = "way", weight = 0.2, half = 0.1, path = { steps = [{ relation = "WORKS_WITH", half_life_days = 9.0 }] } },
    { name = "walk", weight = 0.3, half = 0.1, walk = { relations = ["LIKES", "WORKS_WITH"] } },
]
"#;

fn days(count: usize) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(count).unwrap() * 86_400)
}

/// Weights of at most ten binary digits and times at midnight, or neither of both.
fn changes(is_exact: bool) -> Vec<Change> {
    let member = |index: usize| Key::from(format!("m{index}"));
    let node =
        |kind: &str, key: Key| Change::PutNode { kind: kind.into(), key, record: NodeRecord::default() };
    let mut changes: Vec<Change> = (0..60).map(|index| node("Member", member(index))).collect();
    changes.extend((0..11).map(|index| node("Trend", Key::from(format!("t{index}")))));
    for index in 0..240_usize {
        let weight = if is_exact { (index % 64) as f32 / 16.0 } else { (index % 64) as f32 / 15.0 };
        let at = Timestamp::from_micros(
            days(19_900 + index % 90).micros() + if is_exact { 0 } else { 3_600_000_000 },
        );
        let at = (!index.is_multiple_of(7)).then_some(at);
        let (source, relation) = (member(index % 60), index % 3);
        let (relation, target) = match relation {
            0 => ("WORKS_WITH", member(index * 7 % 59)),
            _ => ("LIKES", Key::from(format!("t{}", index * 5 % 11))),
        };
        let (relation, origin) = (relation.to_string(), Some(Key::from(format!("o{}", index % 2))));
        let record = EdgeRecord { weight, at, ..EdgeRecord::default() };
        changes.push(Change::PutEdge { edge: EdgeKey { relation, source, target, origin }, record });
    }
    changes
}

fn engine(schema: &str, changes: Vec<Change>) -> Engine {
    let schema = Schema::from_toml(schema).unwrap();
    let matcher = Matcher::from_toml(MATCHER, "partners.toml", &schema).unwrap();
    Engine::builder(schema).matcher(matcher).apply(changes).unwrap().build().unwrap()
}

#[test]
fn compact_relation_answers_as_another_where_its_edges_are_exact_and_nearly_so_elsewhere() {
    let mut seen = BTreeSet::new();
    let compact = SCHEMA.replace("timed = true", "timed = true\ncompact = true");
    for is_exact in [true, false] {
        let [plain, packed] = [SCHEMA, &compact].map(|schema| engine(schema, changes(is_exact)));
        // One version later, so that edges that were kept are taken over, too.
        let [plain, packed] =
            [plain, packed].map(|engine| engine.update(changes(is_exact)[80..120].to_vec()));
        let (plain, packed) = (plain.unwrap(), packed.unwrap());
        for member in 0..60 {
            let query = Query::new("partners", format!("m{member}").as_str()).as_of(days(20_000));
            let [plain, packed] = [&plain, &packed].map(|engine| engine.recommend(&query).unwrap().matches);
            if is_exact {
                let parts = plain.iter().flat_map(|found| &found.contributions);
                seen.extend(parts.filter(|part| !part.absent).map(|part| part.signal.to_string()));
                assert_eq!(packed, plain);
                continue;
            }
            for (packed, plain) in packed.iter().zip(&plain) {
                assert!((packed.score - plain.score).abs() < 0.02, "{} {}", packed.score, plain.score);
            }
        }
    }
    assert_eq!(seen.len(), 5, "every signal had something to say: {seen:?}");
}

#[test]
fn compact_relation_without_weight_and_time_is_refused() {
    let text = "name = 'x'\n[kinds.A]\n[relations.R]\nfrom = 'A'\nto = 'A'\ncompact = true";
    let error = Schema::from_toml(text).unwrap_err();
    assert!(matches!(error, SchemaError::OutOfRange { field, .. } if field == "relations.R.compact"));
}
