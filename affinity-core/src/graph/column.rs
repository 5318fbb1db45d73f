//! Typed columns of the attributes of a page of nodes or edges.

use std::sync::Arc;

use bytemuck::Pod;

use super::schema::AttributeType;
use crate::storage::{ARC_BYTES, Slab};

/// One attribute value inside the engine: categories and tags are term ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    #[default]
    Absent,
    Number(f64),
    Category(u32),
    /// Sorted and unique.
    Tags(Arc<[u32]>),
    Time(i64),
    Text(Arc<str>),
}

/// Lists back to back, some of them absent.
#[derive(Clone, Debug)]
pub(crate) struct Lists<T> {
    /// Where each list ends; the highest bit says that it is absent.
    ends: Slab<u32>,
    items: Slab<T>,
}

/// Of an end: there is no list.
const ABSENT: u32 = 1 << 31;

/// The values of one attribute for a run of nodes or edges; without any value it has no array.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// NaN is absent.
    Number(Slab<f64>),
    /// `u32::MAX` is absent.
    Category(Slab<u32>),
    Tags(Lists<u32>),
    /// `i64::MIN` is absent.
    Time(Slab<i64>),
    Text(Lists<u8>),
}

/// The category of a node that has none.
pub(crate) const NO_CATEGORY: u32 = u32::MAX;
/// The time of a node that has none.
pub(crate) const NO_TIME: i64 = i64::MIN;

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { ends: Slab::default(), items: Slab::default() }
    }
}

impl<T: Pod> Lists<T> {
    /// Lists of a snapshot; `None` unless their ends rise to the last item.
    pub(crate) fn from_slabs(ends: Slab<u32>, items: Slab<T>) -> Option<Self> {
        let mut last = 0;
        for end in ends.iter().map(|end| end & !ABSENT) {
            last = if last <= end { end } else { return None };
        }
        (last as usize == items.len()).then_some(Self { ends, items })
    }

    /// Where each list ends, with the mark of absence.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// All items, list after list.
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    /// Lists in order; no arrays where all are absent.
    pub(crate) fn new<'a>(lists: impl Iterator<Item = Option<&'a [T]>>) -> Self {
        let (mut ends, mut items) = (Vec::new(), Vec::new());
        for list in lists {
            items.extend_from_slice(list.unwrap_or_default());
            // Pages hold far below 2^31 items.
            let end = u32::try_from(items.len()).unwrap_or(u32::MAX);
            ends.push(if list.is_some() { end } else { end | ABSENT });
        }
        if ends.iter().all(|end| end & ABSENT != 0) {
            ends.clear();
        }
        Self { ends: ends.into(), items: items.into() }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[T]> {
        let end = *self.ends.get(index)?;
        if end & ABSENT != 0 {
            return None;
        }
        let first = index.checked_sub(1).map_or(0, |before| self.ends[before] & !ABSENT);
        self.items.get(first as usize..end as usize)
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.ends.size_bytes() + self.items.size_bytes()
    }
}

impl Lists<u8> {
    /// Whether each list is UTF-8.
    pub(crate) fn are_texts(&self) -> bool {
        let ends_well =
            |text: &str| self.ends.iter().all(|end| text.is_char_boundary((end & !ABSENT) as usize));
        std::str::from_utf8(&self.items).is_ok_and(ends_well)
    }

    /// A list as text; all lists of columns of texts are.
    pub(crate) fn text(&self, index: usize) -> Option<&str> {
        self.get(index).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

fn array<T: Pod>(values: Vec<T>, is_absent: impl Fn(&T) -> bool) -> Slab<T> {
    if values.iter().all(is_absent) { Slab::default() } else { values.into() }
}

impl Column {
    /// A column of these cells; one of another type counts as absent (the graph checks types before it gets here).
    pub(crate) fn from_cells(of: AttributeType, cells: &[Cell]) -> Self {
        let cells = cells.iter();
        match of {
            AttributeType::Number => {
                let number = |cell: &Cell| if let Cell::Number(number) = cell { *number } else { f64::NAN };
                Self::Number(array(cells.map(number).collect(), |number| number.is_nan()))
            }
            AttributeType::Category => {
                let term = |cell: &Cell| if let Cell::Category(term) = cell { *term } else { NO_CATEGORY };
                Self::Category(array(cells.map(term).collect(), |term| *term == NO_CATEGORY))
            }
            AttributeType::Tags => Self::Tags(Lists::new(cells.map(|cell| match cell {
                Cell::Tags(tags) => Some(&**tags),
                _ => None,
            }))),
            AttributeType::Time => {
                let time = |cell: &Cell| if let Cell::Time(time) = cell { *time } else { NO_TIME };
                Self::Time(array(cells.map(time).collect(), |time| *time == NO_TIME))
            }
            AttributeType::Text => Self::Text(Lists::new(cells.map(|cell| match cell {
                Cell::Text(text) => Some(text.as_bytes()),
                _ => None,
            }))),
        }
    }

    /// The cell at `index`; absent behind the end.
    pub(crate) fn get(&self, index: usize) -> Cell {
        match self {
            Self::Number(numbers) => match numbers.get(index) {
                Some(number) if !number.is_nan() => Cell::Number(*number),
                _ => Cell::Absent,
            },
            Self::Category(terms) => match terms.get(index) {
                Some(term) if *term != NO_CATEGORY => Cell::Category(*term),
                _ => Cell::Absent,
            },
            Self::Tags(lists) => lists.get(index).map_or(Cell::Absent, |tags| Cell::Tags(tags.into())),
            Self::Time(times) => match times.get(index) {
                Some(time) if *time != NO_TIME => Cell::Time(*time),
                _ => Cell::Absent,
            },
            Self::Text(lists) => lists.text(index).map_or(Cell::Absent, |text| Cell::Text(text.into())),
        }
    }

    /// Memory in use, with the column itself.
    pub(crate) fn size_bytes(&self) -> usize {
        let arrays = match self {
            Self::Number(numbers) => numbers.size_bytes(),
            Self::Category(terms) => terms.size_bytes(),
            Self::Tags(lists) => lists.size_bytes(),
            Self::Time(times) => times.size_bytes(),
            Self::Text(lists) => lists.size_bytes(),
        };
        size_of::<Self>() + arrays
    }
}

/// Memory of the columns of a page.
pub(crate) fn columns_size_bytes(columns: &Arc<[Column]>) -> usize {
    let shared = if columns.is_empty() { 0 } else { ARC_BYTES };
    shared + columns.iter().map(Column::size_bytes).sum::<usize>()
}
