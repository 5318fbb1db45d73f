use std::sync::Arc;

use super::answer::AnswerStatement;
use super::rows::Scope;
use super::statement::Statement;
use super::tree::{Base, Embed, Join, OrderValue, OutputValue, Predicate, Rows, Value};
use crate::catalog::model::Identifier;

/// Counts rows up, and down again for those that were there already; the same in every statement.
const COUNT_UP: &str = "set_config('affinity.inserted', (coalesce(nullif(current_setting('affinity.inserted', true), ''), '0')::int8 + 1)::text, true) <> ''";
const COUNT_DOWN: &str = "set_config('affinity.inserted', (coalesce(nullif(current_setting('affinity.inserted', true), ''), '0')::int8 - 1)::text, true) <> ''";

/// One statement that writes rows and answers with them.
///
/// Its row is that of an [`AnswerStatement`], where `fetched` counts rows written, and besides `location` (`text[]`: the
/// key of a written row) and `inserted` (`bigint`, NULL unless rows may have been there already).
#[derive(Clone, Debug)]
pub struct WriteStatement {
    /// The table's schema.
    pub schema: Identifier,
    /// The table.
    pub name: Identifier,
    /// What to do.
    pub write: Write,
    /// Columns of the written rows that `answer` and `location` need.
    pub returning: Vec<Identifier>,
    /// The key to tell the row's place by, when that is asked for.
    pub location: Vec<Identifier>,
    /// What to answer with, when that is asked for: its rows come from [`Source::Given`](super::tree::Source::Given).
    pub answer: Option<AnswerStatement>,
}

/// What a [`WriteStatement`] does.
#[derive(Clone, Debug)]
pub enum Write {
    /// Adds rows.
    Insert {
        /// Which.
        given: Given,
        /// What to do with those that are there.
        conflict: Option<Conflict>,
        /// What must hold for the rows.
        predicates: Vec<Predicate>,
    },
    /// Adds rows of defaults alone.
    InsertDefaults {
        /// How many.
        row_count: usize,
        /// Any column that takes its default.
        column: Identifier,
    },
    /// Changes the rows for which all predicates hold.
    Update {
        /// To this.
        given: Given,
        /// Which.
        predicates: Vec<Predicate>,
    },
    /// Removes the rows for which all predicates hold.
    Delete {
        /// Which.
        predicates: Vec<Predicate>,
    },
}

/// Rows in JSON, read by PostgreSQL.
#[derive(Clone, Debug)]
pub struct Given {
    /// An array of objects.
    pub json: String,
    /// Whether the client sent an array, rather than one object.
    pub is_array: bool,
    /// The keys that count.
    pub columns: Vec<GivenColumn>,
}

/// A key of [`Given`] rows.
#[derive(Clone, Debug)]
pub struct GivenColumn {
    /// The column, and the key.
    pub name: Identifier,
    /// Its type, as SQL.
    pub sql_type: Arc<str>,
    /// Whether it is `json` or `jsonb`, in which null is a value.
    pub is_json: bool,
    /// What stands for a missing key, as the catalog's SQL; NULL when there is none.
    pub default: Option<String>,
}

/// What to do with rows whose key is there.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// The key's columns.
    pub columns: Vec<Identifier>,
    /// Whether they are changed; otherwise they stay.
    pub merges: bool,
}

impl WriteStatement {
    /// The SQL.
    #[must_use]
    pub fn render(&self) -> Statement {
        let mut sql = Statement::default();
        sql.push("WITH ");
        match &self.write {
            Write::Insert { given, .. } | Write::Update { given, .. } => {
                sql.given(given);
                sql.push(", ");
            }
            Write::InsertDefaults { .. } | Write::Delete { .. } => {}
        }
        sql.push("changed AS (");
        self.write(&mut sql);
        sql.push(")");
        AnswerStatement::render_written(&mut sql, self.answer.as_ref(), "changed");
        sql.push(", ");
        if self.location.is_empty() {
            sql.push("NULL::text[]");
        } else {
            sql.push("(SELECT array[");
            sql.separated(", ", &self.location, |sql, column| {
                sql.name(column).push("::text");
            });
            sql.push("] FROM changed LIMIT 1)");
        }
        let counts =
            matches!(&self.write, Write::Insert { conflict: Some(Conflict { merges: true, .. }), .. });
        sql.push(" AS location, ");
        sql.push(if counts {
            "nullif(current_setting('affinity.inserted', true), '')::int8"
        } else {
            "NULL::int8"
        });
        sql.push(" AS inserted");
        sql
    }

