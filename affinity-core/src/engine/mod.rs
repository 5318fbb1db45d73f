//! The engine: an immutable version of the data with its matchers, asked for matches and changed into new versions.

mod error;
mod query;
mod version;
mod recommend;
mod features;
mod observer;

pub use self::error::{EngineError, QueryError};
pub use self::features::{FeatureRow, FeatureTable};
pub use self::observer::{Observer, Unobserved};
pub use self::query::{AdHocSource, Link, Query, QuerySource};
pub use self::version::{Counts, Engine, EngineBuilder};
