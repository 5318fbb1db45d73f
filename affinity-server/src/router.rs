//! Every address of the server, and what holds for all of them.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::{self, SharedAuthority};
use crate::matching::Matching;
use crate::observability::MetricsHandle;
use crate::{health, matching, openapi, problem, ui};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The whole service.
pub fn router(matching: Arc<Matching>, authority: SharedAuthority, metrics: MetricsHandle) -> Router {
    let cors = auth::cors(authority.trusted_origins());
    let service = Router::new()
        .merge(ui::routes())
        .merge(matching::routes())
        .merge(openapi::routes())
        .merge(health::routes(metrics))
        .merge(auth::routes(Arc::clone(&authority)))
        .fallback(problem::not_found)
        .layer(middleware::from_fn_with_state(authority, auth::identify))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn(health::measure))
        .layer(middleware::from_fn(problem::explain_errors))
        .layer(middleware::from_fn(auth::secure_headers))
        .with_state(matching);
    match cors {
        Some(cors) => service.layer(cors),
        None => service,
    }
}
