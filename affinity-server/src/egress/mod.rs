//! Outbound HTTP: the only way a request leaves the server.
//!
//! Addresses inside the machine or its network are refused, after the name was resolved and on the very
//! addresses that are then connected to, so a name that changes between check and use gains nothing.
//! Redirects and proxies from the environment are off for the same reason. An operator may name one host
//! in the configuration, which is then reached wherever it is.

mod address;
mod client;
mod download;
mod error;

pub use self::address::is_public;
pub use self::client::{Allow, Egress, EgressRequest, EgressResponse};
pub use self::download::Download;
pub use self::error::EgressError;
