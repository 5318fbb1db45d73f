//! The engine: an immutable version of the data with its matchers, asked for matches and changed into new versions.

mod error;
mod query;
mod version;
mod ad_hoc;
mod recommend;
mod explain;
mod reciprocal;
mod features;
mod shortfall;
mod why_not;
mod assign;
mod observer;
mod sizes;
mod recall;

pub use self::assign::{
    Assign, AssignCut, AssignError, AssignedPair, Assignment, FullTarget, Unmatched, UnmatchedReason,
};
pub use self::error::{EngineError, QueryError};
pub use self::features::{FeatureRow, FeatureTable};
pub use self::observer::{Observer, Unobserved};
pub use self::query::{AdHocSource, Link, Query, QuerySource, TwoSidedQuery};
pub(crate) use self::reciprocal::check_ways_back;
pub(crate) use self::version::bind;

pub use self::recall::RecallRow;
pub use self::shortfall::SignalShortfall;
pub use self::sizes::SizeRow;
pub use self::version::{Counts, Engine, EngineBuilder};
pub use self::why_not::{FilterOf, LastShown, MissedSource, Remedy, WhyNot, WhyNotReason};
