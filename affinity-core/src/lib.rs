//! Matches people, skills and things over a typed graph, and says why.

mod exact;
pub mod storage;
mod graph;

pub use self::graph::{
    AttributeId, AttributeType, Attributes, Audience, Change, EdgeKey, EdgeRecord, GraphError, Key, Kind, KindId,
    NodeId, NodeRecord, Parallel, Relation, RelationId, Schema, SchemaError, SpaceId, SpaceSpec, Timestamp, Value,
    Viewer,
};
