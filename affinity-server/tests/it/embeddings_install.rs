//! Fetching a model from a hub on this machine: whole, broken off, wrong, refused.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use affinity_server::egress::EgressError;
use affinity_server::embedding::{InstallError, InstallParams, ModelFile, PublishedModel, install};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

/// What the hub answers: the path, the byte asked for if one was, the file, and how many requests came before.
type Answerer = fn(&str, Option<usize>, Bytes, usize) -> Response;

struct Hub {
    answerer: Answerer,
    /// Paths with the byte that was asked for.
    asked: Mutex<Vec<(String, Option<usize>)>>,
}

async fn answer(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let path = request.uri().path().to_string();
    let range = request.headers().get("range").map(|value| value.to_str().unwrap().to_string());
    let from =
        range.map(|range| range.trim_start_matches("bytes=").trim_end_matches('-').parse::<usize>().unwrap());
    let before = {
        let mut asked = hub.asked.lock().unwrap();
        asked.push((path.clone(), from));
        asked.len() - 1
    };
    let name = path.rsplit('/').next().unwrap();
    let content = std::fs::read(source().join(name)).map(Bytes::from).unwrap_or_default();
    (hub.answerer)(&path, from, content, before)
}

fn source() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../affinity-embedding/tests/models/tiny-32")
}

/// As published: the small model, with the digests that its files have.
fn model() -> PublishedModel {
    let names = ["config.json", "sentence_bert_config.json", "tokenizer.json", "model.safetensors"];
    let files = names.map(|name| {
        let content = std::fs::read(source().join(name)).unwrap();
        let sha256 = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        ModelFile { path: name.to_string(), size_bytes: content.len() as u64, sha256 }
    });
    PublishedModel {
        name: "tiny-32".to_string(),
        repository: "made-up/tiny-32".to_string(),
        revision: "0123abc".to_string(),
        files: files.to_vec(),
    }
}

async fn start(answerer: Answerer) -> (InstallParams, Arc<Hub>) {
    let hub = Arc::new(Hub { answerer, asked: Mutex::default() });
    let router = Router::new().fallback(answer).with_state(Arc::clone(&hub));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let params = InstallParams {
        attempts_max: 3,
        backoff_first: Duration::from_millis(1),
        ..InstallParams::standard(Some(&endpoint)).unwrap()
    };
    (params, hub)
}

/// Half of a file, then a broken connection.
fn half(content: &Bytes) -> Response {
    let sent = content.slice(..content.len() / 2);
    let pieces = stream::once(async { Ok(sent) }).chain(stream::once(async {
        // What was sent leaves the machine while the rest is waited for.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        Err(std::io::Error::other("cut"))
    }));
    Body::from_stream(pieces).into_response()
}

fn part(content: &Bytes, from: usize) -> Response {
    (StatusCode::PARTIAL_CONTENT, content.slice(from..)).into_response()
}

#[track_caller]
fn check_installed(folder: &Path) {
    for file in model().files {
        let expected = std::fs::read(source().join(&file.path)).unwrap();
        assert_eq!(std::fs::read(folder.join(&file.path)).unwrap(), expected, "{}", file.path);
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), model().files.len(), "nothing half done is left");
}

async fn failure(answerer: Answerer) -> (InstallError, Arc<Hub>, tempfile::TempDir) {
    let (params, hub) = start(answerer).await;
    let models = tempfile::tempdir().unwrap();
    let error = install(&model(), models.path(), &params).await.unwrap_err();
    (error, hub, models)
}

#[tokio::test]
async fn model_is_fetched_once_through_a_redirect_by_its_pinned_revision() {
    let (params, hub) = start(|path, _, content, _| match path.starts_with("/store/") {
        true => content.into_response(),
        false => (StatusCode::FOUND, [("location", format!("/store{path}"))]).into_response(),
    })
    .await;
    let models = tempfile::tempdir().unwrap();
    let folder = install(&model(), models.path(), &params).await.unwrap();
    assert_eq!(folder, models.path().join("tiny-32"));
    check_installed(&folder);
    let asked: Vec<(String, Option<usize>)> = std::mem::take(&mut *hub.asked.lock().unwrap());
    assert_eq!(asked[0].0, "/made-up/tiny-32/resolve/0123abc/config.json");
    assert_eq!(asked.len(), 8);

    install(&model(), models.path(), &params).await.unwrap();
    assert!(hub.asked.lock().unwrap().is_empty(), "what is there and right is kept");
}

