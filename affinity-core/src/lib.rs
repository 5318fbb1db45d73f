//! Matches people, skills and things over a typed graph, and says why.

mod exact;
pub mod storage;
mod graph;
pub mod vector;
mod signals;

pub use self::graph::{
    AttributeId, AttributeType, Attributes, Audience, Change, Condition, ConditionError, EdgeKey, EdgeRecord,
    GraphError, Key, Kind, KindId, NodeId, NodeRecord, Parallel, Relation, RelationId, Schema, SchemaError, SpaceId,
    SpaceSpec, Timestamp, Value, Viewer,
};
pub use self::signals::{
    Context, Evidence, EvidenceList, Expansion, MatcherError, Models, NodeRef, Reading, Scratch, Signal, SuccessPattern,
    WalkParams,
};
