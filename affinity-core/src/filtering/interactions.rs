//! Who did what: a sparse matrix of users and items, readable by row and by column.

/// Rows of (column, value), back to back.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sparse {
    /// Row `r` is `offsets[r]..offsets[r + 1]`.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    /// As long as the columns, or empty where every value is 1.
    values: Vec<f32>,
}

/// One row or column: positions that rise, and a value each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line<'a> {
    /// Positions in the other dimension, strictly rising.
    pub ids: &'a [u32],
    /// As long as `ids`, or empty where every value is 1.
    pub values: &'a [f32],
}

impl<'a> Line<'a> {
    /// Position and value of each entry.
    #[inline]
    pub fn entries(self) -> impl Iterator<Item = (usize, f32)> + 'a {
        let value = move |place: usize| self.values.get(place).copied().unwrap_or(1.0);
        self.ids.iter().enumerate().map(move |(place, id)| (*id as usize, value(place)))
    }
}

impl Sparse {
    fn line(&self, row: usize) -> Line<'_> {
        let range = self.offsets[row]..self.offsets[row + 1];
        let values = if self.values.is_empty() { &[][..] } else { &self.values[range.clone()] };
        Line { ids: &self.columns[range], values }
    }

    fn row_count(&self) -> usize {
        self.offsets.len() - 1
    }

    fn transposed(&self, column_count: usize) -> Self {
        let mut offsets = vec![0; column_count + 1];
        for column in &self.columns {
            offsets[*column as usize + 1] += 1;
        }
        for column in 0..column_count {
            offsets[column + 1] += offsets[column];
        }
        let (mut next, mut columns) = (offsets.clone(), vec![0; self.columns.len()]);
        let mut values = vec![0.0; self.values.len()];
        for row in 0..self.row_count() {
            let line = self.line(row);
            for (place, column) in line.ids.iter().enumerate() {
                let position = &mut next[*column as usize];
                columns[*position] = u32::try_from(row).unwrap_or(u32::MAX); // the builder refuses more rows
                if let Some(value) = line.values.get(place) {
                    values[*position] = *value;
                }
                *position += 1;
            }
        }
        Self { offsets, columns, values }
    }
}

/// Users and the items that they chose, with a value each: compressed sparse rows in both directions.
///
/// ```
/// use affinity_core::filtering::InteractionsBuilder;
/// let mut builder = InteractionsBuilder::new(3);
/// builder.push_user(&[(0, 1.0), (2, 1.0)]);
/// builder.push_user(&[(2, 1.0)]);
/// let interactions = builder.build();
/// assert_eq!(interactions.items_of(0).ids, [0, 2]);
/// assert_eq!(interactions.users_of(2).ids, [0, 1]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Interactions {
    by_user: Sparse,
    by_item: Sparse,
}

/// Collects the rows of [`Interactions`].
#[derive(Debug)]
pub struct InteractionsBuilder {
    item_count: usize,
    by_user: Sparse,
}

impl InteractionsBuilder {
    /// For items `0..item_count`.
    #[must_use]
    pub fn new(item_count: usize) -> Self {
        Self { item_count, by_user: Sparse { offsets: vec![0], ..Sparse::default() } }
    }

    /// The next user's items with their values.
    ///
    /// # Panics
    /// Unless the items rise strictly and are below the item count, or after 2^32 - 1 users.
    pub fn push_user(&mut self, items: &[(u32, f32)]) {
        assert!(items.windows(2).all(|pair| pair[0].0 < pair[1].0), "items of a user rise");
        assert!(items.last().is_none_or(|(item, _)| (*item as usize) < self.item_count), "items exist");
        assert!(u32::try_from(self.by_user.offsets.len()).is_ok(), "users have 32 bits");
        self.by_user.columns.extend(items.iter().map(|(item, _)| *item));
        self.by_user.values.extend(items.iter().map(|(_, value)| *value));
        self.by_user.offsets.push(self.by_user.columns.len());
    }

    /// The matrix.
    #[must_use]
    pub fn build(mut self) -> Interactions {
        if self.by_user.values.iter().all(|value| value.to_bits() == 1.0_f32.to_bits()) {
            self.by_user.values = Vec::new();
        }
        Interactions { by_item: self.by_user.transposed(self.item_count), by_user: self.by_user }
    }
}

impl Interactions {
    /// Users, with or without items.
    #[must_use]
    pub fn user_count(&self) -> usize {
        self.by_user.row_count()
    }

    /// Items, with or without users.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.by_item.row_count()
    }

    /// The items of a user.
    ///
    /// # Panics
    /// Unless `user` is below the user count.
    #[must_use]
    pub fn items_of(&self, user: usize) -> Line<'_> {
        self.by_user.line(user)
    }

    /// The users of an item.
    ///
    /// # Panics
    /// Unless `item` is below the item count.
    #[must_use]
    pub fn users_of(&self, item: usize) -> Line<'_> {
        self.by_item.line(item)
    }

    /// The sum of the values of each user.
    pub(super) fn user_totals(&self) -> Vec<f64> {
        (0..self.user_count()).map(|user| total(self.items_of(user))).collect()
    }

    /// The sum of the values of each item.
    pub(super) fn item_totals(&self) -> Vec<f64> {
        (0..self.item_count()).map(|item| total(self.users_of(item))).collect()
    }
}

fn total(line: Line<'_>) -> f64 {
    line.entries().map(|(_, value)| f64::from(value)).sum()
}
