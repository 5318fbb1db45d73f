//! Peers that are crates.

use hnsw_rs::prelude::{DistL2, Hnsw};
use usearch::{Index, IndexOptions, MetricKind, ScalarKind};

use super::contender::{Ask, BUILD_BEAM, Contender, LINKS_MAX, Ran, is_allowed, recall};
use super::data::{Data, words};
use crate::rounds::timed;

/// The crate `usearch`, which builds C++.
#[derive(Default)]
pub(crate) struct Usearch {
    index: Option<Index>,
}

impl Contender for Usearch {
    fn name(&self) -> String {
        "usearch 2.26 (Rust)".to_string()
    }

    fn build(&mut self, data: &Data) -> Result<f64, String> {
        let options = IndexOptions {
            dimensions: data.dimension,
            metric: MetricKind::IP,
            quantization: ScalarKind::F32,
            connectivity: LINKS_MAX,
            expansion_add: BUILD_BEAM,
            ..IndexOptions::default()
        };
        let index = Index::new(&options).map_err(|error| error.to_string())?;
        let (built, seconds) = timed(|| {
            index.reserve(data.count())?;
            data.rows().zip(0..).try_for_each(|(row, key)| index.add(key, row))
        });
        built.map_err(|error| error.to_string())?;
        self.index = Some(index);
        Ok(seconds)
    }

    fn bytes_per_vector(&mut self, data: &Data) -> Option<f64> {
        Some(self.index.as_ref()?.memory_usage() as f64 / data.count() as f64)
    }

    fn search(&mut self, data: &Data, ask: Ask<'_>) -> Result<Ran, String> {
        let Some(index) = &self.index else { return Err("not built".to_string()) };
        index.change_expansion_search(ask.beam);
        let words = words(data.count(), &|node| is_allowed(node, ask.allowed));
        let is_allowed = |key: u64| words[key as usize / 64] >> (key % 64) & 1 == 1;
        let search = |query: &[f32]| match ask.allowed {
            100 => index.search(query, ask.limit),
            _ => index.filtered_search(query, ask.limit, is_allowed),
        };
        let (found, seconds) = timed(|| data.asked().map(search).collect::<Result<Vec<_>, _>>());
        let found = found.map_err(|error| error.to_string())?;
        let keys = |keys: &Vec<u64>| keys.iter().map(|key| *key as usize).collect();
        let nodes: Vec<Vec<usize>> = found.iter().map(|matches| keys(&matches.keys)).collect();
        Ok(Ran { seconds: seconds / nodes.len() as f64, recall: recall(&nodes, ask) })
    }
}

/// The crate `hnsw_rs`; by Euclidean distance, which ranks unit vectors as the cosine does.
#[derive(Default)]
pub(crate) struct HnswRs {
    index: Option<Hnsw<'static, f32, DistL2>>,
}

impl Contender for HnswRs {
    fn name(&self) -> String {
        "hnsw_rs 0.3.5".to_string()
    }

    fn build(&mut self, data: &Data) -> Result<f64, String> {
        let index = Hnsw::new(LINKS_MAX, data.count(), 16, BUILD_BEAM, DistL2 {});
        let ((), seconds) =
            timed(|| data.rows().enumerate().for_each(|(node, row)| index.insert((row, node))));
        self.index = Some(index);
        Ok(seconds)
    }

    fn bytes_per_vector(&mut self, _: &Data) -> Option<f64> {
        None
    }

    fn search(&mut self, data: &Data, ask: Ask<'_>) -> Result<Ran, String> {
        let Some(index) = &self.index else { return Err("not built".to_string()) };
        let (found, seconds) = timed(|| {
            let search = |query: &[f32]| index.search(query, ask.limit, ask.beam);
            data.asked().map(search).collect::<Vec<_>>()
        });
        let nodes: Vec<Vec<usize>> =
            found.iter().map(|found| found.iter().map(|neighbor| neighbor.d_id).collect()).collect();
        Ok(Ran { seconds: seconds / nodes.len() as f64, recall: recall(&nodes, ask) })
    }
}
