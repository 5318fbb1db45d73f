//! Integration tests, one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;
mod cold_targets;
mod invariants;
mod hard_cases;
mod signals;
mod source_queries;
mod wrong_matchers;
mod platforms;
mod tidy;
