//! The addresses of the REST layer.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};

use super::ask::Ask;
use super::rest::Rest;
use crate::problem::{PathParts, Problem};

/// The routes below `/rest`.
pub fn routes(rest: Rest) -> Router {
    let rows = get(read).post(write).patch(write).put(write).delete(write);
    Router::new()
        .route("/rest/{platform}/{table}", rows)
        .route("/rest/{platform}/rpc/{function}", any(call))
        .with_state(rest)
}

async fn read(
    State(rest): State<Rest>,
    PathParts((platform, table)): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let catalog = rest.catalog();
    Ask::new(&rest, &catalog, &platform, &parts).await?.read(&table).await
}

async fn write(
    State(rest): State<Rest>,
    PathParts((platform, table)): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let catalog = rest.catalog();
    Ask::new(&rest, &catalog, &platform, &parts).await?.write(&table, body).await
}

async fn call(
    State(rest): State<Rest>,
    PathParts((platform, function)): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let catalog = rest.catalog();
    Ask::new(&rest, &catalog, &platform, &parts).await?.call(&function, body).await
}
