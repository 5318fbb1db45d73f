//! A sentence transformer in this process.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use affinity_embedding::SentenceEncoder;

use super::error::EmbeddingError;

/// Texts that one call of the encoder gets: what a blocking thread is held for.
const BATCH_TEXTS: usize = 256;

/// Embeds by the model of a folder, on blocking threads. A text beyond the model's length counts by its beginning.
#[derive(Clone)]
pub struct LocalEmbedder {
    encoder: Arc<SentenceEncoder>,
}

impl fmt::Debug for LocalEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEmbedder").field("model", &self.encoder.model()).finish_non_exhaustive()
    }
}

impl LocalEmbedder {
    /// Reads `config.json`, `tokenizer.json` and `model.safetensors` of a folder.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] naming the file that is missing or wrong.
    pub fn open(folder: &Path) -> Result<Self, EmbeddingError> {
        let opened = SentenceEncoder::open(folder);
        Ok(Self { encoder: Arc::new(opened.map_err(|source| EmbeddingError::Model { source })?) })
    }

    pub(super) fn model(&self) -> &str {
        self.encoder.model()
    }

    pub(super) fn dimension(&self) -> usize {
        self.encoder.dimension()
    }

    pub(super) async fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH_TEXTS) {
            let (encoder, batch) = (Arc::clone(&self.encoder), batch.to_vec());
            let encode = move || {
                let is_blank = |text: &String| text.trim().is_empty();
                let said: Vec<&str> =
                    batch.iter().filter(|text| !is_blank(text)).map(String::as_str).collect();
                let mut encoded = encoder.encode(&said)?.into_iter();
                // A text that says nothing has no vector.
                Ok(batch
                    .iter()
                    .map(|text| if is_blank(text) { None } else { encoded.next() })
                    .collect::<Vec<_>>())
            };
            let encoded = match tokio::task::spawn_blocking(encode).await {
                Ok(encoded) => encoded,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            };
            vectors.extend(encoded.map_err(|source| EmbeddingError::Model { source })?);
        }
        Ok(vectors)
    }
}
