//! What the database holds, and SQL made from its names.

mod settings; // how each platform is served
mod model;
mod facts; // what PostgreSQL says
mod view_columns; // which columns of tables show through a view
mod data_types;
mod links; // ways from relation to relation
mod load; // facts to model
mod live; // the newest model, always
mod sql;

pub use self::live::{CatalogHandle, CatalogSettings};
pub use self::load::load;
pub use self::model::{
    Argument, Catalog, Column, ColumnId, DataType, Function, Identifier, Link, LinkVia, RefusedRelation,
    Relation, RelationId, RelationKind, Returns, ServedPlatform, Writable,
};
pub use self::settings::{PlatformSettings, TransactionEndPolicy};
pub use self::sql::{
    AccountStatements, AnswerStatement, Base, CallArgument, CallArguments, CallStatement, Cast, CatalogError,
    Conflict, CopyStatement, Embed, Given, GivenColumn, Join, KeyAfter, Label, LoadScript, Order, OrderValue,
    Output, OutputValue, Predicate, ProjectionRows, ProjectionStatements, Rows, Shape, Source, Statement,
    Summary, Value, ValueCheck, Write, WriteStatement, account_sql, array_literal, search_path, set_locally,
};
