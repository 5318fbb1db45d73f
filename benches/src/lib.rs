//! Shared inputs of the benchmarks.

mod world;
mod process;

pub use self::process::{is_test_run, resident_bytes, resident_bytes_of, target_directory};
pub use self::world::{AS_OF, World, WorldParams};
