//! The only place where SQL is made from names. A name is one that PostgreSQL knows, quoted by PostgreSQL.

use std::fmt::{self, Write as _};

use sqlx::{AssertSqlSafe, PgConnection, Row};

/// A name that the database does not know, or a failed look-up.
#[derive(Debug)]
#[non_exhaustive]
pub enum CatalogError {
    /// There is no such table.
    UnknownTable {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// The table lacks these columns.
    UnknownColumns {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
        /// The columns.
        columns: Vec<String>,
    },
    /// There is no such platform in `affinity.platforms`.
    UnknownPlatform {
        /// The name asked for.
        platform: String,
    },
    /// The look-up failed.
    Database {
        /// What went wrong underneath.
        source: sqlx::Error,
    },
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTable { schema, table } => {
                write!(f, "the database has no table \"{schema}\".\"{table}\"")
            }
            Self::UnknownColumns { schema, table, columns } => {
                write!(f, "table \"{schema}\".\"{table}\" has no columns {}", columns.join(", "))
            }
            Self::UnknownPlatform { platform } => write!(f, "the database has no platform \"{platform}\""),
            Self::Database { .. } => f.write_str("the catalog could not be read"),
        }
    }
}

impl std::error::Error for CatalogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source } => Some(source),
            Self::UnknownTable { .. } | Self::UnknownColumns { .. } | Self::UnknownPlatform { .. } => None,
        }
    }
}

impl From<sqlx::Error> for CatalogError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database { source }
    }
}

/// A table to fill by COPY, its names looked up and quoted by PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyStatement {
    /// Quoted, with its schema.
    table: String,
    /// Quoted, separated by commas.
    columns: String,
}

impl CopyStatement {
    /// The statement for `columns` of `schema.table`, once the database has confirmed that they exist.
    ///
    /// # Errors
    /// [`CatalogError`] naming the table or the columns that the database does not have.
    pub async fn prepare(
        connection: &mut PgConnection,
        schema: &str,
        table: &str,
        columns: &[&str],
    ) -> Result<Self, CatalogError> {
        let known = sqlx::query(
            "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted_table,
                    array(select quote_ident(a.attname) from unnest($3::text[]) with ordinality as asked(name, place)
                          join pg_catalog.pg_attribute a
                            on a.attrelid = c.oid and a.attname = asked.name and a.attnum > 0 and not a.attisdropped
                          order by asked.place) as quoted_columns,
                    array(select asked.name from unnest($3::text[]) as asked(name)
                          where not exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid
                            and a.attname = asked.name and a.attnum > 0 and not a.attisdropped)) as unknown_columns
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')",
        )
        .bind(schema)
        .bind(table)
        .bind(columns)
        .fetch_optional(connection)
        .await?;
        let (schema, table) = (schema.to_owned(), table.to_owned());
        let Some(known) = known else { return Err(CatalogError::UnknownTable { schema, table }) };
        let unknown: Vec<String> = known.try_get("unknown_columns")?;
        if !unknown.is_empty() {
            return Err(CatalogError::UnknownColumns { schema, table, columns: unknown });
        }
        let columns: Vec<String> = known.try_get("quoted_columns")?;
        Ok(Self { table: known.try_get("quoted_table")?, columns: columns.join(", ") })
    }

    /// `COPY ... FROM STDIN` for CSV with a header line.
    pub fn sql(&self) -> String {
        format!("COPY {} ({}) FROM STDIN WITH (FORMAT csv, HEADER true)", self.table, self.columns)
    }

    /// Whether the table has any row.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn is_filled(&self, connection: &mut PgConnection) -> Result<bool, CatalogError> {
        let sql = format!("SELECT EXISTS (SELECT FROM {})", self.table);
        Ok(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection).await?)
    }

    /// Has PostgreSQL count anew what the planner knows of the table.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn analyze(&self, connection: &mut PgConnection) -> Result<(), CatalogError> {
        sqlx::raw_sql(AssertSqlSafe(format!("ANALYZE {}", self.table))).execute(connection).await?;
        Ok(())
    }
}

