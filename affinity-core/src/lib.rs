//! Matches people, skills and things over a typed graph, and says why.

pub mod storage;
pub mod vector;
