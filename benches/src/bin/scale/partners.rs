//! Recommendations: time on one thread, allocations, and throughput on two.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use affinity_core::{Answer, Observer, Query, Scratch, Unobserved};
use benches::{AS_OF, World};

use crate::ALLOCATOR;
use crate::measure::Percentiles;

/// Each source's best round tells what a query costs when nothing else takes the processor.
const ROUND_COUNT: usize = 3;

pub(crate) fn measure(world: &World, source_count: usize) -> Result<(), Box<dyn Error>> {
    for matcher in ["partners", "expand", "partners_both_ways", "opportunities"] {
        let queries: Vec<Query> =
            world.sources(source_count).map(|key| Query::new(matcher, key).as_of(AS_OF)).collect();
        let mut scratch = Scratch::default();
        let mut ask = |query: &Query| world.engine.recommend_with(query, &mut scratch, &mut Unobserved);
        for query in queries.iter().take(50) {
            check(&ask(query)?, &world.engine.recommend(query)?)?; // warms the scratch memory, too
        }
        // In rounds, so that a source's repetitions lie far apart and find the caches as cold as its first time.
        let (mut all, mut best) = (Vec::new(), vec![Duration::MAX; queries.len()]);
        for _ in 0..ROUND_COUNT {
            for (query, best) in queries.iter().zip(&mut best) {
                let begun = Instant::now();
                let answer = ask(query)?;
                let time = begun.elapsed();
                drop(answer);
                *best = time.min(*best);
                all.push(time);
            }
        }
        println!(
            "{matcher}: {}; best of {ROUND_COUNT} a source: {}",
            Percentiles::of(all),
            Percentiles::of(best)
        );
        let before = ALLOCATOR.stats();
        for query in &queries {
            drop(ask(query)?);
        }
        let after = ALLOCATOR.stats();
        println!(
            "    allocations a request: {}, {} bytes",
            (after.allocations - before.allocations) / queries.len(),
            (after.bytes_allocated - before.bytes_allocated) / queries.len()
        );
        stages(world, &queries)?;
        let (one, two) = (throughput(world, &queries, 1), throughput(world, &queries, 2));
        println!("    requests a second: {one:.0} on one thread, {two:.0} on two: {:.2} times", two / one);
    }
    Ok(())
}

/// Adding the contributions must give the score, and asking twice the same bytes.
fn check(answer: &Answer, again: &Answer) -> Result<(), Box<dyn Error>> {
    let adds_up = answer.matches.iter().all(|found| {
        let sum: f64 = found.contributions.iter().rev().map(|part| part.contribution).sum();
        sum.to_bits() == found.score.to_bits()
    });
    let is_same = serde_json::to_string(answer)? == serde_json::to_string(again)?;
    if adds_up && is_same {
        Ok(())
    } else {
        Err("an answer does not add up, or changes when asked again".into())
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

fn stages(world: &World, queries: &[Query]) -> Result<(), Box<dyn Error>> {
    let mut stages = Stages { last: Instant::now(), total: BTreeMap::new() };
    let mut scratch = Scratch::default();
    for query in queries {
        stages.last = Instant::now();
        world.engine.recommend_with(query, &mut scratch, &mut stages)?;
    }
    let mean = |total: &Duration| total.as_secs_f64() * 1e6 / queries.len() as f64;
    let words = stages.total.iter().map(|(stage, total)| format!("{stage} {:.1}", mean(total)));
    println!("    mean us a stage: {}", words.collect::<Vec<_>>().join(", "));
    Ok(())
}

/// Requests a second, each thread asking about every source.
fn throughput(world: &World, queries: &[Query], thread_count: usize) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..thread_count {
            scope.spawn(|| {
                let mut scratch = Scratch::default();
                for query in queries {
                    drop(world.engine.recommend_with(query, &mut scratch, &mut Unobserved));
                }
            });
        }
    });
    (thread_count * queries.len()) as f64 / begun.elapsed().as_secs_f64()
}
