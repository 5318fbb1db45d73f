//! Matching over HTTP: requests become queries, queries run off the async threads, answers go out as core made them.

mod hosted; // the platforms that are served, each with its live engine
mod pool; // where queries run, behind a bounded queue
mod wire; // what clients send
mod asker; // who asks, and for whom he may
mod problems; // what goes wrong, as problem documents
mod offer; // what is served, for those who choose
mod feedback; // what people say of matches
mod kept; // answers that are given again while they hold
mod service; // from a request to an answer
mod batch; // many sources in one request
mod assign; // many sources and targets under capacities
mod routes;

pub(crate) use self::asker::{Asker, node_viewer};
pub use self::hosted::{Hosted, Platforms};
pub use self::offer::{MatcherOffer, PlatformOffer};
pub use self::pool::{PoolError, ScoringPool};
pub use self::routes::routes;
pub use self::service::Matching;
pub(crate) use self::service::this_second;
pub(crate) use self::wire::MatchParams;
