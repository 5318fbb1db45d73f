//! Three random steps between items, popular ends counting less.
//!
//! Source: RP3-beta; Christoffel, Paudel, Newell & Bernstein, "Blockbusters and Wallflowers: Accurate, Diverse, and
//! Scalable Recommendations with Random Walks", RecSys 2015.

use super::changed::{ByUser, InteractionsChange, merge_rows};
use super::interactions::Interactions;
use super::item_rows::{ItemRows, weight_units};
use super::local_ease::all_items;
use super::workers::Workers;

/// What an RP3-beta model is fitted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rp3Params {
    /// Targets kept in each row: the largest.
    pub neighbors: usize,
    /// The power of each step's probability.
    pub alpha: f64,
    /// The power of the target's popularity that its weight is divided by.
    pub beta: f64,
    /// What a row is divided by.
    pub rows: RowScale,
}

/// What each row of an RP3-beta model is divided by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowScale {
    /// Its sum: every past item says as much.
    Sum,
    /// The popularity of the past item to this power, instead of the first step's probability: 1/2 with a `beta` of 1/2
    /// is the linear filter of GF-CF.
    Popularity(f64),
}

impl Rp3Params {
    /// 100 targets, plain probabilities, popularity to the power 0.6, rows that sum to 1.
    pub const STANDARD: Self = Self { neighbors: 100, alpha: 1.0, beta: 0.6, rows: RowScale::Sum };

    /// Weights from each item to where two steps from it lead.
    ///
    /// The same bits for any number of threads. O(sum of the squared item counts of users).
    #[must_use]
    pub fn fit(&self, interactions: &Interactions) -> ItemRows {
        ItemRows::from_rows(self.rows(interactions, &all_items(interactions)).into_iter())
    }

    /// What [`Rp3Params::fit`] gives for the matrix after a change, from `rows`, fitted to the one before: only the
    /// rows that may differ are made again.
    #[must_use]
    pub fn refit(&self, change: &InteractionsChange<'_>, rows: &ItemRows) -> ItemRows {
        let dirty = change.dirty_items(ByUser::No);
        merge_rows(rows, change.items, &dirty, self.rows(change.after, &dirty))
    }

    fn rows(&self, interactions: &Interactions, items: &[u32]) -> Vec<Vec<(u32, i32)>> {
        let step = |total: f64| if total > 0.0 { libm::pow(1.0 / total, self.alpha) } else { 0.0 };
        let from_user: Vec<f64> = interactions.user_totals().into_iter().map(step).collect();
        let totals = interactions.item_totals();
        let rarity = |total: &f64| if *total > 0.0 { libm::pow(*total, -self.beta) } else { 0.0 };
        let rarity: Vec<f64> = totals.iter().map(rarity).collect();
        let power = |value: f32| libm::pow(f64::from(value), self.alpha);
        let mut rows = Vec::with_capacity(items.len());
        Workers::new(|| SparseSums::new(interactions.item_count())).run(
            items,
            |sums, item| {
                let item = item as usize;
                let line = interactions.users_of(item);
                for (user, value) in line.entries() {
                    let mut there = from_user[user];
                    if !line.values.is_empty() {
                        there *= power(value);
                    }
                    let onward = interactions.items_of(user);
                    for (target, value) in onward.entries() {
                        let back = if onward.values.is_empty() { 1.0 } else { power(value) };
                        sums.add(target, there * back * rarity[target]);
                    }
                }
                let mut row = sums.take_best(item, self.neighbors);
                let total = match self.rows {
                    RowScale::Sum => row.iter().map(|(_, weight)| weight).sum(),
                    RowScale::Popularity(power) => libm::pow(totals[item], power),
                };
                row.iter_mut().for_each(|(_, weight)| *weight /= total);
                row.into_iter().map(|(target, weight)| (target, weight_units(weight))).collect()
            },
            |_, row| rows.push(row),
        );
        rows
    }
}

/// One sum per item, and where there are any.
pub(super) struct SparseSums {
    sums: Vec<f64>,
    touched: Vec<u32>,
}

impl SparseSums {
    pub(super) fn new(item_count: usize) -> Self {
        Self { sums: vec![0.0; item_count], touched: Vec::new() }
    }

    /// Adds a term above 0.
    // hot
    #[inline]
    pub(super) fn add(&mut self, item: usize, term: f64) {
        let sum = &mut self.sums[item];
        if *sum == 0.0 {
            self.touched.push(u32::try_from(item).unwrap_or(u32::MAX));
        }
        *sum += term;
    }

    /// The largest sums without that of `own`, rising by item; all sums are 0 afterward.
    pub(super) fn take_best(&mut self, own: usize, count_max: usize) -> Vec<(u32, f64)> {
        let sums = &mut self.sums;
        let mut best: Vec<(u32, f64)> =
            self.touched.drain(..).map(|item| (item, std::mem::take(&mut sums[item as usize]))).collect();
        best.retain(|(item, sum)| *item as usize != own && *sum > 0.0);
        if best.len() > count_max {
            best.select_nth_unstable_by(count_max, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            best.truncate(count_max);
        }
        best.sort_unstable_by_key(|(item, _)| *item);
        best
    }
}
