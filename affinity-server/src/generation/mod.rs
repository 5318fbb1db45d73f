//! Worlds to try a platform with: believable, deterministic rows of any size, from one file per platform.
//!
//! The file says which tables there are and how each column is computed, in a small expression language.
//! Every cell is a pure function of (seed, table, row, column): a table can be written on its own, in
//! chunks, by any number of threads, in memory that does not grow with the number of rows.
//!
//! ```
//! use affinity_server::generation::World;
//!
//! let world = World::load(r#"
//! schema = "library"
//! epoch = "2026-01-01T00:00:00Z"
//! population_min = 1
//! [words]
//! genres = ["crime", "poetry"]
//! [[table]]
//! name = "books"
//! count = "population"
//! columns = { id = "index", genre = "pick(genres)", title = "'A book of {genre}'" }
//! "#)?;
//! let mut csv = Vec::new();
//! world.write_csv("books", 3, 7, &mut csv)?;
//! assert_eq!(csv.split(|byte| *byte == b'\n').count(), 5); // a header, three rows, the final end of line
//! # Ok::<(), affinity_server::generation::GenerationError>(())
//! ```
//!
//! The language, its functions and the form of the file: `LANGUAGE.md` beside this file.

mod random; // reading order, not alphabetical
mod error;
mod syntax;
mod document;
mod world;
mod compile;
mod value;
mod row;
mod evaluate;
mod functions;
mod write;
mod load;
mod command;

pub use self::command::{GenerateOptions, generate, world_of};
pub use self::error::{GenerationError, Problem};
pub use self::load::LoadProgress;
pub use self::world::{TableSummary, World};

#[cfg(test)]
mod tests;
