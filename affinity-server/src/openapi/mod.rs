//! The description of the service: OpenAPI 3.1 for programs at `/openapi.json`, a page for people at `/docs`.
//!
//! `document.json` and `accounts.json` hold what is always true; what is served here, the platforms with their matchers, tables and
//! functions, is filled in from the live catalog.

mod document; // all of it
mod platform; // the tables and functions of one platform
mod tables;
mod functions;
mod value_schema; // columns and arguments
mod naming;
mod page;
mod routes;

pub use self::document::document;
pub use self::platform::platform_document;
pub use self::routes::routes;
