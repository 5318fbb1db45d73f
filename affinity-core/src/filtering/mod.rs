//! Closed-form collaborative models on sparse matrices: what similar users did. Nothing here knows of a graph.

mod interactions;
mod item_rows;
mod workers;
mod cholesky;
mod local_ease;
mod rp3;
mod subspace;
mod low_pass;
mod products;
mod changed;
#[cfg(test)]
mod tests;

pub use self::changed::{Correspondence, InteractionsChange};
pub use self::interactions::{Interactions, InteractionsBuilder, Line};
pub(crate) use self::item_rows::weight_units;
pub use self::item_rows::{ItemRows, WEIGHT_BITS};
pub use self::local_ease::LocalEaseParams;
pub use self::low_pass::{Factors, LowPassParams, RANK_MAX};
pub(crate) use self::low_pass::{LEFT_BITS, PRODUCT_BITS_MAX, RIGHT_BITS};
pub(crate) use self::products::{Digits, factor_product};
pub use self::rp3::{RowScale, Rp3Params};
