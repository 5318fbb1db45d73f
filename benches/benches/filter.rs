//! Closed-form collaborative models: one fit of each, and one query.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::filtering::{
    Interactions, InteractionsBuilder, LocalEaseParams, LowPassParams, Rp3Params,
};
use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Matcher, NodeRecord, Query, Schema, Scratch, Unobserved,
};
use benches::is_test_run;
use criterion::{Criterion, criterion_group, criterion_main};

const ITEMS_OF_USER: usize = 20;

/// The items of a user, rising: most from the user's own corner, a few popular ones.
fn items_of(user: usize, item_count: usize) -> Vec<usize> {
    let pick = |turn: usize| {
        let mixed = (user * ITEMS_OF_USER + turn + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let random = (mixed ^ (mixed >> 29)) >> 16;
        if turn.is_multiple_of(5) {
            random % (item_count / 50)
        } else {
            (user * 7 + random % 200) % item_count
        }
    };
    let mut items: Vec<usize> = (0..ITEMS_OF_USER).map(pick).collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn matrix(user_count: usize, item_count: usize) -> Interactions {
    let mut builder = InteractionsBuilder::new(item_count);
    for user in 0..user_count {
        let items = items_of(user, item_count).into_iter();
        builder.push_user(&items.map(|item| (u32::try_from(item).unwrap(), 1.0)).collect::<Vec<_>>());
    }
    builder.build()
}

fn fit_benches(criterion: &mut Criterion) {
    let (user_count, item_count) = if is_test_run() { (200, 300) } else { (10_000, 10_000) };
    let matrix = matrix(user_count, item_count);
    let low_pass = LowPassParams { rank: 64, ..LowPassParams::STANDARD };
    assert_eq!(LocalEaseParams::STANDARD.fit(&matrix).item_count(), item_count);
    let mut group = criterion.benchmark_group(format!("filter/fit/u{user_count}"));
    group.sample_size(10);
    group.bench_function("local_ease", |bencher| {
        bencher.iter(|| LocalEaseParams::STANDARD.fit(black_box(&matrix)));
    });
    group.bench_function("rp3", |bencher| bencher.iter(|| Rp3Params::STANDARD.fit(black_box(&matrix))));
    group.bench_function("low_pass", |bencher| bencher.iter(|| low_pass.fit(black_box(&matrix))));
}

fn engine(user_count: usize, item_count: usize) -> Engine {
    let schema = "name = 'bench'\n[kinds.User]\n[kinds.Item]\n[relations.LIKES]\nfrom = 'User'\nto = 'Item'";
    let schema = Schema::from_toml(schema).unwrap();
    let matcher = "name = 'items'\nfrom = 'User'\nto = 'Item'
        candidates = [{ signal = 'ease', cap = 500 }, { signal = 'rp3', cap = 500 }]
        exclusions = [{ rule = 'seen', steps = [{ relation = 'LIKES' }] }]
        [[signals]]\nname = 'ease'\nweight = 0.3\nfull = 4.0
        filter = { relation = 'LIKES', model = 'local_ease' }
        [[signals]]\nname = 'rp3'\nweight = 0.3\nfull = 4.0
        filter = { relation = 'LIKES', model = 'rp3' }
        [[signals]]\nname = 'low_pass'\nweight = 0.3\nfull = 4.0
        filter = { relation = 'LIKES', model = 'low_pass', rank = 64 }";
    let matcher = Matcher::from_toml(matcher, "items.toml", &schema).unwrap();
    let node = |kind: &str, key: String| Change::PutNode {
        kind: kind.into(),
        key: key.into(),
        record: NodeRecord::default(),
    };
    let like = |user: usize, item: usize| Change::PutEdge {
        edge: EdgeKey {
            relation: "LIKES".into(),
            source: format!("u{user}").into(),
            target: format!("i{item}").into(),
            origin: None,
        },
        record: EdgeRecord::default(),
    };
    let items = (0..item_count).map(|item| node("Item", format!("i{item}")));
    let users = (0..user_count).flat_map(|user| {
        let likes = items_of(user, item_count).into_iter().map(move |item| like(user, item));
        std::iter::once(node("User", format!("u{user}"))).chain(likes)
    });
    Engine::builder(schema).matcher(matcher).apply(items.chain(users)).unwrap().build().unwrap()
}

fn query_benches(criterion: &mut Criterion) {
    let (user_count, item_count) = if is_test_run() { (200, 300) } else { (10_000, 10_000) };
    let engine = engine(user_count, item_count);
    let query = Query::new("items", "u7").limit(20);
    assert!(!engine.recommend(&query).unwrap().matches.is_empty());
    let mut scratch = Scratch::default();
    criterion.bench_function(&format!("filter/recommend/u{user_count}/three_models"), |bencher| {
        bencher.iter(|| engine.recommend_with(black_box(&query), &mut scratch, &mut Unobserved).unwrap());
    });
}

criterion_group!(benches, fit_benches, query_benches);
criterion_main!(benches);
