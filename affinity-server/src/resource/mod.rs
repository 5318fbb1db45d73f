//! The schema-driven REST layer: a request is parsed, planned against the catalog, rendered to SQL by the catalog,
//! executed as the caller, and answered. The grammar is PostgREST's.

pub mod request;
