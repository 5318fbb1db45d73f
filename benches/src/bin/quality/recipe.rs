//! A matcher's text with what a run measured and chose filled in.

use affinity_core::{Matcher, Schema};
use toml::{Table, Value};

use crate::error::QualityError;

/// Weights are multiples of this.
const WEIGHT_UNIT: f64 = 1.0 / 65_536.0;

/// A matcher that can still be changed.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    file: &'static str,
    table: Table,
}

impl Recipe {
    /// Reads the text of `file`.
    ///
    /// # Errors
    /// When it is no TOML.
    pub(crate) fn new(file: &'static str, text: &str) -> Result<Self, QualityError> {
        Ok(Self { file, table: text.parse()? })
    }

    fn signals(&mut self) -> impl Iterator<Item = &mut Table> {
        let signals = self.table.get_mut("signals").and_then(Value::as_array_mut);
        signals.into_iter().flatten().filter_map(Value::as_table_mut)
    }

    /// Sets from where a signal's value is 1; others keep theirs.
    #[must_use]
    pub(crate) fn with_full(mut self, full: impl Fn(&str) -> Option<f64>) -> Self {
        for signal in self.signals() {
            if let Some(full) = signal.get("name").and_then(Value::as_str).and_then(&full) {
                signal.insert("full".to_string(), Value::Float(full));
            }
        }
        self
    }

    /// Sets all weights; signals and sources of candidates that count nothing are left out.
    #[must_use]
    pub(crate) fn with_weights(mut self, weight: impl Fn(&str) -> f64) -> Self {
        let name = |table: &Value, field: &str| table.get(field).and_then(Value::as_str).map(str::to_string);
        for signal in self.signals() {
            let of = signal.get("name").and_then(Value::as_str).map_or(0.0, &weight);
            signal.insert("weight".to_string(), Value::Float(rounded_down(of)));
        }
        for (list, field) in [("signals", "name"), ("candidates", "signal")] {
            if let Some(entries) = self.table.get_mut(list).and_then(Value::as_array_mut) {
                entries.retain(|entry| name(entry, field).is_some_and(|of| weight(&of) > 0.0));
            }
        }
        self
    }

    /// Lets only nodes with the attribute `ranked` be matches.
    #[must_use]
    pub(crate) fn with_filter(mut self) -> Self {
        let filter: Table =
            [("attribute".to_string(), "ranked".into()), ("min".to_string(), Value::Float(1.0))]
                .into_iter()
                .collect();
        self.table.insert("filters".to_string(), Value::Array(vec![Value::Table(filter)]));
        self
    }

    /// # Errors
    /// When it does not fit the schema.
    pub(crate) fn matcher(&self, schema: &Schema) -> Result<Matcher, QualityError> {
        Ok(Matcher::from_toml(&self.table.to_string(), self.file, schema)?)
    }
}

/// To a multiple of the unit, so that weights which sum to 1 do not exceed it.
fn rounded_down(weight: f64) -> f64 {
    (weight / WEIGHT_UNIT).floor() * WEIGHT_UNIT
}
