use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use sqlx::{Acquire, PgConnection};

use super::answer::Answer;
use super::ask::Ask;
use super::body::{Body, Record, items, resolve, value_at};
use super::call::PlannedCall;
use super::failure::Failure;
use super::payload::{bad_body, refused_body};
use super::request::Format;
use super::retry::wait_apart;
use crate::auth::{Access, Action, begin_as};
use crate::catalog::{Given, Statement};
use crate::problem::Problem;

/// What one transaction writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job<'j> {
    /// What a request to a table says.
    Write {
        /// The table.
        table: &'j str,
        /// The body.
        text: &'j str,
    },
    /// Each row of the body by itself; those that fail do not keep the others out.
    EachRow {
        /// The table.
        table: &'j str,
        /// The body.
        text: &'j str,
    },
    /// A call of a function that may write.
    Call {
        /// What is called.
        call: &'j PlannedCall<'j>,
        /// The body.
        text: &'j str,
    },
    /// Several writes, all or none.
    Batch {
        /// The body.
        text: &'j str,
    },
}

impl Job<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Write { text, .. }
            | Self::EachRow { text, .. }
            | Self::Call { text, .. }
            | Self::Batch { text } => text,
        }
    }
}

/// A failure, and the statement to look into for its place.
#[derive(Debug)]
pub(super) struct Failed {
    failure: Failure,
    culprit: Option<Box<(Statement, Option<Given>)>>,
}

impl Failed {
    pub(super) fn of(error: sqlx::Error, statement: Statement, given: Option<&Given>) -> Self {
        Self { failure: error.into(), culprit: Some(Box::new((statement, given.cloned()))) }
    }
}

impl<F: Into<Failure>> From<F> for Failed {
    fn from(failure: F) -> Self {
        Self { failure: failure.into(), culprit: None }
    }
}

