//! The schema-driven REST layer: a request is parsed, planned against the catalog, rendered to SQL by the catalog,
//! executed as the caller, and answered. The grammar is PostgREST's.

pub mod request;
mod plan;
mod settings;
mod rest; // what is shared by all requests
mod turnstile; // requests of one client at once
mod unreadable; // what a role may not read
mod ask; // one request, before its table is looked at
mod cursor;
mod listing; // total orders and next pages
mod read;
mod body; // JSON and CSV looked at, not converted
mod payload; // rows of a body against the catalog
mod etag; // versions of rows and answers
mod idempotency; // writes that happen once
mod transact; // jobs that write, whole or not at all
mod write;
mod call;
mod execute; // as the caller, again when it lost against others
mod retry;
mod failure; // the database's errors
mod refused; // what the audit trail says of them
mod answer; // status, headers, body
mod refusal; // the grammar's errors
mod routes;

pub use self::plan::{PlanError, Planner, Table, Way};
pub use self::rest::Rest;
pub use self::routes::{err_as_postgrest, routes};
pub use self::settings::RestSettings;
