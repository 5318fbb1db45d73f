//! What may be a match, and in which order matches are shown.

mod allowed;
mod diversity;
pub mod assignment;

pub use self::allowed::Dropped;
pub use self::diversity::DiversityCost;

pub(crate) use self::allowed::Allowed;
pub(crate) use self::diversity::diversify;