/// A psql script that loads one CSV file per table in one transaction.
#[derive(Debug)]
pub struct LoadScript {
    schema: String,
    text: String,
}

impl LoadScript {
    /// An empty script for the tables of `schema`.
    pub fn new(schema: &str) -> Self {
        let text = "-- Run by a superuser in the folder of this file: psql -v ON_ERROR_STOP=1 -f load.sql\n\
                    -- The rows are in their final state; triggers, which watch changes, stay quiet.\n\
                    BEGIN;\nSET LOCAL session_replication_role = replica;\n";
        Self { schema: quote_identifier(schema), text: text.to_owned() }
    }

    /// Adds the file `<table>.csv`.
    pub fn add_table(&mut self, table: &str, columns: &[&str]) {
        let columns: Vec<String> = columns.iter().map(|column| quote_identifier(column)).collect();
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            self.text,
            "\\copy {}.{} ({}) from '{}.csv' with (format csv, header true)",
            self.schema,
            quote_identifier(table),
            columns.join(", "),
            table.replace('\'', "''"),
        );
    }

    /// The whole script.
    pub fn finish(self) -> String {
        self.text + "COMMIT;\nANALYZE;\n"
    }
}

/// Statements over the projection views of one platform, their schema looked up and quoted by PostgreSQL.
///
/// Columns come by the names that the views give them; `attributes` as text, since the reader needs it as bytes.
#[derive(Clone, Debug)]
pub struct ProjectionStatements {
    /// Quoted.
    schema: String,
    /// Whether there is a view `affinity_outcomes`, which a platform may do without.
    has_outcomes: bool,
}

/// Which rows of a projection view a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectionRows {
    /// All of them.
    All,
    /// Those of one anchor table, `$4`.
    OfTable,
    /// Those of some anchors of one table, `$4` and `$5` (`uuid[]`).
    OfAnchors,
}

impl ProjectionRows {
    fn condition(self) -> &'static str {
        match self {
            Self::All => "",
            Self::OfTable => " WHERE v.anchor_table = $4",
            Self::OfAnchors => " WHERE v.anchor_table = $4 AND v.anchor_id = ANY($5)",
        }
    }
}

impl ProjectionStatements {
    /// The statements for `platform`, once the database has confirmed that its views are there.
    ///
    /// # Errors
    /// [`CatalogError`] naming the platform or the view that the database does not have.
    pub async fn prepare(connection: &mut PgConnection, platform: &str) -> Result<Self, CatalogError> {
        let known = sqlx::query(
            "select p.schema_name::text as schema, quote_ident(p.schema_name) as quoted_schema,
                    to_regclass(quote_ident(p.schema_name) || '.affinity_outcomes') is not null as has_outcomes,
                    array(select wanted from unnest(array['affinity_nodes', 'affinity_edges', 'affinity_texts']) wanted
                          where to_regclass(quote_ident(p.schema_name) || '.' || wanted) is null) as missing
             from affinity.platforms p where p.name = $1",
        )
        .bind(platform)
        .fetch_optional(connection)
        .await?;
        let Some(known) = known else {
            return Err(CatalogError::UnknownPlatform { platform: platform.to_owned() });
        };
        let missing: Vec<String> = known.try_get("missing")?;
        match missing.into_iter().next() {
            Some(table) => Err(CatalogError::UnknownTable { schema: known.try_get("schema")?, table }),
            None => Ok(Self {
                schema: known.try_get("quoted_schema")?,
                has_outcomes: known.try_get("has_outcomes")?,
            }),
        }
    }

