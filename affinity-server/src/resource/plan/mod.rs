//! From a request's words to the catalog's names: what is not there or not allowed is found here.

mod error;
mod nearest;
mod planner;
mod relationship;
mod rows;
mod write;
mod call;

pub(super) use self::call::WholeBody;
pub use self::error::{PlanError, Way};
pub(super) use self::nearest::nearest;
pub use self::planner::{Planner, Table};
pub(super) use self::write::given_column;
