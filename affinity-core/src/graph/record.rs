//! What comes in: nodes, edges and vectors as changes.

use std::collections::{BTreeMap, BTreeSet};

use super::key::Key;

/// Microseconds since 1970-01-01 UTC. Core has no clock: times only ever come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From seconds since 1970-01-01 UTC; saturates some 292,000 years away.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many decimals as there are; a time that no calendar reaches prints its microseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match chrono::DateTime::from_timestamp_micros(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
            None => write!(f, "{} us", self.0),
        }
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Value {
    /// For `number`; must be finite.
    Number(f64),
    /// For `category`.
    Category(String),
    /// For `tags`; order and repetition do not count.
    Tags(Vec<String>),
    /// For `time`.
    Time(Timestamp),
    /// For `text`.
    Text(String),
}

/// Who may read something.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// Anyone.
    #[default]
    Everyone,
    /// Anyone signed in.
    Members,
    /// Whoever holds one of these principals; an empty set is nobody.
    Principals(BTreeSet<String>),
}

impl Audience {
    /// Reads a list in which `everyone` and `members` have their meaning and anything else is a principal.
    ///
    /// The widest wins: a list that holds `everyone` is [`Audience::Everyone`].
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: BTreeSet<String> = names.into_iter().map(str::to_string).collect();
        if names.contains("everyone") {
            Self::Everyone
        } else if names.contains("members") {
            Self::Members
        } else {
            Self::Principals(names)
        }
    }
}

/// Who is asking: decides which nodes, edges and vectors take part in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Viewer {
    /// The operator or the embedding application: sees everything.
    Operator,
    /// Not signed in: sees what is for everyone.
    Anonymous,
    /// Signed in, holding these principals besides.
    Member(BTreeSet<String>),
}

/// A node's data; the whole of it, each time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeRecord {
    /// Values by attribute name; a missing one is absent.
    pub attributes: BTreeMap<String, Value>,
    /// Who may read the node.
    pub audience: Audience,
    /// What a viewer who is this node holds.
    pub principals: Vec<String>,
}

/// An edge's data; the whole of it, each time.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeRecord {
    /// Strength, finite and not negative; ignored unless the relation is weighted. Sums and shares of weights count
    /// in steps of 2^-24 and take anything above 32,768 for that much.
    pub weight: f32,
    /// When; ignored unless the relation is timed. Kept in seconds, from 1970 to 2106.
    pub at: Option<Timestamp>,
    /// Values by attribute name; a missing one is absent.
    pub attributes: BTreeMap<String, Value>,
    /// Who may read the edge.
    pub audience: Audience,
}

impl Default for EdgeRecord {
    fn default() -> Self {
        Self { weight: 1.0, at: None, attributes: BTreeMap::new(), audience: Audience::Everyone }
    }
}

/// Which edge: a relation, its ends, and for parallel edges the origin that tells them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeKey {
    /// The relation's name.
    pub relation: String,
    /// Key of the source, of the relation's `from` kind.
    pub source: Key,
    /// Key of the target, of the relation's `to` kind.
    pub target: Key,
    /// Ignored for relations with one edge per pair.
    pub origin: Option<Key>,
}

/// The largest weight of a term of a node.
pub const TERM_WEIGHT_MAX: f32 = 32_768.0;

/// One change to the data of an engine.
///
/// Each is complete in itself, so applying it twice is applying it once. Edges and vectors may come before their
/// nodes and outlive them: they count only while both ends are there.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds a node or replaces its data.
    PutNode {
        /// The kind's name.
        kind: String,
        /// Unique within the kind.
        key: Key,
        /// The data.
        record: NodeRecord,
    },
    /// Removes a node; its edges and vectors stay, unseen, until removed.
    RemoveNode {
        /// The kind's name.
        kind: String,
        /// Which.
        key: Key,
    },
    /// Adds an edge or replaces its data.
    PutEdge {
        /// Which.
        edge: EdgeKey,
        /// The data.
        record: EdgeRecord,
    },
    /// Removes an edge, if there.
    RemoveEdge {
        /// Which.
        edge: EdgeKey,
    },
    /// Adds a vector or replaces it.
    PutVector {
        /// The space's name.
        space: String,
        /// A node of the space's kind.
        key: Key,
        /// As many finite components as the space has dimensions.
        vector: Vec<f32>,
        /// Who may read what the vector was made from.
        audience: Audience,
    },
    /// Removes a vector, if there.
    RemoveVector {
        /// The space's name.
        space: String,
        /// Whose.
        key: Key,
    },
    /// Sets all terms of a node in a space of terms; an empty map removes them.
    PutTerms {
        /// The space's name.
        space: String,
        /// A node of the space's kind.
        key: Key,
        /// How often each term occurs, or another weight above 0 and at most [`TERM_WEIGHT_MAX`]: of a text,
        /// what [`crate::terms_of`] counts.
        terms: BTreeMap<String, f32>,
        /// Who may read what the terms were taken from.
        audience: Audience,
    },
}
