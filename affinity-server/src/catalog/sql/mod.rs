//! The only place where SQL is made from names. A name is one that PostgreSQL knows, quoted by PostgreSQL or as it does.

mod error;
mod accounts;
mod load;
mod projection;
mod tree; // what a request asks for, in the catalog's names
mod statement; // text and values
mod rows; // tree to SELECT
mod predicate;
mod answer; // rows to one statement that gives the body
mod write;
mod call;

pub use self::accounts::{AccountStatements, account_sql};
pub use self::answer::{AnswerStatement, Shape};
pub use self::call::{CallArgument, CallArguments, CallStatement};
pub use self::error::CatalogError;
pub use self::load::{CopyStatement, LoadScript};
pub use self::predicate::array_literal;
pub use self::projection::{ProjectionRows, ProjectionStatements};
pub use self::statement::{Statement, ValueCheck, search_path, set_locally};
pub use self::tree::{
    Base, Cast, Embed, Join, KeyAfter, Label, Order, OrderValue, Output, OutputValue, Predicate, Rows,
    Source, Summary, Value,
};
pub use self::write::{Conflict, Given, GivenColumn, Write, WriteStatement};