#[tokio::test]
async fn broken_connection_is_continued_where_it_broke() {
    let (params, hub) = start(|path, from, content, _| match (path.ends_with("model.safetensors"), from) {
        (true, None) => half(&content),
        (true, Some(from)) => part(&content, from),
        (false, _) => content.into_response(),
    })
    .await;
    let models = tempfile::tempdir().unwrap();
    check_installed(&install(&model(), models.path(), &params).await.unwrap());
    let asked = hub.asked.lock().unwrap();
    let continued = asked.last().unwrap().1;
    assert!(continued.is_some_and(|from| from > 0), "{asked:?}");
}

#[tokio::test]
async fn hub_that_cannot_continue_sends_all_again() {
    let (params, _) = start(|path, from, content, _| match (path.ends_with("model.safetensors"), from) {
        (true, None) => half(&content),
        _ => content.into_response(),
    })
    .await;
    let models = tempfile::tempdir().unwrap();
    check_installed(&install(&model(), models.path(), &params).await.unwrap());
}

#[tokio::test]
async fn wrong_content_is_refused_and_deleted() {
    let (error, hub, models) = failure(|path, _, content, _| {
        let mut content = content.to_vec();
        if path.ends_with("tokenizer.json") {
            content[7] ^= 1;
        }
        content.into_response()
    })
    .await;
    let InstallError::WrongChecksum { file, expected, got } = error else { panic!("{error:?}") };
    assert_eq!((file.as_str(), expected.as_str()), ("tokenizer.json", model().files[2].sha256.as_str()));
    assert!(got.len() == 64 && got != expected);
    assert_eq!(hub.asked.lock().unwrap().len(), 3, "wrong stays wrong: it is not asked for again");
    let left: Vec<_> = std::fs::read_dir(models.path().join("tiny-32")).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn body_that_ends_early_is_told_with_both_lengths() {
    let (error, hub, _) = failure(|_, from, content, _| match from {
        None => content.slice(..100).into_response(),
        Some(_) => StatusCode::PARTIAL_CONTENT.into_response(),
    })
    .await;
    let expected = model().files[0].size_bytes;
    assert!(
        matches!(&error, InstallError::Truncated { file, expected_bytes, got_bytes: 100 }
            if file == "config.json" && *expected_bytes == expected),
        "{error:?}"
    );
    assert_eq!(hub.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn refusal_is_final_and_a_busy_hub_is_asked_again() {
    let (error, hub, _) = failure(|_, _, _, _| StatusCode::NOT_FOUND.into_response()).await;
    assert!(
        matches!(&error, InstallError::Refused { file, host, status: 404 } if file == "config.json" && host == "127.0.0.1"),
        "{error:?}"
    );
    assert_eq!(hub.asked.lock().unwrap().len(), 1);

    let (params, _) = start(|_, _, content, before| match before {
        0 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        _ => content.into_response(),
    })
    .await;
    let models = tempfile::tempdir().unwrap();
    check_installed(&install(&model(), models.path(), &params).await.unwrap());
}

#[tokio::test]
async fn redirect_into_the_network_is_refused() {
    let (error, hub, _) = failure(|path, _, _, _| {
        (StatusCode::FOUND, [("location", format!("http://localhost:1{path}"))]).into_response()
    })
    .await;
    assert!(
        matches!(&error, InstallError::Unreachable { source: EgressError::PrivateAddress { host, .. }, .. } if host == "localhost"),
        "{error:?}"
    );
    assert_eq!(hub.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn hub_that_is_not_there_is_told_with_the_attempts() {
    let params = InstallParams {
        attempts_max: 2,
        backoff_first: Duration::from_millis(1),
        ..InstallParams::standard(Some("http://127.0.0.1:1")).unwrap()
    };
    let models = tempfile::tempdir().unwrap();
    let error = install(&model(), models.path(), &params).await.unwrap_err();
    assert!(
        matches!(&error, InstallError::Unreachable { attempts: 2, source: EgressError::Broken { .. }, .. }),
        "{error:?}"
    );
    let error = InstallParams::standard(Some("huggingface.co")).unwrap_err();
    assert!(matches!(error, InstallError::InvalidEndpoint { .. }), "{error:?}");
}
