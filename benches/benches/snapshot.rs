//! Start from a snapshot against building from data, and how long saving and verifying take.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, Key, Matcher, NodeRecord, Query, Schema, Value,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SCHEMA: &str = r#"
name = "network"
[kinds.Member]
label = "name"
attributes = { name = "text", industry = "category" }
[kinds.Trend]
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
[spaces.profile]
kind = "Member"
dimension = 256
"#;

const MATCHER: &str = r#"
name = "partners"
from = "Member"
to = "Member"
candidates = [{ signal = "taste", cap = 300 }]
[[signals]]
name = "taste"
weight = 0.5
half = 1.0
shared = { relation = "LIKES", formula = "adamic_adar" }
[[signals]]
name = "profile"
weight = 0.5
near = { space = "profile" }
"#;

const MEMBERS: usize = 20_000;
const LIKES_PER_MEMBER: usize = 20;
const TRENDS: usize = 1_000;
const DIMENSION: usize = 256;

/// A seeded source of numbers, the same on every machine.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % limit
    }

    /// In [-1, 1).
    fn component(&mut self) -> f32 {
        let bytes = self.next().to_ne_bytes();
        f32::from(i16::from_ne_bytes([bytes[3], bytes[4]])) / 32768.0
    }
}

fn key(index: usize) -> Key {
    Key::from(format!("0190f5ae-7c3b-7000-8000-{index:012}"))
}

fn changes() -> Vec<Change> {
    let mut random = Xorshift(3);
    let mut changes = Vec::new();
    for trend in 0..TRENDS {
        let (kind, key) = ("Trend".to_string(), format!("t{trend}").into());
        changes.push(Change::PutNode { kind, key, record: NodeRecord::default() });
    }
    for index in 0..MEMBERS {
        let attributes = [
            ("name".to_string(), Value::Text(format!("Member {index}"))),
            ("industry".to_string(), Value::Category(format!("industry {}", index % 30))),
        ];
        let record = NodeRecord { attributes: attributes.into(), ..NodeRecord::default() };
        changes.push(Change::PutNode { kind: "Member".into(), key: key(index), record });
        for _ in 0..LIKES_PER_MEMBER {
            // Squared: some trends are far more popular than others.
            let trend = random.below(TRENDS) * random.below(TRENDS) / TRENDS;
            let (relation, target) = ("LIKES".to_string(), format!("t{trend}").into());
            let edge = EdgeKey { relation, source: key(index), target, origin: None };
            changes
                .push(Change::PutEdge { edge, record: EdgeRecord { weight: 0.5, ..EdgeRecord::default() } });
        }
        let vector = (0..DIMENSION).map(|_| random.component()).collect();
        let (space, audience) = ("profile".to_string(), Audience::Everyone);
        changes.push(Change::PutVector { space, key: key(index), vector, audience });
    }
    changes
}

fn schema() -> Schema {
    Schema::from_toml(SCHEMA).unwrap()
}

fn matcher() -> Matcher {
    Matcher::from_toml(MATCHER, "partners.toml", &schema()).unwrap()
}

fn build(changes: Vec<Change>) -> Engine {
    Engine::builder(schema()).matcher(matcher()).apply(changes).unwrap().build().unwrap()
}

fn snapshot_benches(criterion: &mut Criterion) {
    let changes = changes();
    let engine = build(changes.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engine.affinity");
    engine.save(&path).unwrap();
    let open = || Engine::open(&path, schema(), [matcher()]).unwrap();
    let opened = Engine::open_verified(&path, schema(), [matcher()]).unwrap();
    let query = Query::new("partners", key(7)).limit(10);
    assert_eq!(opened.recommend(&query).unwrap(), engine.recommend(&query).unwrap());

    let mut group = criterion.benchmark_group("snapshot/start/members20k");
    group.sample_size(10);
    group.bench_function("rebuild", |b| b.iter(|| build(black_box(changes.clone()))));
    group.bench_function("open", |b| b.iter(|| black_box(open())));
    group.finish();

    let mut group = criterion.benchmark_group("snapshot/file/members20k");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(std::fs::metadata(&path).unwrap().len()));
    group.bench_function("save", |b| b.iter(|| engine.save(folder.path().join("other.affinity")).unwrap()));
    group.bench_function("verify", |b| {
        b.iter_batched(open, |engine| engine.verify().unwrap(), criterion::BatchSize::PerIteration)
    });
    group.finish();

    let mut group = criterion.benchmark_group("snapshot/recommend/members20k");
    group.bench_function("built", |b| b.iter(|| engine.recommend(black_box(&query)).unwrap()));
    group.bench_function("opened", |b| b.iter(|| opened.recommend(black_box(&query)).unwrap()));
    group.finish();
}

criterion_group!(benches, snapshot_benches);
criterion_main!(benches);
