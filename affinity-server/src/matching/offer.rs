//! What is served, for people and programs that choose: platforms and their matchers.

use affinity_core::{Engine, KindId};

/// A platform that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformOffer {
    /// As addresses write it.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// Its matchers, by name.
    pub matchers: Vec<MatcherOffer>,
}

/// A matcher that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatcherOffer {
    /// As addresses write it.
    pub name: String,
    /// What it finds, in a sentence.
    pub description: String,
    /// The kind that it finds matches for.
    pub from: String,
    /// The kind of its matches.
    pub to: String,
}

impl PlatformOffer {
    pub(super) fn of(name: &str, engine: &Engine) -> Self {
        let kind = |id: KindId| engine.schema().kinds()[id.index()].name.clone();
        let matchers = engine.matchers().values().map(|matcher| MatcherOffer {
            name: matcher.name().to_owned(),
            description: matcher.description().to_owned(),
            from: kind(matcher.from_kind()),
            to: kind(matcher.to_kind()),
        });
        Self {
            name: name.to_owned(),
            title: engine.schema().title().to_owned(),
            matchers: matchers.collect(),
        }
    }
}