    fn write(&self, sql: &mut Statement) {
        let alias = sql.alias();
        let scope = Scope { alias, row_type: None, embeds: &[] };
        match &self.write {
            Write::Insert { given, conflict, predicates } => {
                sql.push("INSERT INTO ")
                    .qualified(&self.schema, &self.name)
                    .push(" AS ")
                    .at('w', alias)
                    .push(" (");
                names(sql, given, "");
                sql.push(") SELECT ");
                names(sql, given, "t");
                sql.push(" FROM given AS ").at('t', alias).push(" WHERE true");
                for predicate in predicates {
                    sql.push(" AND ");
                    sql.predicate(predicate, scope);
                }
                if let Some(conflict) = conflict {
                    if conflict.merges {
                        sql.push(" AND ").push(COUNT_UP);
                    }
                    on_conflict(sql, conflict, given);
                }
                self.returning(sql, "w");
            }
            Write::InsertDefaults { row_count, column } => {
                sql.push("INSERT INTO ").qualified(&self.schema, &self.name).push(" AS ").at('w', alias);
                if *row_count == 1 {
                    sql.push(" DEFAULT VALUES");
                } else {
                    sql.push(" (").name(column).push(") VALUES ");
                    sql.separated(", ", 0..*row_count, |sql, _| {
                        sql.push("(DEFAULT)");
                    });
                }
                self.returning(sql, "w");
            }
            Write::Update { given, predicates } => {
                sql.push("UPDATE ")
                    .qualified(&self.schema, &self.name)
                    .push(" AS ")
                    .at('t', alias)
                    .push(" SET ");
                sql.separated(", ", &given.columns, |sql, column| {
                    sql.name(&column.name).push(" = given.").name(&column.name);
                });
                sql.push(" FROM given WHERE true");
                for predicate in predicates {
                    sql.push(" AND ");
                    sql.predicate(predicate, scope);
                }
                self.returning(sql, "t");
            }
            Write::Delete { predicates } => {
                sql.push("DELETE FROM ").qualified(&self.schema, &self.name).push(" AS ").at('t', alias);
                sql.push(" WHERE true");
                for predicate in predicates {
                    sql.push(" AND ");
                    sql.predicate(predicate, scope);
                }
                self.returning(sql, "t");
            }
        }
    }

    fn returning(&self, sql: &mut Statement, letter: &str) {
        sql.push(" RETURNING ");
        if self.returning.is_empty() {
            sql.push("1 AS row");
        }
        // The statement's first alias is the table's.
        sql.separated(", ", &self.returning, |sql, column| {
            sql.push(letter).push("1.").name(column);
        });
    }
}

/// The columns of `given`, qualified by its alias when a letter is given.
fn names(sql: &mut Statement, given: &Given, letter: &str) {
    sql.separated(", ", &given.columns, |sql, column| {
        if !letter.is_empty() {
            sql.push(letter).push("1.");
        }
        sql.name(&column.name);
    });
}

fn on_conflict(sql: &mut Statement, conflict: &Conflict, given: &Given) {
    sql.push(" ON CONFLICT (");
    sql.separated(", ", &conflict.columns, |sql, column| {
        sql.name(column);
    });
    if conflict.merges {
        sql.push(") DO UPDATE SET ");
        sql.separated(", ", &given.columns, |sql, column| {
            sql.name(&column.name).push(" = EXCLUDED.").name(&column.name);
        });
        sql.push(" WHERE ").push(COUNT_DOWN);
    } else {
        sql.push(") DO NOTHING");
    }
}

