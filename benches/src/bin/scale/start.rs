//! Snapshots: size, saving, opening, and the first answer.

use std::error::Error;
use std::time::Instant;

use affinity_core::{Engine, Query};
use benches::{AS_OF, World};

pub(crate) fn measure(world: &World) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("engine.affinity");
    let begun = Instant::now();
    world.engine.save(&path)?;
    let (seconds, length) = (begun.elapsed().as_secs_f64(), std::fs::metadata(&path)?.len());
    println!("start: saved {} MB in {seconds:.1} s", length / 1_000_000);
    let matchers: Vec<_> = world.engine.matchers().values().cloned().collect();
    let query = Query::new("partners", World::member(1)).as_of(AS_OF);
    for _ in 0..5 {
        let (schema, matchers) = (world.engine.schema().clone(), matchers.clone());
        let begun = Instant::now();
        let engine = Engine::open(&path, schema, matchers)?;
        let opened = begun.elapsed();
        let answer = engine.recommend(&query)?;
        let answered = begun.elapsed();
        if answer.matches != world.engine.recommend(&query)?.matches {
            return Err("the snapshot answers otherwise than what was saved".into());
        }
        println!("    opened in {opened:.1?}, with the first answer {answered:.1?}");
    }
    Ok(())
}
