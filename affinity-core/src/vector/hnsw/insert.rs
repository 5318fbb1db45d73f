//! New nodes, in batches whose result does not depend on who computes which part.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::beam::Entry;
use super::index::Hnsw;
use super::links::LinkTable;
use super::measure::{ExactRows, Measure, ROWS_MAX};
use super::select::select;
use super::walk::{SearchScratch, Walk};

/// A batch has one node for so many that are linked already: its nodes do not see each other.
const LINKED_PER_ARRIVAL: usize = 32;
/// Nodes of a batch at most.
const BATCH_MAX: usize = 2_048;

/// A link from a node on a level: to the neighbor, as near as that.
#[derive(Clone, Copy)]
struct Link {
    level: u8,
    from: u32,
    to: Entry,
}

/// Links the nodes of `arriving`, which have empty lists and vectors, to the others and each other.
///
/// The highest go first, then in the order of their hashes. Each batch looks for its neighbors among the nodes linked
/// before it; then all lists that it changes are made anew, each by itself, from arrivals in a fixed order.
pub(super) fn insert(
    index: &mut Hnsw,
    rows: &ExactRows<'_>,
    mut arriving: Vec<u32>,
    key_hash: &(dyn Fn(usize) -> u64 + Sync),
) {
    let level = |node: u32| index.links.level(node).unwrap_or(0);
    arriving.sort_by_cached_key(|node| (std::cmp::Reverse(level(*node)), key_hash(*node as usize), *node));
    let mut rest = arriving.as_slice();
    while let Some(first) = rest.first() {
        let level = index.links.level(*first).unwrap_or(0);
        let Some((_, top)) = index.entry.filter(|(_, top)| level <= *top) else {
            // Above all others: it is linked on the levels that it shares with them, and is where searches start.
            if index.entry.is_some() {
                link(index, rows, &rest[..1], key_hash);
            }
            (index.entry, index.count) = (Some((*first, level)), index.count + 1);
            rest = &rest[1..];
            continue;
        };
        debug_assert!(level <= top, "checked by the filter");
        let size = (index.count / LINKED_PER_ARRIVAL).clamp(1, BATCH_MAX).min(rest.len());
        let (batch, later) = rest.split_at(size);
        link(index, rows, batch, key_hash);
        index.count += size;
        rest = later;
    }
}

/// Links one batch.
fn link(index: &mut Hnsw, rows: &ExactRows<'_>, batch: &[u32], key_hash: &(dyn Fn(usize) -> u64 + Sync)) {
    let ties = |left: u32, right: u32| {
        let order = |node: u32| (key_hash(node as usize), node);
        order(left).cmp(&order(right))
    };
    let chosen: Vec<Vec<Link>> = batch
        .par_iter()
        .map_init(SearchScratch::default, |scratch, node| neighbors(index, rows, *node, &ties, scratch))
        .collect();
    let mut back = Vec::new();
    for links in &chosen {
        for list in links.chunk_by(|left, right| left.level == right.level) {
            let to: Vec<u32> = list.iter().map(|link| link.to.node()).collect();
            index.links.set(list[0].from, list[0].level, &to);
        }
        let turned = |link: &Link| Link {
            level: link.level,
            from: link.to.node(),
            to: Entry::new(link.from, link.to.closeness),
        };
        back.extend(links.iter().map(turned));
    }
    // Stable: of one list, arrivals stay in the order of the batch.
    back.sort_by_key(|link| (link.level, link.from));
    let lists: Vec<&[Link]> = back.chunk_by(|a, b| (a.level, a.from) == (b.level, b.from)).collect();
    let extended: Vec<Vec<u32>> =
        lists.par_iter().map(|arrivals| extended(&index.links, rows, arrivals, &ties)).collect();
    for (arrivals, list) in lists.iter().zip(extended) {
        index.links.set(arrivals[0].from, arrivals[0].level, &list);
    }
}

/// The links that a new node gets, level by level from the top.
fn neighbors<T: Fn(u32, u32) -> Ordering>(
    index: &Hnsw,
    rows: &ExactRows<'_>,
    node: u32,
    ties: &T,
    scratch: &mut SearchScratch,
) -> Vec<Link> {
    let mut found = Vec::new();
    let (Some(own), Some((entry, top)), Some(level)) =
        (rows.measured_from(node), index.entry, index.links.level(node))
    else {
        return found;
    };
    let walk = Walk { links: &index.links, measure: &own, ties, cancelled: &|| false };
    let shared = level.min(top);
    scratch.beam.start(index.params.build_beam_width);
    let nearest = walk.descend(entry, top, shared + 1, scratch);
    scratch.beam.offer(nearest, ties);
    for level in (0..=shared).rev() {
        scratch.beam.restart();
        if walk.spread(level, None, scratch).is_err() {
            break; // never: nobody cancels a build
        }
        let others = scratch.beam.entries().iter().copied().filter(|entry| entry.node() != node);
        let candidates: Vec<Entry> = others.collect();
        // As many as the paper's M on every level: the other half of level 0 is for those that come later.
        let chosen = select(&own, &candidates, index.params.links_max);
        found.extend(chosen.into_iter().map(|to| Link { level, from: node, to }));
    }
    found
}

/// The list of a node with arrivals, chosen anew where there is no room for all.
fn extended<T: Fn(u32, u32) -> Ordering>(
    links: &LinkTable,
    rows: &ExactRows<'_>,
    arrivals: &[Link],
    ties: &T,
) -> Vec<u32> {
    let (node, level) = (arrivals[0].from, arrivals[0].level);
    let known: Vec<u32> = links.links(node, level).filter(|link| rows.stored(*link).is_some()).collect();
    let mut list = known.clone();
    list.extend(arrivals.iter().map(|link| link.to.node()).filter(|link| !known.contains(link)));
    if list.len() <= links.room(level) {
        return list;
    }
    let Some(own) = rows.measured_from(node) else { return known };
    let mut candidates: Vec<Entry> = arrivals.iter().map(|link| link.to).collect();
    candidates.retain(|entry| !known.contains(&entry.node()));
    candidates.extend(measured(&own, &known));
    sort(&mut candidates, ties);
    select(&own, &candidates, links.room(level)).into_iter().map(Entry::node).collect()
}

/// How near nodes are to the query of `rows`; those without a vector are left out.
pub(super) fn measured(rows: &ExactRows<'_>, nodes: &[u32]) -> Vec<Entry> {
    let stored: Vec<(u32, &[f32])> =
        nodes.iter().filter_map(|node| Some((*node, rows.stored(*node)?))).collect();
    let mut entries = Vec::with_capacity(stored.len());
    for chunk in stored.chunks(ROWS_MAX) {
        let mut closeness = [0.0; ROWS_MAX];
        let vectors: Vec<&[f32]> = chunk.iter().map(|(_, row)| *row).collect();
        rows.closeness(&vectors, &mut closeness);
        entries
            .extend(chunk.iter().zip(closeness).map(|((node, _), closeness)| Entry::new(*node, closeness)));
    }
    entries
}

/// Best first.
pub(super) fn sort<T: Fn(u32, u32) -> Ordering>(entries: &mut [Entry], ties: &T) {
    entries.sort_unstable_by(|left, right| {
        right.closeness.total_cmp(&left.closeness).then_with(|| ties(left.node(), right.node()))
    });
}
