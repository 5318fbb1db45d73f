//! Rows of the views, checked against the schema.

use std::collections::BTreeMap;

use affinity_core::{
    AttributeType, Attributes, Audience, Change, EdgeKey, EdgeRecord, Key, NodeRecord, Schema, Timestamp,
    Value,
};
use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::ProjectionError;
use super::entry::{Anchor, Entry, Fingerprint, Given};

/// A view of the projection that becomes part of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Nodes,
    Edges,
    Texts,
}

impl View {
    pub(super) const ALL: [Self; 3] = [Self::Nodes, Self::Edges, Self::Texts];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nodes => "affinity_nodes",
            Self::Edges => "affinity_edges",
            Self::Texts => "affinity_texts",
        }
    }
}

/// A row of a view: what gave it, what it is about, and what it says.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) anchor: Anchor,
    pub(super) given: Given,
    pub(super) content: Content,
}

/// What a row says.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// All that the engine needs to know.
    Change(Change),
    /// A text, whose vector is known or still to be made.
    Text(TextContent),
}

/// What a row of `affinity_texts` says.
#[derive(Clone, Debug)]
pub(super) struct TextContent {
    pub(super) space: String,
    pub(super) kind: String,
    pub(super) key: Key,
    /// The key as the view writes it.
    pub(super) id: String,
    pub(super) audience: Audience,
    /// SHA-256 of the text.
    pub(super) text_hash: Vec<u8>,
    pub(super) vector: KnownVector,
}

/// Whether a text has been embedded by the current model before.
#[derive(Clone, Debug)]
pub(super) enum KnownVector {
    Stored(Vec<f32>),
    Missing { text: String },
}

/// Reads rows of the views of one platform.
pub(super) struct RowReader<'a> {
    pub(super) schema: &'a Schema,
    /// The embedding model, part of what a text says.
    pub(super) model: &'a str,
}

