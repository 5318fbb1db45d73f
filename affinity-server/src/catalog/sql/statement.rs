use std::fmt::Write as _;

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};

use crate::catalog::model::{Identifier, ServedPlatform};

/// SQL with its values beside it: names are quoted, values are always bound, as text that the SQL casts.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    text: String,
    values: Vec<Bound>,
    alias_count: u32,
}

/// A bound value.
#[derive(Clone, Debug)]
struct Bound {
    value: Option<String>,
    sql_type: String,
    /// The column that it is compared or written to, when it is the client's.
    column: Option<String>,
}

/// Whether one value is of its type.
#[derive(Clone, Debug)]
pub struct ValueCheck {
    /// The column that it was given for.
    pub column: String,
    /// A statement that fails when it is not.
    pub statement: Statement,
}

impl Statement {
    /// The SQL.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is bound to `$1` and on.
    pub fn values(&self) -> impl Iterator<Item = Option<&str>> {
        self.values.iter().map(|bound| bound.value.as_deref())
    }

    /// A check for each value that the client gave for a column, in order.
    #[must_use]
    pub fn value_checks(&self) -> Vec<ValueCheck> {
        let named = self.values.iter().filter_map(|bound| bound.column.clone().map(|column| (column, bound)));
        let check = |(column, bound): (String, &Bound)| {
            let mut statement = Self::default();
            statement.push("SELECT ").bind(bound.value.clone(), &bound.sql_type);
            ValueCheck { column, statement }
        };
        named.map(check).collect()
    }

    /// Ready to run.
    pub fn query(self) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, bound| query.bind(bound.value))
    }

    /// The same behind `EXPLAIN` with these options.
    #[must_use]
    pub fn explained(&self, options: &[&'static str], is_json: bool) -> Self {
        let mut explained = self.clone();
        let options: String = options.iter().map(|option| format!(", {option}")).collect();
        let format = if is_json { "JSON" } else { "TEXT" };
        explained.text.insert_str(0, &format!("EXPLAIN (FORMAT {format}{options}) "));
        explained
    }

    pub(in crate::catalog) fn push(&mut self, sql: &str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    pub(in crate::catalog) fn number(&mut self, number: impl Into<i64>) -> &mut Self {
        let _ = write!(self.text, "{}", number.into()); // a `String` takes everything
        self
    }

    pub(in crate::catalog) fn name(&mut self, name: &Identifier) -> &mut Self {
        self.text.push_str(&name.quoted());
        self
    }

    /// `"schema"."name"`
    pub(in crate::catalog) fn qualified(&mut self, schema: &Identifier, name: &Identifier) -> &mut Self {
        self.name(schema).push(".").name(name)
    }

    /// A parameter with this value, cast to `sql_type`, which comes from the catalog or this crate.
    pub(in crate::catalog) fn bind(&mut self, value: impl Into<Option<String>>, sql_type: &str) -> &mut Self {
        self.values.push(Bound { value: value.into(), sql_type: sql_type.to_owned(), column: None });
        let place = self.values.len();
        let _ = match sql_type {
            "text" => write!(self.text, "${place}::text"),
            _ => write!(self.text, "(${place}::text)::{sql_type}"),
        };
        self
    }

    /// The same, for the column of this name.
    pub(in crate::catalog) fn bind_for(
        &mut self,
        column: &Identifier,
        value: impl Into<Option<String>>,
        sql_type: &str,
    ) -> &mut Self {
        self.bind(value, sql_type);
        if let Some(bound) = self.values.last_mut() {
            bound.column = Some(column.name().to_owned());
        }
        self
    }

    /// The items with `between` between them.
    pub(in crate::catalog) fn separated<T>(
        &mut self,
        between: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (place, item) in items.into_iter().enumerate() {
            if place > 0 {
                self.push(between);
            }
            each(self, item);
        }
        self
    }

    /// A name for a table in this statement that no other has; user columns are always qualified by one.
    pub(in crate::catalog) fn alias(&mut self) -> Alias {
        self.alias_count += 1;
        Alias(self.alias_count)
    }

    pub(in crate::catalog) fn at(&mut self, kind: char, alias: Alias) -> &mut Self {
        let _ = write!(self.text, "{kind}{}", alias.0);
        self
    }
}

/// A table's name within one statement.
#[derive(Clone, Copy, Debug)]
pub(in crate::catalog) struct Alias(u32);

/// Gives settings their values for the rest of the transaction, one after the other.
#[must_use]
pub fn set_locally(settings: &[(&str, String)]) -> Statement {
    let mut sql = Statement::default();
    sql.push("SELECT ");
    sql.separated(", ", settings, |sql, (name, value)| {
        sql.push("set_config(").bind((*name).to_owned(), "text");
        sql.push(", ").bind(value.clone(), "text").push(", true)");
    });
    sql
}

/// Where functions and types without a schema are looked for in a request to `schema`, as `search_path` wants it.
#[must_use]
pub fn search_path(platform: &ServedPlatform, schema: &Identifier) -> String {
    // Plans show it, and are compared with PostgREST's: a schema that is in both stands there twice.
    let extra = platform.settings.extra_search_path.iter();
    let quoted = extra.map(|extra| Identifier::known(extra).quoted());
    std::iter::once(schema.quoted()).chain(quoted).collect::<Vec<_>>().join(", ")
}
