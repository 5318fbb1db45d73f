//! What of a model has to be fitted again after some interactions changed.

use super::interactions::Interactions;
use super::item_rows::ItemRows;

/// Which row after a change was which row before: both keep their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Correspondence {
    /// For each row before its row after, rising; `None` for one that is gone.
    after: Vec<Option<u32>>,
    /// For each row after its row before.
    before: Vec<Option<u32>>,
}

impl Correspondence {
    /// From two lists of names, each rising strictly.
    #[must_use]
    pub fn new<K: Ord>(before: &[K], after: &[K]) -> Self {
        let find = |names: &[K], name: &K| {
            names.binary_search(name).ok().and_then(|place| u32::try_from(place).ok())
        };
        Self {
            after: before.iter().map(|name| find(after, name)).collect(),
            before: after.iter().map(|name| find(before, name)).collect(),
        }
    }
}

/// Interactions before and after a change, and which rows of both are the same user and item.
#[derive(Clone, Copy, Debug)]
pub struct InteractionsChange<'a> {
    /// Before.
    pub before: &'a Interactions,
    /// After.
    pub after: &'a Interactions,
    /// Of the users.
    pub users: &'a Correspondence,
    /// Of the items.
    pub items: &'a Correspondence,
}

impl InteractionsChange<'_> {
    /// The items after the change whose column or row of a model may differ, rising: those that share or shared a user
    /// with an item whose users changed.
    ///
    /// With [`ByUser::Yes`] all items of a user count as changed when one of them does.
    pub(super) fn dirty_items(&self, by_user: ByUser) -> Vec<u32> {
        let Self { before, after, users, items } = self;
        let mut changed = (vec![false; before.item_count()], vec![false; after.item_count()]);
        let mut mark = |old: Option<usize>, new: Option<usize>| {
            let old: Vec<_> = old.into_iter().flat_map(|user| before.items_of(user).entries()).collect();
            let new: Vec<_> = new.into_iter().flat_map(|user| after.items_of(user).entries()).collect();
            let moved = |item: usize| items.after[item].map(|item| item as usize);
            let has = |list: &[(usize, f32)], item: usize, value: f32| {
                let found = list.binary_search_by_key(&item, |entry| entry.0);
                found.is_ok_and(|place| list[place].1.to_bits() == value.to_bits())
            };
            let kept: Vec<_> = old.iter().filter_map(|(item, value)| Some((moved(*item)?, *value))).collect();
            let is_same = kept.len() == old.len() && kept == new;
            let all = by_user == ByUser::Yes && !is_same;
            for (item, value) in &old {
                changed.0[*item] |= all || !moved(*item).is_some_and(|moved| has(&new, moved, *value));
            }
            for (item, value) in &new {
                changed.1[*item] |= all || !has(&kept, *item, *value);
            }
        };
        for (user, moved) in users.after.iter().enumerate() {
            mark(Some(user), moved.map(|user| user as usize));
        }
        for (user, _) in users.before.iter().enumerate().filter(|(_, before)| before.is_none()) {
            mark(None, Some(user));
        }
        let mut dirty = changed.1.clone();
        touched(after, &changed.1).for_each(|item| dirty[item] = true);
        for item in touched(before, &changed.0).filter_map(|item| items.after[item]) {
            dirty[item as usize] = true;
        }
        (0_u32..).zip(dirty).filter(|(_, dirty)| *dirty).map(|(item, _)| item).collect()
    }
}

/// Whether all items of a user change with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByUser {
    /// They do.
    Yes,
    /// Only the one does.
    No,
}

/// The items of all users of changed items, and some more than once.
fn touched<'a>(interactions: &'a Interactions, changed: &'a [bool]) -> impl Iterator<Item = usize> + 'a {
    let has_changed = |user: &usize| interactions.items_of(*user).entries().any(|(item, _)| changed[item]);
    let users = (0..interactions.user_count()).filter(has_changed);
    users.flat_map(|user| interactions.items_of(user).entries().map(|(item, _)| item))
}

/// The rows after a change: `rows` without the columns of `dirty` items, with `fresh` entries (item, target, weight)
/// in those columns.
pub(super) fn merge_columns(
    rows: &ItemRows,
    items: &Correspondence,
    dirty: &[u32],
    mut fresh: Vec<(u32, u32, i32)>,
) -> ItemRows {
    fresh.sort_unstable();
    let mut is_dirty = vec![false; items.before.len()];
    dirty.iter().for_each(|item| is_dirty[*item as usize] = true);
    let mut rest = fresh.as_slice();
    ItemRows::from_rows((0_u32..).zip(&items.before).map(|(item, before)| {
        let mut row = kept(rows, *before, items, |target| !is_dirty[target as usize]);
        let count = rest.partition_point(|entry| entry.0 == item);
        row.extend(rest[..count].iter().map(|(_, target, weight)| (*target, *weight)));
        rest = &rest[count..];
        row.sort_unstable();
        row
    }))
}

/// The rows after a change: `rows` with those of `dirty` items replaced, in their order.
pub(super) fn merge_rows(
    rows: &ItemRows,
    items: &Correspondence,
    dirty: &[u32],
    fresh: Vec<Vec<(u32, i32)>>,
) -> ItemRows {
    let mut fresh = dirty.iter().zip(fresh).peekable();
    ItemRows::from_rows((0_u32..).zip(&items.before).map(|(item, before)| {
        match fresh.next_if(|(dirty, _)| **dirty == item) {
            Some((_, row)) => row,
            None => kept(rows, *before, items, |_| true),
        }
    }))
}

fn kept(
    rows: &ItemRows,
    before: Option<u32>,
    items: &Correspondence,
    keeps: impl Fn(u32) -> bool,
) -> Vec<(u32, i32)> {
    let (targets, weights) = before.map_or((&[][..], &[][..]), |before| rows.row(before as usize));
    let moved = targets.iter().zip(weights);
    let moved = moved.filter_map(|(target, weight)| Some((items.after[*target as usize]?, *weight)));
    moved.filter(|(target, _)| keeps(*target)).collect()
}
