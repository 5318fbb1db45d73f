//! Approximate search: a graph of links between near vectors, walked from the top (HNSW).
//!
//! Source: Malkov & Yashunin, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
//! Small World graphs", IEEE TPAMI 42(4), 2018 (levels, beam search, algorithm 4 for choosing neighbors); Dobson et al.,
//! "Scaling Graph-Based ANNS Algorithms to Billion-Size Datasets", 2023 (`ParlayANN`: batches that double, so that any
//! number of threads builds the same graph).

mod visited;
mod beam;
mod links;
mod measure;
mod walk;
mod select;
mod insert;
mod remove;
mod index;
#[cfg(test)]
mod tests;

pub(super) use self::index::Reindex;
pub use self::index::{Hnsw, HnswParams};
pub use self::links::{LEVEL_MAX, LinkPage};
pub(super) use self::measure::{BitRows, ByteRows, ExactRows, Measure};
pub use self::walk::SearchScratch;
