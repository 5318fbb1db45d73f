//! The frame of a snapshot: header, directory, and which sections there are.

use super::error::SnapshotError;
use crate::graph::Schema;

/// The first bytes of every snapshot.
pub(super) const MAGIC: [u8; 8] = *b"AFFINITY";
/// Version of the format.
pub(super) const VERSION: u32 = 4;
/// Sections start at multiples of this: a cache line.
pub(super) const ALIGNMENT: usize = 64;
/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 64;
/// Bytes of a directory entry.
const ENTRY_BYTES: usize = 32;

/// What a section holds. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Schema = 1,
    EngineVersion = 2,
    Models = 3,
    Terms = 4,
    Audiences = 5,
    Nodes = 6,
    EdgePages = 7,
    EdgeOffsets = 8,
    EdgeNumbers = 9,
    EdgeAttributes = 13,
    VectorPages = 15,
    VectorAudiences = 16,
    VectorComponents = 17,
    Filters = 18,
    FilterOffsets = 19,
    FilterTargets = 20,
    FilterWeights = 21,
    FilterFactors = 22,
    LinkLevels = 23,
    LinkBase = 24,
    LinkUpper = 25,
    TermIndex = 26,
    TermData = 27,
    NodeIndex = 28,
    NodeData = 29,
}

impl Role {
    /// Whether the checksum is left to [`crate::Engine::verify`]: large, and where it leads is looked at anyway.
    pub(super) fn is_verified_later(self) -> bool {
        matches!(
            self,
            Self::TermIndex
                | Self::TermData
                | Self::NodeIndex
                | Self::NodeData
                | Self::EdgeNumbers
                | Self::EdgeAttributes
                | Self::VectorComponents
        )
    }
}

/// One section: what it holds, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Section {
    pub(super) role: Role,
    /// Position in the schema of the kind or space; of relations, and of the spaces of terms that are counted on
    /// behind them, twice that, plus 1 for the reversed direction.
    pub(super) owner: usize,
}

/// Sections of one direction of a relation, in file order.
pub(super) const EDGE_ROLES: [Role; 4] =
    [Role::EdgePages, Role::EdgeOffsets, Role::EdgeNumbers, Role::EdgeAttributes];

/// Sections of one kind, in file order.
const NODE_ROLES: [Role; 3] = [Role::Nodes, Role::NodeIndex, Role::NodeData];

/// Sections of one space, in file order.
const VECTOR_ROLES: [Role; 6] = [
    Role::VectorPages,
    Role::VectorAudiences,
    Role::VectorComponents,
    Role::LinkLevels,
    Role::LinkBase,
    Role::LinkUpper,
];

impl Section {
    pub(super) fn new(role: Role, owner: usize) -> Self {
        Self { role, owner }
    }

    /// Every section of a snapshot with this schema, in file order.
    pub(super) fn all(schema: &Schema) -> Vec<Self> {
        let global = [
            Role::Schema,
            Role::EngineVersion,
            Role::Models,
            Role::Terms,
            Role::TermIndex,
            Role::TermData,
            Role::Audiences,
        ];
        let kinds = (0..schema.kinds().len()).flat_map(|kind| NODE_ROLES.map(|role| Self::new(role, kind)));
        let edges = (0..2 * (schema.relations().len() + schema.term_spaces().len()))
            .flat_map(|direction| EDGE_ROLES.map(|role| Self::new(role, direction)));
        let vectors =
            (0..schema.spaces().len()).flat_map(|space| VECTOR_ROLES.map(|role| Self::new(role, space)));
        let filters = [
            Role::Filters,
            Role::FilterOffsets,
            Role::FilterTargets,
            Role::FilterWeights,
            Role::FilterFactors,
        ];
        let global = global.map(|role| Self::new(role, 0));
        let filters = filters.map(|role| Self::new(role, 0));
        global.into_iter().chain(kinds).chain(edges).chain(vectors).chain(filters).collect()
    }

