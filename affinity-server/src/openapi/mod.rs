//! The description of the service for programs: OpenAPI 3.1 at `/openapi.json`.
//!
//! `document.json` holds what is always true; what is served here, the platforms and matchers, is filled in.

mod document;
mod routes;

pub use self::document::document;
pub use self::routes::routes;
