//! Vectors of nodes: one space per kind of text, searched exactly with filters applied inside.
//!
//! A [`Space`] is immutable and made of pages of 64 nodes; [`Space::with_changes`] copies the pages
//! it touches and shares the rest. [`Space::scan`] finds the nearest allowed and visible nodes; its
//! answer does not depend on the kernel, the processor or the order in which nodes were loaded.

mod error;
mod metric;
mod kernels;
mod page;
mod space;
mod scan;
mod nearest;
#[cfg(test)]
mod tests;

pub use self::error::VectorError;
pub use self::kernels::{Kernel, Rows};
pub use self::metric::Metric;
pub use self::nearest::Neighbor;
pub use self::page::{PAGE_SLOTS, VectorPage};
pub use self::scan::{Scan, ScanCancelled};
pub use self::space::{NewVector, PreparedQuery, Space, SpaceParams, VectorChange};
