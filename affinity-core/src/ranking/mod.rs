//! What may be a match, and in which order matches are shown.

mod allowed;
mod reciprocity;
mod diversity;
pub mod assignment;

pub use self::allowed::Dropped;
pub use self::diversity::DiversityCost;
pub use self::reciprocity::Reciprocal;

pub(crate) use self::allowed::{Allowed, Rejection};
pub(crate) use self::diversity::diversify;
pub(crate) use self::reciprocity::scaled;
