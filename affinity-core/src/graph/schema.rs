//! What kinds, relations, attributes and spaces exist: the declaration that all data is checked against.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::key::{AttributeId, KindId, RelationId, SpaceId, TermSpaceId};
use super::record::Viewer;
use crate::vector::{Codes, Metric, SpaceParams};

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    /// A finite double.
    Number,
    /// One of a modest number of values, compared for equality.
    Category,
    /// A set of values.
    Tags,
    /// Microseconds since 1970-01-01 UTC.
    Time,
    /// Shown to people, never compared.
    Text,
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Category => "category",
            Self::Tags => "tags",
            Self::Time => "time",
            Self::Text => "text",
        })
    }
}

/// How parallel edges between two nodes are told apart and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parallel {
    /// One edge per pair: a second one replaces the first.
    #[default]
    Single,
    /// Told apart by origin; read as one edge with the sum of the weights.
    Sum,
    /// Told apart by origin; read as one edge with the largest weight.
    Max,
    /// Told apart by origin; read as the newest edge, ties by origin.
    Newest,
    /// Told apart by origin; each read on its own.
    Apart,
}

/// Named attributes with their types, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Attributes(Vec<(String, AttributeType)>);

impl Attributes {
    /// The attribute called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(AttributeId, AttributeType)> {
        let position = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some((AttributeId::from_index(position)?, self.0[position].1))
    }

    /// Names and types, sorted by name: the position is the [`AttributeId`].
    #[must_use]
    pub fn entries(&self) -> &[(String, AttributeType)] {
        &self.0
    }

    /// The name of an attribute of this list.
    #[must_use]
    pub fn name(&self, id: AttributeId) -> &str {
        &self.0[id.index()].0
    }
}

impl FromIterator<(String, AttributeType)> for Attributes {
    fn from_iter<Entries: IntoIterator<Item = (String, AttributeType)>>(entries: Entries) -> Self {
        let by_name: BTreeMap<String, AttributeType> = entries.into_iter().collect();
        Self(by_name.into_iter().collect())
    }
}

/// A node kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Unique among kinds.
    pub name: String,
    /// The attribute whose text names a node to people; nodes without it are named by their key.
    pub label: Option<AttributeId>,
    /// Attributes of the nodes.
    pub attributes: Attributes,
    /// Attributes that matchers may use and only operators are shown or may filter by.
    pub operators_only: Vec<AttributeId>,
}

impl Kind {
    /// Names and types of what `viewer` is shown of a node and may filter by, sorted by name.
    pub(crate) fn shown_to(&self, viewer: &Viewer) -> impl Iterator<Item = &(String, AttributeType)> {
        let hidden = if *viewer == Viewer::Operator { &[] } else { self.operators_only.as_slice() };
        let entries = self.attributes.entries().iter().enumerate();
        entries.filter(move |(place, _)| hidden.iter().all(|id| id.index() != *place)).map(|(_, entry)| entry)
    }
}

impl Serialize for AttributeId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.index().serialize(serializer)
    }
}

/// A relation between two kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Unique among relations.
    pub name: String,
    /// Kind of the sources.
    pub from: KindId,
    /// Kind of the targets.
    pub to: KindId,
    /// Whether edges carry a weight; without, each weighs 1.
    pub weighted: bool,
    /// Whether edges carry a time.
    pub timed: bool,
    /// Whether weight and time take 4 bytes together instead of 8: a weight within 1/2048 of itself, a time to the day.
    pub compact: bool,
    /// Whether an edge is listed once and walked both ways as one.
    pub symmetric: bool,
    /// What parallel edges mean.
    pub parallel: Parallel,
    /// Attributes of the edges.
    pub attributes: Attributes,
}

/// A named set of vectors over the nodes of one kind, compared by cosine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceSpec {
    /// Unique among spaces.
    pub name: String,
    /// Whose vectors these are.
    pub kind: KindId,
    /// Components of each vector.
    pub dimension: usize,
    /// The most vectors that are searched exactly; above, a search may miss some of the nearest.
    pub exact_max: usize,
    /// What a search compares on its way, where it is not exact.
    pub codes: Codes,
}

impl SpaceSpec {
    /// As the vectors themselves know it.
    pub(crate) fn params(&self) -> SpaceParams {
        let Self { dimension, exact_max, codes, .. } = *self;
        SpaceParams { name: self.name.clone(), dimension, metric: Metric::Cosine, exact_max, codes }
    }
}

/// A named set of weighted terms over the nodes of one kind: `form = "terms"` in a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermSpaceSpec {
    /// Unique among spaces of either form.
    pub name: String,
    /// Whose terms these are.
    pub kind: KindId,
}