impl Ask<'_> {
    /// Does the job as the caller, in one transaction; again, some times, when it lost against another one. With an
    /// Idempotency-Key it happens once.
    pub(super) async fn transact(&self, job: Job<'_>) -> Result<Response, Problem> {
        let mut attempt = 1;
        loop {
            match self.attempt_job(job).await {
                Ok(answer) => return Ok(answer.into_response()),
                Err(failed)
                    if failed.failure.is_conflict() && attempt < self.rest.settings().attempts_max =>
                {
                    wait_apart(attempt).await;
                    attempt += 1;
                }
                Err(Failed { failure, culprit: None }) => {
                    return Err(self.audited(failure.into_problem(&self.caller)).await);
                }
                Err(Failed { failure, culprit: Some(culprit) }) => {
                    let problem = self.explain(failure, &culprit.0, culprit.1.as_ref()).await;
                    return Err(self.audited(problem).await);
                }
            }
        }
    }

    async fn attempt_job(&self, job: Job<'_>) -> Result<Answer, Failed> {
        let only_once = self.only_once(job.text())?;
        let settings = self.request_settings(Access::Write);
        let mut transaction = begin_as(self.rest.pool(), &self.caller, &settings).await?;
        if let Some(only_once) = &only_once
            && let Some(answer) = only_once.replay(&mut transaction, self.caller.role()).await?
        {
            return Ok(answer);
        }
        let answer = match job {
            Job::Write { table, text } => self.perform(&mut transaction, table, text).await?.complete(self),
            Job::EachRow { table, text } => self.each_row(&mut transaction, table, text).await?,
            Job::Call { call, .. } => self.perform_call(&mut transaction, call).await?.complete(self),
            Job::Batch { text } => self.batch(&mut transaction, text).await?,
        };
        if let Some(only_once) = &only_once {
            only_once.keep(&mut transaction, &answer).await?;
        }
        match self.commits() {
            true => transaction.commit().await?,
            false => transaction.rollback().await?,
        }
        Ok(answer)
    }

    /// An answer that lists what became of each row.
    async fn each_row(
        &self,
        connection: &mut PgConnection,
        table: &str,
        text: &str,
    ) -> Result<Answer, Failed> {
        let body = Body::parse(text).map_err(refused_body)?;
        let rows = if body.is_array { items(text.trim()) } else { vec![text] };
        let mut outcomes = Vec::with_capacity(rows.len());
        for (place, row) in rows.into_iter().enumerate() {
            let mut savepoint = connection.begin().await?;
            outcomes.push(match self.perform(&mut savepoint, table, row).await {
                Ok(answer) => {
                    savepoint.commit().await?;
                    let (status, _, body) = answer.parts();
                    let body = if body.is_empty() { "null" } else { body };
                    format!(r#"{{"index":{place},"status":{},"body":{body}}}"#, status.as_u16())
                }
                Err(failed) if failed.failure.is_conflict() => return Err(failed),
                Err(failed) => {
                    savepoint.rollback().await?;
                    let problem = failed.failure.into_problem(&self.caller);
                    let error = serde_json::to_string(&problem).unwrap_or_default();
                    format!(r#"{{"index":{place},"status":{},"error":{error}}}"#, problem.status().as_u16())
                }
            });
        }
        let json = Format::Json { strips_nulls: false };
        let answer = Answer::new(StatusCode::MULTI_STATUS, &json).body(format!("[{}]", outcomes.join(",")));
        Ok(answer.applied("outcome=per-row").complete(self))
    }

    /// An answer that lists the answers of all operations.
    async fn batch(&self, connection: &mut PgConnection, text: &str) -> Result<Answer, Failed> {
        serde_json::from_str::<serde::de::IgnoredAny>(text)
            .map_err(|error| bad_body("Empty or invalid json").details(error.to_string()))?;
        let operations = value_at(text, "/operations").filter(|list| list.starts_with('['));
        let operations = operations.ok_or_else(|| bad_body("a batch is {\"operations\": [...]}"))?;
        let operations = Body::parse(operations).map_err(refused_body)?.records;
        let max = self.rest.settings().batch_operations_max;
        if operations.len() > max {
            let message = format!("the batch has more operations than batch_operations_max, which is {max}");
            return Err(Problem::rest(StatusCode::BAD_REQUEST, "limit_exceeded", message).into());
        }
        let mut done: Vec<(String, String)> = Vec::new(); // id, and the whole body
        let mut results = Vec::new();
        for (place, record) in operations.iter().enumerate() {
            let operation = Operation::read(record, place, &self.platform.name, &done);
            let answer = match operation {
                Ok(operation) => self.operate(connection, &operation, &mut done, &mut results).await,
                Err(problem) => Err(problem.into()),
            };
            if let Err(Failed { failure, culprit }) = answer {
                if failure.is_conflict() {
                    return Err(Failed { failure, culprit });
                }
                let problem = failure.into_problem(&self.caller);
                let detail = problem.detail().to_owned();
                return Err(problem.at(format!("/operations/{place}"), detail).into());
            }
        }
        let json = Format::Json { strips_nulls: false };
        let body = format!(r#"{{"results":[{}]}}"#, results.join(","));
        Ok(Answer::new(StatusCode::OK, &json).body(body).complete(self))
    }

    async fn operate(
        &self,
        connection: &mut PgConnection,
        operation: &Operation,
        done: &mut Vec<(String, String)>,
        results: &mut Vec<String>,
    ) -> Result<(), Failed> {
        let mut parts = operation.request.clone().into_parts().0;
        parts.extensions = self.parts.extensions.clone(); // who asks, and from where
        if operation.embeds() && !self.caller.may(Action::Read, "") {
            let message = "embedding needs the permission read";
            return Err(Problem::rest(StatusCode::FORBIDDEN, "not_permitted", message).into());
        }
        let ask = Box::pin(Ask::new(self.rest, self.catalog, &self.platform.name, &parts)).await?;
        let answer = match &operation.target {
            Target::Table(table) => ask.perform(connection, table, &operation.body).await?,
            Target::Function(name) if self.caller.may(Action::Call, name) => {
                let call = ask.plan_call(name, Some(&operation.body))?;
                ask.perform_call(connection, &call).await?
            }
            Target::Function(name) => {
                let message = format!("this needs the permission call:{name}");
                return Err(Problem::rest(StatusCode::FORBIDDEN, "not_permitted", message).into());
            }
        };
        let answer = answer.complete(&ask);
        let (status, headers, body) = answer.parts();
        let body = if body.is_empty() { "null" } else { body };
        let headers: serde_json::Map<String, serde_json::Value> =
            headers.into_iter().map(|(name, value)| (name, value.into())).collect();
        let id = serde_json::Value::from(operation.id.as_str());
        let headers = serde_json::Value::Object(headers);
        results
            .push(format!(r#"{{"id":{id},"status":{},"headers":{headers},"body":{body}}}"#, status.as_u16()));
        done.push((operation.id.clone(), body.to_owned()));
        Ok(())
    }
}

/// One write of a batch.
struct Operation {
    id: String,
    target: Target,
    request: Request<()>,
    body: String,
}

/// What a path below a platform leads to.
enum Target {
    Table(String),
    Function(String),
}

impl Target {
    fn of(path: &str) -> Self {
        let path = path.trim_start_matches('/').split('?').next().unwrap_or_default();
        match path.split_once('/') {
            Some(("rpc", function)) => Self::Function(function.to_owned()),
            _ => Self::Table(path.split('/').next().unwrap_or_default().to_owned()),
        }
    }
}

impl Operation {
    /// Whether its answer would show rows of other tables.
    fn embeds(&self) -> bool {
        let query = self.request.uri().query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "select" && value.contains('('))
    }

    /// Reads `{"id": .., "method": .., "path": .., "headers": {..}, "body": ..}`, with references to what is done.
    fn read(
        record: &Record<'_>,
        place: usize,
        platform: &str,
        done: &[(String, String)],
    ) -> Result<Self, Problem> {
        let known = ["id", "method", "path", "headers", "body"];
        if let Some((key, _)) = record.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            return Err(bad_body(format!("an operation has no \"{key}\"")).allowed(known));
        }
        let raw = |key: &str| record.iter().find(|(known, _)| known == key).map(|(_, raw)| *raw);
        let text = |key: &str| raw(key).and_then(|raw| serde_json::from_str::<String>(raw).ok());
        let find = |pointer: &str| {
            let (id, rest) =
                pointer.strip_prefix('/')?.split_once('/').unwrap_or((pointer.strip_prefix('/')?, ""));
            let (_, body) = done.iter().find(|(known, _)| known == id)?;
            let rest = if rest.is_empty() { String::new() } else { format!("/{rest}") };
            value_at(body, &rest).map(str::to_owned)
        };
        let unknown =
            |reference: String| bad_body(format!("nothing done so far is at the reference \"{reference}\""));
        let path = text("path").ok_or_else(|| bad_body("an operation has a \"path\""))?;
        let path = fill(&path, &find).map_err(unknown)?;
        let target = Target::of(&path);
        let method = text("method").and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let is_write =
            |method: &Method| [Method::POST, Method::PATCH, Method::PUT, Method::DELETE].contains(method);
        let method = method.filter(is_write).ok_or_else(|| {
            bad_body("an operation has a \"method\" that writes").allowed(["POST", "PATCH", "PUT", "DELETE"])
        })?;
        if matches!(target, Target::Function(_)) && method != Method::POST {
            return Err(bad_body("a function is called by POST"));
        }
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/rest/{platform}/{}", path.trim_start_matches('/')));
        if let Some(headers) = raw("headers") {
            let headers: std::collections::BTreeMap<String, String> =
                serde_json::from_str(headers).map_err(|error| bad_body(format!("\"headers\": {error}")))?;
            for (name, value) in headers {
                request = request.header(name, value);
            }
        }
        let request = request.body(()).map_err(|error| bad_body(format!("no request: {error}")))?;
        let body = resolve(raw("body").unwrap_or_default(), &find).map_err(unknown)?;
        Ok(Self { id: text("id").unwrap_or_else(|| place.to_string()), target, request, body })
    }
}

/// A path with every `{/id/pointer}` replaced by the value there.
fn fill(path: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("{/") {
        let (pointer, behind) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        let pointer = format!("/{pointer}");
        let raw = find(&pointer).ok_or(pointer)?;
        let value = serde_json::from_str::<String>(&raw).unwrap_or(raw);
        filled.push_str(before);
        filled.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}
