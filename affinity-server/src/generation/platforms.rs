//! The worlds that this program carries: one file in each platform's folder.

use include_dir::{Dir, include_dir};

use super::error::GenerationError;
use super::world::World;

static PLATFORMS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../platforms");

/// The file of a platform's folder that describes its world.
const FILE: &str = "demo.toml";

impl World {
    /// The world of `platform`, as its folder describes it.
    ///
    /// # Errors
    /// [`GenerationError::UnknownPlatform`] with the platforms that have a world; else as [`World::load`].
    pub fn of_platform(platform: &str) -> Result<Self, GenerationError> {
        let worlds = || {
            PLATFORMS.dirs().filter_map(|folder| Some((folder, folder.get_file(folder.path().join(FILE))?)))
        };
        let name = |folder: &Dir<'_>| folder.path().to_string_lossy().into_owned();
        let found = worlds().find(|(folder, _)| name(folder) == platform);
        let text = found.and_then(|(_, file)| file.contents_utf8());
        let text = text.ok_or_else(|| GenerationError::UnknownPlatform {
            platform: platform.to_owned(),
            known: worlds().map(|(folder, _)| name(folder)).collect(),
        })?;
        Self::load(text)
    }
}
