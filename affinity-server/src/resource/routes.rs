//! The addresses of the REST layer.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;

use super::ask::Ask;
use super::rest::Rest;
use crate::problem::{PathParts, Problem};

/// The routes below `/rest`.
pub fn routes(rest: Rest) -> Router {
    Router::new().route("/rest/{platform}/{table}", get(read)).with_state(rest)
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
