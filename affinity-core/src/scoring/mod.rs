//! From values to a score and back: fusion, and the explanation that adds up to it.

mod fusion;
mod answer;
mod sentence;

pub use self::answer::{Answer, Contribution, Cut, Direction, Explanation, Header, Match, MutualRanks};

pub(crate) use self::fusion::FeatureMatrix;
pub(crate) use self::sentence::{sentence, way_back_sentence};
