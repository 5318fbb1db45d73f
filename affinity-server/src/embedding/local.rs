//! A sentence transformer in this process.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use affinity_embedding::SentenceEncoder;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::Semaphore;

use super::error::EmbeddingError;

/// Embeds texts with the model of a folder, on threads of its own.
///
/// A text over the model's length limit (256 tokens, some 200 words, for all-MiniLM-L6-v2) counts by its beginning.
#[derive(Clone)]
pub struct LocalEmbedder {
    encoder: Arc<SentenceEncoder>,
    threads: Arc<ThreadPool>,
    /// One batch at a time: a request waits for the batch before it, not for all texts of a platform.
    turn: Arc<Semaphore>,
}

/// Texts of one turn, about a quarter of a second of work.
const TURN_TEXTS: usize = 32;

impl LocalEmbedder {
    /// The model of `folder`. Blocking: reads all of it.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] that names the file and what is wrong with it.
    pub fn open(folder: &Path) -> Result<Self, EmbeddingError> {
        let encoder = SentenceEncoder::open(folder)
            .map_err(|source| EmbeddingError::Model { source: Box::new(source) })?;
        // The other half answers requests while many texts are embedded.
        let thread_count = std::thread::available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
        let threads = ThreadPoolBuilder::new()
            .num_threads(thread_count)
            .thread_name(|index| format!("embedding-{index}"))
            .build()
            .map_err(|source| EmbeddingError::Model { source: Box::new(source) })?;
        Ok(Self { encoder: Arc::new(encoder), threads: Arc::new(threads), turn: Arc::new(Semaphore::new(1)) })
    }

    /// Name, dimension and digest of the model.
    pub fn model(&self) -> &str {
        self.encoder.model()
    }

    /// Components of every vector.
    pub fn dimension(&self) -> usize {
        self.encoder.dimension()
    }

    /// One entry per text, in the same order; `None` for a blank one.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] for a text that the tokenizer refuses.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(TURN_TEXTS) {
            vectors.extend(self.embed_batch(batch.to_vec()).await?);
        }
        Ok(vectors)
    }

    async fn embed_batch(&self, batch: Vec<String>) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let permit = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| EmbeddingError::Stopped)?;
        let this = self.clone();
        let work = move || {
            let _turn = permit; // until the work is done, even when nobody waits for it any more
            let spoken: Vec<&str> =
                batch.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
            let encoded = this.threads.install(|| this.encoder.encode(&spoken));
            let mut encoded =
                encoded.map_err(|source| EmbeddingError::Model { source: Box::new(source) })?.into_iter();
            let vectors = batch.iter().map(|text| if text.trim().is_empty() { None } else { encoded.next() });
            Ok(vectors.collect())
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(vectors) => vectors,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(EmbeddingError::Stopped),
        }
    }
}

impl std::fmt::Debug for LocalEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalEmbedder").field(&self.model()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::LocalEmbedder;
    use std::path::Path;

    #[tokio::test]
    async fn texts_come_back_in_order_with_blank_ones_absent() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../affinity-embedding/tests/models/tiny-32");
        let embedder = LocalEmbedder::open(&folder).unwrap();
        let texts: Vec<String> = (0..80).map(|index| ["farm", " ", "jazz"][index % 3].to_string()).collect();
        let vectors = embedder.embed(&texts).await.unwrap();
        let [farm, blank, jazz] = [&vectors[0], &vectors[1], &vectors[2]];
        assert!(blank.is_none() && farm.as_ref().is_some_and(|vector| vector.len() == 32) && farm != jazz);
        for (index, vector) in vectors.iter().enumerate() {
            assert_eq!(vector, [farm, blank, jazz][index % 3], "text {index}");
        }
    }
}
