//! Time per recommendation on one thread: percentiles over different sources, printed and written as JSON.
//!
//! `cargo bench -p benches --bench recommend`, with `-- --test` on the smallest world only.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use affinity_core::{Answer, Observer, Query, Scratch, Unobserved};
use benches::{AS_OF, World, WorldParams, is_test_run, resident_bytes, target_directory};

/// Sources asked about in each round.
const SOURCE_COUNT: usize = 1_000;
/// Each source's best round tells what a query costs when nothing else takes the processor.
const ROUND_COUNT: usize = 3;

/// In microseconds.
struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Percentiles {
    fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_by(f64::total_cmp);
        let at = |percent: usize| micros[(micros.len() * percent / 100).min(micros.len() - 1)];
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

/// Adds up the time of each stage.
struct Stages {
    last: Instant,
    total: BTreeMap<&'static str, Duration>,
}

impl Observer for Stages {
    fn stage_done(&mut self, stage: &'static str) {
        let now = Instant::now();
        *self.total.entry(stage).or_default() += now - self.last;
        self.last = now;
    }
}

fn main() {
    let sizes = if is_test_run() {
        vec![WorldParams::SMALL]
    } else {
        vec![WorldParams::SMALL, WorldParams::MEDIUM, WorldParams::LARGE]
    };
    let mut report = serde_json::Map::new();
    for params in sizes {
        let before = resident_bytes();
        let begun = Instant::now();
        let world = World::generate(params).unwrap();
        let counts = world.engine.counts();
        println!(
            "world/{}: {counts:?}, generated and built in {:.1} s",
            params.name(),
            begun.elapsed().as_secs_f64()
        );
        if let (Some(before), Some(after)) = (before, resident_bytes()) {
            // Nodes, edges and vectors together; what the allocator keeps from building is in it too.
            println!("world/{}: {} MB resident", params.name(), after.saturating_sub(before) / 1_000_000);
        }
        let variants: &[(&str, &str)] = if params.has_vectors {
            &[
                ("partners", "graph"),
                ("partners_near", "graph_and_vectors"),
                ("partners_both_ways", "reciprocal"),
                ("opportunities", "graph"),
            ]
        } else {
            &[("partners", "graph"), ("partners_both_ways", "reciprocal"), ("opportunities", "graph")]
        };
        for (matcher, variant) in variants {
            let family = matcher.trim_end_matches("_near").trim_end_matches("_both_ways");
            let name = format!("recommend/{family}/{}/{variant}", params.name());
            report.insert(name.clone(), measure(&world, matcher, &name));
        }
    }
    if let Some(directory) = target_directory().filter(|_| !is_test_run()) {
        let path = directory.join("recommend.json");
        std::fs::write(&path, serde_json::to_string_pretty(&report).unwrap()).unwrap();
        println!("written to {}", path.display());
    }
}

/// Adding the contributions must give the score, and asking twice the same bytes.
fn check(answer: &Answer, again: &Answer) {
    assert!(!answer.matches.is_empty());
    for found in &answer.matches {
        let sum: f64 = found.contributions.iter().rev().map(|part| part.contribution).sum();
        assert_eq!(sum.to_bits(), found.score.to_bits());
    }
    assert_eq!(serde_json::to_string(answer).unwrap(), serde_json::to_string(again).unwrap());
}

fn measure(world: &World, matcher: &str, name: &str) -> serde_json::Value {
    let mut scratch = Scratch::default();
    let source_count = if is_test_run() { 20 } else { SOURCE_COUNT };
    let queries: Vec<Query> =
        world.sources(source_count).map(|key| Query::new(matcher, key).limit(10).as_of(AS_OF)).collect();
    let mut ask = |query: &Query| world.engine.recommend_with(query, &mut scratch, &mut Unobserved).unwrap();
    check(&ask(&queries[0]), &world.engine.recommend(&queries[0]).unwrap());
    queries.iter().take(50).for_each(|query| drop(ask(query))); // warms caches and the scratch memory
    // In rounds, so that a source's repetitions lie far apart and find the caches as cold as its first time.
    let (mut all, mut best) = (Vec::new(), vec![f64::INFINITY; queries.len()]);
    for _ in 0..ROUND_COUNT {
        for (query, best) in queries.iter().zip(&mut best) {
            let begun = Instant::now();
            let answer = ask(query);
            let micros = begun.elapsed().as_secs_f64() * 1e6;
            drop(answer);
            *best = best.min(micros);
            all.push(micros);
        }
    }
    let (all, best) = (Percentiles::of(all), Percentiles::of(best));
    println!("{name:<44} p50 {:>8.1} us   p99 {:>8.1} us   max {:>8.1} us", all.p50, all.p99, all.max);
    println!("    best of {ROUND_COUNT} per source: p50 {:.1} us, p99 {:.1} us", best.p50, best.p99);
    let mut stages = Stages { last: Instant::now(), total: BTreeMap::new() };
    for query in &queries {
        stages.last = Instant::now();
        world.engine.recommend_with(query, &mut scratch, &mut stages).unwrap();
    }
    let share = |total: &Duration| total.as_secs_f64() * 1e6 / queries.len() as f64;
    let stages: BTreeMap<&str, f64> =
        stages.total.iter().map(|(stage, total)| (*stage, share(total))).collect();
    let words: Vec<String> = stages.iter().map(|(stage, micros)| format!("{stage} {micros:.1}")).collect();
    println!("    mean us per stage: {}", words.join(", "));
    serde_json::json!({
        "p50_us": all.p50, "p99_us": all.p99, "max_us": all.max,
        "best_p50_us": best.p50, "best_p99_us": best.p99, "stages_us": stages,
    })
}
