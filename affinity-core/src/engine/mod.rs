//! The engine: an immutable version of the data with its matchers, asked for matches and changed into new versions.

mod error;
mod query;
mod version;
mod recommend;
mod observer;

pub use self::error::{EngineError, QueryError};
pub use self::observer::{Observer, Unobserved};
pub use self::query::{AdHocSource, Link, Query, QuerySource};
pub(crate) use self::version::bind;
pub use self::version::{Counts, Engine, EngineBuilder};
