//! The address of the document.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use super::document::document;
use crate::matching::Matching;

/// The route `/openapi.json`.
pub fn routes() -> Router<Arc<Matching>> {
    Router::new().route("/openapi.json", get(describe))
}

async fn describe(State(matching): State<Arc<Matching>>) -> Json<Value> {
    Json(document(&matching.offers()))
}
