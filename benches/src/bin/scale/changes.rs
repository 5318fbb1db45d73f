//! New versions: what one more edge costs, and what it costs those who read meanwhile.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use affinity_core::{Change, EdgeKey, EdgeRecord};
use benches::World;

use crate::ALLOCATOR;
use crate::measure::Percentiles;

/// New edges, each in a version of its own.
const EDGE_COUNT: usize = 2_000;

pub(crate) fn measure(world: &World) -> Result<(), Box<dyn Error>> {
    let (relation, member_count) = ("HAS_AFFINITY_WITH".to_string(), world.params.member_count);
    let mut engine = Arc::new(world.engine.clone());
    let (mut times, mut bytes) = (Vec::new(), 0);
    for index in 0..EDGE_COUNT {
        let source = World::member(index * 7_919 % member_count);
        // The most popular trends are the worst case, and the likeliest.
        let target = World::trend(index * index % world.params.trend_count);
        let edge = EdgeKey { relation: relation.clone(), source, target, origin: None };
        let record = EdgeRecord { weight: 0.5, ..EdgeRecord::default() };
        let (before, begun) = (ALLOCATOR.stats(), Instant::now());
        let next = engine.update([Change::PutEdge { edge, record }])?;
        bytes += ALLOCATOR.stats().bytes_allocated - before.bytes_allocated;
        engine = Arc::new(next);
        times.push(begun.elapsed());
    }
    let total: f64 = times.iter().map(std::time::Duration::as_secs_f64).sum();
    let count = EDGE_COUNT as f64;
    println!("changes: one edge a version: mean {:.1} us, {}", total * 1e6 / count, Percentiles::of(times));
    println!("    new memory a version: {} bytes", bytes / EDGE_COUNT);
    Ok(())
}
