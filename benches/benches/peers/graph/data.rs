//! The graph that everyone loads: seeded, in memory and in files.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

/// Trends that each member has an affinity with.
pub(crate) const AFFINITIES: usize = 20;
/// Trends in all, popular in proportion to `1 / (rank + shift)`.
const TRENDS: usize = 20_000;
/// Demographics that a trend is popular with, and that a brand targets.
const TREND_DEMOGRAPHICS: usize = 3;
const BRAND_DEMOGRAPHICS: usize = 2;
/// Matches asked for, and trends to share at least: the source's query 1.
pub(crate) const LIMIT: usize = 20;
pub(crate) const SHARED_MIN: u32 = 3;

/// Kinds of nodes, in the order of their places.
pub(crate) const KINDS: [&str; 5] = ["Member", "Trend", "Demographic", "Brand", "Content"];

/// What a member shares with the source, and who it is.
pub(crate) type Found = Vec<(usize, u32)>;

/// A seeded graph. A place is a node's number among those of all kinds, [`KINDS`] one after the other.
pub(crate) struct Data {
    pub(crate) name: String,
    /// Where the files for other processes are.
    pub(crate) folder: PathBuf,
    /// Nodes of each kind.
    pub(crate) counts: [usize; 5],
    /// [`AFFINITIES`] ranks of each member, ascending.
    pub(crate) affinities: Vec<u32>,
    /// Places joined by all other relations, in the order of [`SIDES`].
    pub(crate) sides: [Vec<(u32, u32)>; 3],
    /// Members asked about.
    pub(crate) queries: Vec<usize>,
    /// What each of them is to be answered.
    pub(crate) truth: Vec<Found>,
    /// Affinities that the median query touches.
    pub(crate) touched_median: usize,
}

/// Relations besides the affinities, with the kinds that they join.
pub(crate) const SIDES: [(&str, usize, usize); 3] =
    [("POPULAR_WITH", 1, 2), ("TARGETS", 3, 2), ("CREATED", 0, 4)];

/// `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        mix(self.0)
    }

    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: usize) -> u32 {
        (self.next() % count as u64) as u32
    }
}

impl Data {
    /// A graph whose trends are popular in proportion to `1 / (rank + shift)`, and what `query_count` members share.
    pub(crate) fn new(target: &Path, member_count: usize, shift: usize, query_count: usize) -> Self {
        let name = format!(
            "m{member_count}_{}",
            if shift == 1 { "zipf".to_string() } else { format!("shift{shift}") }
        );
        let trend_count = TRENDS.min(member_count);
        let counts = [member_count, trend_count, trend_count / 100, member_count / 20, member_count / 10];
        let mut sums = Vec::with_capacity(trend_count);
        let mut total = 0.0;
        for rank in 0..trend_count {
            total += 1.0 / (rank + shift) as f64;
            sums.push(total);
        }
        let mut random = Random(7);
        let mut affinities = Vec::with_capacity(member_count * AFFINITIES);
        for _ in 0..member_count {
            let mut ranks: Vec<u32> = Vec::with_capacity(AFFINITIES);
            while ranks.len() < AFFINITIES {
                let at = random.share() * total;
                let rank = sums.partition_point(|sum| *sum <= at).min(trend_count - 1) as u32;
                if !ranks.contains(&rank) {
                    ranks.push(rank);
                }
            }
            ranks.sort_unstable();
            affinities.extend(ranks);
        }
        let mut data = Self {
            folder: target.join("peers-graph").join(&name),
            name,
            counts,
            affinities,
            sides: Default::default(),
            queries: (0..query_count).map(|position| position * (member_count / query_count)).collect(),
            truth: Vec::new(),
            touched_median: 0,
        };
        for (trend, demographics) in [(1, TREND_DEMOGRAPHICS), (3, BRAND_DEMOGRAPHICS)] {
            for index in 0..counts[trend] {
                let mut chosen: Vec<u32> = (0..demographics).map(|_| random.below(counts[2])).collect();
                chosen.sort_unstable();
                chosen.dedup();
                let pairs = chosen.iter().map(|to| (data.place(trend, index), data.place(2, *to as usize)));
                let pairs: Vec<_> = pairs.collect();
                data.sides[usize::from(trend == 3)].extend(pairs);
            }
        }
        for index in 0..counts[4] {
            let creator = random.below(member_count);
            let pair = (creator, data.place(4, index));
            data.sides[2].push(pair);
        }
        data.solve();
        data.write();
        data
    }

    /// The place of a node, by the position of its kind.
    pub(crate) fn place(&self, kind: usize, index: usize) -> u32 {
        (self.counts[..kind].iter().sum::<usize>() + index) as u32
    }

    pub(crate) fn place_count(&self) -> usize {
        self.counts.iter().sum()
    }

    pub(crate) fn trends_of(&self, member: usize) -> &[u32] {
        &self.affinities[member * AFFINITIES..(member + 1) * AFFINITIES]
    }

    /// All edges once.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        let affinities = self.affinities.iter().enumerate();
        let affinities =
            affinities.map(|(position, rank)| (position / AFFINITIES, self.counts[0] + *rank as usize));
        affinities.chain(self.sides.iter().flatten().map(|(from, to)| (*from as usize, *to as usize)))
    }

    /// The answers, from the definition: members counted by hand, best first, ties by number.
    fn solve(&mut self) {
        let mut touched = Vec::new();
        for query in &self.queries {
            let mut is_wanted = vec![false; self.counts[1]];
            self.trends_of(*query).iter().for_each(|rank| is_wanted[*rank as usize] = true);
            let (mut found, mut edges) = (Found::new(), 0);
            for member in 0..self.counts[0] {
                let shared = self.trends_of(member).iter().filter(|rank| is_wanted[**rank as usize]).count();
                edges += shared;
                if shared >= SHARED_MIN as usize && member != *query {
                    found.push((member, shared as u32));
                }
            }
            found.sort_unstable_by_key(|(member, shared)| (Reverse(*shared), *member));
            found.truncate(LIMIT);
            self.truth.push(found);
            touched.push(edges);
        }
        touched.sort_unstable();
        self.touched_median = touched[touched.len() / 2];
    }

    fn write(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        let write = |name: &str, bytes: Vec<u8>| std::fs::write(self.folder.join(name), bytes).unwrap();
        write("affinities.u32", self.affinities.iter().flat_map(|rank| rank.to_le_bytes()).collect());
        let sides = self.sides.iter().flatten().flat_map(|(from, to)| [*from, *to]);
        write("sides.u32", sides.flat_map(u32::to_le_bytes).collect());
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // hundreds of megabytes, made again in seconds
    }
}
