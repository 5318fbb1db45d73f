//! Exact assignment of many to many: sparse with capacities, and dense as in a classical assignment problem.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::collections::BTreeSet;
use std::hint::black_box;

use affinity_core::assignment::{Objective, Pair, Party, Problem, Watch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// A seeded source of numbers, the same on every machine.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Up to 1.0, in units of 2^-40.
    fn score(&mut self) -> u64 {
        self.below(1 << 40)
    }
}

fn side(count: u32, capacity_max: u64, random: &mut Xorshift) -> Vec<Party> {
    let capacity = |random: &mut Xorshift| 1 + u32::try_from(random.below(capacity_max)).unwrap();
    (0..count).map(|at| Party { key: format!("{at:06}").into(), capacity: capacity(random) }).collect()
}

/// `degree` different candidates for each source.
fn sparse(count: u32, degree: usize, capacity_max: u64) -> Problem {
    let mut random = Xorshift(7);
    let (sources, targets) = (side(count, capacity_max, &mut random), side(count, capacity_max, &mut random));
    let mut pairs = Vec::new();
    for source in 0..count {
        let mut candidates = BTreeSet::new();
        while candidates.len() < degree {
            candidates.insert(u32::try_from(random.below(u64::from(count))).unwrap());
        }
        pairs.extend(candidates.into_iter().map(|target| Pair { source, target, score: random.score() }));
    }
    Problem { sources, targets, pairs, ..Problem::default() }
}

fn dense(count: u32) -> Problem {
    let mut random = Xorshift(11);
    let ends = (0..count).flat_map(|source| (0..count).map(move |target| (source, target)));
    let pairs = ends.map(|(source, target)| Pair { source, target, score: random.score() }).collect();
    let mut random = Xorshift(13);
    let (sources, targets) = (side(count, 1, &mut random), side(count, 1, &mut random));
    Problem { sources, targets, pairs, ..Problem::default() }
}

fn assignment_benches(criterion: &mut Criterion) {
    let many = sparse(10_000, 50, 5);
    let square = dense(2_000);
    for (name, problem, objectives) in [
        (
            "n10000/c50/capacity_1_to_5",
            &many,
            &[Objective::Total, Objective::Coverage, Objective::Stable][..],
        ),
        ("n2000/dense", &square, &[Objective::Total]),
    ] {
        for objective in objectives {
            let solution = problem.solve(*objective, Watch::default()).unwrap();
            assert!(solution.certificate.is_none_or(|proof| proof.gap == 0));
            let mut group = criterion.benchmark_group(format!("assignment/{objective:?}").to_lowercase());
            group.throughput(Throughput::Elements(problem.pairs.len() as u64));
            group.sample_size(10);
            group.bench_function(name, |bencher| {
                bencher.iter(|| black_box(problem).solve(*objective, Watch::default()).unwrap().total);
            });
        }
    }
}

criterion_group!(benches, assignment_benches);
criterion_main!(benches);
