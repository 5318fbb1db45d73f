//! The HTTP embedder against a local service with the 1536 dimensions of the source.

use affinity_server::embedding::{Embedder, EmbeddingError, HttpEmbedder, HttpEmbedderParams};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DIMENSION: usize = 1536;

type Answerer = fn(usize, &Value) -> Response;

/// A service that keeps what it was asked and answers as the test says.
#[derive(Clone)]
struct Service {
    answerer: Answerer,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

async fn answer(State(service): State<Service>, headers: HeaderMap, body: String) -> Response {
    let question: Value = serde_json::from_str(&body).unwrap();
    let mut asked = service.asked.lock().unwrap();
    asked.push((headers, question.clone()));
    (service.answerer)(asked.len(), &question)
}

/// Starts a service and returns parameters that reach it, quick enough for a test.
async fn start(answerer: Answerer) -> (HttpEmbedderParams, Service) {
    let service = Service { answerer, asked: Arc::default() };
    let router = Router::new().route("/v1/embeddings", post(answer)).with_state(service.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let params = HttpEmbedderParams {
        key: Some("sk-very-secret".into()),
        attempts_max: 3,
        backoff_first: Duration::from_millis(2),
        backoff_max: Duration::from_millis(20),
        ..HttpEmbedderParams::standard(url, "text-embedding-3-small", DIMENSION)
    };
    (params, service)
}

/// The vector of a text in these tests: its length in the first place.
fn vector(text: &str) -> Vec<f64> {
    let mut components = vec![0.25; DIMENSION];
    components[0] = text.len() as f64;
    components
}

/// A correct answer, last text first, as the protocol allows.
fn correct(question: &Value) -> Value {
    let texts = question["input"].as_array().unwrap();
    let items: Vec<Value> = texts
        .iter()
        .enumerate()
        .rev()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text.as_str().unwrap())}))
        .collect();
    json!({"object": "list", "data": items, "model": "text-embedding-3-small", "usage": {"prompt_tokens": 1}})
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

async fn failure(answerer: Answerer) -> (EmbeddingError, usize) {
    let (params, service) = start(answerer).await;
    let error = HttpEmbedder::new(params).unwrap().embed(&texts(&["one", "two"])).await.unwrap_err();
    let facts = format!("{error} {error:?}");
    assert!(!facts.contains("sk-very-secret"), "{facts}");
    let asked = service.asked.lock().unwrap().len();
    (error, asked)
}

#[tokio::test]
async fn texts_come_back_in_order_with_blank_ones_absent() {
    let (params, service) = start(|_, question| axum::Json(correct(question)).into_response()).await;
    let embedder = Embedder::Http(HttpEmbedder::new(params).unwrap());
    assert_eq!((embedder.model(), embedder.dimension()), ("text-embedding-3-small/1536", DIMENSION));
    let vectors = embedder.embed(&texts(&["a", " ", "ccc", "bb"])).await.unwrap();
    let first: Vec<Option<f32>> =
        vectors.iter().map(|vector| vector.as_ref().map(|components| components[0])).collect();
    assert_eq!(first, [Some(1.0), None, Some(3.0), Some(2.0)]);
    assert!(vectors.iter().flatten().all(|components| components.len() == DIMENSION));
    let asked = service.asked.lock().unwrap();
    let (headers, question) = &asked[0];
    assert_eq!(headers["authorization"], "Bearer sk-very-secret");
    assert_eq!(
        question,
        &json!({"model": "text-embedding-3-small", "input": ["a", "ccc", "bb"], "encoding_format": "float"})
    );
}

#[tokio::test]
async fn batches_keep_count_and_characters_below_their_limits() {
    let (params, service) = start(|_, question| axum::Json(correct(question)).into_response()).await;
    let params = HttpEmbedderParams { batch_texts_max: 3, batch_chars_max: 10, ..params };
    let long = "x".repeat(25);
    let all = texts(&["aaaa", "bbbb", "cccc", long.as_str(), "d", "e", "f", "g"]);
    let vectors = HttpEmbedder::new(params).unwrap().embed(&all).await.unwrap();
    let lengths: Vec<f32> = vectors.iter().flatten().map(|components| components[0]).collect();
    assert_eq!(lengths, [4.0, 4.0, 4.0, 25.0, 1.0, 1.0, 1.0, 1.0]);
    let sizes: Vec<usize> = service
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(_, question)| question["input"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [2, 1, 1, 3, 1]);
}

