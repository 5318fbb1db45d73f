//! Nodes that go, and lists that are mended where they were.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::beam::Entry;
use super::index::Hnsw;
use super::insert::{measured, sort};
use super::measure::ExactRows;
use super::select::select;
use super::walk::{SearchScratch, Walk};

/// Takes the links to the nodes of `gone` out of the lists near them, and puts neighbors of those nodes in their place.
///
/// Links have no register of where they come from. Most run both ways; the rest are looked for in the lists of the nodes
/// nearest to the one that goes. One that is missed leads nowhere, which a walk passes by, until its list changes.
pub(super) fn remove(
    index: &mut Hnsw,
    rows: &ExactRows<'_>,
    gone: &[u32],
    key_hash: &(dyn Fn(usize) -> u64 + Sync),
) {
    let going: BTreeSet<u32> = gone.iter().copied().collect();
    let ties = |left: u32, right: u32| {
        let order = |node: u32| (key_hash(node as usize), node);
        order(left).cmp(&order(right))
    };
    let torn: Vec<Vec<(u8, u32)>> = gone
        .par_iter()
        .map_init(SearchScratch::default, |scratch, node| {
            let mut around: BTreeSet<u32> = BTreeSet::new();
            let levels = index.links.level(*node).map_or(0, |top| top + 1);
            for level in 0..levels {
                around.extend(index.links.links(*node, level));
            }
            if let (Some(own), Some((entry, top))) = (rows.measured_from(*node), index.entry) {
                let walk = Walk { links: &index.links, measure: &own, ties: &ties, cancelled: &|| false };
                scratch.beam.start(index.params.build_beam_width);
                let nearest = walk.descend(entry, top, 1, scratch);
                scratch.beam.offer(nearest, &ties);
                if walk.spread(0, None, scratch).is_ok() {
                    around.extend(scratch.entries().iter().map(|entry| entry.node()));
                }
            }
            let leads_here = |level: u8, from: u32| index.links.links(from, level).any(|link| link == *node);
            let lists = around.iter().flat_map(|from| (0..levels).map(move |level| (level, *from)));
            lists.filter(|(level, from)| !going.contains(from) && leads_here(*level, *from)).collect()
        })
        .collect();
    let torn: BTreeSet<(u8, u32)> = torn.into_iter().flatten().collect();
    let torn: Vec<(u8, u32)> = torn.into_iter().collect();
    let mended: Vec<Vec<u32>> = torn
        .par_iter()
        .map(|(level, node)| {
            let (lost, mut kept): (Vec<u32>, Vec<u32>) =
                index.links.links(*node, *level).partition(|link| going.contains(link));
            let Some(own) = rows.measured_from(*node) else { return kept };
            let mut others = BTreeSet::new();
            for link in lost.iter().flat_map(|lost| index.links.links(*lost, *level)) {
                if link != *node && !going.contains(&link) && !kept.contains(&link) {
                    others.insert(link);
                }
            }
            kept.extend(others);
            let mut candidates: Vec<Entry> = measured(&own, &kept);
            sort(&mut candidates, &ties);
            select(&own, &candidates, index.links.room(*level)).into_iter().map(Entry::node).collect()
        })
        .collect();
    for ((level, node), list) in torn.iter().zip(mended) {
        index.links.set(*node, *level, &list);
    }
}
