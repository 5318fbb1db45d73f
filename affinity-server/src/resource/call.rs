use axum::body::Body as HttpBody;
use axum::http::{Method, StatusCode};
use axum::response::Response;

use super::answer::{Answer, Page};
use super::ask::Ask;
use super::body::{Body, check_value};
use super::execute::{Found, Work};
use super::listing::Keys;
use super::payload::{bad_body, refuse_mistakes};
use super::plan::WholeBody;
use super::read::check_singular;
use super::request::{BodyForm, CountKind, Format, Query, Window};
use crate::auth::Access;
use crate::catalog::{
    AnswerStatement, Argument, CallArgument, CallArguments, CallStatement, Function, Given, GivenColumn,
    Returns, Rows, Shape, Source, array_literal,
};
use crate::problem::Problem;

impl Ask<'_> {
    /// Calls a function.
    pub(super) async fn call(&self, name: &str, body: HttpBody) -> Result<Response, Problem> {
        let is_get = matches!(self.parts.method, Method::GET | Method::HEAD);
        if !is_get && self.parts.method != Method::POST {
            let message = format!("Cannot use the {} method on RPC", self.parts.method);
            return Err(Problem::rest(StatusCode::METHOD_NOT_ALLOWED, "PGRST101", message));
        }
        let (function, arguments, query) = match is_get {
            true => self.texts(name)?,
            false => self.body_arguments(name, self.body_text(body).await?)?,
        };
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
        let found = match self.run_call(function, &statement, is_get).await? {
            Ok(found) => found,
            Err(plan) => return Ok(plan),
        };
        if matches!(function.returns, Returns::Void) {
            return Ok(Answer::empty(StatusCode::NO_CONTENT)
                .of(Found { body: String::new(), ..found })?
                .finish(self));
        }
        let answer = &statement.answer;
        let window = Window { limit: answer.rows.limit, offset: answer.rows.offset };
        let page = Page::new(window, answer.rows_max, &found)?;
        let mut sent = Answer::new(page.status(), &answer.format)
            .page(&page)
            .applied_count(answer.count.is_some(), self);
        if page.has_more() && is_get {
            sent = sent.next(&self.next_page(&keys, found.last_keys.as_deref(), page.next_offset()));
        }
        Ok(sent.of(found)?.finish(self))
    }

    async fn run_call(
        &self,
        function: &Function,
        statement: &CallStatement,
        is_get: bool,
    ) -> Result<Result<Found, Response>, Problem> {
        let is_set = matches!(
            function.returns,
            Returns::Rows { is_set: true, .. }
                | Returns::Record { is_set: true, .. }
                | Returns::Value { is_set: true, .. }
        );
        if self.preferences.affected_max.is_some() && self.is_strict() && !is_set {
            let message = "Function must return SETOF or TABLE when max-affected preference is used with \
                           handling=strict";
            return Err(Problem::rest(StatusCode::BAD_REQUEST, "PGRST128", message));
        }
        let access = if is_get || !function.is_volatile { Access::Read } else { Access::Write };
        let format = &statement.answer.format;
        let check = |found: &Found| {
            if matches!(statement.answer.shape, Shape::Rows) {
                check_singular(format, found)?;
            }
            self.check_affected(found.fetched)
        };
        let work = Work {
            statement: statement.render(),
            access,
            commits: access == Access::Read || self.commits(),
            planned: None,
            given: match &statement.arguments {
                CallArguments::Json { given, .. } => Some(given),
                CallArguments::Texts(_) | CallArguments::Whole { .. } => None,
            },
            check: &check,
        };
        if let Format::Plan { is_json, options } = format {
            let plan = self.lines(&work.statement.explained(options, *is_json), access).await?;
            return Ok(Err(Answer::new(StatusCode::OK, format).body(plan).finish(self)));
        }
        match self.execute(&work).await {
            Err(problem) if access == Access::Write => Err(self.audited(problem).await),
            found => Ok(Ok(found?)),
        }
    }

    /// JSON and its kin; a text as it is where the function gives one.
    fn call_format(&self, function: &Function) -> Result<Format, Problem> {
        let is_text = |base: &str| match &function.returns {
            Returns::Value { data_type, .. } => !data_type.is_array && &*data_type.base == base,
            _ => false,
        };
        let is_offered = |format: &Format| match format {
            Format::Plan { .. } => self.platform.settings.plan_enabled,
            Format::Raw("text/plain") => is_text("text"),
            Format::Raw("text/xml") => is_text("xml"),
            Format::Raw(_) => false,
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
    fn body_arguments(&self, name: &str, text: String) -> Result<(&Function, CallArguments, Query), Problem> {
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
            BodyForm::Json => (WholeBody::Json, Some(text.clone())),
        };
        let planner = self.planner();
        let body = json.as_deref().map(Body::parse);
        let mut keys: Vec<&str> = Vec::new();
        match &body {
            Some(Ok(body)) if !body.is_array => {
                keys.extend(body.records.iter().flatten().map(|(key, _)| key.as_str()));
            }
            Some(Err(error)) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() => {
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
            return Ok((function, CallArguments::Whole { sql_type, text }, query));
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

fn call_argument(argument: &Argument) -> CallArgument {
    CallArgument {
        name: argument.name.clone(),
        sql_type: argument.data_type.sql.clone(),
        is_variadic: argument.is_variadic,
    }
}
