//! How much of what is nearest the indexes of an engine find.

use serde::Serialize;

use super::version::Engine;
use crate::graph::SpaceSpec;
use crate::vector::Space;

/// The index of one space beside the exact scan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RecallRow {
    /// The name of the space.
    pub space: String,
    /// Vectors that it holds.
    pub vector_count: usize,
    /// What the index compares: `none`, `u8` or `binary`.
    pub codes: &'static str,
    /// Stored vectors whose neighbors were looked for; 0 where there is no index, and every search is exact.
    pub query_count: usize,
    /// How wide the beam of each search was.
    pub beam_width: usize,
    /// The share of the nearest that were found, in [0, 1].
    pub recall: f64,
    /// Vectors compared on average.
    pub compared: f64,
}

impl Engine {
    /// How many of the `limit` nearest each index finds, for at most `query_count` of its vectors: one row per space.
    ///
    /// The queries are spread evenly over the vectors, the vectors themselves left out of the answers. O(queries ·
    /// vectors · dimension).
    #[must_use]
    pub fn recalls(&self, query_count: usize, limit: usize) -> Vec<RecallRow> {
        let spaces = self.schema().spaces().iter().zip(self.spaces.iter());
        let row = |(spec, vectors): (&SpaceSpec, &Space)| {
            let measured = vectors.recall(query_count, limit);
            let measured = measured.as_ref();
            RecallRow {
                space: spec.name.clone(),
                vector_count: vectors.count(),
                codes: vectors.params().codes.name(),
                query_count: measured.map_or(0, |measured| measured.query_count),
                beam_width: measured.map_or(0, |measured| measured.beam_width),
                recall: measured.map_or(1.0, |measured| measured.recall),
                compared: measured.map_or(0.0, |measured| measured.compared),
            }
        };
        spaces.map(row).collect()
    }
}
