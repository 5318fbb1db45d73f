//! The platforms that are served.

use std::collections::BTreeMap;
use std::sync::Arc;

use affinity_core::{Engine, Key, KindId, Query, Scratch, Unobserved};
use serde::Serialize;

use super::asker::Asker;
use crate::embedding::Embedder;
use crate::projection::{LiveEngine, LiveStatus, Serving};

/// Sources looked at to find one that has matches.
const TRIED_MAX: usize = 50;

/// One platform with its engine.
#[derive(Debug)]
pub enum Hosted {
    /// An engine that follows the database.
    Live(LiveEngine),
    /// An engine that stays as it is, such as one opened from a snapshot.
    Fixed(Arc<Engine>),
}

/// The platforms that are served, by name.
pub type Platforms = BTreeMap<String, Hosted>;

/// A matcher, as clients learn of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MatcherInfo {
    name: String,
    from: String,
    to: String,
    description: String,
    version: String,
    signals: Vec<affinity_core::SignalInfo>,
    /// A source that has matches, or that the asker is or manages; if there is one.
    r#try: Option<Key>,
}

impl Hosted {
    /// Its newest engine.
    #[must_use]
    pub fn engine(&self) -> Arc<Engine> {
        match self {
            Self::Live(live) => live.load(),
            Self::Fixed(engine) => Arc::clone(engine),
        }
    }

    /// Its newest engine with the embedder of its vectors; an engine that stays as it is has `fallback`.
    #[must_use]
    pub fn serving(&self, fallback: &Arc<Embedder>) -> Serving {
        match self {
            Self::Live(live) => live.serving(),
            Self::Fixed(engine) => Serving { engine: Arc::clone(engine), embedder: Arc::clone(fallback) },
        }
    }

    /// How the engine follows the database, if it does.
    #[must_use]
    pub fn status(&self) -> Option<LiveStatus> {
        match self {
            Self::Live(live) => Some(live.status()),
            Self::Fixed(_) => None,
        }
    }

    /// Stops following the database.
    pub async fn stop(self) {
        if let Self::Live(live) = self {
            live.stop().await;
        }
    }
}

/// All matchers of an engine, each with a source that the asker can try.
pub(super) fn describe(engine: &Engine, asker: &Asker, scratch: &mut Scratch) -> Vec<MatcherInfo> {
    let kind = |id: KindId| engine.schema().kinds()[id.index()].name.clone();
    let mut described = Vec::new();
    for matcher in engine.matchers().values() {
        described.push(MatcherInfo {
            name: matcher.name().to_string(),
            from: kind(matcher.from_kind()),
            to: kind(matcher.to_kind()),
            description: matcher.description().to_string(),
            version: matcher.version().to_string(),
            signals: matcher.signals(),
            r#try: match asker.is_operator() {
                true => source_to_try(engine, matcher.name(), scratch),
                false => asker.own(engine, matcher.from_kind()).into_iter().next(),
            },
        });
    }
    described
}

/// The first source, by key, that has matches: the same on every start over the same data.
pub(super) fn source_to_try(engine: &Engine, matcher: &str, scratch: &mut Scratch) -> Option<Key> {
    let kind = engine.matchers().get(matcher)?.from_kind();
    let sources = engine.first_by_key(kind, TRIED_MAX).into_iter();
    sources.map(|source| source.id).find(|id| {
        let query = Query::new(matcher, id).limit(1);
        engine.recommend_with(&query, scratch, &mut Unobserved).is_ok_and(|answer| !answer.matches.is_empty())
    })
}
