#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{Hnsw, HnswParams, LinkPage, SearchScratch};
use crate::seeded::Seeded;
use crate::vector::{
    Codes, Kernel, Metric, Neighbor, NewVector, PreparedQuery, Scan, Searched, Space, SpaceParams,
    VectorChange, beam_width,
};

const DIMENSION: usize = 16;
const CLUSTERS: usize = 40;
const LIMIT: usize = 10;
const WIDTH: usize = 60;

/// Points around seeded centers, one stream per point: the point of a key is the same in every world.
struct Points {
    seed: u64,
    centers: Vec<f32>,
}

impl Points {
    fn new(seed: u64) -> Self {
        let mut random = Seeded::stream(seed, &[1]);
        Self { seed, centers: (0..CLUSTERS * DIMENSION).map(|_| spread(&mut random)).collect() }
    }

    /// The vector of a key in one of its versions.
    fn vector(&self, key: usize, version: u64) -> Vec<f32> {
        let mut random = Seeded::stream(self.seed, &[2, key as u64, version]);
        let center = random.below(CLUSTERS) * DIMENSION;
        self.centers[center..center + DIMENSION].iter().map(|c| c + 0.6 * spread(&mut random)).collect()
    }

    fn put(&self, node: usize, key: usize, version: u64) -> VectorChange {
        VectorChange { node, vector: Some(NewVector { components: self.vector(key, version), audience: 0 }) }
    }

    fn queries(&self, space: &Space) -> Vec<PreparedQuery> {
        (0..60).map(|query| space.prepare(&self.vector(1_000_000 + query, 0)).unwrap()).collect()
    }
}

/// About normal, by the sum of uniform numbers.
fn spread(random: &mut Seeded) -> f32 {
    let sum: f64 = (0..4).map(|_| random.unit()).sum();
    sum as f32 - 2.0
}

fn hash_of(key: usize) -> u64 {
    Seeded::stream(3, &[key as u64]).next()
}

fn empty(exact_max: usize) -> Space {
    empty_with(exact_max, Codes::None)
}

fn empty_with(exact_max: usize, codes: Codes) -> Space {
    let (name, metric) = ("profile".into(), Metric::Cosine);
    let params = SpaceParams { name, dimension: DIMENSION, metric, exact_max, codes };
    Space::empty(params, Kernel::detect())
}

/// Nodes `0..count`, each its own key.
fn indexed(points: &Points, count: usize) -> Space {
    let changes = (0..count).map(|node| points.put(node, node, 0)).collect();
    empty(100).with_changes(changes, &hash_of).unwrap()
}

fn nearest(
    space: &Space,
    query: &PreparedQuery,
    allows: &dyn Fn(usize) -> bool,
    found: &mut Vec<Neighbor>,
) -> Searched {
    let mut allowed = |page: usize, wanted: u64| {
        (0..64).filter(|slot| allows(page * 64 + slot)).fold(0, |a, s| a | 1 << s) & wanted
    };
    let scan = Scan {
        query,
        limit: LIMIT,
        allowed: &mut allowed,
        visible: &|audience| audience == 0,
        by_key: &|a, b| a.cmp(&b),
        cancelled: &|| false,
    };
    space.nearest(scan, WIDTH, &mut SearchScratch::default(), found).unwrap()
}

/// The share of the nearest that the index finds, and in how many searches it was asked.
fn recall(space: &Space, queries: &[PreparedQuery], allows: &dyn Fn(usize) -> bool) -> (f64, usize) {
    let exact = Space::from_pages(space.params().clone(), space.kernel(), Vec::new());
    assert!(exact.unwrap().index().is_none());
    let (mut hits, mut wanted, mut approximate) = (0, 0, 0);
    for query in queries {
        let (mut found, mut all) = (Vec::new(), Vec::new());
        approximate += usize::from(nearest(space, query, allows, &mut found).is_approximate);
        for node in (0..space.pages().len() * 64).filter(|node| allows(*node)) {
            all.extend(space.similarity(query, node).map(|similarity| Neighbor { node, similarity }));
        }
        all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.node.cmp(&b.node)));
        all.truncate(LIMIT);
        assert!(found.iter().all(|neighbor| allows(neighbor.node)));
        assert!(found.iter().all(|n| space.similarity(query, n.node) == Some(n.similarity)));
        wanted += all.len();
        hits += all.iter().filter(|neighbor| found.contains(neighbor)).count();
    }
    (hits as f64 / wanted as f64, approximate)
}

type Slabs<'a> = Vec<Option<(&'a [u8], &'a [u32], &'a [u32])>>;

fn slabs(space: &Space) -> Slabs<'_> {
    space.index().unwrap().pages().iter().map(|page| page.as_ref().map(|page| page.slabs())).collect()
}

