//! The behavior of the crate as a caller sees it.

mod folders;
mod reference;
mod refusals;
