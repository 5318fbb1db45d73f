//! How good rankings are, against what people turned out to choose.

mod ranking_quality;
mod early_hits;
mod separation;
mod spread;
mod bootstrap;
mod reliability;
mod comparison;
mod splits;
pub mod report;

pub use self::bootstrap::{BootstrapParams, Interval, bootstrap, difference_interval, mean_interval};
pub use self::comparison::{Comparison, SegmentSummary, Summary, SystemSummary};
pub use self::early_hits::{average_precision, reciprocal_rank};
pub use self::ranking_quality::{RankingQuality, ndcg_at, recall_at};
pub use self::reliability::{Forecast, Reliability, ReliabilityBin, reliability};
pub use self::separation::Separation;
pub use self::splits::{
    Fold, HoldOutParams, cut_points, distance_weighted_hold_out, random_hold_out, rolling_time_split,
    time_weighted_hold_out,
};
pub use self::spread::{concentration, coverage, novelty};
