//! The addresses of the documents, and of the page that shows them.

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::document::document;
use super::page::page;
use super::platform::platform_document;
use crate::catalog::{Catalog, CatalogHandle};
use crate::matching::{Matching, PlatformOffer};
use crate::problem::{PathParts, Problem};
use crate::ui::security_headers;

/// The document as it was made last, and what it was made from.
type Made = Arc<RwLock<Option<(Arc<Catalog>, Vec<PlatformOffer>, String)>>>;

/// The routes `/openapi.json`, `/docs` and the root of each platform.
pub fn routes() -> Router<Arc<Matching>> {
    Router::new()
        .route("/openapi.json", get(describe))
        .route("/docs", get(show))
        .route("/rest/{platform}", get(describe_platform))
        .route("/rest/{platform}/", get(describe_platform))
        .layer(Extension(Made::default()))
}

async fn describe(
    State(matching): State<Arc<Matching>>,
    Extension(catalog): Extension<CatalogHandle>,
    Extension(made): Extension<Made>,
) -> Response {
    let (catalog, offers) = (catalog.load(), matching.offers());
    let known = made.read().unwrap_or_else(PoisonError::into_inner).clone();
    let text = match known {
        Some((of, with, text)) if Arc::ptr_eq(&of, &catalog) && with == offers => text,
        _ => {
            let text = document(&offers, &catalog).to_string();
            *made.write().unwrap_or_else(PoisonError::into_inner) = Some((catalog, offers, text.clone()));
            text
        }
    };
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

async fn describe_platform(
    Extension(catalog): Extension<CatalogHandle>,
    PathParts(platform): PathParts<String>,
) -> Result<Response, Problem> {
    let catalog = catalog.load();
    let served = catalog.platforms.get(&platform).ok_or_else(|| unknown(&catalog, &platform))?;
    let text = platform_document(&catalog, served).to_string();
    Ok(([(CONTENT_TYPE, "application/openapi+json")], text).into_response())
}

fn unknown(catalog: &Catalog, platform: &str) -> Problem {
    let detail = format!("platform \"{platform}\" is not served");
    Problem::new(StatusCode::NOT_FOUND, "unknown_platform", detail).allowed(catalog.platforms.keys())
}

async fn show(
    State(matching): State<Arc<Matching>>,
    Extension(catalog): Extension<CatalogHandle>,
) -> Response {
    let catalog = catalog.load();
    let shown = page(&catalog, &document(&matching.offers(), &Catalog::default()));
    (security_headers(), shown).into_response()
}
