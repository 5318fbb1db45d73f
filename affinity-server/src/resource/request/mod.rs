//! What a client asked for, read from the URL, the headers and nothing else: no name in here is known to exist.

mod ast;

pub use self::ast::{
    Aggregate, Condition, CountKind, EmbedJoin, EmbedKind, Embedding, Field, Filter, Format, JsonStep,
    MissingFields, NullsPlace, Operator, OrderField, OrderTerm, Preferences, Quantifier, Query, Resolution,
    ReturnKind, SelectItem, TransactionEnd, TsQuery, Window,
};
