//! Affinity's own index.

use affinity_core::vector::{Codes, HnswParams, SearchScratch, Space, SpaceParams};

use super::contender::{Ask, BUILD_BEAM, Contender, LINKS_MAX, Ran, is_allowed, recall};
use super::data::{Data, scan, words};
use crate::rounds::timed;

/// A space with an index and codes.
pub(crate) struct Affinity {
    pub(crate) codes: Codes,
    pub(crate) space: Option<Space>,
    pub(crate) scratch: SearchScratch,
}

impl Affinity {
    pub(crate) fn new(codes: Codes) -> Self {
        let standard = HnswParams { links_max: LINKS_MAX, build_beam_width: BUILD_BEAM };
        assert_eq!(standard, HnswParams::STANDARD, "the peers are built with other parameters");
        Self { codes, space: None, scratch: SearchScratch::default() }
    }

    /// The same vectors and links, searched by codes.
    pub(crate) fn coded(&self, codes: Codes) -> Self {
        let space = self.space.as_ref().unwrap();
        let params = SpaceParams { codes, ..space.params().clone() };
        let pages = space.pages().iter().map(|page| page.as_deref().cloned()).collect();
        let coded = Space::from_pages(params, space.kernel(), pages).unwrap();
        let coded = coded.with_index(space.index().unwrap().clone());
        Self { codes, space: Some(coded), scratch: SearchScratch::default() }
    }
}

impl Contender for Affinity {
    fn name(&self) -> String {
        format!("affinity {}", if self.codes == Codes::None { "f32" } else { self.codes.name() })
    }

    fn build(&mut self, data: &Data) -> Result<f64, String> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (space, seconds) = timed(|| pool.install(|| data.space(1, self.codes)));
        self.space = Some(space);
        Ok(seconds)
    }

    /// Links and codes; the vectors too where the walk reads them. With codes they are read only to compare the best
    /// again, from a mapped snapshot if it comes to that.
    fn bytes_per_vector(&mut self, data: &Data) -> Option<f64> {
        let space = self.space.as_ref()?;
        let of_page = |page: &affinity_core::vector::LinkPage| {
            let (levels, base, upper) = page.slabs();
            levels.len() + 4 * (base.len() + upper.len())
        };
        let links: usize = space.index()?.pages().iter().flatten().map(|page| of_page(page)).sum();
        let vector = match self.codes {
            Codes::None => 4 * data.dimension,
            Codes::U8 => data.dimension + 4,
            Codes::Binary => data.dimension.div_ceil(64) * 8,
        };
        Some(links as f64 / space.count() as f64 + vector as f64)
    }

    fn search(&mut self, data: &Data, ask: Ask<'_>) -> Result<Ran, String> {
        let Some(space) = &self.space else { return Err("not built".to_string()) };
        let words = words(data.count(), &|node| is_allowed(node, ask.allowed));
        let queries: Vec<_> = data.asked().map(|query| space.prepare(query).unwrap()).collect();
        let mut found = vec![Vec::with_capacity(ask.limit * 4); queries.len()];
        let ((), seconds) = timed(|| {
            for (query, found) in queries.iter().zip(&mut found) {
                let mut allowed = |page: usize, wanted: u64| wanted & words[page];
                let scan = scan(query, ask.limit, &mut allowed);
                space.nearest(scan, ask.beam, &mut self.scratch, found).unwrap();
            }
        });
        let found: Vec<Vec<usize>> =
            found.iter().map(|found| found.iter().map(|neighbor| neighbor.node).collect()).collect();
        Ok(Ran { seconds: seconds / queries.len() as f64, recall: recall(&found, ask) })
    }
}
