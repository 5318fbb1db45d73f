//! Nearest neighbors: search at equal recall, with filters, exact; building; memory.

mod data;
mod contender;
mod affinity;
mod rust_peers;
mod python_peers;
mod measure;

pub(crate) use self::measure::measure;
