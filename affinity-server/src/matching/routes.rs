//! The addresses of matching.

use std::sync::Arc;

use affinity_core::{Explanation, WhyNot};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::asker::Asker;
use super::feedback::Recorded;
use super::kept::Found;
use super::service::Matching;
use super::wire::{AssignBody, FeedbackBody, MatchBody, MatchParams};
use crate::problem::{JsonBody, PathParts, Problem, QueryString};

/// The routes below `/match`.
pub fn routes() -> Router<Arc<Matching>> {
    Router::new()
        .route("/match/{platform}", get(list_matchers))
        .route("/match/{platform}/{matcher}", post(recommend_for))
        .route("/match/{platform}/{matcher}/assign", post(assign))
        .route("/match/{platform}/{matcher}/feedback", post(take_feedback))
        .route("/match/{platform}/{matcher}/{id}", get(recommend))
        .route("/match/{platform}/{matcher}/{id}/explain/{target}", get(explain))
        .route("/match/{platform}/{matcher}/{id}/why-not/{target}", get(why_not))
}

async fn list_matchers(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts(platform): PathParts<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "matchers": matching.describe(asker, &platform).await? })))
}

async fn recommend(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher, id)): PathParts<(String, String, String)>,
    QueryString(params): QueryString<MatchParams>,
) -> Result<Response, Problem> {
    let Found { body, was_kept } =
        matching.recommend_kept(&asker, &platform, (&matcher, &id), params).await?;
    let kept = if was_kept { "hit" } else { "miss" };
    Ok(([(CONTENT_TYPE.as_str(), "application/json"), ("affinity-cache", kept)], body).into_response())
}

async fn recommend_for(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher)): PathParts<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<MatchBody>,
) -> Result<Response, Problem> {
    if body.sources.is_some() {
        return matching.recommend_many(asker, &platform, &matcher, body, &headers);
    }
    Ok(Json(matching.recommend_for(&asker, &platform, &matcher, body).await?).into_response())
}

async fn explain(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher, id, target)): PathParts<(String, String, String, String)>,
    QueryString(params): QueryString<MatchParams>,
) -> Result<Json<Explanation>, Problem> {
    matching.explain(&asker, &platform, &matcher, (&id, &target), &params).await.map(Json)
}

async fn why_not(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher, id, target)): PathParts<(String, String, String, String)>,
    QueryString(params): QueryString<MatchParams>,
) -> Result<Json<WhyNot>, Problem> {
    matching.why_not(&asker, &platform, &matcher, (&id, &target), &params).await.map(Json)
}

async fn assign(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher)): PathParts<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<AssignBody>,
) -> Result<Response, Problem> {
    matching.assign(&asker, &platform, &matcher, body, &headers).await
}

async fn take_feedback(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    PathParts((platform, matcher)): PathParts<(String, String)>,
    JsonBody(body): JsonBody<FeedbackBody>,
) -> Result<(StatusCode, Json<Recorded>), Problem> {
    Ok((StatusCode::CREATED, Json(matching.take_feedback(&asker, &platform, &matcher, body).await?)))
}
