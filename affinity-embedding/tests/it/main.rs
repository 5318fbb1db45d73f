//! The behavior of the crate as a caller sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folders;
mod reference;
mod refusals;