impl Statement {
    /// The part `given` of a statement: rows in JSON, in the columns' types.
    pub(in crate::catalog) fn given(&mut self, given: &Given) {
        self.push("given AS (SELECT ");
        self.separated(", ", &given.columns, |sql, column| {
            if column.default.is_some() {
                sql.push("(SELECT CASE WHEN (b.value -> ").bind(column.name.name().to_owned(), "text");
                sql.push(") IS NULL THEN d.value ELSE ");
            }
            if column.is_json {
                // A record would make null of it.
                sql.push("(b.value -> ").bind(column.name.name().to_owned(), "text").push(")::");
                sql.push(&column.sql_type);
            } else {
                sql.push("x.").name(&column.name);
            }
            if let Some(default) = &column.default {
                // Evaluated for every row, needed or not: PostgREST's clients count on the numbers that it takes.
                sql.push(" END FROM (SELECT (").push(default).push(") AS value OFFSET 0) AS d)");
            }
            sql.push(" AS ").name(&column.name);
        });
        self.push(" FROM ");
        self.given_rows(given, |column| !column.is_json);
        self.push(" ORDER BY b.place)");
    }

    fn given_rows(&mut self, given: &Given, is_wanted: impl Fn(&GivenColumn) -> bool) {
        self.push("json_array_elements(").bind(given.json.clone(), "json");
        self.push(") WITH ORDINALITY AS b(value, place)");
        let plain: Vec<&GivenColumn> = given.columns.iter().filter(|column| is_wanted(column)).collect();
        if !plain.is_empty() {
            self.push(" CROSS JOIN LATERAL json_to_record(b.value) AS x(");
            self.separated(", ", plain, |sql, column| {
                sql.name(&column.name).push(" ").push(&column.sql_type);
            });
            self.push(")");
        }
    }
}

impl Given {
    /// A statement that fails when a value of this column is not of its type.
    #[must_use]
    pub fn column_check(&self, column: &GivenColumn) -> Statement {
        let mut sql = Statement::default();
        sql.push("SELECT max(length(x.").name(&column.name).push("::text)) FROM ");
        sql.given_rows(self, |other| other.name == column.name);
        sql
    }
}

impl Rows {
    /// The columns of their source that rows need; `None` when they need the whole row.
    #[must_use]
    pub fn own_columns(&self) -> Option<Vec<Identifier>> {
        let mut columns = Vec::new();
        let mut values: Vec<&Value> = Vec::new();
        for output in &self.outputs {
            if let OutputValue::Own { value, .. } = &output.value {
                values.push(value);
            }
        }
        for order in &self.order {
            if let OrderValue::Own(value) = &order.by {
                values.push(value);
            }
        }
        self.predicates.iter().for_each(|predicate| own_values(predicate, &mut values));
        for Embed { join, .. } in &self.embeds {
            match join {
                Join::Columns(pairs) | Join::Junction { near: pairs, .. } => {
                    columns.extend(pairs.iter().map(|(ours, _)| ours.clone()));
                }
                Join::Function => return None,
            }
        }
        for value in values {
            match &value.base {
                Base::Column(name) => columns.push(name.clone()),
                Base::Function { .. } => return None,
            }
        }
        columns.sort();
        columns.dedup();
        Some(columns)
    }
}

fn own_values<'p>(predicate: &'p Predicate, values: &mut Vec<&'p Value>) {
    match predicate {
        Predicate::Compare { value, .. } => values.push(value),
        Predicate::Related { .. } => {}
        Predicate::All { parts, .. } | Predicate::Any { parts, .. } => {
            parts.iter().for_each(|part| own_values(part, values));
        }
        Predicate::After(keys) => values.extend(keys.iter().map(|key| &key.value)),
    }
}
