//! What a report says, before it is written.

use serde::Serialize;

use crate::evaluation::{Interval, Reliability};

/// A title, some facts, and sections with pictures and tables.
///
/// It serializes to JSON as it is.
///
/// ```
/// use affinity_core::evaluation::{Interval, report::{Bar, Bars, Report, Section}};
/// let bar = Bar { label: "<matcher>".into(), value: Interval { estimate: 0.4, low: 0.3, high: 0.5 }, reference: Some(0.38) };
/// let bars = Bars { title: "NDCG@20".into(), note: String::new(), bars: vec![bar] };
/// let report = Report { title: "partners".into(), facts: vec!["120 queries".into()], sections: vec![Section::Bars(bars)] };
/// assert!(report.to_html().contains("&lt;matcher&gt;"));
/// assert!(report.to_markdown().contains("0.400 [0.300, 0.500]"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// One plain sentence or line each.
    pub facts: Vec<String>,
    /// In reading order.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Section {
    /// Bars with intervals.
    Bars(Bars),
    /// A reliability diagram.
    Curve(Curve),
    /// Rows and columns.
    Table(Table),
}

/// Numbers side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bars {
    /// What is measured.
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    /// Whose it is.
    pub label: String,
    /// The bar and its whiskers.
    pub value: Interval,
    /// A mark to compare with, such as the best published number.
    pub reference: Option<f64>,
}

/// Forecast against outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// What is forecast.
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    /// The curve.
    pub reliability: Reliability,
}

/// Rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    /// Headings.
    pub columns: Vec<String>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// One entry of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A name or a sentence.
    Text(String),
    /// How many.
    Count(usize),
    /// A number with its interval.
    Number(Interval),
}

impl Cell {
    /// As it is printed: "0.123 [0.100, 0.150]", without brackets when there is no doubt, a dash when undefined.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number(Interval { estimate, .. }) if estimate.is_nan() => "–".to_string(),
            #[expect(clippy::float_cmp, reason = "the ends of an exact number are that number")]
            Self::Number(Interval { estimate, low, high }) if low == high => format!("{estimate:.3}"),
            Self::Number(Interval { estimate, low, high }) => format!("{estimate:.3} [{low:.3}, {high:.3}]"),
        }
    }
}
