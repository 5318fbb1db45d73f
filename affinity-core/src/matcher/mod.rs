//! Matchers: named recipes from one node kind to another, read from TOML and checked against the schema.

mod spec;
mod recipe;

pub use self::recipe::{Matcher, SignalInfo};

pub(crate) use self::recipe::{Diversity, Exclusion, ExclusionRule, ExclusionStep, Similar, WeightedSignal};
