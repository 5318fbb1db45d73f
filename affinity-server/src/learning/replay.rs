use std::collections::{BTreeMap, BTreeSet};

use affinity_core::{Schema, Timestamp, Value};
use serde::Deserialize;

use super::error::LearnError;
use crate::platform::Platform;

/// What of today was not known in the past: a platform's `replay.toml`.
///
/// ```
/// use affinity_server::learning::Replay;
/// use affinity_server::platform::Platform;
///
/// for platform in Platform::embedded()? {
///     let replay = Replay::of(&platform, &platform.schema(256)?)?;
///     assert!(replay.new_days > 0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    /// Attributes by kind of source; reports tell their values apart.
    pub segments: BTreeMap<String, Vec<String>>,
    /// Sources younger than this are a segment of their own, where their kind says when they came to be.
    pub new_days: u32,
    /// By kind, the attribute that says when a node came to be.
    pub created: BTreeMap<String, String>,
    /// `Kind.attribute` of which only the newest value is kept.
    pub without_history: BTreeSet<String>,
    /// Timed relations whose time is not when an edge began.
    pub recomputed: BTreeSet<String>,
    /// Relations whose edges end, and are told about only then.
    pub ongoing: BTreeMap<String, Ongoing>,
}

/// How an edge was known before it ended.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ongoing {
    /// The attribute that says when it ended.
    pub until: String,
    /// What it weighed.
    pub weight: f32,
    /// Categories as they were.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Attributes that were not known.
    #[serde(default)]
    pub unknown: Vec<String>,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            segments: BTreeMap::new(),
            new_days: 90,
            created: BTreeMap::new(),
            without_history: BTreeSet::new(),
            recomputed: BTreeSet::new(),
            ongoing: BTreeMap::new(),
        }
    }
}

impl Replay {
    /// What `platform` declares; the default where it declares nothing.
    ///
    /// # Errors
    /// [`LearnError::Replay`], and [`LearnError::ReplayName`] for what `schema` does not have.
    pub fn of(platform: &Platform, schema: &Schema) -> Result<Self, LearnError> {
        let name = || platform.name().to_string();
        let replay: Self = toml::from_str(platform.replay().unwrap_or_default())
            .map_err(|source| LearnError::Replay { platform: name(), source: Box::new(source) })?;
        match replay.first_unknown(schema) {
            Some((field, got)) => Err(LearnError::ReplayName { platform: name(), field, got }),
            None => Ok(replay),
        }
    }

    fn first_unknown(&self, schema: &Schema) -> Option<(&'static str, String)> {
        let node = |kind: &str, attribute: &str| {
            let kind = schema.kind(kind).map(|id| &schema.kinds()[id.index()]);
            kind.is_some_and(|kind| kind.attributes.find(attribute).is_some())
        };
        let edge = |relation: &str, attribute: Option<&str>| {
            let relation = schema.relation(relation).map(|id| &schema.relations()[id.index()]);
            relation
                .is_some_and(|of| of.timed && attribute.is_none_or(|name| of.attributes.find(name).is_some()))
        };
        let segments = self.segments.iter().flat_map(|(kind, all)| all.iter().map(move |one| (kind, one)));
        let mut of_nodes =
            segments.map(|of| ("segments", of)).chain(self.created.iter().map(|of| ("created", of)));
        if let Some((field, (kind, attribute))) =
            of_nodes.find(|(_, (kind, attribute))| !node(kind, attribute))
        {
            return Some((field, format!("{kind}.{attribute}")));
        }
        let split =
            |path: &String| path.split_once('.').is_some_and(|(kind, attribute)| node(kind, attribute));
        if let Some(path) = self.without_history.iter().find(|path| !split(path)) {
            return Some(("without_history", path.clone()));
        }
        if let Some(relation) = self.recomputed.iter().find(|relation| !edge(relation, None)) {
            return Some(("recomputed", relation.clone()));
        }
        self.ongoing.iter().find_map(|(relation, ongoing)| {
            let mut named = [&ongoing.until].into_iter().chain(ongoing.set.keys()).chain(&ongoing.unknown);
            let unknown = named.find(|attribute| !edge(relation, Some(attribute)))?;
            Some(("ongoing", format!("{relation}.{unknown}")))
        })
    }

    /// When a node of `kind` came to be, where that is known.
    pub(super) fn created_at(&self, kind: &str, attributes: &BTreeMap<String, Value>) -> Option<Timestamp> {
        match attributes.get(self.created.get(kind)?)? {
            Value::Time(at) => Some(*at),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{LearnError, Replay};
    use crate::platform::Platform;

    const DECLARATION: &str = "name = \"tiny\"\n[kinds.Person]\nattributes = { since = \"time\" }\n\
        [relations.MET]\nfrom = \"Person\"\nto = \"Person\"\ntimed = true\nattributes = { until = \"time\" }\n";

    fn read(text: &str) -> Result<Replay, LearnError> {
        let folder = tempfile::tempdir().unwrap();
        let tiny = folder.path().join("tiny");
        std::fs::create_dir(&tiny).unwrap();
        std::fs::write(tiny.join("platform.toml"), DECLARATION).unwrap();
        std::fs::write(tiny.join("replay.toml"), text).unwrap();
        let platform = Platform::from_folder(&tiny).unwrap();
        Replay::of(&platform, &platform.schema(4).unwrap())
    }

    #[track_caller]
    fn check_unknown(text: &str, expected_field: &str, expected: &str) {
        match read(text) {
            Err(LearnError::ReplayName { field, got, .. }) => {
                assert_eq!((field, got.as_str()), (expected_field, expected));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_that_are_not_declared_are_refused() {
        assert_eq!(read("new_days = 7").unwrap().new_days, 7);
        check_unknown("created = { Person = \"birth\" }", "created", "Person.birth");
        check_unknown("segments = { Town = [\"size\"] }", "segments", "Town.size");
        check_unknown("without_history = [\"Person\"]", "without_history", "Person");
        check_unknown("recomputed = [\"LIKES\"]", "recomputed", "LIKES");
        check_unknown("ongoing.MET = { until = \"end\", weight = 0.0 }", "ongoing", "MET.end");
        assert!(matches!(read("create = 1"), Err(LearnError::Replay { .. })));
    }
}
