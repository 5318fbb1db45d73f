//! Shared inputs of the benchmarks.

mod world;
mod process;

pub use self::process::{is_test_run, resident_bytes, target_directory};
pub use self::world::{AS_OF, World, WorldParams};
