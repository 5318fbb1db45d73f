//! Matches people, skills and things over a typed graph, and says why.

mod exact;
pub mod storage;
mod graph;
pub mod vector;
mod signals;
mod matcher;
mod scoring;
mod ranking;
mod engine;
mod snapshot;
pub mod evaluation;

pub use self::engine::{
    AdHocSource, Counts, Engine, EngineBuilder, EngineError, Link, Observer, Query, QueryError, QuerySource,
    Unobserved,
};
pub use self::graph::{
    AttributeId, AttributeType, Attributes, Audience, CONDITION_VALUES_MAX, Change, Condition,
    ConditionError, EdgeKey, EdgeRecord, GraphError, Key, Kind, KindId, NodeId, NodeRecord, Parallel,
    Relation, RelationId, Schema, SchemaError, SpaceId, SpaceSpec, Timestamp, Value, Viewer,
};
pub use self::matcher::{Matcher, SignalInfo};
pub use self::ranking::{DiversityCost, Dropped};
pub use self::scoring::{Answer, Contribution, Cut, Explanation, Header, Match};
pub use self::signals::{
    Context, Evidence, EvidenceList, Expansion, MatcherError, Models, NodeRef, PATH_EVIDENCE_MAX,
    PATH_FRONTIER_MAX, PATH_STEPS_MAX, Reading, SHARED_NEIGHBORS_MAX, Scratch, Signal, SuccessPattern,
    WALK_ROUNDS_MAX, WalkParams, walk_edges_max,
};
pub use self::snapshot::{SnapshotError, Verification};
