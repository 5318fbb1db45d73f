//! Typed columns of the attributes of a page of nodes or edges.

use std::sync::Arc;

use super::schema::AttributeType;

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

/// The values of one attribute for a run of nodes or edges.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// NaN is absent.
    Number(Vec<f64>),
    /// `u32::MAX` is absent.
    Category(Vec<u32>),
    Tags(Vec<Option<Arc<[u32]>>>),
    /// `i64::MIN` is absent.
    Time(Vec<i64>),
    Text(Vec<Option<Arc<str>>>),
}

/// The category of a node that has none.
pub(crate) const NO_CATEGORY: u32 = u32::MAX;
/// The time of a node that has none.
pub(crate) const NO_TIME: i64 = i64::MIN;

impl Column {
    pub(crate) fn new(of: AttributeType) -> Self {
        match of {
            AttributeType::Number => Self::Number(Vec::new()),
            AttributeType::Category => Self::Category(Vec::new()),
            AttributeType::Tags => Self::Tags(Vec::new()),
            AttributeType::Time => Self::Time(Vec::new()),
            AttributeType::Text => Self::Text(Vec::new()),
        }
    }

    /// Appends a cell; one of another type counts as absent (the graph checks types before it gets here).
    pub(crate) fn push(&mut self, cell: Cell) {
        match self {
            Self::Number(numbers) => {
                numbers.push(if let Cell::Number(number) = cell { number } else { f64::NAN })
            }
            Self::Category(terms) => {
                terms.push(if let Cell::Category(term) = cell { term } else { NO_CATEGORY })
            }
            Self::Tags(sets) => sets.push(if let Cell::Tags(tags) = cell { Some(tags) } else { None }),
            Self::Time(times) => times.push(if let Cell::Time(time) = cell { time } else { NO_TIME }),
            Self::Text(texts) => texts.push(if let Cell::Text(text) = cell { Some(text) } else { None }),
        }
    }

    /// Replaces the cell at `index`, which must exist.
    pub(crate) fn set(&mut self, index: usize, cell: Cell) {
        match self {
            Self::Number(numbers) => {
                numbers[index] = if let Cell::Number(number) = cell { number } else { f64::NAN }
            }
            Self::Category(terms) => {
                terms[index] = if let Cell::Category(term) = cell { term } else { NO_CATEGORY }
            }
            Self::Tags(sets) => sets[index] = if let Cell::Tags(tags) = cell { Some(tags) } else { None },
            Self::Time(times) => times[index] = if let Cell::Time(time) = cell { time } else { NO_TIME },
            Self::Text(texts) => texts[index] = if let Cell::Text(text) = cell { Some(text) } else { None },
        }
    }

    /// The cell at `index`, which must exist.
    pub(crate) fn get(&self, index: usize) -> Cell {
        match self {
            Self::Number(numbers) if numbers[index].is_nan() => Cell::Absent,
            Self::Number(numbers) => Cell::Number(numbers[index]),
            Self::Category(terms) if terms[index] == NO_CATEGORY => Cell::Absent,
            Self::Category(terms) => Cell::Category(terms[index]),
            Self::Tags(sets) => sets[index].clone().map_or(Cell::Absent, Cell::Tags),
            Self::Time(times) if times[index] == NO_TIME => Cell::Absent,
            Self::Time(times) => Cell::Time(times[index]),
            Self::Text(texts) => texts[index].clone().map_or(Cell::Absent, Cell::Text),
        }
    }
}
