//! From values to a score and back: fusion, and the explanation that adds up to it.

mod fusion;
mod answer;
mod sentence;

pub use self::answer::{Answer, Contribution, Cut, Explanation, Header, Match};

pub(crate) use self::fusion::FeatureMatrix;
pub(crate) use self::sentence::sentence;