#[tokio::test]
async fn busy_service_is_asked_again_after_the_wait_it_names_up_to_the_cap() {
    let (params, service) = start(|attempt, question| match attempt {
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]).into_response(),
        2 => StatusCode::BAD_GATEWAY.into_response(),
        _ => axum::Json(correct(question)).into_response(),
    })
    .await;
    let started = Instant::now();
    let params = HttpEmbedderParams { backoff_max: Duration::from_millis(300), ..params };
    let vectors = HttpEmbedder::new(params).unwrap().embed(&texts(&["one"])).await.unwrap();
    assert_eq!((vectors.len(), service.asked.lock().unwrap().len()), (1, 3));
    // The first wait is what the service asked for, cut to 300 ms, not the 2 ms of the backoff.
    assert!(started.elapsed() >= Duration::from_millis(300) && started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn service_that_stays_broken_is_named_after_the_last_attempt() {
    let (error, asked) = failure(|_, _| (StatusCode::INTERNAL_SERVER_ERROR, "boom").into_response()).await;
    assert!(
        matches!(&error, EmbeddingError::Refused { status: 500, attempts: 3, message } if message == "boom"),
        "{error:?}"
    );
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn refusal_is_final_and_repeats_no_key() {
    let (error, asked) = failure(|_, _| {
        let body = json!({"error": {"message": "wrong key sk-very-secret", "type": "auth"}});
        (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response()
    })
    .await;
    assert!(
        matches!(&error, EmbeddingError::Refused { status: 401, attempts: 1, message } if message == "wrong key ***"),
        "{error:?}"
    );
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let (error, asked) =
        failure(|_, _| (StatusCode::FOUND, [("location", "/v1/embeddings")]).into_response()).await;
    assert!(matches!(error, EmbeddingError::Refused { status: 302, attempts: 1, .. }), "{error:?}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn wrong_answers_are_told_apart() {
    let (error, _) = failure(|_, _| "no json".into_response()).await;
    assert!(matches!(error, EmbeddingError::Malformed { .. }), "{error:?}");

    let (error, _) = failure(|_, question| {
        let mut answer = correct(question);
        answer["data"].as_array_mut().unwrap().pop();
        axum::Json(answer).into_response()
    })
    .await;
    assert!(matches!(error, EmbeddingError::WrongCount { expected: 2, got: 1 }), "{error:?}");

    let (error, _) = failure(|_, question| {
        let mut answer = correct(question);
        answer["data"][0]["index"] = json!(0);
        axum::Json(answer).into_response()
    })
    .await;
    assert!(matches!(error, EmbeddingError::WrongIndex { index: 0, count: 2 }), "{error:?}");

    let (error, _) = failure(|_, question| {
        let mut answer = correct(question);
        answer["data"][0]["index"] = json!(2);
        axum::Json(answer).into_response()
    })
    .await;
    assert!(matches!(error, EmbeddingError::WrongIndex { index: 2, count: 2 }), "{error:?}");

    let (error, _) = failure(|_, question| {
        let mut answer = correct(question);
        answer["data"][1]["embedding"] = json!([1.0, 2.0]);
        axum::Json(answer).into_response()
    })
    .await;
    assert!(
        matches!(&error, EmbeddingError::WrongDimension { model, expected: DIMENSION, got: 2 } if model == "text-embedding-3-small"),
        "{error:?}"
    );

    // 1e39 is a JSON number and past the largest f32.
    let (error, _) = failure(|_, question| {
        let mut answer = correct(question);
        answer["data"][1]["embedding"][7] = json!(1e39);
        axum::Json(answer).into_response()
    })
    .await;
    assert!(matches!(error, EmbeddingError::Malformed { .. }), "{error:?}");
}

#[tokio::test]
async fn endless_answer_is_cut() {
    let (error, asked) = failure(|_, _| "x".repeat(1 << 20).into_response()).await;
    assert!(matches!(error, EmbeddingError::Unreachable { attempts: 1, .. }), "{error:?}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn silent_service_times_out_after_every_attempt() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/embeddings", listener.local_addr().unwrap());
    let params = HttpEmbedderParams {
        timeout: Duration::from_millis(50),
        attempts_max: 2,
        backoff_first: Duration::from_millis(1),
        ..HttpEmbedderParams::standard(url, "m", DIMENSION)
    };
    let error = HttpEmbedder::new(params).unwrap().embed(&texts(&["one"])).await.unwrap_err();
    assert!(matches!(error, EmbeddingError::Unreachable { attempts: 2, .. }), "{error:?}");
    drop(listener);
}

#[test]
fn wrong_parameters_are_named() {
    let params = |url: &str| HttpEmbedderParams::standard(url, "m", DIMENSION);
    for url in ["", "not a url", "ftp://host/v1"] {
        let error = HttpEmbedder::new(params(url)).unwrap_err();
        assert!(matches!(error, EmbeddingError::InvalidUrl { .. }), "{url}: {error:?}");
    }
    let key = HttpEmbedderParams { key: Some("a\nb".into()), ..params("http://localhost") };
    assert!(matches!(HttpEmbedder::new(key).unwrap_err(), EmbeddingError::InvalidKey));
    let zero = HttpEmbedderParams { dimension: 0, ..params("http://localhost") };
    assert!(matches!(
        HttpEmbedder::new(zero).unwrap_err(),
        EmbeddingError::ZeroParameter { field: "dimension" }
    ));
}
