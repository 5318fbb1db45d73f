use axum::body::Body;
use axum::http::header::{CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, LINK, RANGE, SET_COOKIE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::ask::Ask;
use super::etag::tag;
use super::execute::Found;
use super::request::{Format, TransactionEnd, Window};
use crate::problem::Problem;

const CONTENT_PROFILE: HeaderName = HeaderName::from_static("content-profile");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The media type whose bodies are in base64 until they are sent.
const OCTET_STREAM: &str = "application/octet-stream";
const TRUNCATED: HeaderName = HeaderName::from_static("affinity-truncated");

/// Which of all rows an answer holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    offset: u64,
    rows: u64,
    total: Option<u64>,
    /// Whether the server's own limit cut it.
    is_truncated: bool,
    /// Whether there may be rows behind it.
    has_more: bool,
}

impl Page {
    /// The page that was found in `window` by a server that gives `rows_max` rows.
    pub(super) fn new(window: Window, rows_max: u64, found: &Found) -> Result<Self, Problem> {
        let rows = found.fetched.min(rows_max);
        let is_truncated = found.fetched > rows_max;
        let is_full = window.limit.is_some_and(|limit| rows > 0 && rows == limit);
        if let Some(total) = found.total.filter(|total| window.offset > *total) {
            let message = "Requested range not satisfiable";
            return Err(Problem::rest(StatusCode::RANGE_NOT_SATISFIABLE, "PGRST103", message).details(
                format!("An offset of {} was requested, but there are only {total} rows.", window.offset),
            ));
        }
        Ok(Self {
            offset: window.offset,
            rows,
            total: found.total,
            is_truncated,
            has_more: is_truncated || is_full,
        })
    }

    pub(super) fn status(&self) -> StatusCode {
        match self.total {
            Some(total) if self.rows < total => StatusCode::PARTIAL_CONTENT,
            _ => StatusCode::OK,
        }
    }

    pub(super) fn has_more(&self) -> bool {
        self.has_more && self.total.is_none_or(|total| self.next_offset() < total)
    }

    pub(super) fn next_offset(&self) -> u64 {
        self.offset + self.rows
    }

    fn content_range(&self) -> String {
        let total = self.total.map_or("*".to_owned(), |total| total.to_string());
        match self.rows {
            0 => format!("*/{total}"),
            _ => format!("{}-{}/{total}", self.offset, self.offset + self.rows - 1),
        }
    }
}

