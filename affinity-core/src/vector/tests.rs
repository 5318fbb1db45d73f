#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{
    Codes, Kernel, Metric, Neighbor, NewVector, PAGE_SLOTS, PreparedQuery, Scan, ScanCancelled, Space,
    SpaceParams, VectorChange, VectorError, VectorPage,
};
use crate::storage::Slab;

const DIMENSION: usize = 5;

fn by_index(node: usize) -> u64 {
    node as u64
}

fn params(metric: Metric) -> SpaceParams {
    SpaceParams {
        name: "profile".into(),
        dimension: DIMENSION,
        metric,
        exact_max: SpaceParams::EXACT_MAX,
        codes: Codes::None,
    }
}

fn empty(metric: Metric) -> Space {
    Space::empty(params(metric), Kernel::detect())
}

fn put(node: usize, components: &[f32], audience: u32) -> VectorChange {
    VectorChange { node, vector: Some(NewVector { components: components.to_vec(), audience }) }
}

fn metric() -> impl Strategy<Value = Metric> {
    prop_oneof![Just(Metric::Cosine), Just(Metric::Dot), Just(Metric::L2)]
}

/// Few values per component, so that equal similarities are common; never the zero vector.
fn components() -> impl Strategy<Value = Vec<f32>> {
    vec(-1_i8..=1, DIMENSION - 1)
        .prop_map(|tail| std::iter::once(1.0).chain(tail.into_iter().map(f32::from)).collect())
}

type Contents = BTreeMap<usize, (Vec<f32>, u32)>;

/// Nodes over several pages, some pages missing, a few audiences.
fn contents() -> impl Strategy<Value = Contents> {
    let node = prop_oneof![0_usize..100, 300_usize..420];
    vec((node, components(), 0_u32..4), 0..150)
        .prop_map(|entries| entries.into_iter().map(|(node, c, audience)| (node, (c, audience))).collect())
}

fn build(metric: Metric, contents: &Contents) -> Space {
    let changes = contents.iter().map(|(node, (c, audience))| put(*node, c, *audience)).collect();
    empty(metric).with_changes(changes, &by_index).unwrap()
}

fn bits(page: &VectorPage) -> (u64, &[u32], Vec<u32>) {
    (page.present(), page.audiences(), page.components().iter().map(|c| c.to_bits()).collect())
}

#[track_caller]
fn check_same(left: &Space, right: &Space) {
    assert_eq!(left.count(), right.count());
    assert_eq!(left.pages().len(), right.pages().len());
    for (left, right) in left.pages().iter().zip(right.pages()) {
        assert_eq!(left.as_deref().map(bits), right.as_deref().map(bits));
    }
}

/// Sorts all readable nodes and cuts: what a scan must return.
fn brute_force(
    space: &Space,
    query: &PreparedQuery,
    limit: usize,
    keys: &[u32],
    readable: &dyn Fn(usize) -> bool,
) -> Vec<Neighbor> {
    let nodes = (0..space.pages().len() * PAGE_SLOTS).filter(|node| readable(*node));
    let mut all: Vec<Neighbor> = nodes
        .filter_map(|node| space.similarity(query, node).map(|similarity| Neighbor { node, similarity }))
        .collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(keys[a.node].cmp(&keys[b.node])));
    all.truncate(limit);
    all
}