impl RowReader<'_> {
    /// The row as the engine understands it.
    ///
    /// # Errors
    /// [`ProjectionError::BadRow`] with view, row and field when the schema does not allow it.
    pub(super) fn read(&self, view: View, row: &PgRow) -> Result<Row, ProjectionError> {
        match view {
            View::Nodes => self.read_node(row),
            View::Edges => self.read_edge(row),
            View::Texts => self.read_text(row),
        }
    }

    fn read_node(&self, row: &PgRow) -> Result<Row, ProjectionError> {
        let fields = Fields { view: View::Nodes, row, key_columns: &["kind", "id"] };
        let (kind, id): (String, String) = (fields.get("kind")?, fields.get("id")?);
        let names = || self.schema.kinds().iter().map(|kind| kind.name.as_str());
        let kind_id = self.schema.kind(&kind).ok_or_else(|| fields.unknown("kind", &kind, names()))?;
        let attributes: Option<String> = fields.get("attributes")?;
        let attributes = attributes.as_deref().unwrap_or("{}");
        let audience = fields.audience()?;
        let mut principals: Vec<String> = fields.get("principals")?;
        principals.sort_unstable();
        let (audience_bytes, principal_bytes) = (audience.join("\n"), principals.join("\n"));
        let parts = [attributes.as_bytes(), audience_bytes.as_bytes(), principal_bytes.as_bytes()];
        let fingerprint = Fingerprint::of(parts);
        let declared = &self.schema.kinds()[kind_id.index()].attributes;
        let attributes = fields.attributes(attributes, declared)?;
        let audience = Audience::from_names(audience.iter().map(String::as_str));
        let key = Key::from(id);
        let entry = Entry::Node { kind: kind_id, key: key.clone() };
        let record = NodeRecord { attributes, audience, principals };
        let content = Content::Change(Change::PutNode { kind, key, record });
        Ok(Row { anchor: fields.anchor()?, given: Given { entry, fingerprint }, content })
    }

    fn read_edge(&self, row: &PgRow) -> Result<Row, ProjectionError> {
        let fields =
            Fields { view: View::Edges, row, key_columns: &["relation", "source", "target", "origin"] };
        let relation: String = fields.get("relation")?;
        let names = || self.schema.relations().iter().map(|relation| relation.name.as_str());
        let relation_id =
            self.schema.relation(&relation).ok_or_else(|| fields.unknown("relation", &relation, names()))?;
        let declared = &self.schema.relations()[relation_id.index()];
        let ends = (Key::from(fields.get::<String>("source")?), Key::from(fields.get::<String>("target")?));
        let origin: Option<String> = fields.get("origin")?;
        let weight: Option<f64> = fields.get("weight")?;
        let weight = match weight {
            None if declared.weighted => return Err(fields.bad("weight", "a finite number from 0", "null")),
            None => 1.0,
            Some(weight) => single_precision(weight)
                .ok_or_else(|| fields.bad("weight", "a finite number from 0", &weight.to_string()))?,
        };
        let at: Option<DateTime<Utc>> = fields.get("at")?;
        let attributes: Option<String> = fields.get("attributes")?;
        let attributes = attributes.as_deref().unwrap_or("{}");
        let audience = fields.audience()?;
        let audience_bytes = audience.join("\n");
        let at_bytes = at.map_or(Vec::new(), |at| at.timestamp_micros().to_le_bytes().to_vec());
        let parts = [&weight.to_le_bytes()[..], &at_bytes, attributes.as_bytes(), audience_bytes.as_bytes()];
        let fingerprint = Fingerprint::of(parts);
        let record = EdgeRecord {
            weight,
            at: at.map(|at| Timestamp::from_micros(at.timestamp_micros())),
            attributes: fields.attributes(attributes, &declared.attributes)?,
            audience: Audience::from_names(audience.iter().map(String::as_str)),
        };
        let entry = Entry::edge(self.schema, relation_id, ends, origin.map(Key::from));
        let Entry::Edge { source, target, origin, .. } = entry.clone() else {
            return Err(fields.bad("relation", "an edge", &relation));
        };
        let content =
            Content::Change(Change::PutEdge { edge: EdgeKey { relation, source, target, origin }, record });
        Ok(Row { anchor: fields.anchor()?, given: Given { entry, fingerprint }, content })
    }

    fn read_text(&self, row: &PgRow) -> Result<Row, ProjectionError> {
        let fields = Fields { view: View::Texts, row, key_columns: &["space", "kind", "id"] };
        let (kind, id, space): (String, String, String) =
            (fields.get("kind")?, fields.get("id")?, fields.get("space")?);
        let names = || self.schema.spaces().iter().map(|space| space.name.as_str());
        let space_id = self.schema.space(&space).ok_or_else(|| fields.unknown("space", &space, names()))?;
        let declared = &self.schema.spaces()[space_id.index()];
        let expected_kind = &self.schema.kinds()[declared.kind.index()].name;
        if kind != *expected_kind {
            return Err(fields.unknown("kind", &kind, std::iter::once(expected_kind.as_str())));
        }
        let audience = fields.audience()?;
        let text_hash: Vec<u8> = fields.get("text_hash")?;
        let audience_bytes = audience.join("\n");
        let fingerprint = Fingerprint::of([self.model.as_bytes(), &text_hash, audience_bytes.as_bytes()]);
        let stored: Option<Vec<f32>> = fields.get("vector")?;
        let vector = match stored {
            Some(vector) => KnownVector::Stored(vector),
            None => KnownVector::Missing { text: fields.get("text")? },
        };
        let key = Key::from(id.as_str());
        let entry = Entry::Text { space: space_id, key: key.clone() };
        let audience = Audience::from_names(audience.iter().map(String::as_str));
        let content = Content::Text(TextContent { space, kind, key, id, audience, text_hash, vector });
        Ok(Row { anchor: fields.anchor()?, given: Given { entry, fingerprint }, content })
    }
}

/// The nearest weight in single precision; `None` unless it is finite there and not negative.
#[allow(clippy::cast_possible_truncation)] // losing precision is what single precision means; overflow is checked
fn single_precision(weight: f64) -> Option<f32> {
    let narrowed = weight as f32;
    (narrowed.is_finite() && narrowed >= 0.0).then_some(narrowed)
}

/// A row, with enough at hand to say which one is wrong.
struct Fields<'a> {
    view: View,
    row: &'a PgRow,
    key_columns: &'static [&'static str],
}

