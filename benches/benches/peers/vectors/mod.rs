//! Nearest neighbors.

mod measure;

pub(crate) use self::measure::measure;
