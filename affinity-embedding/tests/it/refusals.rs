//! Folders that cannot be used, and what the error says.

use crate::folders;
use affinity_embedding::{EncoderError, SentenceEncoder};
use std::path::Path;

/// What opening tiny-32 says after `change`.
fn refusal(change: impl FnOnce(&Path)) -> EncoderError {
    let copy = folders::copy();
    change(copy.path());
    SentenceEncoder::open(copy.path()).err().unwrap()
}

/// Replaces `old` in a file of text or the header of the weights, at the same length there.
fn replace(folder: &Path, file: &str, old: &str, new: &str) {
    let path = folder.join(file);
    let bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
    let changed = [&bytes[..place], new.as_bytes(), &bytes[place + old.len()..]].concat();
    std::fs::write(path, changed).unwrap();
}

#[track_caller]
fn check_setting(file: &str, (old, new): (&str, &str), field: &str, got: &str) {
    match refusal(|folder| replace(folder, file, old, new)) {
        EncoderError::Unsupported { path, field: named, got: said, .. } => {
            assert!(path.ends_with(file), "{path:?}");
            assert_eq!((named, said.as_str()), (field, got));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn another_architecture_is_refused_by_name() {
    let file = "config.json";
    check_setting(file, ("\"bert\"", "\"mpnet\""), "model_type", "\"mpnet\"");
    check_setting(file, ("\"gelu\"", "\"relu\""), "hidden_act", "\"relu\"");
    check_setting(file, ("_heads\": 4", "_heads\": 5"), "num_attention_heads", "5");
    check_setting(file, ("_layers\": 2", "_layers\": 0"), "num_hidden_layers", "0");
    check_setting(file, ("\"vocab_size\": 135", "\"vocab_size\": 134"), "vocab_size", "134");
    check_setting("sentence_bert_config.json", ("24", "2"), "max_seq_length", "2");
}

#[test]
fn pooling_other_than_the_mean_is_refused() {
    let error = refusal(|folder| {
        std::fs::create_dir(folder.join("1_Pooling")).unwrap();
        let pooling = r#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#;
        std::fs::write(folder.join("1_Pooling/config.json"), pooling).unwrap();
    });
    let EncoderError::Unsupported { field: "pooling_mode_mean_tokens", .. } = error else {
        panic!("{error:?}")
    };
}

#[test]
fn a_missing_file_is_named() {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        match refusal(|folder| std::fs::remove_file(folder.join(file)).unwrap()) {
            EncoderError::Unreadable { path, .. } => assert!(path.ends_with(file), "{path:?}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_that_is_not_json_is_named() {
    let error = refusal(|folder| std::fs::write(folder.join("config.json"), "{").unwrap());
    assert!(matches!(error, EncoderError::Malformed { .. }), "{error:?}");
    let error = refusal(|folder| std::fs::write(folder.join("tokenizer.json"), "{}").unwrap());
    assert!(matches!(error, EncoderError::Tokenizer { .. }), "{error:?}");
}

#[test]
fn weights_cut_short_anywhere_are_refused() {
    let whole = std::fs::read(folders::path("tiny-32/model.safetensors")).unwrap();
    for length in [0, 7, 8, 100, whole.len() / 2, whole.len() - 4, whole.len() - 1] {
        let error = refusal(|folder| {
            std::fs::write(folder.join("model.safetensors"), &whole[..length]).unwrap();
        });
        assert!(matches!(error, EncoderError::DamagedWeights { .. }), "{length} bytes: {error:?}");
    }
}

#[test]
fn a_tensor_that_is_missing_or_misshapen_is_named_with_both_shapes() {
    let file = "model.safetensors";
    match refusal(|folder| replace(folder, file, "layer.1.output.dense.bias", "layer.1.output.dense.bios")) {
        EncoderError::MissingTensor { tensor, .. } => {
            assert_eq!(tensor, "encoder.layer.1.output.dense.bias");
        }
        other => panic!("{other:?}"),
    }
    match refusal(|folder| replace(folder, "config.json", "_size\": 64", "_size\": 48")) {
        EncoderError::WrongShape { tensor, expected, got, .. } => {
            assert_eq!(tensor, "encoder.layer.0.intermediate.dense.weight");
            assert_eq!((expected, got), (vec![48, 32], vec![64, 32]));
        }
        other => panic!("{other:?}"),
    }
    match refusal(|folder| replace(folder, file, "\"F32\"", "\"I32\"")) {
        EncoderError::WrongType { got, .. } => assert_eq!(got, "I32"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_weight_that_is_no_number_is_refused() {
    let error = refusal(|folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(path, bytes).unwrap();
    });
    assert!(matches!(error, EncoderError::NotFinite { .. }), "{error:?}");
}
