//! Integration tests, one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;
mod compact;
mod cold_targets;
mod invariants;
mod hard_cases;
mod shown_attributes;
mod signals;
mod source_queries;
mod reciprocal;
mod latent;
mod wrong_matchers;
mod learning;
mod platforms;
mod assignment;
mod assign;
mod why_not;
mod tidy;
