use affinity_core::{Change, EdgeKey, Key, KindId, Parallel, RelationId, Schema, SpaceId};
use uuid::Uuid;

/// The row whose re-projection replaces what it gave: of all that the views say, the unit of change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchor {
    /// A table of the platform, without schema.
    pub table: String,
    /// The row's key.
    pub id: Uuid,
}

/// What one row of a view is about: the part that says which, without what it says of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A row of `affinity_nodes`.
    Node {
        /// Of the schema.
        kind: KindId,
        /// Unique within the kind.
        key: Key,
    },
    /// A row of `affinity_edges`.
    Edge {
        /// Of the schema.
        relation: RelationId,
        /// One end; of a symmetric relation the smaller.
        source: Key,
        /// The other end.
        target: Key,
        /// What tells parallel edges apart; none where the relation has one edge per pair.
        origin: Option<Key>,
    },
    /// A row of `affinity_texts`.
    Text {
        /// Of the schema.
        space: SpaceId,
        /// A node of the space's kind.
        key: Key,
    },
}

impl Entry {
    /// An edge in the one form that equal edges share.
    pub(super) fn edge(schema: &Schema, id: RelationId, ends: (Key, Key), origin: Option<Key>) -> Self {
        let relation = &schema.relations()[id.index()];
        let (source, target) = if relation.symmetric && ends.1 < ends.0 { (ends.1, ends.0) } else { ends };
        let origin = origin.filter(|_| relation.parallel != Parallel::Single);
        Self::Edge { relation: id, source, target, origin }
    }

    /// The change that takes this entry out of an engine.
    pub(super) fn removal(self, schema: &Schema) -> Change {
        match self {
            Self::Node { kind, key } => {
                Change::RemoveNode { kind: schema.kinds()[kind.index()].name.clone(), key }
            }
            Self::Edge { relation, source, target, origin } => {
                let relation = schema.relations()[relation.index()].name.clone();
                Change::RemoveEdge { edge: EdgeKey { relation, source, target, origin } }
            }
            Self::Text { space, key } => {
                Change::RemoveVector { space: schema.spaces()[space.index()].name.clone(), key }
            }
        }
    }
}

/// A digest of all that a row says of its entry. Equal rows have equal ones, on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of an entry that is in the view but not, or not rightly, in the engine: never that of a row.
    pub(super) const OWED: Self = Self(0);

    /// Of a row's parts, in the order of the view's columns.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use sha2::{Digest, Sha256};
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        // 64 of the 256 bits: a wrong match needs two contents of one entry that meet, not any two of all.
        let mut first = [0_u8; 8];
        first.copy_from_slice(&digest[..8]);
        Self(u64::from_le_bytes(first).max(1))
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }
}

/// One thing that an anchor gave.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// Which.
    pub entry: Entry,
    /// What was said of it.
    pub fingerprint: Fingerprint,
}
