//! The addresses of matching.

use std::sync::Arc;

use affinity_core::{Answer, Explanation};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::service::Matching;
use super::wire::{MatchBody, MatchParams};
use crate::problem::{JsonBody, PathParts, Problem, QueryString};

/// The routes below `/match`.
pub fn routes() -> Router<Arc<Matching>> {
    Router::new()
        .route("/match/{platform}", get(list_matchers))
        .route("/match/{platform}/{matcher}", axum::routing::post(recommend_for))
        .route("/match/{platform}/{matcher}/{id}", get(recommend))
        .route("/match/{platform}/{matcher}/{id}/explain/{target}", get(explain))
}

async fn list_matchers(
    State(matching): State<Arc<Matching>>,
    PathParts(platform): PathParts<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "matchers": matching.describe(&platform).await? })))
}

async fn recommend(
    State(matching): State<Arc<Matching>>,
    PathParts((platform, matcher, id)): PathParts<(String, String, String)>,
    QueryString(params): QueryString<MatchParams>,
) -> Result<Json<Answer>, Problem> {
    matching.recommend(&platform, &matcher, &id, &params).await.map(Json)
}

async fn recommend_for(
    State(matching): State<Arc<Matching>>,
    PathParts((platform, matcher)): PathParts<(String, String)>,
    JsonBody(body): JsonBody<MatchBody>,
) -> Result<Json<Answer>, Problem> {
    matching.recommend_for(&platform, &matcher, body).await.map(Json)
}

async fn explain(
    State(matching): State<Arc<Matching>>,
    PathParts((platform, matcher, id, target)): PathParts<(String, String, String, String)>,
    QueryString(params): QueryString<MatchParams>,
) -> Result<Json<Explanation>, Problem> {
    matching.explain(&platform, &matcher, (&id, &target), &params).await.map(Json)
}
