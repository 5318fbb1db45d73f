//! What a client asked for, read from the URL, the headers and nothing else: no name in here is known to exist.
//!
//! The grammar is PostgREST's, with limits, and with nothing ignored: what is not understood is refused.

mod ast;
mod error;
mod limits;
mod cursor;
mod name;
mod select;
mod filter;
mod order;
mod query;
mod range;
mod preferences;
mod media;
mod profile;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod round_trip;

pub use self::ast::{
    Aggregate, Condition, CountKind, EmbedJoin, EmbedKind, Embedding, Field, Filter, Format, JsonStep,
    MissingFields, NullsPlace, Operator, OrderField, OrderTerm, Preferences, Quantifier, Query, Resolution,
    ReturnKind, SelectItem, TransactionEnd, TsQuery, Window,
};
pub use self::error::RequestError;
pub use self::limits::Limits;
pub use self::media::BodyForm;
pub use self::profile::profile;
pub(super) use self::query::PARAMETERS;
pub use self::query::forgiving;
