//! A server that is told to embed by a sentence transformer of a folder, a made-up one of a few kilobytes.

use affinity_server::embedding::{BuiltinEmbedder, EmbeddingError, LocalEmbedder};
use nix::sys::signal::Signal;
use serde_json::json;
use sqlx::PgPool;

use crate::matching::{ask, partners};
use crate::server_process::{Server, command_with_demo, poll};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../affinity-embedding/tests/models/tiny-32");

#[test]
fn folder_without_a_model_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = LocalEmbedder::open(folder.path()).unwrap_err();
    let EmbeddingError::Model { source } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("config.json"), "{source}");
}

/// Waits until the vectors of `model` serve, and sees that they do.
async fn check_serves(server: &Server, model: &str) {
    poll("the model serves", || {
        let readiness = ask(server, "/readyz");
        assert_eq!(readiness["ready"], true, "answers go on: {readiness}");
        (readiness["platforms"]["teraffi"]["degraded"] == json!([])).then_some(())
    });
    let answer = ask(server, &partners());
    let parts = answer["matches"][0]["contributions"].as_array().unwrap();
    let profile = parts.iter().find(|part| part["signal"] == "profile").unwrap();
    assert_eq!(profile["absent"], false, "{profile}");
    let pool = PgPool::connect_with(server.database_options()).await.unwrap();
    let models: Vec<String> =
        sqlx::query_scalar("select model from affinity.embedding_models").fetch_all(&pool).await.unwrap();
    assert!(matches!(models.as_slice(), [serving] if serving.starts_with(model)), "{models:?}");
}

#[tokio::test]
async fn server_answers_at_once_and_by_the_model_it_is_told_when_that_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command_with_demo(folder.path(), 60);
    command.args(["--embeddings-model", MODEL]);
    let server = Server::try_start(command, folder.path()).unwrap();
    assert!(!server.log.contains("compared by their words"), "{}", server.log);
    check_serves(&server, "tiny-32/32@").await;
    let (status, log) = server.end(Signal::SIGTERM);
    assert!(status.success(), "{log}");

    // Back to the built-in one: what is lost is said, and its vectors have another dimension.
    let server = Server::try_start(command_with_demo(folder.path(), 60), folder.path()).unwrap();
    assert!(server.log.contains("compared by their words"), "{}", server.log);
    check_serves(&server, BuiltinEmbedder::default().model()).await;
}
