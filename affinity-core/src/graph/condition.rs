//! Conditions on one attribute of a node or an edge: the one rule behind filters, path steps and exclusions.

use serde::{Deserialize, Serialize};

use super::column::Cell;
use super::data::Graph;
use super::record::Timestamp;
use super::schema::{AttributeType, Attributes};
use crate::exact::narrow;

/// Values that one condition may list.
pub const CONDITION_VALUES_MAX: usize = 10_000;

/// A condition on one attribute: exactly one of the tests is given.
///
/// An edge has two attributes that every relation of its kind declares by itself: `weight` and `at`.
///
/// ```
/// let condition: affinity_core::Condition =
///     serde_json::from_str(r#"{ "attribute": "industry", "in": ["media", "music"] }"#)?;
/// assert_eq!(condition.attribute, "industry");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// Which attribute.
    pub attribute: String,
    /// The category is one of these, or a tag is.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub is_in: Option<Vec<String>>,
    /// The category is none of these, and no tag is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_in: Option<Vec<String>>,
    /// The number is at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The number is at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The number is greater than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The number is less than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// The category equals this attribute of the source, or the tags share one with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches_source: Option<String>,
    /// The time is after (`true`) or not after (`false`) the request's `as_of`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_as_of: Option<bool>,
    /// Whether a node without the attribute passes, or a source without it lets all pass.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub or_absent: bool,
}

/// What is wrong with a condition.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConditionError {
    /// The attribute, of the target or the source, is not declared.
    UnknownAttribute {
        /// The name found.
        got: String,
        /// The names declared.
        allowed: Vec<String>,
    },
    /// None or several tests are given.
    TestCount {
        /// The attribute.
        attribute: String,
        /// How many.
        got: usize,
    },
    /// The test does not go with the attribute's type.
    WrongType {
        /// The attribute.
        attribute: String,
        /// The test given.
        test: &'static str,
        /// The attribute's type.
        got: AttributeType,
    },
    /// A number is NaN or infinite.
    NotFinite {
        /// The attribute.
        attribute: String,
    },
    /// More than [`CONDITION_VALUES_MAX`] values.
    TooManyValues {
        /// The attribute.
        attribute: String,
        /// How many.
        got: usize,
    },
}

impl std::fmt::Display for ConditionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownAttribute { got, allowed } => {
                write!(f, "attribute \"{got}\" is not declared, expected one of: {}", allowed.join(", "))
            }
            Self::TestCount { attribute, got } => write!(
                f,
                "condition on \"{attribute}\" has {got} tests, expected one of: in, not_in, min, max, above, below, \
                 matches_source, after_as_of"
            ),
            Self::WrongType { attribute, test, got } => {
                write!(f, "condition \"{test}\" does not apply to attribute \"{attribute}\" of type {got}")
            }
            Self::NotFinite { attribute } => {
                write!(f, "condition on \"{attribute}\" compares with a number that is not finite")
            }
            Self::TooManyValues { attribute, got } => {
                write!(f, "condition on \"{attribute}\" lists {got} values, at most {CONDITION_VALUES_MAX}")
            }
        }
    }
}

impl std::error::Error for ConditionError {}

/// Where the value of a condition is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Attribute(usize),
    Weight,
    At,
}

/// A condition ready to test cells.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) place: Place,
    accepts: Accepts,
    or_absent: bool,
}

#[derive(Clone, Debug)]
enum Accepts {
    /// Sorted term ids.
    Terms {
        ids: Vec<u32>,
        wanted: bool,
    },
    Range {
        low: f64,
        high: f64,
    },
    Time {
        as_of: i64,
        after: bool,
    },
    All,
}