/// The declaration that all data is checked against.
///
/// ```
/// use affinity_core::Schema;
/// let schema = Schema::from_toml(r#"
///     name = "tiny"
///     [kinds.Member]
///     label = "name"
///     attributes = { name = "text", industry = "category" }
///     [kinds.Trend]
///     [relations.LIKES]
///     from = "Member"
///     to = "Trend"
///     weighted = true
///     [spaces.profile]
///     kind = "Member"
///     dimension = 4
/// "#)?;
/// assert!(schema.kind("Member").is_some());
/// assert!(schema.relation("HATES").is_none());
/// # Ok::<(), affinity_core::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: String,
    title: String,
    kinds: Vec<Kind>,
    relations: Vec<Relation>,
    spaces: Vec<SpaceSpec>,
    term_spaces: Vec<TermSpaceSpec>,
}

/// Why a schema was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// Not TOML, or with keys and types that a schema does not have.
    Syntax {
        /// 1-based; 0 when unknown.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// A name refers to nothing declared.
    Unknown {
        /// The table and field that holds the name, such as `relations.LIKES.from`.
        field: String,
        /// The name found.
        got: String,
        /// The names that would do.
        allowed: Vec<String>,
    },
    /// A value is out of its range.
    OutOfRange {
        /// The field.
        field: String,
        /// The value found.
        got: String,
        /// What is allowed, in words.
        expected: &'static str,
    },
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, reason } => write!(f, "schema line {line}: {reason}"),
            Self::Unknown { field, got, allowed } => {
                write!(f, "schema field \"{field}\" names \"{got}\", expected one of: {}", allowed.join(", "))
            }
            Self::OutOfRange { field, got, expected } => {
                write!(f, "schema field \"{field}\" is {got}, expected {expected}")
            }
        }
    }
}

impl std::error::Error for SchemaError {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaToml {
    name: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    kinds: BTreeMap<String, KindToml>,
    #[serde(default)]
    relations: BTreeMap<String, RelationToml>,
    #[serde(default)]
    spaces: BTreeMap<String, SpaceToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindToml {
    label: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, AttributeType>,
    #[serde(default)]
    operators_only: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelationToml {
    from: String,
    to: String,
    #[serde(default)]
    weighted: bool,
    #[serde(default)]
    timed: bool,
    #[serde(default)]
    compact: bool,
    #[serde(default)]
    symmetric: bool,
    #[serde(default)]
    parallel: Parallel,
    #[serde(default)]
    attributes: BTreeMap<String, AttributeType>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpaceToml {
    kind: String,
    #[serde(default)]
    form: Form,
    dimension: Option<usize>,
    exact_max: Option<usize>,
    #[serde(default)]
    codes: Codes,
}

/// What a node has in a space.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Vector,
    Terms,
}

/// Components of a vector when a schema does not say: the built-in embedder's.
const DIMENSION_DEFAULT: usize = 256;
/// Components of a vector at most.
const DIMENSION_MAX: usize = 65_536;

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// [`SchemaError`] with the line or field, what was found and what is allowed.
    pub fn from_toml(text: &str) -> Result<Self, SchemaError> {
        Self::from_toml_with_dimension(text, DIMENSION_DEFAULT)
    }

    /// Reads a schema; spaces that state no dimension get `dimension`.
    ///
    /// # Errors
    /// [`SchemaError`] with the line or field, what was found and what is allowed.
    pub fn from_toml_with_dimension(text: &str, dimension: usize) -> Result<Self, SchemaError> {
        let parsed: SchemaToml = toml::from_str(text).map_err(|error| SchemaError::Syntax {
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            reason: error.message().to_string(),
        })?;
        let kinds = parsed
            .kinds
            .into_iter()
            .map(|(name, kind)| kind_from(name, kind))
            .collect::<Result<Vec<_>, _>>()?;
        let find_kind = |field: String, got: &str| {
            kinds.iter().position(|kind| kind.name == got).and_then(KindId::from_index).ok_or_else(|| {
                SchemaError::Unknown {
                    field,
                    got: got.to_string(),
                    allowed: kinds.iter().map(|kind| kind.name.clone()).collect(),
                }
            })
        };
        let mut relations = Vec::new();
        for (name, relation) in parsed.relations {
            let from = find_kind(format!("relations.{name}.from"), &relation.from)?;
            let to = find_kind(format!("relations.{name}.to"), &relation.to)?;
            if relation.symmetric && from != to {
                return Err(SchemaError::OutOfRange {
                    field: format!("relations.{name}.symmetric"),
                    got: "true".to_string(),
                    expected: "false, since it joins two different kinds",
                });
            }
            if relation.compact && !(relation.weighted || relation.timed) {
                return Err(SchemaError::OutOfRange {
                    field: format!("relations.{name}.compact"),
                    got: "true".to_string(),
                    expected: "false, since its edges have neither weight nor time",
                });
            }
            relations.push(Relation {
                name,
                from,
                to,
                weighted: relation.weighted,
                timed: relation.timed,
                compact: relation.compact,
                symmetric: relation.symmetric,
                parallel: relation.parallel,
                attributes: relation.attributes.into_iter().collect(),
            });
        }
        let (mut spaces, mut term_spaces) = (Vec::new(), Vec::new());
        for (name, space) in parsed.spaces {
            let kind = find_kind(format!("spaces.{name}.kind"), &space.kind)?;
            if space.form == Form::Terms {
                let options = [("dimension", space.dimension), ("exact_max", space.exact_max)];
                if let Some((option, got)) = options.iter().find_map(|(name, got)| Some((name, (*got)?))) {
                    return Err(SchemaError::OutOfRange {
                        field: format!("spaces.{name}.{option}"),
                        got: got.to_string(),
                        expected: "none, since terms have no dimension and no index",
                    });
                }
                term_spaces.push(TermSpaceSpec { name, kind });
                continue;
            }
            let dimension = space.dimension.unwrap_or(dimension);
            if dimension == 0 || dimension > DIMENSION_MAX {
                return Err(SchemaError::OutOfRange {
                    field: format!("spaces.{name}.dimension"),
                    got: dimension.to_string(),
                    expected: "1 to 65536",
                });
            }
            let exact_max = space.exact_max.unwrap_or(SpaceParams::EXACT_MAX);
            spaces.push(SpaceSpec { name, kind, dimension, exact_max, codes: space.codes });
        }
        Ok(Self { name: parsed.name, title: parsed.title, kinds, relations, spaces, term_spaces })
    }

    /// The same declaration with one relation more; ids of relations that are known by now no longer hold.
    ///
    /// # Errors
    /// [`SchemaError::OutOfRange`] when there is a relation of that name.
    pub fn with_relation(mut self, relation: Relation) -> Result<Self, SchemaError> {
        match self.relations.binary_search_by(|known| known.name.cmp(&relation.name)) {
            Ok(_) => Err(SchemaError::OutOfRange {
                field: "relations".to_string(),
                got: relation.name,
                expected: "a name that no other relation has",
            }),
            Err(position) => {
                self.relations.insert(position, relation);
                Ok(self)
            }
        }
    }

    /// The platform's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The platform's name as people read it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Kinds, sorted by name: the position is the [`KindId`].
    #[must_use]
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Relations, sorted by name: the position is the [`RelationId`].
    #[must_use]
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Spaces of vectors, sorted by name: the position is the [`SpaceId`].
    #[must_use]
    pub fn spaces(&self) -> &[SpaceSpec] {
        &self.spaces
    }

    /// Spaces of terms, sorted by name: the position is the [`TermSpaceId`].
    #[must_use]
    pub fn term_spaces(&self) -> &[TermSpaceSpec] {
        &self.term_spaces
    }

    /// The kind called `name`.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<KindId> {
        self.kinds.binary_search_by(|kind| kind.name.as_str().cmp(name)).ok().and_then(KindId::from_index)
    }