proptest! {
    #[test]
    fn scan_equals_sorting_everything_readable(
        metric in metric(),
        contents in contents(),
        query in components(),
        limit in prop_oneof![0_usize..12, Just(usize::MAX)],
        filter in vec(any::<u64>(), 7),
        visible in vec(any::<bool>(), 0..5),
        keys in Just((0..448_u32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let space = build(metric, &contents);
        let query = space.prepare(&query).unwrap();
        let readable = |node: usize| {
            let audience = contents.get(&node).map_or(usize::MAX, |(_, audience)| *audience as usize);
            filter[node / PAGE_SLOTS] >> (node % PAGE_SLOTS) & 1 == 1 && visible.get(audience) == Some(&true)
        };
        let expected = brute_force(&space, &query, limit, &keys, &readable);
        let mut found = vec![Neighbor { node: 9999, similarity: 9.0 }];
        let scan = Scan {
            query: &query,
            limit,
            // Bits of slots without a vector are set too: they must be ignored.
            allowed: &mut |page, _present| filter[page],
            visible: &|audience| visible.get(audience as usize) == Some(&true),
            by_key: &|a, b| keys[a].cmp(&keys[b]),
            cancelled: &|| false,
        };
        let compared = space.scan(scan, &mut found).unwrap();
        prop_assert_eq!(compared, contents.keys().filter(|node| readable(**node)).count());
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn scan_is_independent_of_the_order_of_loading(
        metric in metric(),
        vectors in vec(components(), 1..130),
        query in components(),
        limit in 1_usize..20,
        seed in any::<u64>(),
    ) {
        // The key of an entry is its place in `vectors`; the node it is loaded as is a permutation of it.
        let node_of = |key: usize| (key * 131 + (seed % 1000) as usize) % 1009;
        let key_of: BTreeMap<usize, usize> = (0..vectors.len()).map(|key| (node_of(key), key)).collect();
        let keys_found = |space: &Space, key_of: &dyn Fn(usize) -> usize| {
            let query = space.prepare(&query).unwrap();
            let mut found = Vec::new();
            let scan = Scan {
                query: &query,
                limit,
                allowed: &mut |_page, present| present,
                visible: &|audience| audience == 0,
                by_key: &|a, b| key_of(a).cmp(&key_of(b)),
                cancelled: &|| false,
            };
            space.scan(scan, &mut found).unwrap();
            let keys = found.iter().map(|n| (key_of(n.node), n.similarity.to_bits()));
            keys.collect::<Vec<_>>()
        };
        let in_order = vectors.iter().enumerate().map(|(key, c)| put(key, c, 0)).collect();
        let shuffled = vectors.iter().enumerate().map(|(key, c)| put(node_of(key), c, 0)).collect();
        prop_assert_eq!(
            keys_found(&empty(metric).with_changes(in_order, &by_index).unwrap(), &|node| node),
            keys_found(&empty(metric).with_changes(shuffled, &by_index).unwrap(), &|node| key_of[&node]),
        );
    }

    #[test]
    fn with_changes_equals_building_from_the_result(
        metric in metric(),
        start in contents(),
        batches in vec(vec((0_usize..420, proptest::option::of((components(), 0_u32..4))), 0..40), 0..4),
    ) {
        let mut expected = start.clone();
        let mut space = build(metric, &start);
        for batch in batches {
            let mut changes = Vec::new();
            for (node, vector) in batch {
                match &vector {
                    Some(vector) => expected.insert(node, vector.clone()),
                    None => expected.remove(&node),
                };
                let vector = vector.map(|(components, audience)| NewVector { components, audience });
                changes.push(VectorChange { node, vector });
            }
            let touched: Vec<usize> = changes.iter().map(|change| change.node / PAGE_SLOTS).collect();
            let next = space.with_changes(changes, &by_index).unwrap();
            for (page_idx, (old, new)) in space.pages().iter().zip(next.pages()).enumerate() {
                if let (Some(old), Some(new), false) = (old, new, touched.contains(&page_idx)) {
                    prop_assert!(Arc::ptr_eq(old, new), "page {} was copied", page_idx);
                }
            }
            space = next;
        }
        check_same(&space, &build(metric, &expected));
        for (node, (_, audience)) in &expected {
            prop_assert_eq!(space.vector(*node).map(|(_, audience)| audience), Some(*audience));
        }
        prop_assert_eq!(space.count(), expected.len());
    }

    #[test]
    fn similarity_is_the_textbook_formula(
        metric in metric(),
        left in vec(-10.0_f32..10.0, DIMENSION),
        right in vec(-10.0_f32..10.0, DIMENSION),
    ) {
        let space = empty(metric).with_changes(vec![put(70, &right, 0)], &by_index).unwrap();
        let query = space.prepare(&left).unwrap();
        let pairs = || left.iter().zip(&right).map(|(x, y)| (f64::from(*x), f64::from(*y)));
        let dot: f64 = pairs().map(|(x, y)| x * y).sum();
        let norms: f64 = pairs().map(|(x, _)| x * x).sum::<f64>() * pairs().map(|(_, y)| y * y).sum::<f64>();
        let (expected, tolerance) = match metric {
            Metric::Cosine => (dot / norms.sqrt(), 1e-6),
            Metric::Dot => (dot, 1e-4),
            Metric::L2 => (-pairs().map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt(), 1e-4),
        };
        let got = f64::from(space.similarity(&query, 70).unwrap());
        prop_assert!((got - expected).abs() <= tolerance, "{} is not {}", got, expected);
        prop_assert!((0.0..=1.0).contains(&metric.signal(space.similarity(&query, 70).unwrap())));
    }
}

#[test]
fn similarity_of_three_and_four_is_worked_by_hand() {
    let (left, right) = ([3.0, 4.0, 0.0, 0.0, 0.0], [4.0, 3.0, 0.0, 0.0, 0.0]);
    for (metric, expected) in [(Metric::Dot, 24.0), (Metric::L2, -2.0_f32.sqrt()), (Metric::Cosine, 0.96)] {
        let space = empty(metric).with_changes(vec![put(3, &right, 0)], &by_index).unwrap();
        let similarity = space.similarity(&space.prepare(&left).unwrap(), 3).unwrap();
        assert!((similarity - expected).abs() < 1e-6, "{metric:?} {similarity}");
        assert_eq!(space.similarity(&space.prepare(&left).unwrap(), 4), None);
    }
}

#[test]
fn similarity_of_opposites_has_no_negative_zero_and_stays_in_range() {
    let space = empty(Metric::L2).with_changes(vec![put(0, &[1.0; 5], 0)], &by_index).unwrap();
    let itself = space.query_of(0).unwrap();
    assert_eq!(space.similarity(&itself, 0).unwrap().to_bits(), 0.0_f32.to_bits());

    let third = [0.1, 0.7, -0.3, 0.9, 0.2];
    let space = empty(Metric::Cosine).with_changes(vec![put(0, &third, 0)], &by_index).unwrap();
    let opposite = space.prepare(&third.map(|c| -3.0 * c)).unwrap();
    assert!(space.similarity(&space.query_of(0).unwrap(), 0).unwrap() <= 1.0);
    assert!(space.similarity(&opposite, 0).unwrap() >= -1.0);
    assert_eq!(Metric::Cosine.signal(space.similarity(&opposite, 0).unwrap()), 0.0);
}

#[test]
fn vectors_that_cannot_be_compared_are_refused_by_name() {
    let space = || "profile".to_owned();
    let cases = [
        (Metric::Cosine, vec![1.0; 4], VectorError::WrongDimension { space: space(), expected: 5, got: 4 }),
        (
            Metric::L2,
            vec![1.0, f32::NAN, 1.0, f32::INFINITY, 0.0],
            VectorError::NotFinite { space: space(), component: 1 },
        ),
        (
            Metric::Dot,
            vec![1.0, 1.0, 1.0, f32::NEG_INFINITY, 0.0],
            VectorError::NotFinite { space: space(), component: 3 },
        ),
        (Metric::Cosine, vec![0.0, -0.0, 0.0, 0.0, 0.0], VectorError::ZeroNorm { space: space() }),
        (Metric::Dot, vec![1e19, 0.0, 0.0, 0.0, 0.0], VectorError::NormTooLarge { space: space() }),
        (Metric::L2, vec![f32::MAX; 5], VectorError::NormTooLarge { space: space() }),
    ];
    for (metric, components, expected) in cases {
        let changes = vec![put(1, &[1.0; 5], 0), put(0, &components, 0)];
        assert_eq!(empty(metric).with_changes(changes, &by_index).unwrap_err(), expected);
        assert_eq!(empty(metric).prepare(&components).unwrap_err(), expected);
    }
}

#[test]
fn extreme_vectors_that_are_accepted_compare_finitely() {
    for components in [[f32::MAX; 5], [f32::from_bits(1); 5]] {
        let space = empty(Metric::Cosine).with_changes(vec![put(0, &components, 0)], &by_index).unwrap();
        let similarity = space.similarity(&space.prepare(&[1.0; 5]).unwrap(), 0).unwrap();
        assert!((similarity - 1.0).abs() < 1e-6, "{similarity}");
    }
    for metric in [Metric::Dot, Metric::L2] {
        let longest = [6.5e18, 0.0, 0.0, 0.0, 0.0];
        let space =
            empty(metric).with_changes(vec![put(0, &longest, 0), put(1, &[0.0; 5], 0)], &by_index).unwrap();
        let query = space.prepare(&longest.map(|c| -c)).unwrap();
        assert!(space.similarity(&query, 0).unwrap().is_finite());
        assert!(space.similarity(&query, 1).unwrap().is_finite());
    }
}

#[test]
fn the_last_change_of_a_node_holds() {
    let first = put(5, &[1.0; 5], 1);
    let removal = VectorChange { node: 5, vector: None };
    let space = empty(Metric::Dot).with_changes(vec![first.clone(), removal.clone()], &by_index).unwrap();
    assert_eq!((space.count(), space.pages().len()), (0, 0));
    let space =
        empty(Metric::Dot).with_changes(vec![first, removal, put(5, &[2.0; 5], 3)], &by_index).unwrap();
    assert_eq!(space.vector(5), Some(([2.0; 5].as_slice(), 3)));
    assert_eq!(space.vector(4), None);
    assert_eq!(space.vector(64 * 9), None);
}

#[test]
fn scan_cancelled_reports_progress_and_returns_nothing() {
    let space = empty(Metric::Dot)
        .with_changes((0..64 * 40).step_by(64).map(|node| put(node, &[1.0; 5], 0)).collect(), &by_index)
        .unwrap();
    let asked = Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) == 2;
    let mut found = Vec::new();
    let scan = Scan {
        query: &space.query_of(0).unwrap(),
        limit: 10,
        allowed: &mut |_page, present| present,
        visible: &|audience| audience == 0,
        by_key: &|a, b| a.cmp(&b),
        cancelled: &cancelled,
    };
    let end = space.scan(scan, &mut found);
    assert_eq!(end, Err(ScanCancelled { pages_done: 32, pages_total: 40 }));
    assert_eq!(found, []);
}

#[test]
fn pages_survive_a_round_trip_and_bad_lengths_are_refused() {
    let space = empty(Metric::Cosine)
        .with_changes(vec![put(2, &[1.0; 5], 7), put(63, &[2.0; 5], 8), put(200, &[3.0; 5], 9)], &by_index)
        .unwrap();
    let copy = |page: &Arc<VectorPage>| {
        let (audiences, components) = (page.audiences().to_vec(), page.components().to_vec());
        VectorPage::from_slabs(page.present(), page.dimension(), audiences.into(), components.into()).unwrap()
    };
    let pages = space.pages().iter().map(|page| page.as_ref().map(copy)).collect();
    let again = Space::from_pages(params(Metric::Cosine), Kernel::detect(), pages).unwrap();
    check_same(&space, &again);

    let slabs = |audiences: usize, components: usize| -> (Slab<u32>, Slab<f32>) {
        (vec![0; audiences].into(), vec![0.0; components].into())
    };
    for (audiences, components) in [(1, 10), (2, 9), (3, 10), (2, 11)] {
        let (audiences, components) = slabs(audiences, components);
        assert!(VectorPage::from_slabs(0b11, 5, audiences, components).is_none());
    }
    let (audiences, components) = slabs(2, 8);
    let narrow = VectorPage::from_slabs(0b11, 4, audiences, components);
    let refused = Space::from_pages(params(Metric::L2), Kernel::detect(), vec![None, narrow]);
    let expected = VectorError::WrongDimension { space: "profile".into(), expected: 5, got: 4 };
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn a_damaged_component_is_never_found() {
    let damaged = vec![f32::NAN, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let page = VectorPage::from_slabs(0b11, 5, vec![0, 0].into(), damaged.into());
    let space = Space::from_pages(params(Metric::Cosine), Kernel::detect(), vec![page]).unwrap();
    let query = space.prepare(&[1.0; 5]).unwrap();
    let mut found = Vec::new();
    let scan = Scan {
        query: &query,
        limit: 5,
        allowed: &mut |_page, present| present,
        visible: &|audience| audience == 0,
        by_key: &|a, b| a.cmp(&b),
        cancelled: &|| false,
    };
    space.scan(scan, &mut found).unwrap();
    assert_eq!(found.iter().map(|neighbor| neighbor.node).collect::<Vec<_>>(), [1]);
    assert_eq!(space.similarity(&query, 0), None);
}

#[test]
fn metric_names_are_those_of_its_serialized_form() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        assert_eq!(serde_json::to_value(metric).unwrap(), metric.name());
    }
}
