use axum::http::StatusCode;
use axum::response::Response;

use super::answer::{Answer, Page};
use super::ask::Ask;
use super::etag::version_value;
use super::execute::{Found, Work};
use super::plan::{Table, nearest};
use super::request::{CountKind, Field, Format, PARAMETERS, Query, Window};
use crate::auth::Access;
use crate::catalog::{AnswerStatement, Rows, Shape};
use crate::problem::Problem;

impl Ask<'_> {
    /// The rows of a table or view.
    pub(super) async fn read(&self, table: &str) -> Result<Response, Problem> {
        let format = self.format()?;
        let query = self.query().map_err(|problem| self.misnamed(table).unwrap_or(problem))?;
        let planner = self.planner();
        let id = planner.find_table(table)?;
        let rows = planner.rows(planner.table(id), planner.source(id), &query)?;
        self.list(planner.table(id), &query, rows, format).await
    }

    /// The query string, and the header `Range`, understood.
    pub(super) fn query(&self) -> Result<Query, Problem> {
        let mut query = Query::parse(&self.pairs, &self.rest.settings().limits)?;
        self.apply_range(&mut query)?;
        Ok(query)
    }

    /// What is wrong with a query string that cannot be read, when it is a name: the first parameter that is neither
    /// one of the grammar nor a column. Lenient callers hear what PostgREST says.
    fn misnamed(&self, table: &str) -> Option<Problem> {
        let planner = self.planner();
        let table = planner.table(planner.find_table(table).ok().filter(|_| self.is_strict())?);
        let is_known = |name: &str| {
            let field = Field { name: name.to_owned(), path: Vec::new() };
            PARAMETERS.contains(&name)
                || name.contains(['.', '-', '"'])
                || planner.value(table, &field).is_ok()
        };
        let name = self.pairs.iter().map(|(name, _)| name.as_str()).find(|name| !is_known(name))?;
        let columns = planner.all_columns(table).map(|column| column.name.name());
        let allowed: Vec<&str> = PARAMETERS.into_iter().chain(columns).collect();
        let message = format!("\"{name}\" is neither a parameter nor a column of \"{}\"", table.name);
        let problem = Problem::rest(StatusCode::BAD_REQUEST, "PGRST100", message);
        let problem = match nearest(name, allowed.iter().copied()) {
            Some(near) => problem.hint(format!("Perhaps you meant \"{near}\"")),
            None => problem,
        };
        Some(problem.allowed(allowed))
    }

    pub(super) fn apply_range(&self, query: &mut Query) -> Result<(), Problem> {
        if let Some(range) = Window::from_range(&self.parts.headers)? {
            query.window = query.window.within(range)?;
        }
        Ok(())
    }

    async fn list(
        &self,
        table: Table<'_>,
        query: &Query,
        mut rows: Rows,
        format: Format,
    ) -> Result<Response, Problem> {
        let keys = self.paginate(table, query, &mut rows)?;
        let version = table.relation.and_then(|id| version_value(self.catalog.relation(id)));
        let version = version.filter(|_| !rows.is_grouped());
        let count = self.count_kind(&rows).await?;
        let statement = AnswerStatement {
            rows,
            count: count.filter(|kind| *kind != CountKind::Planned),
            format,
            rows_max: self.rows_max(),
            keys: keys.values.iter().cloned().chain(version.clone()).collect(),
            shape: Shape::Rows,
        };
        if let Format::Plan { form, options } = &statement.format {
            let plan = self.lines(&statement.render().explained(options, *form), Access::Read).await?;
            return Ok(Answer::new(StatusCode::OK, &statement.format).body(plan).finish(self));
        }
        let planned = match count {
            None | Some(CountKind::Exact) => None,
            Some(CountKind::Planned) => Some((statement.planned_count(), 0)),
            Some(CountKind::Estimated) => Some((statement.planned_count(), self.rows_max())),
        };
        let check = |found: &Found| check_singular(&statement.format, found);
        let work = Work { statement: statement.render(), planned, given: None, check: &check };
        let mut found = self.execute(&work).await?;
        // The version came as one more key.
        let version = version.and_then(|_| found.last_keys.as_mut()?.pop()?).filter(|_| found.fetched == 1);
        let window = Window { limit: statement.rows.limit, offset: statement.rows.offset };
        let page = Page::new(window, self.rows_max(), &found)?;
        let mut answer =
            Answer::new(page.status(), &statement.format).page(&page).applied_count(count.is_some(), self);
        if page.has_more() {
            answer = answer.next(&self.next_page(&keys, found.last_keys.as_deref(), page.next_offset()));
        }
        Ok(answer.of(found)?.tagged(self, version.as_deref()).finish(self))
    }

    /// How rows are counted. Plans tell of rows that policies hide, so then they are counted one by one.
    async fn count_kind(&self, rows: &Rows) -> Result<Option<CountKind>, Problem> {
        match self.preferences.count {
            kind @ (None | Some(CountKind::Exact)) => Ok(kind),
            Some(kind) => {
                let is_open = self.sees_all(&rows.relations()).await?;
                Ok(Some(if is_open { kind } else { CountKind::Exact }))
            }
        }
    }
}

/// Refuses anything but one row where an object is asked for.
pub(super) fn check_singular(format: &Format, found: &Found) -> Result<(), Problem> {
    if !matches!(format, Format::Object { .. }) || found.fetched == 1 {
        return Ok(());
    }
    let message = "Cannot coerce the result to a single JSON object";
    Err(Problem::rest(StatusCode::NOT_ACCEPTABLE, "PGRST116", message)
        .details(format!("The result contains {} rows", found.fetched)))
}