#[test]
fn nineteen_in_twenty_are_found_with_and_without_filters() {
    let points = Points::new(5);
    let space = indexed(&points, 12_000);
    let queries = points.queries(&space);
    for (percent, by_index) in [(100, true), (50, true), (10, false), (1, false)] {
        let allows = |node: usize| hash_of(node) % 100 < percent;
        let (recall, approximate) = recall(&space, &queries, &allows);
        assert!(recall >= 0.95, "recall {recall} at {percent} %");
        assert_eq!(approximate, if by_index { queries.len() } else { 0 }, "{percent} %");
    }
}

#[test]
fn a_filter_that_keeps_out_everyone_near_is_answered_exactly() {
    let points = Points::new(6);
    let space = indexed(&points, 12_000);
    let query = space.query_of(7).unwrap();
    let mut order: Vec<usize> = (0..12_000).collect();
    order.sort_by(|a, b| {
        space.similarity(&query, *b).unwrap().total_cmp(&space.similarity(&query, *a).unwrap())
    });
    // Half of all nodes are allowed, so the index is asked, but none of the nearest 6,000.
    let far: BTreeSet<usize> = order[6_000..].iter().copied().collect();
    let (recall, approximate) = recall(&space, &[query], &|node| far.contains(&node));
    assert_eq!((recall, approximate), (1.0, 0));
}

#[test]
fn any_number_of_threads_builds_the_same_graph() {
    let points = Points::new(7);
    let build = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let space = indexed(&points, 3_000);
            let moved = (0..300).map(|key| points.put(key * 7, key * 7, 1)).collect();
            space.with_changes(moved, &hash_of).unwrap()
        })
    };
    let one = build(1);
    assert_eq!(slabs(&one), slabs(&build(2)));
    assert_eq!(slabs(&one), slabs(&build(4)));
}

#[test]
fn the_order_of_loading_changes_no_answer() {
    let points = Points::new(8);
    let (straight, turned) = (indexed(&points, 3_000), {
        let changes = (0..3_000).map(|node| points.put(node, 2_999 - node, 0)).collect();
        empty(100).with_changes(changes, &|node| hash_of(2_999 - node)).unwrap()
    });
    for query in points.queries(&straight) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        nearest(&straight, &query, &|_| true, &mut left);
        nearest(&turned, &query, &|_| true, &mut right);
        right.iter_mut().for_each(|neighbor| neighbor.node = 2_999 - neighbor.node);
        assert_eq!(left, right);
    }
}

#[test]
fn codes_lead_to_the_same_neighbors_with_exact_similarities() {
    let points = Points::new(13);
    let build = |codes: Codes| {
        let changes = (0..3_000).map(|node| points.put(node, node, 0)).collect();
        let space = empty_with(100, codes).with_changes(changes, &hash_of).unwrap();
        let moved = (0..300).map(|key| points.put(key * 7, key * 7, 1)).collect();
        space.with_changes(moved, &hash_of).unwrap()
    };
    let (plain, bytes, bits) = (build(Codes::None), build(Codes::U8), build(Codes::Binary));
    assert_eq!(slabs(&plain), slabs(&bytes));
    let queries = points.queries(&plain);
    let (recall_plain, _) = recall(&plain, &queries, &|_| true);
    let (recall_bytes, by_index) = recall(&bytes, &queries, &|_| true);
    assert_eq!(by_index, queries.len());
    assert!(recall_bytes >= recall_plain - 0.01, "{recall_bytes} by bytes, {recall_plain} without");
    // Sixteen bits say little; that anything near is found shows that they are used and what they find is compared.
    let (recall_bits, _) = recall(&bits, &queries, &|_| true);
    assert!((0.3..recall_bytes).contains(&recall_bits), "{recall_bits} by bits");
}

#[test]
fn recall_is_told_against_the_scan_of_the_others() {
    let points = Points::new(14);
    let build = |exact_max: usize, codes: Codes| {
        let changes = (0..12_000).map(|node| points.put(node, node, 0)).collect();
        empty_with(exact_max, codes).with_changes(changes, &hash_of).unwrap()
    };
    assert_eq!(build(12_000, Codes::None).recall(50, LIMIT), None);
    let plain = build(100, Codes::None).recall(50, LIMIT).unwrap();
    assert!(plain.recall >= 0.95 && plain.compared < 6_000.0, "{plain:?}");
    assert_eq!((plain.query_count, plain.beam_width), (50, beam_width(LIMIT)));
    // Sixteen bits say little.
    let bits = build(100, Codes::Binary).recall(50, LIMIT).unwrap();
    assert!((0.1..0.95).contains(&bits.recall), "{bits:?}");
}

#[test]
fn a_small_change_shares_most_pages() {
    let points = Points::new(9);
    let space = indexed(&points, 8_000);
    let next = space.with_changes(vec![points.put(5, 5, 1)], &hash_of).unwrap();
    let (before, after) = (space.index().unwrap().pages(), next.index().unwrap().pages());
    let shared = before.iter().zip(after).filter(|(left, right)| match (left, right) {
        (Some(left), Some(right)) => Arc::ptr_eq(left, right),
        _ => false,
    });
    assert!(shared.count() > before.len() / 2);
}

