//! Several systems on the same queries: how good each is, for whom, and by how much the first leads.
//!
//! Source: the measures are those of `ranking_quality`, `early_hits` and `spread`; the intervals those of `bootstrap`,
//! where all systems and segments meet the same draws.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use serde::Serialize;

use super::bootstrap::{BootstrapParams, Interval, bootstrap, mean_of_drawn};
use super::early_hits::{average_precision, reciprocal_rank};
use super::ranking_quality::{ndcg_at, recall_at};
use super::spread::{concentration, coverage, novelty};
use crate::exact::count_of;

/// Collects rankings of several systems for the same queries.
///
/// ```
/// use affinity_core::evaluation::{BootstrapParams, Comparison};
/// // How often each item of the catalog was chosen before.
/// let mut comparison = Comparison::new(10, ["matcher", "popularity"], [("ann", 5), ("bob", 1), ("eve", 0)]);
/// comparison.add(&["tier: gold"], &["bob"].into(), &[&["bob", "eve"], &["ann", "bob"]]);
/// let summary = comparison.summarize(&BootstrapParams::STANDARD);
/// assert_eq!(summary.systems[0].ndcg.estimate, 1.0);
/// assert!(summary.systems[1].lead.low > 0.0, "the first system is better than this one");
/// ```
#[derive(Clone, Debug)]
pub struct Comparison<T> {
    k: usize,
    systems: Vec<String>,
    /// Position and novelty by item.
    catalog: HashMap<T, (usize, f64)>,
    queries: Vec<Judged>,
}

#[derive(Clone, Debug)]
struct Judged {
    segments: BTreeSet<String>,
    /// One per system.
    rankings: Vec<Ranked>,
}

#[derive(Clone, Debug)]
struct Ranked {
    /// In the order of [`MEANS`].
    measures: [f64; MEANS],
    /// Items of the catalog among the first k.
    shown: Vec<usize>,
}

/// Measures that are means over queries: NDCG, recall, reciprocal rank, average precision, novelty.
const MEANS: usize = 5;
/// All measures of a system: the means, coverage, concentration and the first system's lead.
const MEASURES: usize = MEANS + 3;
/// Measures of a system within a segment: NDCG and recall.
const SEGMENT_MEASURES: usize = 2;

/// What a [`Comparison`] comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many of each ranking were looked at.
    pub k: usize,
    /// Queries that wanted something.
    pub query_count: usize,
    /// In the order given.
    pub systems: Vec<SystemSummary>,
    /// By name.
    pub segments: Vec<SegmentSummary>,
}

/// One system over all queries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SystemSummary {
    /// As given.
    pub name: String,
    /// Normalized discounted cumulative gain of the first k.
    pub ndcg: Interval,
    /// The share of what was wanted among the first k.
    pub recall: Interval,
    /// Mean reciprocal rank of the first hit, wherever it is.
    pub reciprocal_rank: Interval,
    /// Mean average precision of the whole ranking.
    pub average_precision: Interval,
    /// Mean bits of surprise of the first k.
    pub novelty: Interval,
    /// The share of the catalog that was among the first k of any query.
    pub coverage: Interval,
    /// The Gini coefficient of how often items were among the first k.
    pub concentration: Interval,
    /// The first system's NDCG minus this one's, paired; 0 for the first.
    pub lead: Interval,
}

/// The systems on some of the queries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentSummary {
    /// As given.
    pub name: String,
    /// Queries of the segment.
    pub query_count: usize,
    /// NDCG, one per system.
    pub ndcg: Vec<Interval>,
    /// Recall, one per system.
    pub recall: Vec<Interval>,
}

