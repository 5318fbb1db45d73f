//! From one version of an engine to the next.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::{Change, EdgeKey, EdgeRecord, Key, NodeRecord, Value};
use benches::{World, WorldParams, is_test_run};
use criterion::{Criterion, criterion_group, criterion_main};

fn affinity(member: Key, rank: usize) -> Change {
    let (relation, target) = ("HAS_AFFINITY_WITH".to_string(), World::trend(rank));
    let edge = EdgeKey { relation, source: member, target, origin: None };
    Change::PutEdge { edge, record: EdgeRecord { weight: 0.5, ..EdgeRecord::default() } }
}

/// A new member with twenty affinities.
fn newcomer() -> Vec<Change> {
    let key = Key::from("newcomer");
    let attributes = [("name".to_string(), Value::Text("Newcomer".to_string()))].into();
    let record = NodeRecord { attributes, ..NodeRecord::default() };
    let node = Change::PutNode { kind: "Member".to_string(), key: key.clone(), record };
    std::iter::once(node).chain((0..20).map(|position| affinity(key.clone(), 7 * position))).collect()
}

fn update_benches(criterion: &mut Criterion) {
    let params = if is_test_run() { WorldParams::SMALL } else { WorldParams::LARGE };
    let engine = World::generate(params).unwrap().engine;
    let before = engine.counts();
    // A key that was not there adds an edge whatever the seed; the most popular trend is the worst case.
    let cases = [("one_edge", vec![affinity(Key::from("newcomer"), 0)]), ("one_member", newcomer())];
    for (name, changes) in cases {
        let after = engine.update(changes.clone()).unwrap().counts();
        let added = changes.iter().filter(|change| matches!(change, Change::PutEdge { .. })).count();
        assert_eq!(after.edges, before.edges + added);
        assert_eq!(engine.counts(), before);
        criterion.bench_function(&format!("update/{name}/{}/new_version", params.name()), |bencher| {
            bencher.iter(|| black_box(&engine).update(changes.clone()).unwrap());
        });
    }
}

criterion_group!(benches, update_benches);
criterion_main!(benches);
