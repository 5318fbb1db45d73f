//! Affinity over HTTP.

pub mod catalog;
pub mod generation;
