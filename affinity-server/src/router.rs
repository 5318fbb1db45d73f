//! Every address of the server, and what holds for all of them.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;

use crate::auth::{self, SharedAuthority};
use crate::catalog::CatalogHandle;
use crate::matching::Matching;
use crate::observability::MetricsHandle;
use crate::read_ahead::read_ahead;
use crate::resource::Rest;
use crate::{health, matching, openapi, problem, resource, ui};

/// Bytes of a request's body, where a route does not say otherwise.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What needs a database: who is asking, and the tables.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Knows who is asking.
    pub authority: SharedAuthority,
    /// Knows what the database holds.
    pub catalog: CatalogHandle,
    /// Serves it.
    pub rest: Rest,
}

/// The whole service; without a backend nobody is asked who he is, and no tables are served.
pub fn router(matching: Arc<Matching>, backend: Option<Backend>, metrics: MetricsHandle) -> Router {
    let service = Router::new()
        .merge(ui::routes())
        .merge(matching::routes())
        .merge(openapi::routes())
        .merge(health::routes(metrics))
        .with_state(matching);
    let service = match &backend {
        Some(Backend { authority, catalog, rest }) => service
            .merge(resource::routes(rest.clone()))
            .merge(auth::routes(Arc::clone(authority)))
            .layer(Extension(catalog.clone()))
            .layer(middleware::from_fn_with_state(Arc::clone(authority), auth::identify))
            .layer(middleware::from_fn_with_state(rest.clone(), resource::err_as_postgrest)),
        None => service,
    };
    let service = service
        .fallback(problem::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(read_ahead))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn(health::measure))
        .layer(middleware::from_fn(problem::explain_errors))
        .layer(middleware::from_fn(auth::secure_headers));
    match backend.and_then(|backend| auth::cors(backend.authority.trusted_origins())) {
        Some(cors) => service.layer(cors),
        None => service,
    }
}
