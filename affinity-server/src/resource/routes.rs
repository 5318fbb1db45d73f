//! The addresses of the REST layer.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, post};

use super::ask::Ask;
use super::rest::Rest;
use crate::problem::{PathParts, Problem};

/// The routes below `/rest`.
pub fn routes(rest: Rest) -> Router {
    Router::new()
        .route("/rest/{platform}/{table}", any(rows))
        .route("/rest/{platform}/rpc/{function}", any(call))
        .route("/rest/{platform}/batch", post(batch).fallback(unknown_method))
        .route("/rest/{platform}/{table}/{*rest}", any(unknown_path))
        .with_state(rest)
}

/// Middleware: what serves as PostgREST does also errs as PostgREST does.
pub async fn err_as_postgrest(State(rest): State<Rest>, request: Request, next: Next) -> Response {
    let mut segments = request.uri().path().split('/').skip(1);
    let platform = (segments.next() == Some("rest")).then(|| segments.next()).flatten();
    let is_lenient = platform.is_some_and(|name| rest.is_lenient(name));
    let response = next.run(request).await;
    match response.extensions().get::<Problem>().cloned().filter(|_| is_lenient) {
        Some(problem) => problem.in_postgrest_form().instead_of(&response),
        None => response,
    }
}

async fn rows(
    State(rest): State<Rest>,
    PathParts((platform, table)): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let catalog = rest.catalog();
    let ask = Ask::admitted(&rest, &catalog, &platform, &parts).await?;
    match parts.method {
        Method::GET | Method::HEAD => ask.read(&table).await,
        Method::OPTIONS => ask.methods(&table),
        Method::POST | Method::PATCH | Method::PUT | Method::DELETE => ask.write(&table, body).await,
        other => Err(unknown_method(other).await),
    }
}

async fn call(
    State(rest): State<Rest>,
    PathParts((platform, function)): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let catalog = rest.catalog();
    Ask::admitted(&rest, &catalog, &platform, &parts).await?.call(&function, body).await
}

async fn batch(
    State(rest): State<Rest>,
    PathParts(platform): PathParts<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let catalog = rest.catalog();
    Ask::admitted(&rest, &catalog, &platform, &parts).await?.write_batch(body).await
}

async fn unknown_method(method: Method) -> Problem {
    let message = format!("Unsupported HTTP method: {method}");
    Problem::rest(StatusCode::METHOD_NOT_ALLOWED, "PGRST117", message)
}

async fn unknown_path() -> Problem {
    Problem::rest(StatusCode::NOT_FOUND, "PGRST125", "Invalid path specified in request URL")
}
