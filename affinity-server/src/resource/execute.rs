use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::ask::Ask;
use super::failure::{Failure, pointer_part};
use super::retry::wait_apart;
use crate::auth::{Access, begin_as};
use crate::catalog::{Given, Statement};
use crate::problem::Problem;

/// What a transaction is to do.
pub(super) struct Work<'w> {
    /// The one statement.
    pub(super) statement: Statement,
    /// Whether it writes.
    pub(super) access: Access,
    /// Whether the transaction commits.
    pub(super) commits: bool,
    /// A statement whose plan says how many rows there are, and above which count it is asked.
    pub(super) planned: Option<(Statement, u64)>,
    /// The rows that it writes, to find a bad value in.
    pub(super) given: Option<&'w Given>,
    /// Whether what was found may stand; otherwise nothing has happened.
    pub(super) check: &'w (dyn Fn(&Found) -> Result<(), Problem> + Sync),
}

/// What a statement gave.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// All rows there are, when they were counted.
    pub(super) total: Option<u64>,
    /// Rows found: one more than are given when there are more.
    pub(super) fetched: u64,
    /// The answer's body.
    pub(super) body: String,
    /// The cursor keys of the last row.
    pub(super) last_keys: Option<Vec<Option<String>>>,
    /// What a function left in `response.headers`.
    pub(super) headers: Option<String>,
    /// What a function left in `response.status`.
    pub(super) status: Option<String>,
    /// Which embedded rows were cut.
    pub(super) truncated: Option<String>,
    /// The key of a written row, when it was asked for.
    pub(super) location: Option<Vec<Option<String>>>,
    /// Rows inserted, of those written.
    pub(super) inserted: Option<u64>,
}

impl Found {
    pub(super) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let number = |value: Option<i64>| value.map(|value| u64::try_from(value).unwrap_or(0));
        Ok(Self {
            total: number(row.try_get("total")?),
            fetched: number(row.try_get("fetched")?).unwrap_or(0),
            body: row.try_get::<Option<String>, _>("body")?.unwrap_or_default(),
            last_keys: row.try_get("last_keys")?,
            headers: row.try_get("response_headers")?,
            status: row.try_get("response_status")?,
            truncated: row.try_get("truncated")?,
            location: row.try_get("location").unwrap_or_default(), // of writes alone
            inserted: number(row.try_get("inserted").unwrap_or_default()),
        })
    }
}

