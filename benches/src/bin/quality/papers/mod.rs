//! `papers`: papers for readers, also papers that nobody keeps yet, in the format of citeulike-a.

mod mixes; // what is tried on papers whose readers are hidden
mod texts; // titles as terms and as vectors
mod run;

pub(crate) use self::run::{PaperOptions, run};