    /// What errors call the section.
    pub(super) fn name(self, schema: &Schema) -> String {
        let relation = || {
            let (relations, place) = (schema.relations(), self.owner / 2);
            let terms = || schema.term_spaces().get(place.wrapping_sub(relations.len()));
            let name = relations.get(place).map(|relation| &relation.name);
            let name = name.or_else(|| terms().map(|space| &space.name)).map_or("?", String::as_str);
            if self.owner % 2 == 1 { format!("{name} reversed") } else { name.to_string() }
        };
        let kind = || schema.kinds().get(self.owner).map_or("?", |kind| &kind.name);
        let space = || schema.spaces().get(self.owner).map_or("?", |space| &space.name).to_string();
        match self.role {
            Role::Schema => "schema".to_string(),
            Role::EngineVersion => "engine version".to_string(),
            Role::Models => "models".to_string(),
            Role::Terms => "terms".to_string(),
            Role::Audiences => "audiences".to_string(),
            Role::TermIndex => "term index".to_string(),
            Role::TermData => "term data".to_string(),
            Role::Nodes => format!("nodes of {}", kind()),
            Role::NodeIndex => format!("node index of {}", kind()),
            Role::NodeData => format!("node data of {}", kind()),
            Role::EdgePages => format!("edge pages of {}", relation()),
            Role::EdgeOffsets => format!("edge offsets of {}", relation()),
            Role::EdgeNumbers => format!("edge numbers of {}", relation()),
            Role::EdgeAttributes => format!("edge attributes of {}", relation()),
            Role::VectorPages => format!("vector pages of {}", space()),
            Role::VectorAudiences => format!("vector audiences of {}", space()),
            Role::VectorComponents => format!("vector components of {}", space()),
            Role::LinkLevels => format!("link levels of {}", space()),
            Role::LinkBase => format!("base links of {}", space()),
            Role::LinkUpper => format!("upper links of {}", space()),
            Role::Filters => "filter models".to_string(),
            Role::FilterOffsets => "filter offsets".to_string(),
            Role::FilterTargets => "filter targets".to_string(),
            Role::FilterWeights => "filter weights".to_string(),
            Role::FilterFactors => "filter factors".to_string(),
        }
    }
}

/// Where a section is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) section: Section,
    pub(super) offset: usize,
    pub(super) length: usize,
    pub(super) crc: u32,
}

/// The directory as it is written.
pub(super) fn directory_bytes(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        bytes.extend((entry.section.role as u32).to_le_bytes());
        bytes.extend(u32::try_from(entry.section.owner).unwrap_or(u32::MAX).to_le_bytes()); // ids have 16 bits
        bytes.extend((entry.offset as u64).to_le_bytes());
        bytes.extend((entry.length as u64).to_le_bytes());
        bytes.extend(entry.crc.to_le_bytes());
        bytes.extend([0; 4]);
    }
    bytes
}

/// The header as it is written.
pub(super) fn header_bytes(directory: &[u8], directory_offset: usize) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let file_bytes = directory_offset + directory.len();
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&(file_bytes as u64).to_le_bytes());
    bytes[24..32].copy_from_slice(&(directory_offset as u64).to_le_bytes());
    bytes[32..36].copy_from_slice(&crc32fast::hash(directory).to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn number_at(bytes: &[u8], position: usize, width: usize) -> u64 {
    let mut number = [0; 8];
    if let Some(part) = bytes.get(position..position + width) {
        number[..width].copy_from_slice(part);
    }
    u64::from_le_bytes(number)
}

fn u32_at(bytes: &[u8], position: usize) -> u32 {
    u32::try_from(number_at(bytes, position, 4)).unwrap_or(u32::MAX) // always fits: four bytes
}

fn invalid(section: &str, position: usize, what: &'static str, expected: u64, got: u64) -> SnapshotError {
    let (expected, got) = (expected.to_string(), got.to_string());
    SnapshotError::Invalid { section: section.to_string(), position, what, expected, got }
}

/// The directory of a file, which must list exactly the sections of `schema`, each inside the file.
///
/// The schema section alone is trusted to be first, so that a file for another schema says so: see `read`.
pub(super) fn read_header(bytes: &[u8]) -> Result<&[u8], SnapshotError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(SnapshotError::NotASnapshot { got: bytes.iter().take(8).copied().collect() });
    }
    let version = u32_at(bytes, 8);
    if version != VERSION && bytes.len() >= HEADER_BYTES {
        return Err(SnapshotError::UnsupportedVersion { expected: VERSION, got: version });
    }
    let length = bytes.len() as u64;
    let Some((header, _)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(SnapshotError::WrongLength { expected: HEADER_BYTES as u64, got: length });
    };
    check_crc("header", &header[..60], u32_at(header, 60))?;
    let file_bytes = number_at(header, 16, 8);
    if file_bytes != length {
        return Err(SnapshotError::WrongLength { expected: file_bytes, got: length });
    }
    let offset = number_at(header, 24, 8);
    let directory = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    let directory = directory.ok_or_else(|| invalid("header", 24, "directory offset", length, offset))?;
    check_crc("directory", directory, u32_at(header, 32))?;
    Ok(directory)
}