    /// The relation called `name`.
    #[must_use]
    pub fn relation(&self, name: &str) -> Option<RelationId> {
        let position = self.relations.binary_search_by(|relation| relation.name.as_str().cmp(name)).ok()?;
        RelationId::from_index(position)
    }

    /// The space of vectors called `name`.
    #[must_use]
    pub fn space(&self, name: &str) -> Option<SpaceId> {
        self.spaces.binary_search_by(|space| space.name.as_str().cmp(name)).ok().and_then(SpaceId::from_index)
    }

    /// The space of terms called `name`.
    #[must_use]
    pub fn term_space(&self, name: &str) -> Option<TermSpaceId> {
        let position = self.term_spaces.binary_search_by(|space| space.name.as_str().cmp(name)).ok()?;
        TermSpaceId::from_index(position)
    }
}

fn kind_from(name: String, kind: KindToml) -> Result<Kind, SchemaError> {
    let attributes = Attributes(kind.attributes.into_iter().collect());
    let label = match kind.label {
        None => None,
        Some(label) => match attributes.find(&label) {
            Some((id, AttributeType::Text)) => Some(id),
            _ => {
                let texts = attributes.entries().iter().filter(|(_, of)| *of == AttributeType::Text);
                return Err(SchemaError::Unknown {
                    field: format!("kinds.{name}.label"),
                    got: label,
                    allowed: texts.map(|(text, _)| text.clone()).collect(),
                });
            }
        },
    };
    let hidden = kind.operators_only.into_iter().map(|hidden| match attributes.find(&hidden) {
        Some((id, _)) => Ok(id),
        None => Err(SchemaError::Unknown {
            field: format!("kinds.{name}.operators_only"),
            got: hidden,
            allowed: attributes.entries().iter().map(|(name, _)| name.clone()).collect(),
        }),
    });
    let operators_only = hidden.collect::<Result<_, _>>()?;
    Ok(Kind { name, label, attributes, operators_only })
}

/// The 1-based line of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
