//! What the database holds, and SQL made from its names.

mod model;
mod sql;

pub use self::model::{
    Argument, Catalog, Column, ColumnId, DataType, Function, Identifier, Link, LinkVia, RefusedRelation,
    Relation, RelationId, RelationKind, Returns, ServedPlatform, Writable,
};

pub use self::sql::{
    AccountStatements, CatalogError, CopyStatement, LoadScript, ProjectionRows, ProjectionStatements,
    account_sql,
};
