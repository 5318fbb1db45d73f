//! A sentence transformer of a folder instead of the built-in embedder, with a made-up model of a few kilobytes.

use std::path::Path;

use affinity_server::embedding::{Embedder, EmbeddingError, LocalEmbedder};
use nix::sys::signal::Signal;

use crate::matching::{ask, partners};
use crate::server_process::{Server, command_with_demo};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../affinity-embedding/tests/models/tiny-32");

#[tokio::test]
async fn folder_gives_vectors_in_order_and_none_for_blank_texts() {
    let embedder = Embedder::Local(LocalEmbedder::open(Path::new(MODEL)).unwrap());
    let texts = ["graph", " ", "theory of graphs", "graph"].map(String::from);
    let vectors = embedder.embed(&texts).await.unwrap();
    assert_eq!(vectors.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!((vectors[0].as_ref().map(Vec::len), embedder.dimension()), (Some(32), 32));
    assert_eq!(vectors[0], vectors[3]);
    assert_ne!(vectors[0], vectors[2]);
}

#[test]
fn folder_without_a_model_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = LocalEmbedder::open(folder.path()).unwrap_err();
    let EmbeddingError::Model { source } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("config.json"), "{source}");
}

#[test]
fn server_embeds_by_the_model_it_is_told_and_anew_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command_with_demo(folder.path(), 60);
    command.args(["--embeddings-model", MODEL]);
    let server = Server::try_start(command, folder.path()).unwrap();
    assert!(!server.log.contains("compared by their words"), "{}", server.log);
    let profile = |server: &Server| {
        let answer = ask(server, &partners());
        let parts = answer["matches"][0]["contributions"].as_array().unwrap().clone();
        parts.into_iter().find(|part| part["signal"] == "profile").unwrap()
    };
    assert_eq!(profile(&server)["absent"], false);
    let (status, log) = server.end(Signal::SIGTERM);
    assert!(status.success(), "{log}");

    // Back to the built-in one: what is lost is said, and every text has a vector of the other dimension.
    let server = Server::try_start(command_with_demo(folder.path(), 60), folder.path()).unwrap();
    assert!(server.log.contains("compared by their words"), "{}", server.log);
    assert_eq!(profile(&server)["absent"], false);
}
