use super::rows::{Around, Naming, place_number};
use super::statement::Statement;
use super::tree::{Label, Rows, Value};
use crate::resource::request::{CountKind, Format};

/// One statement that finds rows and puts the whole answer together.
///
/// Its row: `total` (`bigint`, NULL unless counted), `fetched` (`bigint`: rows found, one more than `rows_max` when there
/// are more), `body` (`text`), `last_keys` (`text[]`: the cursor keys of the last row given), and what a function
/// left in `response.headers` and `response.status`.
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
}

impl AnswerStatement {
    /// The SQL.
    #[must_use]
    pub fn render(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push("WITH ");
        self.render_answer(&mut sql, "");
        sql
    }

    /// The part behind `WITH` that reads `given` if the rows say so.
    pub(in crate::catalog) fn render_answer(&self, sql: &mut Statement, given: &str) {
        let mut rows = self.rows.clone();
        // One more than is given tells whether there are more.
        rows.limit = Some(rows.limit.unwrap_or(u64::MAX).min(self.rows_max.saturating_add(1)));
        sql.push("source AS MATERIALIZED (");
        let around = Around { parent: None, keys: &self.keys, naming: Naming::Places('c') };
        sql.rows(&rows, given, around);
        sql.push(") SELECT ");
        self.total(sql, given);
        sql.push(" AS total, (SELECT count(*) FROM source) AS fetched, ");
        self.body(sql);
        sql.push(" AS body, ");
        self.last_keys(sql);
        sql.push(
            " AS last_keys, nullif(current_setting('response.headers', true), '') AS response_headers, \
             nullif(current_setting('response.status', true), '') AS response_status",
        );
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
                let is_object = matches!(self.format, Format::Object { .. });
                sql.push("(SELECT coalesce(");
                sql.push(if *strips_nulls { "json_strip_nulls(" } else { "(" });
                sql.push(if is_object {
                    "json_agg(r)->0)::text, 'null')"
                } else {
                    "json_agg(r))::text, '[]')"
                });
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
            sql.push("c").number(place_number(place)).push(" AS ").name(output.label.identifier());
        });
        sql.push(" FROM source LIMIT ").bind(self.rows_max.to_string(), "int8").push(") AS r)");
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
        sql.bind(self.rows_max.to_string(), "int8").push(") AS r)");
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
        sql.bind(self.rows_max.to_string(), "int8").push(") AS r ORDER BY place DESC LIMIT 1)");
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
