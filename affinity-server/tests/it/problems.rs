//! Every error that a client sees is a problem document.

use affinity_server::problem::{
    JsonBody, PathParts, Problem, QueryString, explain_errors, not_found, panicked,
};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::catch_panic::CatchPanicLayer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: u8,
}

async fn body(JsonBody(Limit { limit }): JsonBody<Limit>) -> String {
    limit.to_string()
}

async fn query(QueryString(Limit { limit }): QueryString<Limit>) -> String {
    limit.to_string()
}

async fn path(PathParts(number): PathParts<u8>) -> String {
    number.to_string()
}

async fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "the queue is full").retry_after_seconds(3)
}

async fn page() -> (StatusCode, Html<&'static str>) {
    (StatusCode::NOT_FOUND, Html("a page for people"))
}

async fn report() -> (StatusCode, Json<Value>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "lag_ms": 9_000 })))
}

async fn fail() {
    panic!("secret of the server")
}

/// Serves the routes above as the server layers them, and returns the address.
async fn start() -> String {
    let router = Router::new()
        .route("/body", post(body))
        .route("/query", get(query))
        .route("/path/{number}", get(path))
        .route("/busy", get(busy))
        .route("/page", get(page))
        .route("/report", get(report))
        .route("/fail", get(fail))
        .fallback(not_found)
        .layer(DefaultBodyLimit::max(64))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(explain_errors));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn client() -> reqwest::Client {
    // Whoever runs first in this process installs the provider; plain HTTP asks for one all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Sends the request and checks the form that all problems share.
#[track_caller]
fn check_problem(answer: (u16, reqwest::header::HeaderMap, String), status: u16, code: &str) -> Value {
    let (got, headers, body) = answer;
    assert_eq!(
        (got, &headers["content-type"]),
        (status, &"application/problem+json".parse().unwrap()),
        "{body}"
    );
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"], &problem["type"]),
        (&json!(status), &json!(code), &json!("about:blank"))
    );
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    problem
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, reqwest::header::HeaderMap, String) {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

#[tokio::test]
async fn wrong_bodies_are_told_apart() {
    let (url, client) = (start().await + "/body", client());
    let post = |body: String| client.post(&url).header("content-type", "application/json").body(body);
    assert_eq!(answer(post(r#"{"limit": 7}"#.into())).await.2, "7");
    check_problem(answer(post("{".into())).await, 400, "json_syntax");
    let problem = check_problem(answer(post(r#"{"limits": 7}"#.into())).await, 422, "json_data");
    assert!(problem["detail"].as_str().unwrap().contains("limits"), "{problem}");
    check_problem(answer(post(" ".repeat(65))).await, 413, "body_too_large");
    let problem = check_problem(answer(client.post(&url).body("{}")).await, 415, "unsupported_media_type");
    assert!(problem["hint"].as_str().unwrap().contains("application/json"), "{problem}");
}

#[tokio::test]
async fn wrong_addresses_are_told_apart() {
    let (url, client) = (start().await, client());
    let get = |path: &str| client.get(format!("{url}{path}"));
    let problem = check_problem(answer(get("/query?limit=many")).await, 400, "bad_query");
    assert_eq!(problem["instance"], "/query");
    check_problem(answer(get("/query?limit=1&offset=2")).await, 400, "bad_query");
    check_problem(answer(get("/path/300")).await, 400, "bad_path");
    let problem = check_problem(answer(get("/no/such%20place")).await, 404, "not_found");
    assert_eq!((&problem["instance"], &problem["title"]), (&json!("/no/such%20place"), &json!("Not Found")));
}

#[tokio::test]
async fn wrong_method_keeps_the_list_of_methods() {
    let (url, client) = (start().await, client());
    let answer = answer(client.delete(format!("{url}/body"))).await;
    assert_eq!(answer.1["allow"], "POST");
    check_problem(answer, 405, "method_not_allowed");
}

#[tokio::test]
async fn panic_says_nothing_of_the_inside() {
    let (url, client) = (start().await, client());
    let answer = answer(client.get(format!("{url}/fail"))).await;
    assert!(!answer.2.contains("secret"), "{}", answer.2);
    check_problem(answer, 500, "internal");
}

#[tokio::test]
async fn problem_keeps_its_own_facts_and_retry_after() {
    let (url, client) = (start().await, client());
    let answer = answer(client.get(format!("{url}/busy"))).await;
    assert_eq!(answer.1.get_all("retry-after").iter().collect::<Vec<_>>(), ["3"]);
    let problem = check_problem(answer, 503, "queue_full");
    assert_eq!((&problem["detail"], &problem["instance"]), (&json!("the queue is full"), &json!("/busy")));
}

#[tokio::test]
async fn page_for_people_stays_a_page() {
    let (url, client) = (start().await, client());
    assert_eq!(answer(client.get(format!("{url}/page"))).await.2, "a page for people");
}

#[tokio::test]
async fn report_of_what_is_wrong_stays_as_it_is() {
    let (url, client) = (start().await, client());
    let (status, _, body) = answer(client.get(format!("{url}/report"))).await;
    assert_eq!(status, 503);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "ready": false, "lag_ms": 9_000 }));
}
