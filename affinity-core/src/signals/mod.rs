//! Signals: one number per candidate from one kind of evidence. Nothing here fuses or sorts.

mod signal;
mod context;
mod source;
mod evidence;
mod models;
mod resolve;
mod accumulator;
mod shortlist;
mod decay;
mod values;
mod shared;
mod path;
mod pattern;
mod walk;
mod near;
mod overlap;
mod close;
mod complement;
mod prior;
mod fresh;

pub use self::accumulator::Scratch;
pub use self::context::Context;
pub use self::evidence::{Evidence, EvidenceList, NodeRef};
pub use self::models::Models;
pub use self::path::{PATH_EVIDENCE_MAX, PATH_FRONTIER_MAX, PATH_STEPS_MAX};
pub use self::pattern::SuccessPattern;
pub use self::resolve::MatcherError;
pub use self::shared::SHARED_NEIGHBORS_MAX;
pub use self::shortlist::Expansion;
pub use self::signal::{Reading, Signal};
pub use self::walk::{WALK_ROUNDS_MAX, WalkParams, walk_edges_max};

pub(crate) use self::close::CloseToml;
pub(crate) use self::complement::ComplementToml;
pub(crate) use self::fresh::FreshToml;
pub(crate) use self::models::ModelRequest;
pub(crate) use self::near::NearToml;
pub(crate) use self::overlap::OverlapToml;
pub(crate) use self::path::PathToml;
pub(crate) use self::pattern::{Pattern, PatternToml};
pub(crate) use self::prior::PriorToml;
pub(crate) use self::resolve::{Name, Resolve};
pub(crate) use self::shared::SharedToml;
pub(crate) use self::source::{Source, cells_of};
pub(crate) use self::walk::WalkToml;
