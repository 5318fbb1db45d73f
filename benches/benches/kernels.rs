//! Comparing two vectors, and one vector with the rows of a page.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::hint::black_box;

use affinity_core::vector::{Kernel, Rows};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Seeded components in [-1, 1).
fn components(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(i16::from_ne_bytes([state.to_ne_bytes()[1], state.to_ne_bytes()[2]])) / 32768.0
    };
    (0..count).map(|_| next()).collect()
}

/// What reading and computing on `count` components of four bytes means.
fn throughput(count: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: count as u64, bytes: 4 * count as u64 }
}

fn pair_benches(criterion: &mut Criterion) {
    for dimension in [256, 1536] {
        let (left, right) = (components(dimension, 1), components(dimension, 2));
        let expected = Kernel::SCALAR.dot(&left, &right).to_bits();
        let mut group = criterion.benchmark_group(format!("kernels/dot/d{dimension}"));
        group.throughput(throughput(dimension));
        for kernel in Kernel::available() {
            assert_eq!(kernel.dot(&left, &right).to_bits(), expected);
            group.bench_function(kernel.name(), |bencher| {
                bencher.iter(|| kernel.dot(black_box(&left), black_box(&right)));
            });
        }
        group.finish();

        let expected = Kernel::SCALAR.squared_distance(&left, &right).to_bits();
        let mut group = criterion.benchmark_group(format!("kernels/squared_distance/d{dimension}"));
        group.throughput(throughput(dimension));
        for kernel in Kernel::available() {
            assert_eq!(kernel.squared_distance(&left, &right).to_bits(), expected);
            group.bench_function(kernel.name(), |bencher| {
                bencher.iter(|| kernel.squared_distance(black_box(&left), black_box(&right)));
            });
        }
        group.finish();
    }
}

fn page_benches(criterion: &mut Criterion) {
    let (query, page) = (components(256, 3), components(64 * 256, 4));
    let rows = Rows::new(u64::MAX, 256, &page).unwrap();
    let mut expected = [0.0; 64];
    Kernel::SCALAR.dot_rows(&query, rows, u64::MAX, &mut expected);
    let mut group = criterion.benchmark_group("kernels/dot_rows/d256");
    group.throughput(throughput(64 * 256));
    for kernel in Kernel::available() {
        let mut out = [0.0; 64];
        kernel.dot_rows(&query, rows, u64::MAX, &mut out);
        assert_eq!(out, expected);
        group.bench_function(kernel.name(), |bencher| {
            bencher.iter(|| kernel.dot_rows(black_box(&query), rows, u64::MAX, black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, pair_benches, page_benches);
criterion_main!(benches);
