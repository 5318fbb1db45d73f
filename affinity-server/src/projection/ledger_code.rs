//! What an anchor gave, as bytes. Most ends of edges are the anchor itself, which takes one byte instead of 17.

use affinity_core::{Key, KindId, RelationId, SpaceId};
use uuid::Uuid;

use super::entry::{Entry, Fingerprint, Given};

const NODE: u8 = 0;
const EDGE: u8 = 1;
const TEXT: u8 = 2;

const KEY_NONE: u8 = 0;
const KEY_ANCHOR: u8 = 1;
const KEY_UUID: u8 = 2;
const KEY_TEXT: u8 = 3;

/// Appends one entry.
pub(super) fn encode_given(bytes: &mut Vec<u8>, anchor: Uuid, given: &Given) {
    match &given.entry {
        Entry::Node { kind, key } => {
            encode_head(bytes, NODE, kind.index());
            encode_key(bytes, anchor, Some(key));
        }
        Entry::Edge { relation, source, target, origin } => {
            encode_head(bytes, EDGE, relation.index());
            encode_key(bytes, anchor, Some(source));
            encode_key(bytes, anchor, Some(target));
            encode_key(bytes, anchor, origin.as_ref());
        }
        Entry::Text { space, key } => {
            encode_head(bytes, TEXT, space.index());
            encode_key(bytes, anchor, Some(key));
        }
    }
    bytes.extend_from_slice(&given.fingerprint.bits().to_le_bytes());
}

fn encode_head(bytes: &mut Vec<u8>, tag: u8, id: usize) {
    bytes.push(tag);
    // Kinds, relations and spaces have 16-bit ids.
    bytes.extend_from_slice(&u16::try_from(id).unwrap_or(u16::MAX).to_le_bytes());
}

fn encode_key(bytes: &mut Vec<u8>, anchor: Uuid, key: Option<&Key>) {
    match key {
        None => bytes.push(KEY_NONE),
        Some(Key::Uuid(uuid)) if uuid == anchor.as_bytes() => bytes.push(KEY_ANCHOR),
        Some(Key::Uuid(uuid)) => {
            bytes.push(KEY_UUID);
            bytes.extend_from_slice(uuid);
        }
        Some(Key::Text(text)) => {
            bytes.push(KEY_TEXT);
            bytes.extend_from_slice(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

/// All entries, in the order they were appended; `None` when the bytes are not a whole number of entries.
pub(super) fn decode_given(bytes: &[u8], anchor: Uuid) -> Option<Vec<Given>> {
    let mut reader = Reader { bytes };
    let mut given = Vec::new();
    while !reader.bytes.is_empty() {
        let tag = reader.take_byte()?;
        let id = usize::from(u16::from_le_bytes(reader.take_array()?));
        let entry = match tag {
            NODE => Entry::Node { kind: KindId::from_index(id)?, key: reader.take_key(anchor)?? },
            EDGE => Entry::Edge {
                relation: RelationId::from_index(id)?,
                source: reader.take_key(anchor)??,
                target: reader.take_key(anchor)??,
                origin: reader.take_key(anchor)?,
            },
            TEXT => Entry::Text { space: SpaceId::from_index(id)?, key: reader.take_key(anchor)?? },
            _ => return None,
        };
        let fingerprint = Fingerprint::from_bits(u64::from_le_bytes(reader.take_array()?));
        given.push(Given { entry, fingerprint });
    }
    Some(given)
}

/// Takes bytes from the front; `None` when there are too few or they mean nothing.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(super) fn take_byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    pub(super) fn take_array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    /// A piece with its length in front.
    pub(super) fn take_piece(&mut self) -> Option<&'a [u8]> {
        let count = u64::from_le_bytes(self.take_array()?);
        self.take(usize::try_from(count).ok()?)
    }

    pub(super) fn take_text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.take_piece()?).ok()
    }

    /// The inner `None` is the key that an edge without origin has.
    fn take_key(&mut self, anchor: Uuid) -> Option<Option<Key>> {
        match self.take_byte()? {
            KEY_NONE => Some(None),
            KEY_ANCHOR => Some(Some(Key::Uuid(*anchor.as_bytes()))),
            KEY_UUID => Some(Some(Key::Uuid(self.take_array()?))),
            KEY_TEXT => Some(Some(Key::from(self.take_text()?))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use affinity_core::{Key, KindId, RelationId, SpaceId};
    use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use uuid::Uuid;

    use super::{decode_given, encode_given};
    use crate::projection::entry::{Entry, Fingerprint, Given};

    const ANCHOR: Uuid = Uuid::from_u128(42);

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            Just(Key::Uuid(*ANCHOR.as_bytes())),
            any::<[u8; 16]>().prop_map(Key::Uuid),
            "[a-zé_]{0,12}".prop_map(Key::from),
        ]
    }

    fn given() -> impl Strategy<Value = Given> {
        let entry = prop_oneof![
            (0..9_usize, key())
                .prop_map(|(id, key)| Entry::Node { kind: KindId::from_index(id).unwrap(), key }),
            (0..9_usize, key())
                .prop_map(|(id, key)| Entry::Text { space: SpaceId::from_index(id).unwrap(), key }),
            (0..70_000_usize, key(), key(), prop::option::of(key())).prop_map(
                |(id, source, target, origin)| {
                    Entry::Edge {
                        relation: RelationId::from_index(id % 60_000).unwrap(),
                        source,
                        target,
                        origin,
                    }
                }
            ),
        ];
        (entry, any::<u64>())
            .prop_map(|(entry, bits)| Given { entry, fingerprint: Fingerprint::from_bits(bits) })
    }

    proptest! {
        #[test]
        fn entries_survive_encoding(given in prop::collection::vec(given(), 0..20)) {
            let mut bytes = Vec::new();
            given.iter().for_each(|given| encode_given(&mut bytes, ANCHOR, given));
            prop_assert_eq!(decode_given(&bytes, ANCHOR), Some(given));
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(0..5_u8, 0..60)) {
            let decoded = decode_given(&bytes, ANCHOR);
            prop_assert!(decoded.is_none_or(|given| given.len() <= bytes.len()));
        }
    }

    #[test]
    fn edge_of_the_anchor_to_a_uuid_takes_30_bytes() {
        let edge = Entry::Edge {
            relation: RelationId::from_index(1).unwrap(),
            source: Key::Uuid(*ANCHOR.as_bytes()),
            target: Key::Uuid([7; 16]),
            origin: None,
        };
        let mut bytes = Vec::new();
        encode_given(&mut bytes, ANCHOR, &Given { entry: edge, fingerprint: Fingerprint::OWED });
        assert_eq!(bytes.len(), 30);
    }
}
