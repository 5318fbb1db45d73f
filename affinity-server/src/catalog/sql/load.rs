use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::error::CatalogError;

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
