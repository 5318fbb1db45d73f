//! Recall and normalized discounted cumulative gain of a ranking's head.
//!
//! Source: `code/utils.py` of LightGCN-PyTorch (He et al., "LightGCN", SIGIR 2020): `RecallPrecision_ATk` and
//! `NDCGatK_r`. Gains are binary, and the ideal ranking has `min(wanted, k)` hits at its top.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use crate::exact::count_of;

/// The share of `wanted` that is among the first `k` of `ranked`; `None` when nothing is wanted.
///
/// `ranked` is best first and without repetition.
///
/// ```
/// use affinity_core::evaluation::recall_at;
/// let wanted = ["bob", "eve"].into();
/// assert_eq!(recall_at(2, &["ann", "bob", "eve"], &wanted), Some(0.5));
/// ```
pub fn recall_at<T: Eq + Hash, S: BuildHasher>(
    k: usize,
    ranked: &[T],
    wanted: &HashSet<T, S>,
) -> Option<f64> {
    let hit_count = ranked.iter().take(k).filter(|item| wanted.contains(item)).count();
    (!wanted.is_empty()).then(|| count_of(hit_count) / count_of(wanted.len()))
}

/// Gain of the first `k` of `ranked` over that of the best ranking there could be; `None` when nothing is wanted.
///
/// A hit at rank `r`, from 1, gains `1 / log2(r + 1)`. `ranked` is best first and without repetition.
/// 0 for `k` of 0, where nothing can be gained.
pub fn ndcg_at<T: Eq + Hash, S: BuildHasher>(k: usize, ranked: &[T], wanted: &HashSet<T, S>) -> Option<f64> {
    let gain = |place: usize| 1.0 / libm::log2(count_of(place + 2));
    let hits = ranked.iter().take(k).enumerate().filter(|(_, item)| wanted.contains(item));
    let gained: f64 = hits.map(|(place, _)| gain(place)).sum();
    let ideal: f64 = (0..wanted.len().min(k)).map(gain).sum();
    (!wanted.is_empty()).then_some(if ideal > 0.0 { gained / ideal } else { 0.0 })
}

/// Mean quality over many rankings, of those that want anything.
///
/// ```
/// use affinity_core::evaluation::RankingQuality;
/// let mut quality = RankingQuality::at(20);
/// quality.add(&["ann", "bob"], &["ann"].into());
/// quality.add(&["ann", "bob"], &["eve"].into());
/// assert_eq!((quality.recall(), quality.ndcg(), quality.ranking_count()), (0.5, 0.5, 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankingQuality {
    k: usize,
    recall_sum: f64,
    ndcg_sum: f64,
    ranking_count: usize,
}

impl RankingQuality {
    /// Nothing added yet; the first `k` of each ranking will count.
    #[must_use]
    pub fn at(k: usize) -> Self {
        Self { k, recall_sum: 0.0, ndcg_sum: 0.0, ranking_count: 0 }
    }

    /// Adds a ranking, best first and without repetition; one that wants nothing does not count.
    pub fn add<T: Eq + Hash, S: BuildHasher>(&mut self, ranked: &[T], wanted: &HashSet<T, S>) {
        if let (Some(recall), Some(ndcg)) =
            (recall_at(self.k, ranked, wanted), ndcg_at(self.k, ranked, wanted))
        {
            self.recall_sum += recall;
            self.ndcg_sum += ndcg;
            self.ranking_count += 1;
        }
    }

    /// Mean recall, in [0, 1]; 0 when nothing was added.
    #[must_use]
    pub fn recall(&self) -> f64 {
        self.mean(self.recall_sum)
    }

    /// Mean normalized discounted cumulative gain, in [0, 1]; 0 when nothing was added.
    #[must_use]
    pub fn ndcg(&self) -> f64 {
        self.mean(self.ndcg_sum)
    }

    /// How many rankings count.
    #[must_use]
    pub fn ranking_count(&self) -> usize {
        self.ranking_count
    }

    fn mean(&self, sum: f64) -> f64 {
        if self.ranking_count == 0 { 0.0 } else { sum / count_of(self.ranking_count) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{RankingQuality, ndcg_at, recall_at};
    use std::collections::HashSet;

    fn wanted(items: &[u32]) -> HashSet<u32> {
        items.iter().copied().collect()
    }

    #[track_caller]
    fn check(k: usize, ranked: &[u32], items: &[u32], recall: f64, ndcg: f64) {
        assert!((recall_at(k, ranked, &wanted(items)).unwrap() - recall).abs() < 1e-12, "recall");
        let got = ndcg_at(k, ranked, &wanted(items)).unwrap();
        assert!((got - ndcg).abs() < 1e-12, "ndcg {got}");
    }

    #[test]
    fn hits_at_ranks_one_and_three_of_two_wanted() {
        // DCG = 1/log2(2) + 1/log2(4) = 1.5; ideal = 1/log2(2) + 1/log2(3) = 1.6309297535714573.
        check(3, &[7, 8, 9], &[7, 9], 1.0, 1.5 / 1.630_929_753_571_457_3);
    }

    #[test]
    fn what_lies_behind_the_cut_gains_nothing() {
        // The ideal ranking is cut at 2 as well: three wanted items can fill two places only.
        check(2, &[1, 7, 8, 9], &[7, 8, 9], 1.0 / 3.0, (1.0 / 3.0_f64.log2()) / 1.630_929_753_571_457_3);
    }

    #[test]
    fn a_perfect_head_is_one_and_a_miss_is_zero() {
        check(2, &[1, 2, 3], &[1, 2], 1.0, 1.0);
        check(20, &[1, 2, 3], &[4], 0.0, 0.0);
        check(0, &[1], &[1], 0.0, 0.0);
    }

    #[test]
    fn a_ranking_that_wants_nothing_does_not_count() {
        assert_eq!(recall_at(3, &[1], &wanted(&[])), None);
        assert_eq!(ndcg_at(3, &[1], &wanted(&[])), None);
        let mut quality = RankingQuality::at(3);
        quality.add(&[1], &wanted(&[]));
        assert_eq!((quality.recall(), quality.ranking_count()), (0.0, 0));
        quality.add(&[2, 1], &wanted(&[1, 5]));
        assert_eq!((quality.recall(), quality.ranking_count()), (0.5, 1));
    }
}
