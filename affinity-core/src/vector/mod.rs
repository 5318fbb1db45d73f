//! Vectors of nodes: one space per kind of text, searched with filters applied inside.
//!
//! A [`Space`] is immutable and made of pages of 64 nodes; [`Space::with_changes`] copies the pages
//! it touches and shares the rest. [`Space::scan`] finds the nearest allowed and visible nodes; its
//! answer does not depend on the kernel, the processor or the order in which nodes were loaded.
//! [`Space::nearest`] does so too below a size; above, and unless few are allowed, it walks the
//! links of an [`Hnsw`] instead, which finds nearly all of them and says so.

mod error;
mod metric;
mod kernels;
mod page;
mod row_table;
mod codes;
mod space;
mod scan;
mod nearest;
mod hnsw;
mod search;
mod sizes;
#[cfg(test)]
mod tests;

pub use self::codes::Codes;
pub use self::error::VectorError;
pub use self::hnsw::{Hnsw, HnswParams, LEVEL_MAX, LinkPage, SearchScratch};
pub use self::kernels::{BYTE_ZERO, BYTES_MAX, ByteQuery, Kernel, Rows};
pub use self::metric::Metric;
pub use self::nearest::Neighbor;
pub use self::page::{PAGE_SLOTS, VectorPage};
pub use self::scan::{Scan, ScanCancelled};
pub use self::search::{Searched, beam_width};
pub use self::space::{NewVector, PreparedQuery, Space, SpaceParams, VectorChange};
