//! What the database holds, and SQL made from its names.

mod sql;

pub use self::sql::{CatalogError, CopyStatement, LoadScript, ProjectionRows, ProjectionStatements};
