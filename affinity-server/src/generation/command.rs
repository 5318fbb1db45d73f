//! The command `generate`: a world into a folder of files, or into the configured database.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::GenerationError;
use super::world::World;
use crate::config::Config;
use crate::database::Database;
use crate::observability::Progress;
use crate::platform::Platform;

/// Which world to make, how large, and where to put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// The platform's name.
    pub platform: String,
    /// How many members.
    pub members: u64,
    /// Worlds of one seed are equal.
    pub seed: u64,
    /// A folder for CSV files; without it the rows go to the database.
    pub out: Option<PathBuf>,
}

/// The world of a platform that comes with the server.
///
/// # Errors
/// [`GenerationError::UnknownPlatform`] with the platforms that have a world; else as [`World::load`].
pub fn world_of(platform: &str) -> Result<World, GenerationError> {
    let platforms = Platform::embedded().map_err(|source| GenerationError::Platform { source })?;
    let worlds = || platforms.iter().filter_map(|platform| Some((platform.name(), platform.demo()?)));
    let found = worlds().find(|(name, _)| *name == platform);
    let (_, text) = found.ok_or_else(|| GenerationError::UnknownPlatform {
        platform: platform.to_owned(),
        known: worlds().map(|(name, _)| name.to_owned()).collect(),
    })?;
    World::load(text)
}

/// Makes the world that `options` ask for, telling how far it is.
///
/// # Errors
/// When the platform has no world, the output cannot be written, or the database is not empty.
pub async fn generate(config: &Config, options: GenerateOptions) -> Result<(), GenerationError> {
    let world = world_of(&options.platform)?;
    let (members, seed) = (options.members, options.seed);
    if let Some(folder) = &options.out {
        let progress = Progress::unknown_length("Writing tables");
        world.write_folder(folder, members, seed)?;
        progress.finish(&format!("Wrote {} tables to {}", world.tables().count(), folder.display()));
        return Ok(());
    }
    let database = Database::start(&config.database).await?;
    let filled = fill(&database, &Arc::new(world), members, seed).await;
    let stopped = database.stop().await;
    filled?;
    Ok(stopped?)
}

async fn fill(
    database: &Database,
    world: &Arc<World>,
    members: u64,
    seed: u64,
) -> Result<(), GenerationError> {
    database.migrate().await?;
    let progress = Progress::steps("Filling tables", world.tables().count() as u64);
    let mut connection = database.pool().acquire().await?;
    let row_count = world.load_into(&mut connection, members, seed, |_| progress.advance(1)).await?;
    progress.finish(&format!("Filled the database with {row_count} rows"));
    Ok(())
}