impl<T: Clone + Eq + Hash> Comparison<T> {
    /// Nothing added yet. The first `k` of each ranking count, except for reciprocal rank and average precision.
    ///
    /// `catalog` is every item that could be recommended, with how often it was chosen before.
    pub fn new(
        k: usize,
        systems: impl IntoIterator<Item = impl Into<String>>,
        catalog: impl IntoIterator<Item = (T, u64)>,
    ) -> Self {
        let catalog: Vec<(T, u64)> = catalog.into_iter().collect();
        let total: u64 = catalog.iter().map(|(_, count)| count).sum();
        let item_count = catalog.len();
        let bits = |(position, (item, count))| (item, (position, novelty(count, total, item_count)));
        Self {
            k,
            systems: systems.into_iter().map(Into::into).collect(),
            catalog: catalog.into_iter().enumerate().map(bits).collect(),
            queries: Vec::new(),
        }
    }

    /// Adds a query: the segments it belongs to, what was chosen, and one ranking per system, best first and without
    /// repetition. A query that wants nothing does not count.
    ///
    /// # Panics
    /// Unless there is one ranking per system.
    pub fn add<S: BuildHasher>(&mut self, segments: &[&str], wanted: &HashSet<T, S>, rankings: &[&[T]]) {
        assert_eq!(rankings.len(), self.systems.len(), "one ranking per system");
        if wanted.is_empty() {
            return;
        }
        let judge = |ranking: &&[T]| {
            let head = ranking.iter().take(self.k).filter_map(|item| self.catalog.get(item));
            let (shown, bits): (Vec<usize>, Vec<f64>) = head.copied().unzip();
            let measures = [
                ndcg_at(self.k, ranking, wanted),
                recall_at(self.k, ranking, wanted),
                reciprocal_rank(ranking, wanted),
                average_precision(ranking, wanted),
                Some(bits.iter().sum::<f64>() / count_of(bits.len())),
            ];
            Ranked { measures: measures.map(|measure| measure.unwrap_or(f64::NAN)), shown }
        };
        let rankings = rankings.iter().map(judge).collect();
        let segments = segments.iter().map(ToString::to_string).collect();
        self.queries.push(Judged { segments, rankings });
    }

    /// All measures with their intervals over queries.
    ///
    /// O(draws x (queries x k x systems + catalog x log of the catalog x systems)).
    #[must_use]
    pub fn summarize(&self, params: &BootstrapParams) -> Summary {
        let values = |of: &dyn Fn(&Judged) -> f64| self.queries.iter().map(of).collect::<Vec<f64>>();
        let columns: Vec<[Vec<f64>; MEANS]> = (0..self.systems.len())
            .map(|system| std::array::from_fn(|m| values(&|query| query.rankings[system].measures[m])))
            .collect();
        let segments: BTreeSet<&String> = self.queries.iter().flat_map(|query| &query.segments).collect();
        let members: Vec<Vec<bool>> = segments
            .iter()
            .map(|name| self.queries.iter().map(|query| query.segments.contains(*name)).collect())
            .collect();
        let (item_count, queries) = (self.catalog.len(), &self.queries);
        let statistics = |drawn: &[u32]| {
            let mut all = Vec::new();
            for (system, columns) in columns.iter().enumerate() {
                let means: Vec<f64> = columns.iter().map(|column| mean_of_drawn(column, drawn)).collect();
                let counts = shown_counts(item_count, queries, system, drawn);
                let lead = all.first().map_or(0.0, |first| first - means[0]);
                all.extend(means.into_iter().chain([coverage(&counts), concentration(&counts), lead]));
            }
            for member in &members {
                let drawn: Vec<u32> =
                    drawn.iter().zip(member).map(|(times, is_in)| times * u32::from(*is_in)).collect();
                for columns in &columns {
                    all.extend(
                        columns[..SEGMENT_MEASURES].iter().map(|column| mean_of_drawn(column, &drawn)),
                    );
                }
            }
            all
        };
        let intervals = bootstrap(self.queries.len(), params, statistics);
        let (of_systems, of_segments) = intervals.split_at(MEASURES * self.systems.len());
        let system = |(name, of): (&String, &[Interval])| SystemSummary {
            name: name.clone(),
            ndcg: of[0],
            recall: of[1],
            reciprocal_rank: of[2],
            average_precision: of[3],
            novelty: of[4],
            coverage: of[5],
            concentration: of[6],
            lead: of[7],
        };
        let of_segments = of_segments.chunks_exact((SEGMENT_MEASURES * self.systems.len()).max(1));
        let segment = |((name, member), of): ((&&String, &Vec<bool>), &[Interval])| SegmentSummary {
            name: name.to_string(),
            query_count: member.iter().filter(|is_in| **is_in).count(),
            ndcg: of.iter().step_by(SEGMENT_MEASURES).copied().collect(),
            recall: of.iter().skip(1).step_by(SEGMENT_MEASURES).copied().collect(),
        };
        Summary {
            k: self.k,
            query_count: self.queries.len(),
            systems: self.systems.iter().zip(of_systems.chunks_exact(MEASURES)).map(system).collect(),
            segments: segments.iter().zip(&members).zip(of_segments).map(segment).collect(),
        }
    }
}

