//! Whether the process lives, whether it can answer, and what it has counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use affinity_core::SizeRow;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Map, Value, json};

use crate::catalog::CatalogHandle;
use crate::matching::Matching;
use crate::observability::MetricsHandle;

/// An engine that has been out of step with the database for longer is not ready.
const LAG_MAX: Duration = Duration::from_secs(10);

/// `/livez`, `/readyz` and `/metrics`.
pub fn routes(metrics: MetricsHandle) -> Router<Arc<Matching>> {
    Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(ready)).route(
        "/metrics",
        get(move |State(matching): State<Arc<Matching>>| async move {
            record_sizes(&matching);
            ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
        }),
    )
}

/// Where the bytes of each engine are, as the command `stats` prints them.
fn record_sizes(matching: &Matching) {
    for (platform, hosted) in matching.platforms() {
        for SizeRow { of, part, bytes, .. } in hosted.engine().sizes() {
            let labels = [("platform", platform.clone()), ("of", of), ("part", part.to_string())];
            metrics::gauge!("affinity_engine_bytes", &labels).set(bytes as f64);
        }
    }
}

async fn ready(
    State(matching): State<Arc<Matching>>,
    Extension(catalog): Extension<CatalogHandle>,
) -> Response {
    let mut platforms = Map::new();
    let mut is_ready = catalog.error().is_none();
    for (name, hosted) in matching.platforms() {
        let engine = hosted.engine();
        let mut report = json!({ "engine_version": engine.version(), "counts": engine.counts() });
        if let Some(status) = hosted.status() {
            is_ready &= status.error.is_none() && status.lag < LAG_MAX;
            report["lag_ms"] = json!(u64::try_from(status.lag.as_millis()).unwrap_or(u64::MAX));
            report["error"] = json!(status.error);
            report["degraded"] = json!(status.degraded);
        }
        platforms.insert(name.clone(), report);
    }
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let report = json!({
        "ready": is_ready,
        "platforms": Value::Object(platforms),
        "tables": tables(&catalog),
        "catalog_error": catalog.error(),
    });
    (status, Json(report)).into_response()
}

/// By platform: how many tables are served, and which are not, with the reason.
fn tables(catalog: &CatalogHandle) -> Value {
    let catalog = catalog.load();
    let report = catalog.platforms.iter().map(|(name, platform)| {
        let refused = platform.refused.iter().map(|refused| {
            let name = format!("{}.{}", refused.schema.name(), refused.name.name());
            (name, json!(refused.reason))
        });
        let refused: Map<String, Value> = refused.collect();
        (name.clone(), json!({ "served": platform.relations.len(), "refused": refused }))
    });
    Value::Object(report.collect())
}

/// Middleware that measures every request by its route, not by its address: ids must not become labels.
pub async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_string();
    let (method, started) = (method_label(request.method()), Instant::now());
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    let labels = [("method", method), ("route", route), ("status", status)];
    metrics::histogram!("affinity_http_request_seconds", &labels).record(started.elapsed().as_secs_f64());
    response
}

/// The method, unless a client made it up: what anybody can choose would be a metric for each.
fn method_label(method: &Method) -> String {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    if known.contains(method) { method.to_string() } else { "other".to_owned() }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::method_label;

    #[test]
    fn methods_that_clients_make_up_share_a_label() {
        assert_eq!(method_label(&Method::PATCH), "PATCH");
        assert_eq!(Method::from_bytes(b"FROB").as_ref().map(method_label).ok(), Some("other".to_owned()));
    }
}
