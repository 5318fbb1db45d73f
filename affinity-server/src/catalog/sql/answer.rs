use super::rows::{Around, Naming, place_number};
use super::statement::Statement;
use super::tree::{Label, Rows, Value};
use crate::resource::request::{CountKind, Format};

/// What a function asks us to answer; evaluated last.
const RESPONSE: &str = "nullif(current_setting('response.headers', true), '') AS response_headers, \
                        nullif(current_setting('response.status', true), '') AS response_status, \
                        nullif(current_setting('affinity.truncated', true), '') AS truncated";

/// One statement that finds rows and puts the whole answer together.
///
/// Its row: `total` (`bigint`, NULL unless counted), `fetched` (`bigint`: rows found, one more than `rows_max` when there
/// are more), `body` (`text`), `last_keys` (`text[]`: the cursor keys of the last row given), what a function left in
/// `response.headers` and `response.status`, and `truncated` (`text`: which embedded rows were cut).
#[derive(Clone, Debug)]
pub struct AnswerStatement {
    /// The rows.
    pub rows: Rows,
    /// Whether to count all of them.
    pub count: Option<CountKind>,
    /// The form of the body.
    pub format: Format,
    /// Rows of the body at most.
    pub rows_max: u64,
    /// What a cursor needs of the last row, in the order of the rows.
    pub keys: Vec<Value>,
    /// What the rows are to the client.
    pub shape: Shape,
}

/// What rows are to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Many.
    Rows,
    /// One, an object.
    Row,
    /// Many, of which only the one column counts.
    Values,
    /// One, of which only the one column counts.
    Value,
}

impl AnswerStatement {
    /// The SQL.
    #[must_use]
    pub fn render(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push("WITH ");
        self.render_read(&mut sql, "");
        sql
    }

    /// What comes behind `WITH`, or behind the part that makes the rows `given`.
    pub(in crate::catalog) fn render_read(&self, sql: &mut Statement, given: &str) {
        self.source(sql, given);
        sql.push(" SELECT ");
        self.total(sql, given);
        sql.push(" AS total, (SELECT count(*) FROM source) AS fetched, ");
        self.shown_columns(sql);
    }

    /// What comes behind the part that writes the rows `given`, which are counted whether or not they are shown.
    pub(in crate::catalog) fn render_written(sql: &mut Statement, shown: Option<&Self>, given: &str) {
        if let Some(answer) = shown {
            sql.push(", ");
            answer.source(sql, given);
        }
        sql.push(" SELECT NULL::int8 AS total, (SELECT count(*) FROM ").push(given).push(") AS fetched, ");
        match shown {
            Some(answer) => answer.shown_columns(sql),
            None => {
                sql.push("NULL::text AS body, NULL::text[] AS last_keys, ").push(RESPONSE);
            }
        }
    }

    fn source(&self, sql: &mut Statement, given: &str) {
        let mut rows = self.rows.clone();
        // One more than is given tells whether there are more.
        let limit = rows.limit.unwrap_or(u64::MAX).min(self.rows_max.saturating_add(1));
        rows.limit = Some(limit.min(i64::MAX.unsigned_abs()));
        sql.push("source AS MATERIALIZED (");
        let around = Around { parent: None, keys: &self.keys, naming: Naming::Places('c') };
        sql.rows(&rows, given, around);
        sql.push(")");
    }

    fn shown_columns(&self, sql: &mut Statement) {
        self.body(sql);
        sql.push(" AS body, ");
        self.last_keys(sql);
        sql.push(" AS last_keys, ").push(RESPONSE);
    }

    fn total(&self, sql: &mut Statement, given: &str) {
        let Some(kind) = self.count else {
            sql.push("NULL::int8");
            return;
        };
        let mut counted = self.rows.counted();
        if kind == CountKind::Estimated {
            counted.limit = Some(self.rows_max.saturating_add(1));
        }
        sql.push("(SELECT count(*) FROM (");
        sql.rows(&counted, given, Around { parent: None, keys: &[], naming: Naming::Places('c') });
        sql.push(") AS counted)");
    }

    /// The statement whose plan says how many rows there are.
    #[must_use]
    pub fn planned_count(&self) -> Statement {
        let mut sql = Statement::default();
        let around = Around { parent: None, keys: &[], naming: Naming::Places('c') };
        sql.rows(&self.rows.counted(), "", around);
        sql.explained(&[], true)
    }

