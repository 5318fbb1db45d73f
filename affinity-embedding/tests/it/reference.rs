//! Vectors against those of transformers and torch, and what they may not depend on.

use crate::folders;
use affinity_embedding::SentenceEncoder;
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

#[derive(serde::Deserialize)]
struct Reference {
    text: String,
    vector: Vec<f32>,
}

/// As `make.py` wrote them.
fn references(path: &Path) -> Vec<Reference> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[track_caller]
fn check_reference(encoder: &SentenceEncoder, path: &Path, tolerance: f32) {
    let references = references(path);
    assert!(references.len() >= 10);
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    let vectors = encoder.encode(&texts).unwrap();
    for (Reference { text, vector: expected }, got) in references.iter().zip(&vectors) {
        assert_eq!(expected.len(), got.len());
        for (place, (expected, got)) in expected.iter().zip(got).enumerate() {
            let close = (expected - got).abs() <= tolerance;
            assert!(close, "component {place} of {text:?} is {got}, expected {expected}");
        }
    }
}

#[test]
fn vectors_of_a_two_layer_model_are_those_of_torch() {
    check_reference(&folders::open("tiny-32"), &folders::path("tiny-32/reference.json"), 1e-5);
}

#[test]
fn vectors_of_sizes_that_fill_no_register_are_those_of_torch() {
    check_reference(&folders::open("tiny-21"), &folders::path("tiny-21/reference.json"), 1e-5);
}

#[test]
fn vectors_of_the_published_model_are_those_of_torch() {
    match std::env::var_os("AFFINITY_EMBEDDINGS_MODEL") {
        Some(folder) => {
            let encoder = SentenceEncoder::open(Path::new(&folder)).unwrap();
            assert_eq!((encoder.dimension(), encoder.tokens_max()), (384, 256));
            check_reference(&encoder, &folders::path("all-MiniLM-L6-v2.json"), 1e-5);
        }
        // A skipped test must say so, whatever else is silent.
        #[allow(clippy::print_stderr)]
        None => eprintln!("skipped: AFFINITY_EMBEDDINGS_MODEL names no folder of all-MiniLM-L6-v2"),
    }
}

#[test]
fn a_text_over_the_limit_counts_by_its_beginning() {
    let encoder = folders::open("tiny-32");
    assert_eq!(encoder.tokens_max(), 24);
    let beginning = ["farm"; 22].join(" "); // two of the 24 are the marks around a text
    let [beginning, longer, shorter] =
        [beginning.clone(), format!("{beginning} jazz"), ["farm"; 21].join(" ")];
    let vectors = encoder.encode(&[&beginning, &longer, &shorter]).unwrap();
    assert_eq!(vectors[0], vectors[1]);
    assert_ne!(vectors[0], vectors[2]);
}

#[test]
fn no_texts_give_no_vectors() {
    assert_eq!(folders::open("tiny-32").encode(&[]).unwrap(), Vec::<Vec<f32>>::new());
}

#[test]
fn the_name_of_a_model_changes_with_its_weights_and_settings() {
    let original = folders::open("tiny-32");
    let name = |folder: &tempfile::TempDir| {
        let encoder = SentenceEncoder::open(folder.path()).unwrap();
        encoder.model().split_once('/').unwrap().1.to_owned()
    };
    let copy = folders::copy();
    let same = name(&copy);
    assert_eq!(original.model(), format!("tiny-32/{same}"));

    std::fs::write(copy.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 20}"#).unwrap();
    let shorter = name(&copy);
    let weights = copy.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1; // the sign and exponent of a weight, still finite
    std::fs::write(&weights, bytes).unwrap();
    let other = name(&copy);
    assert!(same != shorter && shorter != other && same != other, "{same} {shorter} {other}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_vector_depends_on_its_text_alone(
        texts in proptest::collection::vec("(farm|jazz|network|energy|[a-z]{0,9}| ){0,12}", 1..40),
        threads in 1..4_usize,
    ) {
        static ENCODER: LazyLock<SentenceEncoder> = LazyLock::new(|| folders::open("tiny-21"));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let together = pool.install(|| ENCODER.encode(&texts)).unwrap();
        for (text, vector) in texts.iter().zip(together) {
            prop_assert_eq!(ENCODER.encode(&[text]).unwrap().remove(0), vector);
        }
    }
}