#[test]
fn an_index_comes_above_the_size_and_goes_below_half() {
    let points = Points::new(10);
    let space = indexed(&points, 100);
    assert!(space.index().is_none());
    let space = space.with_changes(vec![points.put(100, 100, 0)], &hash_of).unwrap();
    assert!(space.index().is_some());
    let remove = |nodes: std::ops::Range<usize>| -> Vec<VectorChange> {
        nodes.map(|node| VectorChange { node, vector: None }).collect()
    };
    let space = space.with_changes(remove(0..50), &hash_of).unwrap();
    assert!(space.index().is_some());
    let space = space.with_changes(remove(50..51), &hash_of).unwrap();
    assert!(space.index().is_none());
}

#[test]
fn pages_survive_a_round_trip_and_links_to_nowhere_are_passed_by() {
    let points = Points::new(11);
    let space = indexed(&points, 2_000);
    let index = space.index().unwrap();
    let copied = |edit: &dyn Fn(u32) -> u32| -> Space {
        let copy = |page: &Arc<LinkPage>| {
            let (levels, base, upper) = page.slabs();
            let edited = |links: &[u32]| -> Vec<u32> { links.iter().map(|link| edit(*link)).collect() };
            let (base, upper) = (edited(base).into(), edited(upper).into());
            LinkPage::from_slabs(page.present(), 16, levels.to_vec().into(), base, upper).unwrap()
        };
        let pages = index.pages().iter().map(|page| page.as_ref().map(copy)).collect();
        space.clone().with_index(Hnsw::from_pages(HnswParams::STANDARD, pages, &hash_of))
    };
    let same = copied(&|link| link);
    assert_eq!(slabs(&space), slabs(&same));
    assert_eq!(same.index().unwrap().entry, index.entry);
    for damage in [1_u32, 77, 1 << 20, u32::MAX / 3] {
        let damaged = copied(&|link| link.wrapping_mul(damage).wrapping_add(damage));
        let mut found = Vec::new();
        for query in points.queries(&space) {
            nearest(&damaged, &query, &|_| true, &mut found);
            assert!(found.iter().all(|neighbor| space.vector(neighbor.node).is_some()));
        }
        // Changing it does not fail either.
        let changes = (0..40).map(|node| points.put(node * 50, node * 50, 1)).collect();
        assert!(damaged.with_changes(changes, &hash_of).unwrap().index().is_some());
    }
    assert!(LinkPage::from_slabs(1, 16, vec![0].into(), vec![0; 31].into(), Vec::new().into()).is_none());
    assert!(LinkPage::from_slabs(1, 16, vec![1].into(), vec![0; 32].into(), Vec::new().into()).is_none());
    assert!(LinkPage::from_slabs(1, 16, vec![13].into(), vec![0; 32].into(), vec![0; 208].into()).is_none());
}

#[test]
fn equal_vectors_are_all_found() {
    let points = Points::new(12);
    let changes = (0..4_000).map(|node| points.put(node, node % 500, 0)).collect();
    let space = empty(100).with_changes(changes, &hash_of).unwrap();
    let (recall, _) = recall(&space, &points.queries(&space), &|_| true);
    assert!(recall >= 0.95, "recall {recall}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn changing_recalls_as_much_as_building_anew(seed in any::<u64>()) {
        let points = Points::new(seed);
        let mut random = Seeded::stream(seed, &[4]);
        let mut space = indexed(&points, 3_500);
        let mut versions: Vec<Option<u64>> = vec![Some(0); 3_500];
        for round in 1..=6 {
            let mut changes = Vec::new();
            for _ in 0..400 {
                let node = random.below(4_000);
                versions.resize(4_000, None);
                versions[node] = (random.below(3) > 0).then_some(round);
                changes.push(match versions[node] {
                    Some(version) => points.put(node, node, version),
                    None => VectorChange { node, vector: None },
                });
            }
            space = space.with_changes(changes, &hash_of).unwrap();
        }
        let all = versions.iter().enumerate();
        let all = all.filter_map(|(node, version)| version.map(|version| points.put(node, node, version)));
        let anew = empty(100).with_changes(all.collect(), &hash_of).unwrap();
        prop_assert_eq!(space.count(), anew.count());
        let queries = points.queries(&space);
        let (changed, by_index) = recall(&space, &queries, &|_| true);
        prop_assert_eq!(by_index, queries.len());
        let (built, _) = recall(&anew, &queries, &|_| true);
        prop_assert!(changed >= 0.95 && changed >= built - 0.01, "changed {changed}, built {built}");
        // Removed nodes have no similarity: `recall` has compared each found one with it.
        for (node, version) in versions.iter().enumerate() {
            prop_assert_eq!(space.vector(node).is_some(), version.is_some());
        }
    }
}