impl Ask<'_> {
    /// Does the work as the caller; again, some times, when it lost against another transaction.
    pub(super) async fn execute(&self, work: &Work<'_>) -> Result<Found, Problem> {
        let mut attempt = 1;
        loop {
            match self.attempt(work).await {
                Err(failure) if failure.is_conflict() && attempt < self.rest.settings().attempts_max => {
                    wait_apart(attempt).await;
                    attempt += 1;
                }
                Err(failure) => return Err(self.explain(failure, &work.statement, work.given).await),
                Ok(found) => return Ok(found),
            }
        }
    }

    async fn attempt(&self, work: &Work<'_>) -> Result<Found, Failure> {
        let mut transaction =
            begin_as(self.rest.pool(), &self.caller, &self.request_settings(work.access)).await?;
        let row = work.statement.clone().query().fetch_one(&mut *transaction).await?;
        let mut found = Found::from_row(&row)?;
        if let Some((statement, above)) = &work.planned
            && found.total.is_none_or(|total| total > *above)
        {
            let planned = planned_rows(&mut transaction, statement).await?;
            found.total = Some(found.total.map_or(planned, |counted| counted.max(planned)));
        }
        (work.check)(&found)?;
        if work.commits && work.access == Access::Write {
            transaction.commit().await?;
        } else {
            drop(transaction); // rolled back on its way to the pool: nobody waits for it
        }
        Ok(found)
    }

    /// The lines that a statement gives in its one column, as the caller, changing nothing.
    pub(super) async fn lines(&self, statement: &Statement, access: Access) -> Result<String, Problem> {
        let run = async || -> Result<String, Failure> {
            let mut transaction =
                begin_as(self.rest.pool(), &self.caller, &self.request_settings(access)).await?;
            let rows = statement.clone().query().fetch_all(&mut *transaction).await?;
            transaction.rollback().await?;
            let lines: Result<Vec<String>, _> = rows.iter().map(plan_line).collect();
            Ok(lines?.join("\n"))
        };
        match run().await {
            Ok(lines) => Ok(lines),
            Err(failure) => Err(self.explain(failure, statement, None).await),
        }
    }

    /// Whether no policy hides rows of these relations, by schema and name, from the caller.
    pub(super) async fn sees_all(&self, relations: &BTreeSet<(String, String)>) -> Result<bool, Problem> {
        let (schemas, names): (Vec<_>, Vec<_>) = relations.iter().cloned().unzip();
        let run = async || -> Result<bool, Failure> {
            let settings = self.request_settings(Access::Read);
            let mut transaction = begin_as(self.rest.pool(), &self.caller, &settings).await?;
            let is_open: Option<bool> = sqlx::query_scalar(
                "SELECT count(*) = cardinality($1::text[]) AND bool_and(c.relkind IN ('r', 'p', 'm') AND NOT row_security_active(c.oid)) \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
            )
            .bind(schemas.clone())
            .bind(names.clone())
            .fetch_one(&mut *transaction)
            .await?;
            transaction.rollback().await?;
            Ok(is_open.unwrap_or(false))
        };
        run().await.map_err(|failure| failure.into_problem(&self.caller))
    }

    /// The problem that a failure is; where the database blames no place, it is looked for.
    pub(super) async fn explain(
        &self,
        failure: Failure,
        statement: &Statement,
        given: Option<&Given>,
    ) -> Problem {
        let code = failure.code();
        if matches!(code.as_deref(), Some("42703" | "42P01" | "42883" | "42704")) {
            self.rest.suspect_catalog(); // the plan names only what the catalog has
        }
        let problem = failure.into_problem(&self.caller);
        if !matches!(code.as_deref(), Some("22P02" | "22001" | "22003" | "22007" | "22008")) {
            return problem;
        }
        let in_body = match given {
            Some(given) => self.bad_place(given).await,
            None => None,
        };
        let bad = match in_body {
            Some(bad) => Some(bad),
            None => self.bad_value(statement).await,
        };
        let Some(bad) = bad else { return problem };
        let detail = problem.detail().to_owned();
        problem.at(bad, detail)
    }

    /// The first value of the statement that its type does not take, by what it was given for.
    async fn bad_value(&self, statement: &Statement) -> Option<String> {
        for check in statement.value_checks() {
            if !self.holds(&check.statement).await {
                return Some(format!("/{}", pointer_part(&check.column)));
            }
        }
        None
    }

    /// Whether PostgreSQL runs a statement that reads nothing but its own values.
    pub(super) async fn holds(&self, statement: &Statement) -> bool {
        let settings = self.request_settings(Access::Read);
        let Ok(mut transaction) = begin_as(self.rest.pool(), &self.caller, &settings).await else {
            return true;
        };
        let ran = statement.clone().query().fetch_optional(&mut *transaction).await;
        ran.is_ok() && transaction.rollback().await.is_ok()
    }
}

/// A line of a plan, which comes as text or, in JSON, as `json`.
fn plan_line(row: &PgRow) -> Result<String, sqlx::Error> {
    row.try_get::<String, _>(0)
        .or_else(|_| row.try_get::<serde_json::Value, _>(0).map(|plan| plan.to_string()))
}

async fn planned_rows(connection: &mut PgConnection, statement: &Statement) -> Result<u64, sqlx::Error> {
    let row = statement.clone().query().fetch_one(connection).await?;
    let plan: serde_json::Value = row.try_get(0)?;
    Ok(plan.pointer("/0/Plan/Plan Rows").and_then(serde_json::Value::as_u64).unwrap_or(0))
}
