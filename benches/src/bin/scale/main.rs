//! What a world of many members costs: memory, recommendations, changes and starts.
//!
//! `cargo run --release -p benches --bin scale -- --members 1000000`

mod changes;
mod measure;
mod partners;
mod start;

use std::alloc::System;
use std::error::Error;
use std::time::Instant;

use benches::{World, WorldParams, resident_bytes};
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations, for all that is measured here.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Generates a world, and measures what its size makes slow.
#[derive(Debug, Parser)]
#[command(name = "scale", version)]
struct Arguments {
    /// Members, each with 20 affinities among 20,000 trends.
    #[arg(long, value_delimiter = ',', default_values_t = [20_000, 1_000_000])]
    members: Vec<usize>,
    /// Sources asked about.
    #[arg(long, default_value_t = 1_000)]
    sources: usize,
    /// Parts to measure.
    #[arg(long, value_delimiter = ',', default_values_t = ["partners", "changes", "start"].map(String::from))]
    parts: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    for member_count in &arguments.members {
        let params = WorldParams { member_count: *member_count, ..WorldParams::LARGE };
        let (resident, begun) = (resident_bytes(), Instant::now());
        let held = ALLOCATOR.stats();
        let world = World::generate(params)?;
        let counts = world.engine.counts();
        println!("\n# {member_count} members: {counts:?}, built in {:.1} s", begun.elapsed().as_secs_f64());
        let now = ALLOCATOR.stats();
        let bytes = |stats: &stats_alloc::Stats| stats.bytes_allocated - stats.bytes_deallocated;
        let resident = resident_bytes().unwrap_or(0).saturating_sub(resident.unwrap_or(0));
        println!("memory: {} MB resident, with what the allocator keeps from building", resident / 1_000_000);
        memory(&world, bytes(&now) - bytes(&held));
        for part in &arguments.parts {
            match part.as_str() {
                "partners" => partners::measure(&world, arguments.sources)?,
                "changes" => changes::measure(&world)?,
                "start" => start::measure(&world)?,
                other => {
                    return Err(format!("no part \"{other}\", expected partners, changes or start").into());
                }
            }
        }
    }
    Ok(())
}

/// Where every byte is, beside what the allocator handed out.
fn memory(world: &World, allocated: usize) {
    let rows = world.engine.sizes();
    for row in rows.iter().filter(|row| row.bytes > 500_000) {
        let each = row.bytes as f64 / row.count as f64;
        println!(
            "    {:<34} {:<22} {:>7.1} MB, {each:>6.2} bytes each",
            row.of,
            row.part,
            row.bytes as f64 / 1e6
        );
    }
    let total: usize = rows.iter().map(|row| row.bytes).sum();
    let edge_count = world.engine.counts().edges;
    println!(
        "    all: {} MB of {} MB allocated; {:.1} bytes an edge, nodes included",
        total / 1_000_000,
        allocated / 1_000_000,
        total as f64 / edge_count as f64
    );
}
