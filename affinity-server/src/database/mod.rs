//! The PostgreSQL behind the service: found, started when there is none, migrated, and stopped in order.
//!
//! With `DATABASE_URL` nothing is started. Without it the server supervises a private cluster of its own in
//! the data directory: real PostgreSQL binaries, reached over a socket that only this account may enter.

mod error;
mod account; // who runs PostgreSQL, and what that account can reach
mod layout; // where the parts of the cluster lie in the data directory
mod binaries; // which PostgreSQL runs it
mod download; // and where one comes from when the system has none
pub mod launcher; // the process that drops privileges before it becomes PostgreSQL
mod initialize; // the first start
mod lock_file; // what a running postmaster says about itself
mod supervisor; // the thread that owns the postmaster
mod embedded; // all of the above, in order
mod roles; // what the database knows callers as
mod migrations;
mod connection; // the pool, whatever is behind it

pub use self::connection::{Database, running_database_url};
pub use self::embedded::EmbeddedPostgres;
pub use self::error::DatabaseError;
pub use self::migrations::migrate;
