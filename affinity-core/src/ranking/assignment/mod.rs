//! Exact assignment of many sources to many targets, each with a capacity, over the pairs that may be.

mod problem;
mod error;
mod network;
mod shortest_path;
mod stable;
mod certificate;

pub use self::certificate::Certificate;
pub use self::error::{AssignmentError, Side};
pub use self::problem::{
    CAPACITY_MAX, Objective, PAIRS_MAX, PARTIES_MAX, Pair, Party, Problem, SCORE_UNITS, Solution, Watch,
};
