//! Matches people, skills and things over a typed graph, and says why.
//!
//! ```
//! use affinity_core::{Change, EdgeKey, EdgeRecord, Engine, Matcher, NodeRecord, Query, Schema};
//!
//! let schema = "name = 'tiny'\n[kinds.Member]\n[kinds.Trend]\n[relations.LIKES]\nfrom = 'Member'\nto = 'Trend'";
//! let partners = "name = 'partners'\nfrom = 'Member'\nto = 'Member'\ncandidates = [{ signal = 'taste', cap = 9 }]
//!     signals = [{ name = 'taste', weight = 1, half = 1.0, shared = { relation = 'LIKES', formula = 'count' } }]";
//! let schema = Schema::from_toml(schema)?;
//! let matcher = Matcher::from_toml(partners, "partners.toml", &schema)?;
//! let node = |kind: &str, key: &str| {
//!     Change::PutNode { kind: kind.into(), key: key.into(), record: NodeRecord::default() }
//! };
//! let likes = |member: &str| Change::PutEdge {
//!     edge: EdgeKey { relation: "LIKES".into(), source: member.into(), target: "jazz".into(), origin: None },
//!     record: EdgeRecord::default(),
//! };
//! let data = [node("Trend", "jazz"), node("Member", "ann"), node("Member", "bob"), likes("ann"), likes("bob")];
//! let engine = Engine::builder(schema).matcher(matcher).apply(data)?.build()?;
//!
//! let answer = engine.recommend(&Query::new("partners", "ann"))?;
//! let best = &answer.matches[0];
//! assert_eq!((best.name.as_str(), best.score), ("bob", 0.5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod exact;
mod seeded;
pub mod storage;
mod graph;
pub mod vector;
pub mod filtering;
mod signals;
mod matcher;
mod scoring;
mod ranking;
mod engine;
mod snapshot;
pub mod evaluation;
pub mod learning;

pub use self::engine::{
    AdHocSource, Assign, AssignCut, AssignError, AssignedPair, Assignment, Counts, Engine, EngineBuilder,
    EngineError, FeatureRow, FeatureTable, FilterOf, FullTarget, LastShown, Link, MissedSource, Observer,
    Query, QueryError, QuerySource, Remedy, SignalShortfall, SizeRow, TwoSidedQuery, Unmatched,
    UnmatchedReason, Unobserved, WhyNot, WhyNotReason,
};
pub use self::graph::{
    AttributeId, AttributeType, Attributes, Audience, CONDITION_VALUES_MAX, Change, Condition,
    ConditionError, EdgeKey, EdgeRecord, GraphError, Key, Kind, KindId, NodeId, NodeRecord, Parallel,
    Relation, RelationId, Schema, SchemaError, SpaceId, SpaceSpec, TERM_CHARACTERS_MIN, TERM_WEIGHT_MAX,
    TermSpaceId, TermSpaceSpec, Timestamp, Value, Viewer, terms_of,
};
pub use self::matcher::{Combination, Matcher, ProbabilityCurve, SignalInfo};
pub use self::ranking::{DiversityCost, Dropped, Reciprocal, assignment};
pub use self::scoring::{Answer, Contribution, Cut, Direction, Explanation, Header, Match, MutualRanks};
pub use self::signals::{
    Context, Evidence, EvidenceList, Expansion, FILTER_ITEMS_MAX, FILTER_USER_ITEMS_MAX, MatcherError,
    Models, NodeRef, PATH_EVIDENCE_MAX, PATH_FRONTIER_MAX, PATH_STEPS_MAX, Reading, SHARED_NEIGHBORS_MAX,
    Scratch, Signal, SuccessPattern, WALK_ROUNDS_MAX, WalkParams, walk_edges_max,
};
pub use self::snapshot::{SnapshotError, Verification};
