//! Matchers: named recipes from one node kind to another, read from TOML and checked against the schema.

mod spec;
mod reciprocal;
mod recipe;
mod probability;
mod rewrite;

pub use self::probability::ProbabilityCurve;
pub use self::recipe::{Matcher, SignalInfo};
pub use self::reciprocal::Combination;

pub(crate) use self::recipe::{
    CAP_MAX, Diversity, Exclusion, ExclusionRule, ExclusionStep, Similar, WeightedSignal,
};
pub(crate) use self::reciprocal::TwoSided;