/// How often each item of the catalog was shown by a system, a query counting as often as it was drawn.
fn shown_counts(item_count: usize, queries: &[Judged], system: usize, drawn: &[u32]) -> Vec<u64> {
    let mut counts = vec![0; item_count];
    for (query, times) in queries.iter().zip(drawn) {
        for item in &query.rankings[system].shown {
            counts[*item] += u64::from(*times); // a position in the catalog
        }
    }
    counts
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{BootstrapParams, Comparison, Summary};
    use std::collections::HashSet;

    /// Two systems, of which the second has everything one place later, over queries of two segments.
    fn summary(query_count: u32) -> Summary {
        let mut comparison =
            Comparison::new(2, ["good", "late"], (0..10).map(|item| (item, u64::from(item))));
        for query in 0..query_count {
            let (wanted, other) = (query % 4, query % 4 + 4);
            let segment = if query % 4 == 0 { "first" } else { "rest" };
            let wanted_set: HashSet<u32> = [wanted].into();
            comparison.add(&[segment, "all"], &wanted_set, &[&[wanted, other, 9], &[other, wanted, 9]]);
        }
        comparison.add(&["nobody"], &HashSet::<u32>::new(), &[&[1], &[2]]);
        comparison.summarize(&BootstrapParams::STANDARD)
    }

    #[test]
    fn every_measure_of_a_worked_example() {
        let summary = summary(40);
        assert_eq!((summary.k, summary.query_count), (2, 40));
        let [good, late] = summary.systems.as_slice() else { panic!("two systems") };
        assert_eq!((good.ndcg.estimate, good.recall.estimate), (1.0, 1.0));
        let second = 1.0 / 3.0_f64.log2();
        assert!((late.ndcg.estimate - second).abs() < 1e-12);
        assert_eq!((late.reciprocal_rank.estimate, late.average_precision.estimate), (0.5, 0.5));
        assert!((late.lead.low - (1.0 - second)).abs() < 1e-9 && good.lead.high == 0.0, "{:?}", late.lead);
        // 8 of 10 items, ten times each: Gini 1 - 8/10.
        assert_eq!(late.coverage.estimate, 0.8);
        assert!((late.concentration.estimate - 0.2).abs() < 1e-12);
        // Items 0 to 7, evenly: the mean of -log2((count + 1) / (45 + 10)).
        let bits: f64 = (1..=8).map(|count| (55.0 / f64::from(count)).log2()).sum::<f64>() / 8.0;
        assert!((late.novelty.estimate - bits).abs() < 1e-12);
    }

    #[test]
    fn segments_hold_their_own_queries() {
        let summary = summary(40);
        let sizes: Vec<_> = summary.segments.iter().map(|of| (of.name.as_str(), of.query_count)).collect();
        assert_eq!(sizes, [("all", 40), ("first", 10), ("rest", 30)]);
        assert_eq!(summary.segments[0].ndcg[1].estimate, summary.systems[1].ndcg.estimate);
        assert_eq!(summary.segments[1].recall[0].estimate, 1.0);
    }

    #[test]
    fn nothing_added_is_no_number() {
        let summary = summary(0);
        assert!(summary.systems[0].ndcg.estimate.is_nan() && summary.segments.is_empty());
    }
}