    /// Rows of `affinity_nodes`. `$1` to `$3` are declared and unused, so that all statements bind alike.
    #[must_use]
    pub fn nodes(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "SELECT v.kind, v.id, v.attributes::text AS attributes, v.audience, v.principals, v.anchor_table, \
             v.anchor_id, $1::text, $2::text, $3::text[] FROM {}.affinity_nodes v{}",
            self.schema,
            rows.condition()
        ))
    }

    /// Rows of `affinity_edges`, and the feedback of platform `$1` on the matchers `$3` (`text[]`); `$2` is declared
    /// and unused, so that all statements bind alike.
    #[must_use]
    pub fn edges(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "SELECT v.relation, v.source, v.target, v.origin, v.weight, v.at, v.attributes::text AS attributes, \
             v.audience, v.anchor_table, v.anchor_id, $2::text FROM (\
             SELECT relation, source, target, origin, weight, at, attributes, audience, anchor_table, anchor_id \
             FROM {}.affinity_edges UNION ALL \
             SELECT relation, source, target, origin, weight, at, attributes, audience, anchor_table, anchor_id \
             FROM affinity.feedback_edges WHERE platform = $1 AND matcher = ANY($3)) v{}",
            self.schema,
            rows.condition()
        ))
    }

    /// Rows of `affinity_texts` for platform `$1` (`$3` declared and unused), each with the vector that model `$2` made from that very text;
    /// the text itself comes only where there is none.
    #[must_use]
    pub fn texts(&self, rows: ProjectionRows) -> AssertSqlSafe<String> {
        // LIMIT keeps this a look-up per row: joined, a few texts could be matched against all vectors there are.
        AssertSqlSafe(format!(
            "SELECT v.kind, v.id, v.space, hashed.text_hash, known.vector, \
             CASE WHEN known.vector IS NULL THEN v.text END AS text, v.audience, v.anchor_table, v.anchor_id, $3::text[] AS unused \
             FROM {}.affinity_texts v \
             CROSS JOIN LATERAL (SELECT sha256(convert_to(v.text, 'UTF8')) AS text_hash) hashed \
             LEFT JOIN LATERAL (SELECT stored.vector FROM affinity.vectors stored \
             WHERE stored.platform = $1 AND stored.kind = v.kind AND stored.id = v.id AND stored.space = v.space \
             AND stored.model = $2 AND stored.text_hash = hashed.text_hash LIMIT 1) known ON true{}",
            self.schema,
            rows.condition()
        ))
    }

    /// What became of past matches of matcher `$2` of platform `$1`, oldest first: `source`, `target`, `label`, `at`.
    #[must_use]
    pub fn outcomes(&self) -> AssertSqlSafe<String> {
        let feedback = "SELECT source, target, label, at FROM affinity.feedback_outcomes \
                        WHERE platform = $1 AND matcher = $2";
        let own = match self.has_outcomes {
            true => format!(
                "SELECT source, target, label, at FROM {}.affinity_outcomes WHERE matcher = $2 UNION ALL ",
                self.schema
            ),
            false => String::new(),
        };
        AssertSqlSafe(format!(
            "SELECT source, target, label, at FROM ({own}{feedback}) o \
             WHERE label IS NOT NULL AND at IS NOT NULL ORDER BY at, source, target, label"
        ))
    }

    /// Deletes the vectors of platform `$1` whose text is gone.
    #[must_use]
    pub fn forget_orphans(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!(
            "DELETE FROM affinity.vectors stored WHERE stored.platform = $1 AND NOT EXISTS (SELECT FROM \
             {}.affinity_texts v WHERE v.kind = stored.kind AND v.id = stored.id AND v.space = stored.space)",
            self.schema
        ))
    }
}

/// As PostgreSQL's `quote_ident`, for files that are made without a database.
fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::LoadScript;

    #[test]
    fn load_script_quotes_every_name() {
        let mut script = LoadScript::new("a\"b");
        script.add_table("order", &["from", "to"]);
        let expected =
            "\\copy \"a\"\"b\".\"order\" (\"from\", \"to\") from 'order.csv' with (format csv, header true)";
        assert!(script.finish().contains(expected));
    }
}
