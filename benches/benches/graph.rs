//! One kind of graph evidence at a time, from the query to the best match.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::{Query, Scratch, Unobserved};
use benches::{AS_OF, World, WorldParams, is_test_run};
use criterion::{Criterion, criterion_group, criterion_main};

fn signal_benches(criterion: &mut Criterion) {
    let sizes: &[WorldParams] =
        if is_test_run() { &[WorldParams::SMALL] } else { &[WorldParams::SMALL, WorldParams::MEDIUM] };
    for params in sizes {
        let world = World::generate(*params).unwrap();
        for matcher in ["expand", "path", "walk", "walk_steps"] {
            let mut scratch = Scratch::default();
            let mut query = Query::new(matcher, World::member(1)).as_of(AS_OF);
            query.evidence_max = 0;
            let expected = world.engine.recommend(&query).unwrap();
            assert_eq!(expected.matches.len(), 1);
            let mut ask =
                || world.engine.recommend_with(black_box(&query), &mut scratch, &mut Unobserved).unwrap();
            assert_eq!(ask(), expected);
            criterion.bench_function(&format!("graph/{matcher}/{}/one_source", params.name()), |bencher| {
                bencher.iter(&mut ask);
            });
        }
    }
}

criterion_group!(benches, signal_benches);
criterion_main!(benches);
