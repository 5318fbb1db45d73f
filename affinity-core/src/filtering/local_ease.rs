//! Item-item regression within each item's neighborhood.
//!
//! Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, restricted to the most similar
//! items of each: column j of its closed form is the ridge regression of item j on the others.

use super::changed::{ByUser, InteractionsChange, merge_columns};
use super::cholesky;
use super::interactions::Interactions;
use super::item_rows::{ColumnWriter, ItemRows, weight_units};
use super::workers::Workers;
use crate::exact::{count_of, narrow};

/// What a local EASE model is fitted with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalEaseParams {
    /// Items that each item is predicted from: its most cosine-similar ones.
    pub neighbors: usize,
    /// Added to the diagonal of the Gram matrix `g`.
    pub ridge: f64,
    /// Added times `sqrt(g_i * mean(g))`, so that popular items are held back more; the mean is rounded to a power
    /// of 2^(1/8), so that it rarely moves. One of both ridges is above 0.
    pub relative_ridge: f64,
    /// A user counts `1 / total^user_power` in the Gram matrix, where `total` is the sum of his values.
    pub user_power: f64,
    /// A weight to item j is divided by `total_j^item_power`.
    pub item_power: f64,
}

impl LocalEaseParams {
    /// 100 neighbors, users by the root of their count, a relative ridge of 3.
    pub const STANDARD: Self =
        Self { neighbors: 100, ridge: 0.0, relative_ridge: 3.0, user_power: 0.5, item_power: 0.0 };

    /// Weights from each item's neighbors to it.
    ///
    /// The same bits for any number of threads. O(items * neighbors^3 / 3) and, to find neighbors, the sum of the
    /// squared item counts of users. Peak memory: the result and some megabytes a thread.
    #[must_use]
    pub fn fit(&self, interactions: &Interactions) -> ItemRows {
        let fit = Fit::new(self, interactions);
        let mut workers = Workers::new(|| Space::new(interactions));
        let items = all_items(interactions);
        // Neighbors are found twice: first to learn how long rows are, so that weights are written once, in place.
        let mut lengths = vec![0_u32; interactions.item_count()];
        workers.run(
            &items,
            |space, item| {
                fit.find_neighbors(space, item);
                space.neighbors.clone()
            },
            |_, neighbors| neighbors.iter().for_each(|neighbor| lengths[*neighbor as usize] += 1),
        );
        let mut writer = ColumnWriter::new(&lengths);
        workers.run(
            &items,
            |space, item| fit.column(space, item),
            |item, column| writer.column(item, &column.0, &column.1),
        );
        writer.finish()
    }

    /// What [`LocalEaseParams::fit`] gives for the matrix after a change, from `rows`, fitted to the one before: only
    /// the columns that may differ are solved again, or all when the mean behind the relative ridge has moved.
    #[must_use]
    pub fn refit(&self, change: &InteractionsChange<'_>, rows: &ItemRows) -> ItemRows {
        let fit = Fit::new(self, change.after);
        let has_moved = Fit::new(self, change.before).root_mean.to_bits() != fit.root_mean.to_bits();
        if self.relative_ridge != 0.0 && has_moved {
            return self.fit(change.after);
        }
        let dirty = change.dirty_items(if self.user_power == 0.0 { ByUser::No } else { ByUser::Yes });
        let mut fresh = Vec::new();
        Workers::new(|| Space::new(change.after)).run(
            &dirty,
            |space, item| fit.column(space, item),
            |item, (neighbors, weights)| {
                let entries = neighbors.iter().zip(&weights);
                fresh.extend(entries.map(|(neighbor, weight)| (*neighbor, item, *weight)));
            },
        );
        merge_columns(rows, change.items, &dirty, fresh)
    }
}

pub(super) fn all_items(interactions: &Interactions) -> Vec<u32> {
    (0..u32::try_from(interactions.item_count()).unwrap_or(u32::MAX)).collect()
}

/// What all columns share.
struct Fit<'a> {
    params: &'a LocalEaseParams,
    interactions: &'a Interactions,
    /// What each user counts; empty where all count 1.
    user_factors: Vec<f32>,
    /// The diagonal of the Gram matrix.
    squares: Vec<f32>,
    /// The root of the mean of the squares, for the relative ridge.
    root_mean: f64,
    /// What the weights to each item are multiplied with; empty for 1.
    item_factors: Vec<f64>,
}

/// Memory for the solution of one column.
struct Space {
    /// One per item, 0 between columns.
    products: Vec<f32>,
    touched: Vec<u32>,
    /// Rising.
    neighbors: Vec<u32>,
    /// One per user, [`NO_SLOT`] between columns.
    slot_of: Vec<u32>,
    /// The users of the neighbors in order of appearance, and how many neighbors each has.
    users: Vec<(u32, u32)>,
    /// Slot, neighbor and value of each interaction with a neighbor.
    chosen: Vec<(u32, u32, f32)>,
    /// The same by slot: neighbor and value.
    by_slot: Vec<(u32, f32)>,
    gram: Vec<f32>,
    weights: Vec<f32>,
}

const NO_SLOT: u32 = u32::MAX;

impl Space {
    fn new(interactions: &Interactions) -> Self {
        Self {
            products: vec![0.0; interactions.item_count()],
            touched: Vec::new(),
            neighbors: Vec::new(),
            slot_of: vec![NO_SLOT; interactions.user_count()],
            users: Vec::new(),
            chosen: Vec::new(),
            by_slot: Vec::new(),
            gram: Vec::new(),
            weights: Vec::new(),
        }
    }
}

