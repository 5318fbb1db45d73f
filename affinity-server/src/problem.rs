//! Problem documents: the one form of every error that a client sees (RFC 9457).

use std::borrow::Cow;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error as a client reads it.
///
/// `type` is `about:blank` and `title` the status in words, so `code` is what programs compare.
///
/// ```
/// use affinity_server::problem::Problem;
/// use axum::http::StatusCode;
///
/// let problem = Problem::new(StatusCode::NOT_FOUND, "unknown_matcher", "there is no matcher \"partner\"")
///     .allowed(["partners", "similar"])
///     .hint("names are case-sensitive");
/// let document = serde_json::to_value(&problem)?;
/// assert_eq!(document["title"], "Not Found");
/// assert_eq!(document["allowed"][0], "partners");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Document>); // boxed, as every fallible call returns room for it

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "status_number")]
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(flatten)]
    rest: Option<RestFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BadPlace>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    got: Option<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
    #[serde(skip)]
    form: Form,
}

/// How a problem is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// With all that is known.
    #[default]
    Full,
    /// With the four members that PostgREST gives, and no other.
    Postgrest,
}

/// What PostgREST's clients read besides `code` and `hint`; present even when there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct RestFacts {
    message: String,
    details: Value,
}

/// A place in the body, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BadPlace {
    pointer: String,
    detail: String,
}

fn status_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with the facts every one has; `code` is snake case and never changes, `detail` is for people.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self(Box::new(Document {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            code: code.into(),
            detail: detail.into(),
            instance: None,
            rest: None,
            hint: None,
            errors: Vec::new(),
            allowed: Vec::new(),
            expected: None,
            got: None,
            retry_after_seconds: None,
            headers: Vec::new(),
            form: Form::Full,
        }))
    }

    /// A problem of the REST layer, which also carries what PostgREST's clients read: `code` is one of PostgREST's or
    /// an SQLSTATE, `message` the same sentence as `detail`.
    pub fn rest(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let mut problem = Self::new(status, code, message);
        problem.0.rest = Some(RestFacts { message: problem.0.detail.clone(), details: Value::Null });
        problem.0.hint = Some(Value::Null);
        problem
    }

    /// What PostgREST calls `details`, of a [`Problem::rest`].
    #[must_use]
    pub fn details(mut self, details: impl Into<Value>) -> Self {
        if let Some(rest) = &mut self.0.rest {
            rest.details = details.into();
        }
        self
    }

    /// Adds a place in the body, as a JSON pointer, and what is wrong there.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(BadPlace { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// What to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(Value::String(hint.into()));
        self
    }

    /// The values that would have been accepted, in the order given.
    #[must_use]
    pub fn allowed<Name: Into<String>>(mut self, names: impl IntoIterator<Item = Name>) -> Self {
        self.0.allowed = names.into_iter().map(Into::into).collect();
        self
    }

    /// What was expected, and what came instead.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>, got: impl Into<String>) -> Self {
        (self.0.expected, self.0.got) = (Some(expected.into()), Some(got.into()));
        self
    }

    /// The path that was asked for; [`explain_errors`] sets it.
    #[must_use]
    pub fn instance(mut self, path: impl Into<String>) -> Self {
        self.0.instance = Some(path.into());
        self
    }

    /// Sends `Retry-After` with the answer.
    #[must_use]
    pub fn retry_after_seconds(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// Sends a header with the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// The same as PostgREST would write it: clients compare its errors whole.
    #[must_use]
    pub fn in_postgrest_form(mut self) -> Self {
        self.0.form = Form::Postgrest;
        self
    }

    /// The answer's media type and body.
    fn written(&self) -> (&'static str, Vec<u8>) {
        // Strings and numbers: serialization cannot fail.
        match self.0.form {
            Form::Full => (PROBLEM_JSON, serde_json::to_vec(self).unwrap_or_default()),
            Form::Postgrest => {
                let details = self.0.rest.as_ref().map_or(&Value::Null, |rest| &rest.details);
                let members = json!({
                    "code": self.0.code, "details": details, "hint": self.0.hint, "message": self.0.detail,
                });
                ("application/json; charset=utf-8", members.to_string().into_bytes())
            }
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The name that programs compare.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The response of this problem with the headers of the one that it replaces.
    pub(crate) fn instead_of(self, response: &Response) -> Response {
        let mut explained = self.into_response();
        for (name, value) in response.headers() {
            if *name != CONTENT_TYPE && *name != CONTENT_LENGTH {
                explained.headers_mut().insert(name.clone(), value.clone());
            }
        }
        explained
    }

    /// The problem of a status that a layer answered without saying more.
    fn of_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("not_found", "there is nothing at this address"),
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "this address does not take this method; the header Allow lists those it takes",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "the body is larger than this server takes"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "the body is not of a type this address takes")
            }
            StatusCode::REQUEST_TIMEOUT => ("request_timeout", "the request took too long"),
            StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
                ("unavailable", "the server cannot answer now")
            }
            status if status.is_server_error() => ("internal", "the server failed to answer"),
            _ => ("bad_request", "the request cannot be answered"),
        };
        Self::new(status, code, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (media_type, body) = self.written();
        let mut response = (self.0.status, [(CONTENT_TYPE, media_type)], body).into_response();
        if let Some(seconds) = self.0.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.headers_mut().extend(self.0.headers.iter().cloned());
        // Kept for layers that add to it or show it to people.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let (status, detail) = (rejection.status(), rejection.body_text());
        match rejection {
            JsonRejection::JsonSyntaxError(_) => Self::new(status, "json_syntax", detail),
            JsonRejection::JsonDataError(_) => Self::new(status, "json_data", detail),
            JsonRejection::MissingJsonContentType(_) => Self::new(status, "unsupported_media_type", detail)
                .hint("send the header Content-Type: application/json"),
            _ => {
                let mut problem = Self::of_status(status);
                problem.0.detail = detail;
                problem
            }
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), "bad_path", rejection.body_text())
    }
}

/// A JSON body; what does not parse is a [`Problem`].
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let axum::Json(body) = axum::Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The query string; what does not parse is a [`Problem`].
#[derive(Debug)]
pub struct QueryString<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(query) = Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// The variable parts of the path; what does not parse is a [`Problem`].
#[derive(Debug)]
pub struct PathParts<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParts<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(path) = Path::from_request_parts(parts, state).await?;
        Ok(Self(path))
    }
}

/// Handler for addresses without a route.
pub async fn not_found() -> Problem {
    Problem::of_status(StatusCode::NOT_FOUND).hint("GET /openapi.json lists every address")
}

/// Handler for `tower_http::catch_panic`: the client learns that it was us, and nothing else.
pub fn panicked(_payload: Box<dyn std::any::Any + Send>) -> Response {
    Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Middleware, outermost: every error leaves as a problem document that names the path asked for.
///
/// Problems get their `instance`; errors of other layers (405 of the router, 413 of a limit, 408 of a timeout)
/// become problems and keep their headers. Pages keep their HTML, and reports of what is wrong, such as that of `/readyz`,
/// their JSON.
pub async fn explain_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let known = response.extensions().get::<Problem>().cloned();
    let says_it_itself = content_type.starts_with(b"text/html")
        || known.is_none() && content_type.starts_with(b"application/json");
    if !(status.is_client_error() || status.is_server_error()) || says_it_itself {
        return response;
    }
    let mut problem = known.unwrap_or_else(|| Problem::of_status(status));
    problem.0.instance.get_or_insert(path);
    problem.instead_of(&response)
}
