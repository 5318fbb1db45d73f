//! Affinity over HTTP.

pub mod egress;
pub mod embedding;
pub mod problem;