impl<'a> Fit<'a> {
    fn new(params: &'a LocalEaseParams, interactions: &'a Interactions) -> Self {
        let powers = |totals: Vec<f64>, power: f64| {
            let factor = |total: f64| if total > 0.0 { libm::pow(total, -power) } else { 1.0 };
            if power == 0.0 { Vec::new() } else { totals.into_iter().map(factor).collect() }
        };
        let user_factors = powers(interactions.user_totals(), params.user_power);
        let mut fit = Self {
            params,
            interactions,
            user_factors: user_factors.into_iter().map(narrow).collect(),
            squares: Vec::new(),
            root_mean: 0.0,
            item_factors: powers(interactions.item_totals(), params.item_power),
        };
        fit.squares = (0..interactions.item_count())
            .map(|item| {
                let users = interactions.users_of(item).entries();
                users.map(|(user, value)| fit.user_factor(user) * value * value).sum()
            })
            .collect();
        let total: f64 = fit.squares.iter().map(|square| f64::from(*square)).sum();
        let mean = total / count_of(fit.squares.len().max(1));
        // The root on a grid of 2^(1/16): whoever fits again after a change then finds most columns as they were.
        fit.root_mean = if mean > 0.0 { libm::exp2((libm::log2(mean) * 8.0).round() / 16.0) } else { 0.0 };
        fit
    }

    /// What is added to the diagonal for an item.
    fn ridge(&self, item: u32) -> f64 {
        let root = libm::sqrt(f64::from(self.squares[item as usize]));
        self.params.ridge + self.params.relative_ridge * root * self.root_mean
    }

    #[inline]
    fn user_factor(&self, user: usize) -> f32 {
        self.user_factors.get(user).copied().unwrap_or(1.0)
    }

    /// The neighbors of an item, and its products with all items that share a user.
    // hot
    fn find_neighbors(&self, space: &mut Space, item: u32) {
        let Space { products, touched, neighbors, .. } = space;
        touched.drain(..).for_each(|other| products[other as usize] = 0.0);
        for (user, value) in self.interactions.users_of(item as usize).entries() {
            let factor = self.user_factor(user) * value;
            for (other, value) in self.interactions.items_of(user).entries() {
                let product = &mut products[other]; // in bounds: one per item
                if *product == 0.0 {
                    touched.push(u32::try_from(other).unwrap_or(u32::MAX));
                }
                *product += factor * value;
            }
        }
        let cosine = |other: u32| {
            let product = f64::from(products[other as usize]);
            product * product / f64::from(self.squares[other as usize])
        };
        neighbors.clear();
        neighbors.extend(touched.iter().filter(|other| **other != item && products[**other as usize] > 0.0));
        if neighbors.len() > self.params.neighbors {
            neighbors.select_nth_unstable_by(self.params.neighbors, |a, b| {
                cosine(*b).total_cmp(&cosine(*a)).then(a.cmp(b))
            });
            neighbors.truncate(self.params.neighbors);
        }
        neighbors.sort_unstable();
    }

    /// The neighbors of an item and their weights to it.
    fn column(&self, space: &mut Space, item: u32) -> (Vec<u32>, Vec<i32>) {
        self.find_neighbors(space, item);
        self.fill_gram(space);
        let Space { products, neighbors, gram, weights, .. } = space;
        weights.clear();
        weights.extend(neighbors.iter().map(|neighbor| products[*neighbor as usize]));
        // Without rounding no pivot is smaller than the ridge.
        let ridge_min = neighbors.iter().map(|neighbor| self.ridge(*neighbor)).fold(f64::INFINITY, f64::min);
        cholesky::solve(gram, weights, narrow(ridge_min / 2.0));
        let factor = self.item_factors.get(item as usize).copied().unwrap_or(1.0);
        let weights = weights.iter().map(|weight| weight_units(f64::from(*weight) * factor)).collect();
        (neighbors.clone(), weights)
    }

    /// The upper triangle of the neighbors' Gram matrix, ridge included: users are gathered with the neighbors that
    /// each has, and each pair of them is counted once.
    // hot
    fn fill_gram(&self, space: &mut Space) {
        let Space { neighbors, slot_of, users, chosen, by_slot, gram, .. } = space;
        let order = neighbors.len();
        users.clear();
        chosen.clear();
        by_slot.clear();
        gram.clear();
        gram.resize(order * order, 0.0);
        for (neighbor, place) in neighbors.iter().zip(0_u32..) {
            for (user, value) in self.interactions.users_of(*neighbor as usize).entries() {
                if slot_of[user] == NO_SLOT {
                    slot_of[user] = u32::try_from(users.len()).unwrap_or(NO_SLOT);
                    users.push((u32::try_from(user).unwrap_or(NO_SLOT), 0));
                }
                users[slot_of[user] as usize].1 += 1;
                chosen.push((slot_of[user], place, value));
            }
        }
        by_slot.resize(chosen.len(), (0, 0.0));
        let mut first = 0;
        for (user, count) in users.iter_mut() {
            slot_of[*user as usize] = NO_SLOT;
            first += std::mem::replace(count, first); // now where the user's neighbors start
        }
        for (slot, place, value) in chosen.iter() {
            let next = &mut users[*slot as usize].1;
            by_slot[*next as usize] = (*place, *value); // in bounds: counted above
            *next += 1; // in the end, where they end
        }
        let mut first = 0;
        for (user, end) in users.iter() {
            let own = &by_slot[first..*end as usize];
            let factor = self.user_factor(*user as usize);
            for (position, (place, value)) in own.iter().enumerate() {
                let row = &mut gram[*place as usize * order..(*place as usize + 1) * order];
                for (other, other_value) in &own[position + 1..] {
                    row[*other as usize] += factor * value * other_value;
                }
            }
            first = *end as usize;
        }
        for (place, neighbor) in neighbors.iter().enumerate() {
            gram[place * order + place] = self.squares[*neighbor as usize] + narrow(self.ridge(*neighbor));
        }
    }
}
