//! The typed graph: what is declared, what comes in, and how versions keep and share it.

mod key;
mod schema;
mod record;
mod tokens;
mod paged;
mod hash_index;
mod column;
mod terms;
mod node_table;
mod block;
mod adjacency;
mod term_table;
mod data;
mod condition;
mod hop;

pub use self::condition::{CONDITION_VALUES_MAX, Condition, ConditionError};
pub use self::data::GraphError;
pub use self::key::{AttributeId, Key, KindId, NodeId, RelationId, SpaceId, TermSpaceId};
pub use self::record::{
    Audience, Change, EdgeKey, EdgeRecord, NodeRecord, TERM_WEIGHT_MAX, Timestamp, Value, Viewer,
};
pub use self::schema::{
    AttributeType, Attributes, Kind, Parallel, Relation, Schema, SchemaError, SpaceSpec, TermSpaceSpec,
};
pub use self::tokens::{TERM_CHARACTERS_MIN, terms_of};

pub(crate) use self::adjacency::{Adjacency, AdjacencyPage, Chunks, Run, Runs};
pub(crate) use self::block::{EdgeBlock, Parts};
pub(crate) use self::column::{Cell, Column, Lists, NO_CATEGORY as NO_CATEGORY_TERM};
pub(crate) use self::condition::{Place, Test};
pub(crate) use self::data::{Graph, RelationTable, VectorEdit, type_of};
pub(crate) use self::hash_index::HashIndex;
pub(crate) use self::hop::{Hop, Step};
pub(crate) use self::node_table::{NodePage, NodeTable, PAGE_NODES};
pub(crate) use self::schema::line_of;
pub(crate) use self::term_table::TermTable;
pub(crate) use self::terms::{Audiences, EVERYONE, MEMBERS, QueryWords, Sight, TEXTS_PER_PAGE, Texts};