impl Condition {
    fn test_names(&self) -> Vec<&'static str> {
        let given = [
            ("in", self.is_in.is_some()),
            ("not_in", self.not_in.is_some()),
            ("min", self.min.is_some()),
            ("max", self.max.is_some()),
            ("above", self.above.is_some()),
            ("below", self.below.is_some()),
            ("matches_source", self.matches_source.is_some()),
            ("after_as_of", self.after_as_of.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }

    /// Checks the condition against the attributes of what it is put to, and of the source.
    ///
    /// # Errors
    /// [`ConditionError`] with what was found and what is allowed.
    pub fn check(&self, of: &Attributes, source: &Attributes, is_edge: bool) -> Result<(), ConditionError> {
        let attribute = || self.attribute.clone();
        let unknown = |got: &str, known: &Attributes| ConditionError::UnknownAttribute {
            got: got.to_string(),
            allowed: known.entries().iter().map(|(name, _)| name.clone()).collect(),
        };
        let got = match of.find(&self.attribute) {
            Some((_, got)) => got,
            None if is_edge && self.attribute == "weight" => AttributeType::Number,
            None if is_edge && self.attribute == "at" => AttributeType::Time,
            None => return Err(unknown(&self.attribute, of)),
        };
        let tests = self.test_names();
        let &[test] = tests.as_slice() else {
            return Err(ConditionError::TestCount { attribute: attribute(), got: tests.len() });
        };
        let fits = match test {
            "in" | "not_in" | "matches_source" => {
                matches!(got, AttributeType::Category | AttributeType::Tags)
            }
            "after_as_of" => got == AttributeType::Time,
            _ => got == AttributeType::Number,
        };
        if !fits {
            return Err(ConditionError::WrongType { attribute: attribute(), test, got });
        }
        if [self.min, self.max, self.above, self.below].iter().flatten().any(|bound| !bound.is_finite()) {
            return Err(ConditionError::NotFinite { attribute: attribute() });
        }
        let value_count = self.is_in.iter().chain(&self.not_in).map(Vec::len).max().unwrap_or(0);
        if value_count > CONDITION_VALUES_MAX {
            return Err(ConditionError::TooManyValues { attribute: attribute(), got: value_count });
        }
        if let Some(name) = &self.matches_source {
            match source.find(name) {
                None => return Err(unknown(name, source)),
                Some((_, AttributeType::Category | AttributeType::Tags)) => {}
                Some((_, got)) => {
                    return Err(ConditionError::WrongType { attribute: name.clone(), test, got });
                }
            }
        }
        Ok(())
    }

    /// The test of a condition that has passed [`Condition::check`].
    pub(crate) fn compile(
        &self,
        graph: &Graph,
        of: &Attributes,
        source: &dyn Fn(&str) -> Cell,
        as_of: Timestamp,
    ) -> Test {
        let place = match of.find(&self.attribute) {
            Some((id, _)) => Place::Attribute(id.index()),
            None if self.attribute == "weight" => Place::Weight,
            None => Place::At,
        };
        let find = |texts: &[String]| {
            let mut ids: Vec<u32> = texts.iter().filter_map(|text| graph.terms().find(text)).collect();
            ids.sort_unstable();
            ids
        };
        // Weights are singles: a bound of 0.7 must mean the same number as a weight of 0.7.
        let bound = |bound: Option<f64>| match place {
            Place::Weight => bound.map(|bound| f64::from(narrow(bound))),
            _ => bound,
        };
        let range = |low: Option<f64>, high: Option<f64>| Accepts::Range {
            low: low.unwrap_or(f64::NEG_INFINITY),
            high: high.unwrap_or(f64::INFINITY),
        };
        let accepts = if let Some(texts) = &self.is_in {
            Accepts::Terms { ids: find(texts), wanted: true }
        } else if let Some(texts) = &self.not_in {
            Accepts::Terms { ids: find(texts), wanted: false }
        } else if let Some(name) = &self.matches_source {
            match source(name) {
                Cell::Category(id) => Accepts::Terms { ids: vec![id], wanted: true },
                Cell::Tags(ids) => Accepts::Terms { ids: ids.to_vec(), wanted: true },
                _ if self.or_absent => Accepts::All,
                _ => Accepts::Terms { ids: Vec::new(), wanted: true },
            }
        } else if let Some(after) = self.after_as_of {
            Accepts::Time { as_of: as_of.micros(), after }
        } else if let Some(above) = bound(self.above) {
            range(Some(above.next_up()), None)
        } else if let Some(below) = bound(self.below) {
            range(None, Some(below.next_down()))
        } else {
            range(bound(self.min), bound(self.max))
        };
        Test { place, accepts, or_absent: self.or_absent }
    }
}

impl Test {
    pub(crate) fn accepts(&self, cell: &Cell) -> bool {
        match (&self.accepts, cell) {
            (Accepts::All, _) => true,
            (_, Cell::Absent) => self.or_absent,
            (Accepts::Terms { ids, wanted }, Cell::Category(id)) => ids.binary_search(id).is_ok() == *wanted,
            (Accepts::Terms { ids, wanted }, Cell::Tags(tags)) => {
                tags.iter().any(|tag| ids.binary_search(tag).is_ok()) == *wanted
            }
            (Accepts::Range { low, high }, Cell::Number(number)) => low <= number && number <= high,
            (Accepts::Time { as_of, after }, Cell::Time(time)) => (time > as_of) == *after,
            _ => false,
        }
    }
}
