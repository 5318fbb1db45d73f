//! The encoder: a tokenizer and a model, and how work is shared out between threads.

use crate::bert::{Bert, Scratch};
use crate::error::EncoderError;
use crate::folder::ModelFolder;
use crate::weights::Weights;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams};

/// Turns texts into vectors whose dot products say how close their meanings are.
///
/// Reads what sentence-transformers saves for models as all-MiniLM-L6-v2: a BERT encoder (`config.json`,
/// `model.safetensors` in 32-bit floats), `tokenizer.json`, and the mean over the tokens, scaled to length 1. A text
/// with more tokens than [`tokens_max`](Self::tokens_max) counts by its beginning alone.
///
/// ```
/// use affinity_embedding::SentenceEncoder;
///
/// let encoder = SentenceEncoder::open(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/tiny-32"))?;
/// assert!(encoder.model().starts_with("tiny-32/32@"));
/// assert_eq!(encoder.encode(&["farm"])?[0], encoder.encode(&["Graphs", "farm"])?[1]);
/// # Ok::<(), affinity_embedding::EncoderError>(())
/// ```
pub struct SentenceEncoder {
    tokenizer: Tokenizer,
    tokenizer_path: PathBuf,
    bert: Bert,
    tokens_max: usize,
    model: String,
}

/// Change it with anything that changes a vector.
const ARITHMETIC: &str = "affinity-embedding 1";

/// Tokens of one forward pass, about: enough to use a panel of weights many times, few enough to stay in the
/// second-level cache.
const PASS_TOKENS: usize = 128;

/// Digits of the digest in the name of a model.
const DIGEST_DIGITS: usize = 16;

impl SentenceEncoder {
    /// The model of a folder. Reads all of it into memory.
    ///
    /// # Errors
    /// An [`EncoderError`] that names the file and what is wrong with it.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, EncoderError> {
        let folder = ModelFolder::new(folder.as_ref());
        let architecture = folder.architecture()?;
        folder.check_pooling()?;
        let tokens_max = folder.tokens_max(&architecture)?;

        let (tokenizer_path, weights_path) =
            (folder.path("tokenizer.json"), folder.path("model.safetensors"));
        let tokenizer_bytes = folder.read("tokenizer.json")?;
        let tokenizer = read_tokenizer(&tokenizer_bytes, tokens_max)
            .map_err(|source| EncoderError::Tokenizer { path: tokenizer_path.clone(), source })?;
        let ids_end = tokenizer.get_vocab(true).values().max().map_or(0, |id| *id as usize + 1);
        if ids_end > architecture.vocab_size {
            return Err(EncoderError::Unsupported {
                path: folder.path("config.json"),
                field: "vocab_size",
                expected: format!("at least {ids_end}, the tokens of tokenizer.json"),
                got: architecture.vocab_size.to_string(),
            });
        }

        let weights_bytes = folder.read("model.safetensors")?;
        let bert = Bert::load(&Weights::parse(&weights_path, &weights_bytes)?, &architecture)?;
        let mut hash = Sha256::new_with_prefix(format!("{ARITHMETIC}, {tokens_max} tokens"));
        for bytes in [&folder.read("config.json")?, &tokenizer_bytes, &weights_bytes] {
            hash.update(Sha256::digest(bytes));
        }
        let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let model = format!("{}/{}@{}", folder.name(), bert.dimension(), &digest[..DIGEST_DIGITS]);
        Ok(Self { tokenizer, tokenizer_path, bert, tokens_max, model })
    }

    /// The folder's name, the dimension and a digest of the model's files: equal names mean equal vectors.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Components of every vector.
    pub fn dimension(&self) -> usize {
        self.bert.dimension()
    }

    /// Tokens of a text that count, the marks before and after it included.
    pub fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    /// One vector of length 1 per text, in the same order.
    ///
    /// Runs on the threads of the current rayon pool; a vector does not depend on their number or on other texts.
    ///
    /// # Errors
    /// [`EncoderError::Tokenizer`] for a text that has no tokens in this model, not even an unknown one.
    pub fn encode(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let tokens: Vec<Vec<u32>> =
            texts.par_iter().map(|text| self.tokens(text)).collect::<Result<_, _>>()?;
        let passes: Vec<&[Vec<u32>]> = share_out(&tokens, rayon::current_num_threads());
        let vectors = passes.par_iter().map_init(Scratch::default, |scratch, pass| {
            let texts: Vec<&[u32]> = pass.iter().map(Vec::as_slice).collect();
            self.bert.forward(&texts, scratch)
        });
        Ok(vectors.flatten_iter().collect())
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, EncoderError> {
        let failed = |source| EncoderError::Tokenizer { path: self.tokenizer_path.clone(), source };
        let encoding = self.tokenizer.encode_fast(text, true).map_err(failed)?;
        match encoding.get_ids() {
            [] => Err(failed("no token for a text".into())),
            ids => Ok(ids.to_vec()),
        }
    }
}

/// The tokenizer with this crate's own truncation: a saved one cuts and pads for another purpose.
fn read_tokenizer(
    bytes: &[u8],
    tokens_max: usize,
) -> Result<Tokenizer, Box<dyn std::error::Error + Send + Sync>> {
    let mut tokenizer = Tokenizer::from_bytes(bytes)?;
    tokenizer.with_padding(None);
    let truncation = TruncationParams { max_length: tokens_max, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation))?;
    Ok(tokenizer)
}

/// Runs of texts of about [`PASS_TOKENS`] tokens, fewer when the threads would else have nothing to do.
fn share_out(texts: &[Vec<u32>], threads: usize) -> Vec<&[Vec<u32>]> {
    let total: usize = texts.iter().map(Vec::len).sum();
    let pass_count = total.div_ceil(PASS_TOKENS).next_multiple_of(threads);
    let target = total.div_ceil(pass_count.max(1));
    let (mut passes, mut first, mut tokens) = (Vec::new(), 0, 0);
    for (end, text) in (1..).zip(texts) {
        tokens += text.len();
        if tokens >= target || end == texts.len() {
            passes.push(&texts[first..end]);
            (first, tokens) = (end, 0);
        }
    }
    passes
}
