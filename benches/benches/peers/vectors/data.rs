//! Seeded points in clusters, and what is nearest to what.

use std::path::{Path, PathBuf};

use affinity_core::vector::{
    Codes, Kernel, Metric, Neighbor, NewVector, Scan, Space, SpaceParams, VectorChange,
};

/// Clusters of a data set.
const CLUSTERS: u64 = 20;
/// Dimensions in which the points of a cluster differ much; in all others they differ a little.
const LATENT: usize = 64;
/// How far points lie from the center of their cluster; centers lie 1 from each other in each latent dimension.
const SPREAD: f32 = 1.5;
/// The largest number of neighbors that anything asks for.
pub(crate) const NEIGHBORS_MAX: usize = 50;

/// `SplitMix64`, and normal numbers from it.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / 9_007_199_254_740_992.0
    }

    /// Box and Muller's.
    #[expect(clippy::cast_possible_truncation, reason = "a float is wanted")]
    fn normal(&mut self) -> f32 {
        ((-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()) as f32
    }
}

/// Unit vectors, queries of the same kind, and the nearest of each query.
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) dimension: usize,
    pub(crate) base: Vec<f32>,
    pub(crate) queries: Vec<f32>,
    pub(crate) truth: Vec<Vec<usize>>,
    /// Where `base.f32` and `queries.f32` lie for those who read files.
    pub(crate) folder: PathBuf,
}

impl Data {
    pub(crate) fn new(target: &Path, count: usize, dimension: usize, query_count: usize) -> Self {
        let mut random = Random(7);
        let basis: Vec<f32> = (0..LATENT * dimension).map(|_| random.normal()).collect();
        let centers: Vec<Vec<f32>> =
            (0..CLUSTERS).map(|_| (0..LATENT).map(|_| random.normal()).collect()).collect();
        let mut points = |count: usize| -> Vec<f32> {
            (0..count).flat_map(|_| point(&mut random, &basis, &centers, dimension)).collect()
        };
        let (base, queries) = (points(count), points(query_count));
        let name = format!("n{count}/d{dimension}");
        let folder = target.join("peers-data").join(name.replace('/', "-"));
        std::fs::create_dir_all(&folder).unwrap();
        for (file, numbers) in [("base.f32", &base), ("queries.f32", &queries)] {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            std::fs::write(folder.join(file), bytes).unwrap();
        }
        let mut data = Self { name, dimension, base, queries, truth: Vec::new(), folder };
        data.truth = data.nearest(&|_| true, NEIGHBORS_MAX);
        data
    }

    pub(crate) fn count(&self) -> usize {
        self.base.len() / self.dimension
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.base.chunks_exact(self.dimension)
    }

    pub(crate) fn asked(&self) -> impl Iterator<Item = &[f32]> {
        self.queries.chunks_exact(self.dimension)
    }

    /// A space of the vectors, with an index when there are more than `exact_max`.
    pub(crate) fn space(&self, exact_max: usize, codes: Codes) -> Space {
        let change = |(node, row): (usize, &[f32])| VectorChange {
            node,
            vector: Some(NewVector { components: row.to_vec(), audience: 0 }),
        };
        let (name, metric) = ("peers".to_string(), Metric::Cosine);
        let params = SpaceParams { name, dimension: self.dimension, metric, exact_max, codes };
        let changes = self.rows().enumerate().map(change).collect();
        let key_hash = |node: usize| Random(node as u64).next();
        Space::empty(params, Kernel::detect()).with_changes(changes, &key_hash).unwrap()
    }

    /// The `limit` nearest allowed ones of each query, by comparing all.
    pub(crate) fn nearest(&self, allows: &dyn Fn(usize) -> bool, limit: usize) -> Vec<Vec<usize>> {
        let space = self.space(usize::MAX, Codes::None);
        let words = words(self.count(), allows);
        let mut found: Vec<Neighbor> = Vec::new();
        let nearest = |query: &[f32]| {
            let query = space.prepare(query).unwrap();
            let mut allowed = |page: usize, present: u64| present & words[page];
            space.scan(scan(&query, limit, &mut allowed), &mut found).unwrap();
            found.iter().map(|neighbor| neighbor.node).collect()
        };
        self.asked().map(nearest).collect()
    }
}

/// One bit per node, 64 to a word.
pub(crate) fn words(count: usize, allows: &dyn Fn(usize) -> bool) -> Vec<u64> {
    let bit = |word: usize, bit: usize| word * 64 + bit < count && allows(word * 64 + bit);
    let word = |word: usize| (0..64).fold(0, |bits, place| bits | u64::from(bit(word, place)) << place);
    (0..count.div_ceil(64)).map(word).collect()
}

/// A search that sees everyone whom `allowed` lets through.
pub(crate) fn scan<'a>(
    query: &'a affinity_core::vector::PreparedQuery,
    limit: usize,
    allowed: &'a mut dyn FnMut(usize, u64) -> u64,
) -> Scan<'a> {
    Scan { query, limit, allowed, visible: &|_| true, by_key: &|a, b| a.cmp(&b), cancelled: &|| false }
}

fn point(random: &mut Random, basis: &[f32], centers: &[Vec<f32>], dimension: usize) -> Vec<f32> {
    let place = usize::try_from(random.next() % CLUSTERS).unwrap();
    let mut components = vec![0.0_f32; dimension];
    for (center, axis) in centers[place].iter().zip(basis.chunks_exact(dimension)) {
        let latent = center + SPREAD * random.normal();
        components.iter_mut().zip(axis).for_each(|(component, axis)| *component += latent * axis);
    }
    let small = 0.02 * (LATENT as f32).sqrt();
    components.iter_mut().for_each(|component| *component += small * random.normal());
    let length = components.iter().map(|c| c * c).sum::<f32>().sqrt();
    components.iter_mut().for_each(|component| *component /= length);
    components
}
