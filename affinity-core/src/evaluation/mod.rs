//! How good rankings are, against what people turned out to choose.

mod ranking_quality;

pub use self::ranking_quality::{RankingQuality, ndcg_at, recall_at};