impl<'a> Fields<'a> {
    /// The row's own key as a person finds it again.
    fn key(&self) -> String {
        let values =
            self.key_columns.iter().map(|column| match self.row.try_get::<Option<String>, _>(*column) {
                Ok(Some(value)) => value,
                _ => "null".to_string(),
            });
        values.collect::<Vec<_>>().join(" ")
    }

    fn bad(&self, field: &str, expected: &str, got: &str) -> ProjectionError {
        ProjectionError::BadRow {
            view: self.view.name(),
            row: self.key(),
            field: field.to_string(),
            expected: expected.to_string(),
            got: got.to_string(),
        }
    }

    fn unknown<'n>(&self, field: &str, got: &str, allowed: impl Iterator<Item = &'n str>) -> ProjectionError {
        let allowed: Vec<&str> = allowed.collect();
        self.bad(field, &format!("one of: {}", allowed.join(", ")), &format!("\"{got}\""))
    }

    fn get<T>(&self, column: &'static str) -> Result<T, ProjectionError>
    where
        T: sqlx::Type<sqlx::Postgres> + sqlx::Decode<'a, sqlx::Postgres>,
    {
        self.row.try_get(column).map_err(|error| {
            let reason = match error {
                sqlx::Error::ColumnDecode { source, .. } => source.to_string(),
                other => other.to_string(),
            };
            self.bad(column, std::any::type_name::<T>(), &reason)
        })
    }

    fn anchor(&self) -> Result<Anchor, ProjectionError> {
        Ok(Anchor { table: self.get("anchor_table")?, id: self.get::<Uuid>("anchor_id")? })
    }

    /// Who may read it, sorted, so that the order of an aggregate changes nothing.
    fn audience(&self) -> Result<Vec<String>, ProjectionError> {
        let mut names: Vec<String> = self.get("audience")?;
        if names.is_empty() {
            // An empty list could mean nobody or a forgotten coalesce: a view has to say which.
            return Err(self.bad("audience", "at least one of: everyone, members, a principal", "empty"));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn attributes(
        &self,
        json: &str,
        declared: &Attributes,
    ) -> Result<BTreeMap<String, Value>, ProjectionError> {
        let parsed: BTreeMap<String, serde_json::Value> = serde_json::from_str(json)
            .map_err(|error| self.bad("attributes", "an object", &error.to_string()))?;
        let mut attributes = BTreeMap::new();
        for (name, value) in parsed {
            let Some((_, of)) = declared.find(&name) else {
                let names = declared.entries().iter().map(|(known, _)| known.as_str());
                return Err(self.unknown("attributes", &name, names));
            };
            if value.is_null() {
                continue;
            }
            let value = attribute_value(&value, of)
                .ok_or_else(|| self.bad(&name, expectation(of), &value.to_string()))?;
            attributes.insert(name, value);
        }
        Ok(attributes)
    }
}

/// A JSON value as an attribute of type `of`; `None` when it is of another.
pub(crate) fn attribute_value(value: &serde_json::Value, of: AttributeType) -> Option<Value> {
    match of {
        AttributeType::Number => value.as_f64().filter(|number| number.is_finite()).map(Value::Number),
        AttributeType::Category => value.as_str().map(|text| Value::Category(text.to_string())),
        AttributeType::Text => value.as_str().map(|text| Value::Text(text.to_string())),
        AttributeType::Time => {
            let time = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            Some(Value::Time(Timestamp::from_micros(time.timestamp_micros())))
        }
        AttributeType::Tags => {
            let tags = value.as_array()?.iter().map(|tag| tag.as_str().map(str::to_string));
            Some(Value::Tags(tags.collect::<Option<Vec<_>>>()?))
        }
    }
}

/// What a value of type `of` looks like in JSON, in words.
pub(crate) fn expectation(of: AttributeType) -> &'static str {
    match of {
        AttributeType::Number => "a finite number",
        AttributeType::Category | AttributeType::Text => "a string",
        AttributeType::Time => "a time as in RFC 3339",
        AttributeType::Tags => "a list of strings",
    }
}
