//! Whether the table of bytes says what the allocator handed out: a program of its own, since it counts everything.
#![allow(missing_docs, clippy::unwrap_used)]

use std::alloc::System;

use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, Key, NodeRecord, Schema, SizeRow, Timestamp, Value,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SCHEMA: &str = r#"
name = "network"
[kinds.Member]
label = "name"
attributes = { name = "text", industry = "category", types = "tags", reputation = "number", seen = "time" }
[kinds.Trend]
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
timed = true
[relations.PARTNERS_WITH]
from = "Member"
to = "Member"
symmetric = true
parallel = "apart"
attributes = { success = "number", status = "category" }
[spaces.profile]
kind = "Member"
dimension = 32
exact_max = 1000
codes = "u8"
"#;

const MEMBER_COUNT: usize = 4_000;

fn member(index: usize) -> Key {
    Key::from(format!("0190f5ae-7c3b-7000-8000-{index:012}"))
}

fn edge(relation: &str, source: Key, target: Key, origin: Option<Key>, record: EdgeRecord) -> Change {
    Change::PutEdge { edge: EdgeKey { relation: relation.into(), source, target, origin }, record }
}

/// A member with its edges.
fn changes(index: usize) -> impl Iterator<Item = Change> {
    let attributes = [
        ("name", Value::Text(format!("Member {index}"))),
        ("industry", Value::Category(format!("industry {}", index % 9))),
        ("types", Value::Tags(vec![format!("type {}", index % 4), format!("type {}", index % 7)])),
        ("reputation", Value::Number(0.5)),
        ("seen", Value::Time(Timestamp::from_seconds(1_700_000_000))),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_string(), value)).into();
    let principals = vec![format!("member:{}", member(index))];
    let record = NodeRecord { attributes, principals, audience: Audience::Members };
    let node = Change::PutNode { kind: "Member".into(), key: member(index), record };
    let likes = (0..12_usize).map(move |place| {
        // Squared: some trends are hubs.
        let trend = (index * 31 + place * 97) % 300 * ((index + place * 7) % 300) / 300;
        let record = EdgeRecord {
            weight: 0.5,
            at: Some(Timestamp::from_seconds(1_700_000_000)),
            ..EdgeRecord::default()
        };
        edge("LIKES", member(index), format!("trend {trend}").into(), None, record)
    });
    let attributes = [("success".to_string(), Value::Number(4.0))].into();
    let partner = edge(
        "PARTNERS_WITH",
        member(index),
        member(index * 7 % MEMBER_COUNT),
        Some(Key::from(format!("partnership {index}"))),
        EdgeRecord { attributes, ..EdgeRecord::default() },
    );
    std::iter::once(node).chain(likes).chain([partner])
}

fn vector(index: usize) -> Change {
    Change::PutVector {
        space: "profile".into(),
        key: member(index),
        vector: (0..32_u8).map(|place| f32::from(place) + 1.0 / (index as f32 + 1.0)).collect(),
        audience: Audience::Everyone,
    }
}

#[test]
fn sizes_sum_to_what_the_allocator_handed_out() {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    // Once before, so that what is made only once in a process does not count.
    drop(Engine::builder(schema.clone()).apply((0..9).flat_map(changes)).unwrap().build().unwrap());
    let before = ALLOCATOR.stats();
    let engine = Engine::builder(schema).apply((0..MEMBER_COUNT).flat_map(changes)).unwrap().build().unwrap();
    let after = ALLOCATOR.stats();
    let handed_out = (after.bytes_allocated - after.bytes_deallocated)
        - (before.bytes_allocated - before.bytes_deallocated);
    let rows: Vec<SizeRow> = engine.sizes();
    let said: usize = rows.iter().map(|row| row.bytes).sum();
    let off = said.abs_diff(handed_out) as f64 / handed_out as f64;
    assert!(off < 0.02, "{said} of {handed_out} bytes: {rows:#?}");
    let likes = rows.iter().find(|row| row.of == "relation LIKES" && row.part == "weights").unwrap();
    assert_eq!(likes.bytes, 4 * likes.count, "four bytes a weight");

    // Vectors lie in pages of their own, which the allocator does not hand out.
    let rows = engine.update((0..MEMBER_COUNT).map(vector)).unwrap().sizes();
    let bytes =
        |part: &str| rows.iter().find(|row| row.of == "space profile" && row.part == part).unwrap().bytes;
    let per_vector = |part: &str| bytes(part) / MEMBER_COUNT;
    assert_eq!(per_vector("vectors"), 4 * 32, "four bytes a component");
    assert_eq!(per_vector("codes"), 32 + 4, "a byte a component and a scale");
    assert!((100..200).contains(&per_vector("links")), "{} bytes of links", per_vector("links"));
}
