//! From views of the database to a live engine: what a platform is, what its rows say, and how changes follow.
//!
//! A platform has three views. Each of their rows names its anchor: the row of a table whose re-projection replaces
//! it. The change feed says which anchors a commit touched; those are read again, compared with what they gave
//! before, and the differences make the next version of the engine. Nothing else ever replaces an engine.

mod error;
mod position; // how far in the change feed
mod entry; // what rows are about, and which row gave them
mod feedback; // relations beside the platform's own
mod row; // rows of the views, checked
mod read; // the views, as one snapshot of the database sees them
mod ledger; // what each anchor gave
mod ledger_code;
mod ledger_file;
mod vectors; // texts become vectors, once
mod projector; // engines from views: whole, or from the version before
mod snapshot_files; // kept between runs
mod status;
mod handle;
mod serving_model; // whose vectors answers come from
mod feed; // the task that follows the database
mod succession; // from one embedding model to the next
mod live; // all of the above, running

pub use self::entry::{Anchor, Entry, Fingerprint, Given};
pub use self::error::ProjectionError;
pub use self::feedback::FEEDBACK_RELATION_PREFIX;
pub use self::handle::{EngineHandle, Serving};
pub use self::ledger::{Difference, Ledger};
pub use self::live::{LiveEngine, LiveParts, LiveSettings, MatcherSetter};
pub use self::position::Position;
pub use self::projector::{Projection, Projector, Retry, Step};
pub use self::serving_model::ServingModel;
pub use self::snapshot_files::discard_snapshot;
pub use self::status::LiveStatus;

pub(crate) use self::row::{attribute_value, expectation};
