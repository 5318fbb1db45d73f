use axum::http::header::{IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::ask::Ask;
use crate::catalog::{Base, Predicate, Relation, Value};
use crate::problem::Problem;
use crate::resource::request::Operator;

/// The tag of an answer: its content, and before a dot the row's version when it is one row that has one.
pub(super) fn tag(body: &str, version: Option<&str>) -> String {
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(body.as_bytes())[..12]);
    match version {
        Some(version) => format!("\"{}.{hash}\"", URL_SAFE_NO_PAD.encode(version)),
        None => format!("\"{hash}\""),
    }
}

/// The value that says which version of a row this is.
pub(super) fn version_value(relation: &Relation) -> Option<Value> {
    let column = relation.column(relation.version_column?);
    Some(Value::column(&column.name, &column.data_type.sql))
}

impl Ask<'_> {
    /// Whether the client has the answer of this tag.
    pub(super) fn has_already(&self, tag: &str) -> bool {
        let mut tags = self.tags(IF_NONE_MATCH);
        tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    }

    /// The condition that the header If-Match puts on the rows of a write, if there is one.
    pub(super) fn if_match(&self, relation: &Relation) -> Result<Option<Predicate>, Problem> {
        if !self.parts.headers.contains_key(IF_MATCH) || self.tags(IF_MATCH).any(|tag| tag == "*") {
            return Ok(None);
        }
        let Some(value) = version_value(relation) else {
            let message =
                format!("rows of \"{}\" have no version that If-Match could name", relation.name.name());
            return Err(Problem::rest(StatusCode::BAD_REQUEST, "no_version", message)
                .hint("a column \"version\" or \"updated_at\" would be one"));
        };
        let versions = self.tags(IF_MATCH).filter_map(|tag| {
            let (version, _) = tag.trim_matches('"').split_once('.')?;
            String::from_utf8(URL_SAFE_NO_PAD.decode(version).ok()?).ok()
        });
        let versions: Vec<String> = versions.collect();
        let operand_type = value.sql_type.clone();
        debug_assert!(matches!(value.base, Base::Column(_)));
        let operator = Operator::In(versions);
        Ok(Some(Predicate::Compare {
            value,
            is_negated: false,
            operator,
            operand_type,
            is_text_vector: false,
        }))
    }

    /// Refuses a write that found no row of the version that it was made for.
    pub(super) fn check_match(&self, affected: u64) -> Result<(), Problem> {
        if affected > 0 || !self.parts.headers.contains_key(IF_MATCH) {
            return Ok(());
        }
        let message = "no row has the version that If-Match names";
        Err(Problem::rest(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
            .hint("read the row again"))
    }

    fn tags(&self, header: HeaderName) -> impl Iterator<Item = &str> {
        let values = self.parts.headers.get_all(header).into_iter();
        values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
    }
}
