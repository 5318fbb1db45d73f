//! Which matchers a platform serves: the texts of its folder, or versions that were activated instead of them.

mod declared; // a platform's schema and matchers, with what every matcher has besides
mod error;
mod versions; // texts in the database, and which of them is served
mod watch; // another version, while the server runs
mod command; // activate, rollback, list

pub use self::command::{activate, find_platform, list_versions, platform_named, rollback};
pub use self::declared::Declared;
pub use self::error::{MatcherName, MatchersError};
pub use self::versions::{FittedVersion, MatcherVersion, Versions};
pub use self::watch::{served, watch};