    fn body(&self, sql: &mut Statement) {
        match &self.format {
            Format::Json { strips_nulls } | Format::Object { strips_nulls } => {
                let row = match self.shape {
                    Shape::Rows | Shape::Row => "json_agg(r)",
                    Shape::Values | Shape::Value => "json_agg(r.v)",
                };
                let is_one = matches!(self.format, Format::Object { .. })
                    || matches!(self.shape, Shape::Row | Shape::Value);
                sql.push("(SELECT coalesce(");
                sql.push(if *strips_nulls { "json_strip_nulls(" } else { "(" });
                sql.push(row).push(if is_one { "->0)::text, 'null')" } else { ")::text, '[]')" });
                self.shown(sql);
            }
            Format::Plan { .. } => {
                sql.push("(SELECT coalesce(json_agg(r)::text, '[]')");
                self.shown(sql);
            }
            Format::GeoJson => {
                sql.push(
                    "(SELECT json_build_object('type', 'FeatureCollection', 'features', \
                     coalesce(json_agg(ST_AsGeoJSON(r)::json), '[]'))::text",
                );
                self.shown(sql);
            }
            // Bytes travel in the text as base64, until the answer is sent.
            Format::Raw("application/octet-stream") => {
                sql.push(
                    "(SELECT translate(encode(string_agg(c0, ''::bytea), 'base64'), E'\\n', '') FROM source)",
                );
            }
            Format::Raw(_) => {
                sql.push("(SELECT string_agg(c0::text, '') FROM source)");
            }
            Format::Csv => self.csv(sql),
        }
    }

    /// ` FROM` the rows that are given, under their labels.
    fn shown(&self, sql: &mut Statement) {
        sql.push(" FROM (SELECT ");
        sql.separated(", ", self.rows.outputs.iter().enumerate(), |sql, (place, output)| {
            sql.push("c").number(place_number(place)).push(" AS ");
            match self.shape {
                Shape::Rows | Shape::Row => sql.name(output.label.identifier()),
                Shape::Values | Shape::Value => sql.push("v"),
            };
        });
        sql.push(" FROM source LIMIT ").bind(self.rows_shown(), "int8").push(") AS r)");
    }

    /// PostgreSQL counts to 2^63 - 1.
    fn rows_shown(&self) -> String {
        self.rows_max.min(i64::MAX.unsigned_abs()).to_string()
    }

    fn csv(&self, sql: &mut Statement) {
        let header: Vec<String> =
            self.rows.outputs.iter().map(|output| csv_field(output.label.text())).collect();
        sql.push("(SELECT ").bind(header.join(","), "text");
        sql.push(" || coalesce(string_agg(E'\\n' || concat_ws(','");
        for place in 0..self.rows.outputs.len() {
            // As PostgreSQL writes a value inside a row, but backslashes stay single.
            let text = format!("format('%s', c{place})");
            sql.push(&format!(
                ", CASE WHEN c{place} IS NULL THEN '' WHEN {text} = '' OR {text} ~ '[\\s,\"\\\\()]' \
                 THEN '\"' || replace({text}, '\"', '\"\"') || '\"' ELSE {text} END"
            ));
        }
        sql.push("), ''), '') FROM (SELECT * FROM source LIMIT ");
        sql.bind(self.rows_shown(), "int8").push(") AS r)");
    }

    fn last_keys(&self, sql: &mut Statement) {
        if self.keys.is_empty() {
            sql.push("NULL::text[]");
            return;
        }
        sql.push("(SELECT array[");
        sql.separated(", ", 0..self.keys.len(), |sql, place| {
            sql.push("k").number(place_number(place)).push("::text");
        });
        sql.push("] FROM (SELECT *, row_number() OVER () AS place FROM source LIMIT ");
        sql.bind(self.rows_shown(), "int8").push(") AS r ORDER BY place DESC LIMIT 1)");
    }

    /// The keys of the answer, in order.
    pub fn labels(&self) -> impl Iterator<Item = &Label> {
        self.rows.outputs.iter().map(|output| &output.label)
    }
}

fn csv_field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r', ' ']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
