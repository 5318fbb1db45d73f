use axum::body::{Body as HttpBody, to_bytes};
use axum::http::StatusCode;

use super::ask::Ask;
use super::body::{Body, BodyError, Mistake, Record, check_value, csv_records};
use super::plan::given_column;
use super::request::{BodyForm, MissingFields, Query};
use crate::catalog::{Column, Given, GivenColumn, Identifier, Relation};
use crate::problem::Problem;

/// Mistakes that one answer lists.
const MISTAKES_MAX: usize = 20;

/// The rows of a write, checked against the catalog.
#[derive(Debug)]
pub(super) struct Payload {
    /// What PostgreSQL reads.
    pub(super) given: Given,
    /// How many rows.
    pub(super) row_count: usize,
}

impl Ask<'_> {
    /// The whole body as text; bytes as PostgreSQL writes them in hexadecimal.
    pub(super) async fn body_text(&self, body: HttpBody) -> Result<String, Problem> {
        let max = self.rest.settings().body_bytes_max;
        let bytes = to_bytes(body, max).await.map_err(|_| {
            let message = format!("the body is larger than body_bytes_max, which is {max}");
            Problem::rest(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
        })?;
        if BodyForm::from_content_type(&self.parts.headers) == Ok(BodyForm::Raw("application/octet-stream")) {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(format!("\\x{digits}"));
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| bad_body("the body is not UTF-8"))
    }

    /// The rows that the body holds for `relation`.
    pub(super) fn payload(&self, relation: &Relation, query: &Query, text: &str) -> Result<Payload, Problem> {
        let form = BodyForm::from_content_type(&self.parts.headers)?;
        let json = match form {
            BodyForm::Json => text.to_owned(),
            BodyForm::Csv => csv_records(text).map_err(|line| {
                bad_body("All lines must have same number of fields").details(format!("line {line}"))
            })?,
            BodyForm::UrlEncoded => {
                let pairs = form_urlencoded::parse(text.as_bytes());
                let object =
                    pairs.map(|(key, value)| (key.into_owned(), serde_json::Value::from(value.into_owned())));
                serde_json::Value::Object(object.collect()).to_string()
            }
            BodyForm::Raw(media_type) => {
                return Err(bad_body(format!("Content-Type not acceptable: {media_type}")));
            }
        };
        let body = Body::parse(&json).map_err(refused_body)?;
        let keys = same_keys(&body.records, query.columns.as_deref())?;
        let as_json = form == BodyForm::Json;
        let columns = self.body_columns(relation, &keys)?;
        if self.platform.settings.is_strict {
            self.check_values(relation, &body, &columns, as_json)?;
        }
        let takes_default = self.preferences.missing == Some(MissingFields::Default);
        let given: Vec<GivenColumn> =
            columns.iter().map(|column| given_column(column, takes_default)).collect();
        let row_count = body.records.len();
        let is_array = body.is_array;
        let json = if is_array { json } else { format!("[{json}]") };
        Ok(Payload { given: Given { json, is_array, columns: given }, row_count })
    }

    fn body_columns<'r>(&self, relation: &'r Relation, keys: &[String]) -> Result<Vec<&'r Column>, Problem> {
        let planner = self.planner();
        let mut columns = Vec::with_capacity(keys.len());
        for key in keys {
            planner.body_column(relation, key)?; // says what is near
            columns.extend(relation.columns.iter().find(|column| column.name.name() == key));
        }
        Ok(columns)
    }

    fn check_values(
        &self,
        relation: &Relation,
        body: &Body<'_>,
        columns: &[&Column],
        as_json: bool,
    ) -> Result<(), Problem> {
        let mut mistakes = Vec::new();
        for (place, record) in body.records.iter().enumerate() {
            let pointer = if body.is_array { format!("/{place}") } else { String::new() };
            for (key, raw) in record {
                let Some(column) = columns.iter().find(|column| column.name.name() == key) else { continue };
                let checked = match column.is_generated {
                    true => Err(Mistake {
                        pointer: format!("{pointer}/{}", super::failure::pointer_part(key)),
                        code: "428C9",
                        message: format!(
                            "column \"{key}\" of \"{}\" is generated and cannot be written",
                            relation.name.name()
                        ),
                    }),
                    false => check_value(&pointer, key, raw, &column.data_type, as_json),
                };
                mistakes.extend(checked.err());
            }
            if mistakes.len() >= MISTAKES_MAX {
                break;
            }
        }
        mistakes.truncate(MISTAKES_MAX);
        refuse_mistakes(mistakes)
    }

    /// Where in `given` a value is that its column's type does not take.
    pub(super) async fn bad_place(&self, given: &Given) -> Option<String> {
        let part = |name: &Identifier| super::failure::pointer_part(name.name());
        for column in &given.columns {
            if self.holds(&given.column_check(column)).await {
                continue;
            }
            let body = Body::parse(&given.json).ok()?;
            for (place, record) in body.records.iter().enumerate().take(1000) {
                let Some((_, raw)) = record.iter().find(|(key, _)| key == column.name.name()) else {
                    continue;
                };
                let key = serde_json::Value::from(column.name.name());
                let alone = Given {
                    json: format!("[{{{key}:{raw}}}]"),
                    is_array: false,
                    columns: vec![column.clone()],
                };
                if !self.holds(&alone.column_check(column)).await {
                    let row = if given.is_array { format!("/{place}") } else { String::new() };
                    return Some(format!("{row}/{}", part(&column.name)));
                }
            }
            return Some(format!("/{}", part(&column.name)));
        }
        None
    }
}

/// The keys that count: those of `columns`, else those that every record has.
fn same_keys(records: &[Record<'_>], columns: Option<&[String]>) -> Result<Vec<String>, Problem> {
    if let Some(columns) = columns {
        return Ok(columns.to_vec());
    }
    let Some(first) = records.first() else { return Ok(Vec::new()) };
    for record in records {
        let is_same = record.len() == first.len()
            && first.iter().all(|(key, _)| record.iter().any(|(other, _)| other == key));
        if !is_same {
            return Err(bad_body("All object keys must match"));
        }
    }
    Ok(first.iter().map(|(key, _)| key.clone()).collect())
}

/// The problem of the first mistake, which lists them all.
pub(super) fn refuse_mistakes(mistakes: Vec<Mistake>) -> Result<(), Problem> {
    let Some(first) = mistakes.first() else { return Ok(()) };
    let status = match first.code {
        "22P05" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    let problem = Problem::rest(status, first.code, first.message.clone());
    Err(mistakes.into_iter().fold(problem, |problem, mistake| problem.at(mistake.pointer, mistake.message)))
}

pub(super) fn refused_body(error: BodyError) -> Problem {
    let problem = bad_body(error.to_string());
    match error {
        BodyError::Syntax { reason } => problem.details(reason),
        BodyError::NoObject { pointer } => problem.at(pointer, "not an object"),
        BodyError::Repeated { pointer } => problem.at(pointer, "this key comes twice"),
    }
}

pub(super) fn bad_body(message: impl Into<String>) -> Problem {
    Problem::rest(StatusCode::BAD_REQUEST, "PGRST102", message)
}