/// An answer in the making.
pub(super) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: String,
    applied: Vec<String>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, format: &Format) -> Self {
        let headers = vec![(CONTENT_TYPE, format.content_type())];
        Self { status, headers, body: String::new(), applied: Vec::new() }
    }

    /// One without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), applied: Vec::new() }
    }

    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: String) -> Self {
        self.body = body;
        self
    }

    /// Names a preference that was followed.
    pub(super) fn applied(mut self, preference: impl Into<String>) -> Self {
        self.applied.push(preference.into());
        self
    }

    pub(super) fn page(mut self, page: &Page) -> Self {
        self.headers.push((CONTENT_RANGE, page.content_range()));
        if page.is_truncated {
            self.headers.push((TRUNCATED, format!("rows_max={}", page.rows)));
        }
        self
    }

    pub(super) fn next(self, address: &str) -> Self {
        self.header(LINK, format!("<{address}>; rel=\"next\""))
    }

    /// What the statement gave, and what functions in it asked us to answer.
    pub(super) fn of(mut self, found: Found) -> Result<Self, Problem> {
        self.body = found.body;
        if let Some(cut) = found.truncated {
            match self.headers.iter_mut().find(|(name, _)| *name == TRUNCATED) {
                Some((_, cuts)) => *cuts = format!("{cuts}, {cut}"),
                None => self.headers.push((TRUNCATED, cut)),
            }
        }
        if let Some(status) = &found.status {
            let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            self.status = status.ok_or_else(|| {
                let message = "response.status guc must be a valid status code";
                Problem::rest(StatusCode::INTERNAL_SERVER_ERROR, "PGRST112", message)
            })?;
        }
        if let Some(headers) = &found.headers {
            self.headers.extend(raised_headers(headers).ok_or_else(|| {
                let message = "response.headers guc must be a JSON array composed of objects with a single key \
                               and a string value";
                Problem::rest(StatusCode::INTERNAL_SERVER_ERROR, "PGRST111", message)
            })?);
        }
        Ok(self)
    }

    /// The answer with what all answers to `ask` carry.
    pub(super) fn complete(mut self, ask: &Ask<'_>) -> Self {
        if ask.platform.schemas.len() > 1 {
            self.headers.push((CONTENT_PROFILE, ask.schema.name().to_owned()));
        }
        if ask.parts.method == axum::http::Method::GET && ask.parts.headers.contains_key(RANGE) {
            self.headers.push((CONTENT_LOCATION, ask.parts.uri.to_string()));
        }
        self.apply_preferences(ask);
        self
    }

    /// Status, headers and body.
    pub(super) fn parts(&self) -> (StatusCode, Vec<(String, String)>, &str) {
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.clone()));
        (self.status, headers.collect(), &self.body)
    }

    /// The complete answer's response.
    pub(super) fn finish(self, ask: &Ask<'_>) -> Response {
        self.complete(ask).into_response()
    }

    /// The tag of the answer, which has no body when the client has it already.
    pub(super) fn tagged(mut self, ask: &Ask<'_>, version: Option<&str>) -> Self {
        let tag = tag(&self.body, version);
        if self.status == StatusCode::OK && ask.has_already(&tag) {
            self.status = StatusCode::NOT_MODIFIED;
            self.body.clear();
        }
        self.header(ETAG, tag)
    }

    /// The response.
    pub(super) fn into_response(self) -> Response {
        let is_binary =
            self.headers.iter().any(|(name, value)| *name == CONTENT_TYPE && *value == OCTET_STREAM);
        let body = match is_binary {
            true => Body::from(BASE64.decode(&self.body).unwrap_or_default()), // as PostgreSQL wrote it
            false => Body::from(self.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            match HeaderValue::try_from(value) {
                // A function may set a header twice, such as Set-Cookie, or instead of ours.
                Ok(value) if name == SET_COOKIE => {
                    response.headers_mut().append(name, value);
                }
                Ok(value) => {
                    response.headers_mut().insert(name, value);
                }
                Err(_) => tracing::warn!("a value of the header {name} cannot be sent"),
            }
        }
        response
    }

    fn apply_preferences(&mut self, ask: &Ask<'_>) {
        let preferences = &ask.preferences;
        if let Some(end) =
            preferences.transaction.filter(|_| ask.platform.settings.transaction_end.may_override)
        {
            self.applied.push(match end {
                TransactionEnd::Commit => "tx=commit".to_owned(),
                TransactionEnd::Rollback => "tx=rollback".to_owned(),
            });
        }
        if let Some(is_strict) = preferences.is_strict {
            self.applied.push(if is_strict { "handling=strict" } else { "handling=lenient" }.to_owned());
        }
        if let Some(timezone) = &preferences.timezone {
            self.applied.push(format!("timezone={timezone}"));
        }
        if let Some(max) = preferences.affected_max.filter(|_| ask.is_strict()) {
            self.applied.push(format!("max-affected={max}"));
        }
        if !self.applied.is_empty() {
            self.headers.push((PREFERENCE_APPLIED, self.applied.join(", ")));
        }
    }

    pub(super) fn applied_count(self, is_counted: bool, ask: &Ask<'_>) -> Self {
        use super::request::CountKind;
        match ask.preferences.count.filter(|_| is_counted) {
            Some(CountKind::Exact) => self.applied("count=exact"),
            Some(CountKind::Planned) => self.applied("count=planned"),
            Some(CountKind::Estimated) => self.applied("count=estimated"),
            None => self,
        }
    }
}

fn raised_headers(text: &str) -> Option<Vec<(HeaderName, String)>> {
    let Ok(Value::Array(objects)) = serde_json::from_str(text) else { return None };
    let mut headers = Vec::new();
    for object in objects {
        let Value::Object(object) = object else { return None };
        for (name, value) in object {
            let name = HeaderName::try_from(name).ok()?;
            headers.push((name, value.as_str()?.to_owned()));
        }
    }
    Some(headers)
}
