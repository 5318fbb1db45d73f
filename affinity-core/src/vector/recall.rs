//! How much of what is nearest an index finds.

use super::hnsw::SearchScratch;
use super::scan::Scan;
use super::search::beam_width;
use super::space::Space;

/// An index beside the exact scan, over some of the vectors that it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recall {
    /// Vectors whose neighbors were looked for, themselves left out.
    pub(crate) query_count: usize,
    /// How wide the beam was: as in a recommendation.
    pub(crate) beam_width: usize,
    /// The share of the nearest that were found.
    pub(crate) recall: f64,
    /// Vectors or codes compared for each.
    pub(crate) compared: f64,
}

impl Space {
    /// The share of the `limit` nearest that [`Space::nearest`] finds, for at most `query_count` vectors spread evenly
    /// over the space; `None` without an index, where all are found.
    ///
    /// O(queries · vectors · dimension).
    pub(crate) fn recall(&self, query_count: usize, limit: usize) -> Option<Recall> {
        self.index()?;
        let nodes: Vec<usize> = self.nodes().collect();
        let step = nodes.len().div_ceil(query_count.max(1)).max(1);
        let (mut scratch, mut nearest, mut exact) = (SearchScratch::default(), Vec::new(), Vec::new());
        let (mut asked, mut hits, mut wanted, mut compared) = (0_u32, 0_u32, 0_u32, 0_usize);
        for node in nodes.iter().step_by(step) {
            let Some(query) = self.query_of(*node) else { continue };
            let others = |page: usize, slots: u64| {
                if page == node / 64 { slots & !(1 << (node % 64)) } else { slots }
            };
            let (mut first, mut second) = (others, others);
            let scan = |allowed| Scan {
                query: &query,
                limit,
                allowed,
                visible: &|_| true,
                by_key: &|left, right| left.cmp(&right),
                cancelled: &|| false,
            };
            let searched = self.nearest(scan(&mut first), beam_width(limit), &mut scratch, &mut nearest);
            let (Ok(searched), Ok(_)) = (searched, self.scan(scan(&mut second), &mut exact)) else {
                continue;
            };
            asked += 1;
            compared += searched.compared;
            for neighbor in &exact {
                wanted += 1;
                hits += u32::from(nearest.iter().any(|found| found.node == neighbor.node));
            }
        }
        Some(Recall {
            query_count: asked as usize,
            beam_width: beam_width(limit),
            recall: f64::from(hits) / f64::from(wanted.max(1)),
            compared: compared as f64 / f64::from(asked.max(1)),
        })
    }
}
