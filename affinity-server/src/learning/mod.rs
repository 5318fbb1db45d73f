//! How good a matcher was, and how it would be better: past decisions, looked at again with what was known then.
//!
//! A decision is a source, a cut in time and the outcomes that followed until the next cut. Its values come from an
//! engine of what was there before the cut, models included.

mod error;
mod replay; // what of today was not known then, as a platform declares it
mod history; // the engine of a cut
mod past; // all that the database says of it, read once
mod fold; // decisions of a cut, and everyone they could have been about
mod measure; // the matcher against others
mod output; // reports on screen and on disk
mod evaluate;
mod fit;

pub use self::error::LearnError;
pub use self::evaluate::{EvaluateOptions, evaluate};
pub use self::fit::{FitOutcome, fit, fit_past};
pub use self::fold::{DecisionOf, Fold, folds};
pub use self::history::{Outcome, changes_before};
pub use self::measure::{Measured, measure};
pub use self::past::Past;
pub use self::replay::{Ongoing, Replay};
