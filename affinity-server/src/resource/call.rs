use axum::body::Body as HttpBody;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use sqlx::PgConnection;

use super::answer::{Answer, Page};
use super::ask::Ask;
use super::body::{Body, check_value};
use super::execute::{Found, Work};
use super::listing::Keys;
use super::payload::{bad_body, refuse_mistakes};
use super::plan::WholeBody;
use super::read::check_singular;
use super::request::{BodyForm, CountKind, Format, Query, Window};
use super::transact::{Failed, Job};
use crate::auth::Access;
use crate::catalog::{
    AnswerStatement, Argument, CallArgument, CallArguments, CallStatement, Function, Given, GivenColumn,
    Returns, Rows, Shape, Source, array_literal,
};
use crate::problem::Problem;

/// A call in the catalog's names.
#[derive(Debug)]
pub(super) struct PlannedCall<'a> {
    function: &'a Function,
    statement: CallStatement,
    keys: Keys,
}

impl Ask<'_> {
    /// Calls a function.
    pub(super) async fn call(&self, name: &str, body: HttpBody) -> Result<Response, Problem> {
        let text = match self.parts.method {
            Method::GET | Method::HEAD => None,
            Method::POST => Some(self.body_text(body).await?),
            _ => {
                let message = format!("Cannot use the {} method on RPC", self.parts.method);
                return Err(Problem::rest(StatusCode::METHOD_NOT_ALLOWED, "PGRST101", message));
            }
        };
        let planned = self.plan_call(name, text.as_deref())?;
        let writes = planned.function.is_volatile && text.is_some();
        let access = if writes { Access::Write } else { Access::Read };
        let format = &planned.statement.answer.format;
        if let Format::Plan { is_json, options } = format {
            let explained = planned.statement.render().explained(options, *is_json);
            let plan = self.lines(&explained, access).await?;
            return Ok(Answer::new(StatusCode::OK, format).body(plan).finish(self));
        }
        if writes {
            return self
                .transact(Job::Call { call: &planned, text: text.as_deref().unwrap_or_default() })
                .await;
        }
        let work = Work {
            statement: planned.statement.render(),
            access,
            commits: true,
            planned: None,
            given: planned.given(),
            check: &|found| self.check_called(&planned, found),
        };
        let found = self.execute(&work).await?;
        Ok(self.called(&planned, found)?.finish(self))
    }

    /// What is called, by the parameters of a GET or by the body of a POST.
    pub(super) fn plan_call(&self, name: &str, text: Option<&str>) -> Result<PlannedCall<'_>, Problem> {
        let (function, arguments, query) = match text {
            None => self.texts(name)?,
            Some(text) => self.body_arguments(name, text)?,
        };
        if self.preferences.affected_max.is_some() && self.is_strict() && !gives_set(function) {
            let message = "Function must return SETOF or TABLE when max-affected preference is used with \
                           handling=strict";
            return Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST128", message));
        }
        let format = self.call_format(function)?;
        let returned = self.planner().returned(function, &query)?;
        let (shape, mut answer_rows, keys) = match returned {
            None => (Shape::Row, Rows::all(Source::Given { row_type: None }), Keys::default()),
            Some((table, mut rows, shape)) => {
                let keys = match shape {
                    Shape::Rows => self.paginate(table, &query, &mut rows)?,
                    Shape::Row | Shape::Values | Shape::Value => Keys::default(),
                };
                (shape, rows, keys)
            }
        };
        if matches!(shape, Shape::Row | Shape::Value) {
            (answer_rows.limit, answer_rows.offset) = (None, 0);
        }
        let answer = AnswerStatement {
            rows: answer_rows,
            // What a function gives has no plan of its own to count by.
            count: self.preferences.count.map(|_| CountKind::Exact),
            format,
            rows_max: self.rows_max(),
            keys: keys.values.clone(),
            shape,
        };
        let statement =
            CallStatement { schema: function.schema.clone(), name: function.name.clone(), arguments, answer };
        Ok(PlannedCall { function, statement, keys })
    }

    /// Calls in a transaction of the caller's.
    pub(super) async fn perform_call(
        &self,
        connection: &mut PgConnection,
        planned: &PlannedCall<'_>,
    ) -> Result<Answer, Failed> {
        let sql = planned.statement.render();
        let row = sql.clone().query().fetch_one(connection).await;
        let found = row.and_then(|row| Found::from_row(&row));
        let found = found.map_err(|error| Failed::of(error, sql, planned.given()))?;
        self.check_called(planned, &found)?;
        Ok(self.called(planned, found)?)
    }

    fn check_called(&self, planned: &PlannedCall<'_>, found: &Found) -> Result<(), Problem> {
        let answer = &planned.statement.answer;
        if matches!(answer.shape, Shape::Rows) {
            check_singular(&answer.format, found)?;
        }
        self.check_affected(found.fetched)
    }

    fn called(&self, planned: &PlannedCall<'_>, found: Found) -> Result<Answer, Problem> {
        if matches!(planned.function.returns, Returns::Void) {
            return Answer::empty(StatusCode::NO_CONTENT).of(Found { body: String::new(), ..found });
        }
        let answer = &planned.statement.answer;
        let window = Window { limit: answer.rows.limit, offset: answer.rows.offset };
        let page = Page::new(window, answer.rows_max, &found)?;
        let mut sent = Answer::new(page.status(), &answer.format)
            .page(&page)
            .applied_count(answer.count.is_some(), self);
        if page.has_more() && self.parts.method != Method::POST {
            let next = self.next_page(&planned.keys, found.last_keys.as_deref(), page.next_offset());
            sent = sent.next(&next);
        }
        sent.of(found)
    }

    /// JSON and its kin; a text as it is where the function gives one.
    fn call_format(&self, function: &Function) -> Result<Format, Problem> {
        let gives = |base: &str| match &function.returns {
            Returns::Value { data_type, .. } => !data_type.is_array && &*data_type.base == base,
            _ => false,
        };
        let is_offered = |format: &Format| match format {
            Format::Plan { .. } => self.platform.settings.plan_enabled,
            Format::Raw("text/plain") => gives("text"),
            Format::Raw("text/xml") => gives("xml"),
            Format::Raw(_) => gives("bytea"),
            _ => true,
        };
        Ok(Format::negotiate(&self.parts.headers, is_offered)?)
    }

    /// The function that the parameters of a GET mean.
    fn texts(&self, name: &str) -> Result<(&Function, CallArguments, Query), Problem> {
        let planner = self.planner();
        let is_argument = |parameter: &str| {
            let mut overloads = self.catalog.functions(self.schema, name);
            overloads
                .any(|function| function.arguments.iter().any(|argument| argument.name.name() == parameter))
        };
        let limits = &self.rest.settings().limits;
        let mut query = Query::parse_call(&self.pairs, limits, is_argument)?;
        self.apply_range(&mut query)?;
        let mut given: Vec<&str> = query.arguments.iter().map(|(name, _)| name.as_str()).collect();
        given.sort_unstable();
        given.dedup();
        let (function, _) = planner.find_function(name, &given, None)?;
        let mut texts = Vec::new();
        for argument in function.arguments.iter().filter(|argument| given.contains(&argument.name.name())) {
            let values = query.arguments.iter().filter(|(name, _)| name == argument.name.name());
            let values: Vec<String> = values.map(|(_, value)| value.clone()).collect();
            let text = match argument.is_variadic {
                true => array_literal(&values),
                false => values.into_iter().next_back().unwrap_or_default(),
            };
            texts.push((call_argument(argument), text));
        }
        Ok((function, CallArguments::Texts(texts), query))
    }

    /// The function that the body of a POST means.
    fn body_arguments(&self, name: &str, text: &str) -> Result<(&Function, CallArguments, Query), Problem> {
        let mut query = Query::parse(&self.pairs, &self.rest.settings().limits)?;
        self.apply_range(&mut query)?;
        let form = BodyForm::from_content_type(&self.parts.headers)?;
        let (whole, json) = match form {
            BodyForm::Raw("text/xml") => (WholeBody::Xml, None),
            BodyForm::Raw("application/octet-stream") => (WholeBody::Bytes, None),
            BodyForm::Raw(_) => (WholeBody::Text, None),
            BodyForm::UrlEncoded => {
                let pairs = form_urlencoded::parse(text.as_bytes());
                let object =
                    pairs.map(|(key, value)| (key.into_owned(), serde_json::Value::from(value.into_owned())));
                (WholeBody::Json, Some(serde_json::Value::Object(object.collect()).to_string()))
            }
            BodyForm::Csv => return Err(bad_body("Content-Type not acceptable: text/csv")),
            BodyForm::Json if text.trim().is_empty() => (WholeBody::Json, Some("{}".to_owned())),
            BodyForm::Json => (WholeBody::Json, Some(text.to_owned())),
        };
        let planner = self.planner();
        let body = json.as_deref().map(Body::parse);
        let mut keys: Vec<&str> = Vec::new();
        match &body {
            Some(Ok(body)) if !body.is_array => {
                keys.extend(body.records.iter().flatten().map(|(key, _)| key.as_str()));
            }
            Some(Err(error)) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() => {
                return Err(bad_body(error.to_string()));
            }
            _ => {}
        }
        let keys: Vec<&str> = match &query.columns {
            Some(columns) => columns.iter().map(String::as_str).collect(),
            None => keys,
        };
        let (function, is_whole) = planner.find_function(name, &keys, Some(whole))?;
        if is_whole {
            let sql_type = function.arguments[0].data_type.sql.clone();
            return Ok((function, CallArguments::Whole { sql_type, text: text.to_owned() }, query));
        }
        let arguments: Vec<_> =
            function.arguments.iter().filter(|argument| keys.contains(&argument.name.name())).collect();
        if let (Some(Ok(body)), true) = (&body, self.platform.settings.is_strict) {
            for (key, raw) in body.records.iter().flatten() {
                let Some(argument) = arguments.iter().find(|argument| argument.name.name() == key) else {
                    continue;
                };
                let as_json = form == BodyForm::Json;
                let mistake = check_value("", key, raw, &argument.data_type, as_json).err();
                refuse_mistakes(mistake.into_iter().collect())?;
            }
        }
        let columns = arguments.iter().map(|argument| GivenColumn {
            name: argument.name.clone(),
            sql_type: argument.data_type.sql.clone(),
            is_json: false,
            default: None,
        });
        let given = Given {
            json: format!("[{}]", json.unwrap_or_default()),
            is_array: false,
            columns: columns.collect(),
        };
        let arguments = arguments.into_iter().map(call_argument).collect();
        Ok((function, CallArguments::Json { given, arguments }, query))
    }
}

impl PlannedCall<'_> {
    /// The arguments, to find a bad value in.
    fn given(&self) -> Option<&Given> {
        match &self.statement.arguments {
            CallArguments::Json { given, .. } => Some(given),
            CallArguments::Texts(_) | CallArguments::Whole { .. } => None,
        }
    }
}

fn gives_set(function: &Function) -> bool {
    matches!(
        function.returns,
        Returns::Rows { is_set: true, .. }
            | Returns::Record { is_set: true, .. }
            | Returns::Value { is_set: true, .. }
    )
}

fn call_argument(argument: &Argument) -> CallArgument {
    CallArgument {
        name: argument.name.clone(),
        sql_type: argument.data_type.sql.clone(),
        is_variadic: argument.is_variadic,
    }
}
