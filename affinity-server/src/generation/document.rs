//! The file of a world as TOML sees it.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The database schema that holds the tables.
    pub(super) schema: String,
    /// The time at which the world stands still; every date is made relative to it.
    pub(super) epoch: String,
    /// The smallest population that can hold the fixed rows.
    pub(super) population_min: u64,
    #[serde(default)]
    pub(super) words: BTreeMap<String, Vec<toml::Value>>,
    pub(super) table: Vec<TableDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableDocument {
    pub(super) name: String,
    /// How many rows; for a table without a parent.
    pub(super) count: Option<String>,
    /// The parent table; this table has rows for each of the parent's rows ...
    pub(super) of: Option<String>,
    /// ... one for each item of this list (or as many as this number), computed in the parent's row.
    pub(super) each: Option<String>,
    /// Only rows for which this holds exist.
    pub(super) when: Option<String>,
    /// Values that columns are made of, and that are not columns themselves.
    #[serde(default, rename = "let")]
    pub(super) hidden: BTreeMap<String, String>,
    /// What is written. A table without columns exists only for others to refer to.
    #[serde(default)]
    pub(super) columns: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) fixed: Vec<FixedDocument>,
}

/// Values of one row that are not computed: literals, or expressions that start with `=`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedDocument {
    /// The row's index, below the indexes of its parents.
    pub(super) at: Vec<i64>,
    pub(super) set: BTreeMap<String, toml::Value>,
}
