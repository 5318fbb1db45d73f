//! External keys and dense ids.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::storage::ARC_BYTES;

/// What the outside world calls a node: a UUID, kept as 16 bytes, or any other text.
///
/// Only the canonical form (lower case, with hyphens) becomes a UUID, so a key prints as it was given.
/// Keys have a total order, UUIDs before texts: ties between scores are broken by it.
///
/// ```
/// use affinity_core::Key;
/// let key = Key::from("0190f5ae-7c3b-7000-8000-000000000001");
/// assert!(matches!(key, Key::Uuid(_)));
/// assert_eq!(key.to_string(), "0190f5ae-7c3b-7000-8000-000000000001");
/// assert!(matches!(Key::from("mem_001"), Key::Text(_)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A UUID in canonical form.
    Uuid([u8; 16]),
    /// Anything else.
    Text(Arc<str>),
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        parse_uuid(text).map_or_else(|| Self::Text(text.into()), Self::Uuid)
    }
}

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut uuid = [0_u8; 16];
    let mut digit_count = 0;
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let nibble = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        let slot = &mut uuid[digit_count / 2]; // 32 digits fill 16 bytes
        *slot = (*slot << 4) | nibble;
        digit_count += 1;
    }
    Some(uuid)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Uuid(bytes) => {
                // By hand: answers write many keys, and a formatted write for each byte is slow.
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let (mut text, mut at) = ([b'-'; 36], 0);
                for (position, byte) in bytes.iter().enumerate() {
                    at += usize::from(matches!(position, 4 | 6 | 8 | 10));
                    text[at] = DIGITS[usize::from(byte >> 4)];
                    text[at + 1] = DIGITS[usize::from(byte & 15)];
                    at += 2;
                }
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Key {
    /// Memory besides the key itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Uuid(_) => 0,
            Self::Text(text) => ARC_BYTES + text.len(),
        }
    }

    /// A hash that is the same on every machine and in every version.
    pub(crate) fn stable_hash(&self) -> u64 {
        match self {
            Self::Uuid(bytes) => stable_hash(0, bytes),
            Self::Text(text) => stable_hash(TEXT, text.as_bytes()),
        }
    }
}

/// The first byte hashed of a text.
pub(super) const TEXT: u8 = 1;

/// Source: FNV-1a (Fowler, Noll, Vo) with the `SplitMix64` finalizer (Steele, Lea, Flood, OOPSLA 2014).
pub(super) fn stable_hash(tag: u8, bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(&tag).chain(bytes) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A node within its kind: dense, in order of first mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// `None` when `index` does not fit in 32 bits.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        u32::try_from(index).ok().map(Self)
    }

    pub(crate) fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) fn raw(self) -> u32 {
        self.0
    }

    /// Position among the nodes of the kind.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

macro_rules! small_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u16);

        impl $name {
            /// `None` when `index` does not fit in 16 bits.
            #[must_use]
            pub fn from_index(index: usize) -> Option<Self> {
                u16::try_from(index).ok().map(Self)
            }

            /// Position in the schema.
            #[must_use]
            pub fn index(self) -> usize {
                usize::from(self.0)
            }
        }
    };
}

small_id! {
    /// A node kind of the schema.
    KindId
}
small_id! {
    /// A relation of the schema.
    RelationId
}
small_id! {
    /// A space of the schema.
    SpaceId
}
small_id! {
    /// A space of terms of the schema.
    TermSpaceId
}
small_id! {
    /// An attribute of one kind or relation.
    AttributeId
}
