//! The only place where SQL is made from names. A name is one that PostgreSQL knows, quoted by PostgreSQL or as it does.

mod error;
mod accounts;
mod load;
mod projection;

pub use self::accounts::{AccountStatements, account_sql};
pub use self::error::CatalogError;
pub use self::load::{CopyStatement, LoadScript};
pub use self::projection::{ProjectionRows, ProjectionStatements};
