//! The folder of a model: its settings and files.

use crate::error::EncoderError;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Tokens of a text when the folder does not say: what the models of this family were trained with.
const TOKENS_MAX_DEFAULT: usize = 256;

/// The sizes of a BERT encoder, as `config.json` names them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Architecture {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) type_vocab_size: usize,
    pub(crate) vocab_size: usize,
    pub(crate) layer_norm_eps: f32,
}

fn absolute() -> String {
    "absolute".into()
}

/// How a sentence's vector comes from those of its tokens, as sentence-transformers names it.
#[derive(Deserialize)]
struct Pooling {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
}

#[derive(Deserialize)]
struct SentenceSettings {
    max_seq_length: Option<usize>,
}

#[derive(Deserialize)]
struct TokenizerSettings {
    /// A number of tokens, or one beyond any integer for "no limit".
    model_max_length: Option<f64>,
}

pub(crate) struct ModelFolder {
    root: PathBuf,
}

impl ModelFolder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The last part of the folder's path.
    pub(crate) fn name(&self) -> String {
        // A relative "." has a name only once it is resolved.
        let resolved = self.root.canonicalize().unwrap_or_else(|_| self.root.clone());
        resolved.file_name().map_or_else(|| "model".into(), |name| name.to_string_lossy().into_owned())
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root.join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Result<Vec<u8>, EncoderError> {
        let path = self.path(file);
        std::fs::read(&path).map_err(|source| EncoderError::Unreadable { path, source })
    }

    fn parse<T: DeserializeOwned>(&self, file: &str) -> Result<T, EncoderError> {
        let bytes = self.read(file)?;
        serde_json::from_slice(&bytes)
            .map_err(|source| EncoderError::Malformed { path: self.path(file), source })
    }

    /// `None` where the folder has no such file.
    fn parse_if_present<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>, EncoderError> {
        match self.parse(file) {
            Err(EncoderError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            parsed => parsed.map(Some),
        }
    }

    fn unsupported(&self, file: &str, field: &'static str, expected: &str, got: String) -> EncoderError {
        EncoderError::Unsupported { path: self.path(file), field, expected: expected.into(), got }
    }

    /// `config.json`, every size at least 1 and the heads dividing the vectors.
    pub(crate) fn architecture(&self) -> Result<Architecture, EncoderError> {
        const FILE: &str = "config.json";
        let architecture: Architecture = self.parse(FILE)?;
        for (field, got, expected) in [
            ("model_type", &architecture.model_type, "bert"),
            ("hidden_act", &architecture.hidden_act, "gelu"),
            ("position_embedding_type", &architecture.position_embedding_type, "absolute"),
        ] {
            if got != expected {
                return Err(self.unsupported(FILE, field, &format!("\"{expected}\""), format!("\"{got}\"")));
            }
        }
        for (field, size) in [
            ("hidden_size", architecture.hidden_size),
            ("intermediate_size", architecture.intermediate_size),
            ("num_attention_heads", architecture.num_attention_heads),
            ("num_hidden_layers", architecture.num_hidden_layers),
            ("type_vocab_size", architecture.type_vocab_size),
            ("vocab_size", architecture.vocab_size),
        ] {
            if size == 0 {
                return Err(self.unsupported(FILE, field, "at least 1", "0".into()));
            }
        }
        if !architecture.hidden_size.is_multiple_of(architecture.num_attention_heads) {
            let expected = format!("a divisor of hidden_size {}", architecture.hidden_size);
            let got = architecture.num_attention_heads.to_string();
            return Err(self.unsupported(FILE, "num_attention_heads", &expected, got));
        }
        if !(architecture.layer_norm_eps > 0.0 && architecture.layer_norm_eps < 1.0) {
            let got = architecture.layer_norm_eps.to_string();
            return Err(self.unsupported(FILE, "layer_norm_eps", "between 0 and 1", got));
        }
        Ok(architecture)
    }

    /// Refuses a pooling other than the mean; a folder that names none is one of this family.
    pub(crate) fn check_pooling(&self) -> Result<(), EncoderError> {
        const FILE: &str = "1_Pooling/config.json";
        let Some(pooling) = self.parse_if_present::<Pooling>(FILE)? else { return Ok(()) };
        for (field, got, expected) in [
            ("pooling_mode_mean_tokens", pooling.pooling_mode_mean_tokens, true),
            ("pooling_mode_cls_token", pooling.pooling_mode_cls_token, false),
            ("pooling_mode_max_tokens", pooling.pooling_mode_max_tokens, false),
            ("pooling_mode_mean_sqrt_len_tokens", pooling.pooling_mode_mean_sqrt_len_tokens, false),
        ] {
            if got != expected {
                return Err(self.unsupported(FILE, field, &expected.to_string(), got.to_string()));
            }
        }
        Ok(())
    }

    /// Tokens of a text, at most, the two marks around it included.
    pub(crate) fn tokens_max(&self, architecture: &Architecture) -> Result<usize, EncoderError> {
        const FILE: &str = "sentence_bert_config.json";
        let positions = architecture.max_position_embeddings;
        let sentence: Option<SentenceSettings> = self.parse_if_present(FILE)?;
        let tokenizer: Option<TokenizerSettings> = self.parse_if_present("tokenizer_config.json")?;
        let of_tokenizer = tokenizer.and_then(|settings| settings.model_max_length);
        let tokens_max = sentence
            .and_then(|settings| settings.max_seq_length)
            .or_else(|| {
                // A limit beyond the positions says nothing; below them it is a small whole number.
                let limit = of_tokenizer?;
                (0..=positions).rev().find(|count| *count as f64 <= limit)
            })
            .unwrap_or(TOKENS_MAX_DEFAULT)
            .min(positions);
        if tokens_max < 3 {
            let expected = "room for a token between two marks";
            return Err(self.unsupported(FILE, "max_seq_length", expected, tokens_max.to_string()));
        }
        Ok(tokens_max)
    }
}