/// The bytes of the first section when it is the schema.
pub(super) fn schema_section<'a>(bytes: &'a [u8], directory: &[u8]) -> Result<&'a [u8], SnapshotError> {
    let role = number_at(directory, 0, 4);
    if role != Role::Schema as u64 {
        return Err(invalid("directory", 0, "role", Role::Schema as u64, role));
    }
    let entry = read_entry(bytes, directory, 0, Section::new(Role::Schema, 0))?;
    let schema = &bytes[entry.offset..entry.offset + entry.length]; // in bounds: `read_entry` looked
    check_crc("schema", schema, entry.crc)?;
    Ok(schema)
}

/// The entries of a directory, which must list exactly the sections of `schema`, each inside the file.
pub(super) fn read_directory(
    bytes: &[u8],
    directory: &[u8],
    schema: &Schema,
) -> Result<Vec<Entry>, SnapshotError> {
    let sections = Section::all(schema);
    let expected = sections.len() * ENTRY_BYTES;
    if directory.len() != expected {
        return Err(invalid("directory", 0, "length", expected as u64, directory.len() as u64));
    }
    sections
        .into_iter()
        .enumerate()
        .map(|(place, section)| read_entry(bytes, directory, place * ENTRY_BYTES, section))
        .collect()
}

fn read_entry(
    bytes: &[u8],
    directory: &[u8],
    position: usize,
    section: Section,
) -> Result<Entry, SnapshotError> {
    let role = number_at(directory, position, 4);
    if role != section.role as u64 {
        return Err(invalid("directory", position, "role", section.role as u64, role));
    }
    let owner = number_at(directory, position + 4, 4);
    if owner != section.owner as u64 {
        return Err(invalid("directory", position + 4, "owner", section.owner as u64, owner));
    }
    let (offset, length) = (number_at(directory, position + 8, 8), number_at(directory, position + 16, 8));
    if !offset.is_multiple_of(ALIGNMENT as u64) {
        return Err(invalid("directory", position + 8, "offset modulo 64", 0, offset % ALIGNMENT as u64));
    }
    let inside = |number: u64| usize::try_from(number).ok().filter(|number| *number <= bytes.len());
    let (Some(first), Some(count)) = (inside(offset), inside(length)) else {
        return Err(invalid("directory", position + 8, "offset or length", bytes.len() as u64, offset));
    };
    if first + count > bytes.len() {
        return Err(invalid("directory", position + 16, "length", (bytes.len() - first) as u64, length));
    }
    Ok(Entry { section, offset: first, length: count, crc: u32_at(directory, position + 24) })
}

/// Compares a checksum.
pub(super) fn check_crc(section: &str, bytes: &[u8], expected: u32) -> Result<(), SnapshotError> {
    let got = crc32fast::hash(bytes);
    if got == expected {
        return Ok(());
    }
    Err(SnapshotError::WrongChecksum { section: section.to_string(), expected, got })
}
