//! Integration tests, one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;
mod invariants;
mod hard_cases;
mod signals;
mod source_queries;
mod wrong_matchers;
mod platforms;
mod assignment;
mod assign;
mod why_not;
mod tidy;
