//! Every address of the server, and what holds for all of them.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

use crate::catalog::CatalogHandle;
use crate::matching::Matching;
use crate::observability::MetricsHandle;
use crate::resource::Rest;
use crate::{health, matching, openapi, problem, resource, ui};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The whole service. Handlers take the catalog from the extensions.
pub fn router(matching: Arc<Matching>, catalog: CatalogHandle, rest: Rest, metrics: MetricsHandle) -> Router {
    Router::new()
        .merge(ui::routes())
        .merge(matching::routes())
        .merge(openapi::routes())
        .merge(health::routes(metrics))
        .with_state(matching)
        .merge(resource::routes(rest))
        .fallback(problem::not_found)
        .layer(Extension(catalog))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn(health::measure))
        .layer(middleware::from_fn(problem::explain_errors))
}
