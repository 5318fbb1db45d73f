//! Exact search and update of a space, beside the time that reading its memory takes.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::vector::{
    Codes, Kernel, Metric, Neighbor, NewVector, PreparedQuery, Scan, Space, SpaceParams, VectorChange,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const COUNT: usize = 20_000;
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

    /// In [-1, 1).
    fn component(&mut self) -> f32 {
        let bytes = self.next().to_ne_bytes();
        f32::from(i16::from_ne_bytes([bytes[3], bytes[4]])) / 32768.0
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.component()).collect()
    }
}

fn change(node: usize, random: &mut Xorshift) -> VectorChange {
    VectorChange { node, vector: Some(NewVector { components: random.vector(), audience: 0 }) }
}

fn by_index(node: usize) -> u64 {
    node as u64
}

fn space() -> Space {
    let mut random = Xorshift(7);
    let (metric, exact_max) = (Metric::Cosine, SpaceParams::EXACT_MAX);
    let params =
        SpaceParams { name: "profile".into(), dimension: DIMENSION, metric, exact_max, codes: Codes::None };
    let changes = (0..COUNT).map(|node| change(node, &mut random)).collect();
    Space::empty(params, Kernel::detect()).with_changes(changes, &by_index).unwrap()
}

/// One word per page, each bit set for about `percent` of 100.
fn allowed_words(percent: u64) -> Vec<u64> {
    let mut random = Xorshift(11);
    let mut word = || (0..64).fold(0, |word, bit| word | u64::from(random.next() % 100 < percent) << bit);
    (0..COUNT.div_ceil(64)).map(|_| word()).collect()
}

fn nearest(space: &Space, query: &PreparedQuery, words: &[u64], found: &mut Vec<Neighbor>) -> usize {
    let scan = Scan {
        query,
        limit: 100,
        allowed: &mut |page_idx, present| present & words[page_idx],
        visible: &|audience| audience == 0,
        by_key: &|a, b| a.cmp(&b),
        cancelled: &|| false,
    };
    space.scan(scan, found).unwrap()
}

/// Every allowed node compared one by one, sorted and cut.
fn sorted(space: &Space, query: &PreparedQuery, words: &[u64]) -> Vec<Neighbor> {
    let allowed = (0..COUNT).filter(|node| words[node / 64] >> (node % 64) & 1 == 1);
    let mut all: Vec<Neighbor> =
        allowed.map(|node| Neighbor { node, similarity: space.similarity(query, node).unwrap() }).collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.node.cmp(&b.node)));
    all.truncate(100);
    all
}

/// Reads every component once, in independent lanes, so that only memory limits it.
fn stream(space: &Space) -> u32 {
    let mut sums = [0_u32; 32];
    for page in space.pages().iter().flatten() {
        for chunk in page.components().as_chunks::<32>().0 {
            for (sum, component) in sums.iter_mut().zip(chunk) {
                *sum ^= component.to_bits();
            }
        }
    }
    sums.iter().fold(0, |all, sum| all ^ sum)
}

fn scan_benches(criterion: &mut Criterion) {
    let space = space();
    let query = space.prepare(&Xorshift(13).vector()).unwrap();
    let mut found = Vec::new();
    let mut group = criterion.benchmark_group("vector/scan/n20000/d256");
    for percent in [1, 10, 100] {
        let words = allowed_words(percent);
        let compared = nearest(&space, &query, &words, &mut found);
        assert_eq!(found, sorted(&space, &query, &words));
        let bytes = (compared * DIMENSION * 4) as u64;
        group.throughput(Throughput::ElementsAndBytes { elements: compared as u64, bytes });
        group.bench_function(format!("allowed_{percent}_percent"), |bencher| {
            bencher.iter(|| nearest(&space, black_box(&query), black_box(&words), &mut found));
        });
    }

    let all = space.pages().iter().flatten().flat_map(|page| page.components());
    assert_eq!(stream(&space), all.fold(0, |sum, component| sum ^ component.to_bits()));
    let bytes = (COUNT * DIMENSION * 4) as u64;
    group.throughput(Throughput::ElementsAndBytes { elements: COUNT as u64, bytes });
    group.bench_function("read_memory", |bencher| bencher.iter(|| stream(black_box(&space))));
    group.finish();
}

fn update_benches(criterion: &mut Criterion) {
    let space = space();
    let one = vec![change(12_345, &mut Xorshift(17))];
    let next = space.with_changes(one.clone(), &by_index).unwrap();
    assert_eq!(next.count(), COUNT);
    assert_ne!(next.vector(12_345), space.vector(12_345));
    let mut group = criterion.benchmark_group("vector/update/n20000/d256");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one_vector", |bencher| {
        bencher.iter(|| black_box(&space).with_changes(one.clone(), &by_index));
    });
    group.finish();
}

criterion_group!(benches, scan_benches, update_benches);
criterion_main!(benches);
