//! The choice between the embedders.

use super::builtin::BuiltinEmbedder;
use super::error::EmbeddingError;
use super::http::HttpEmbedder;
use super::local::LocalEmbedder;

/// Turns texts into vectors.
///
/// ```
/// use affinity_server::embedding::{BuiltinEmbedder, Embedder};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let embedder = Embedder::Builtin(BuiltinEmbedder::default());
/// let vectors = embedder.embed(&["Organic farming".into(), " ".into()]).await?;
/// assert_eq!(vectors[0].as_ref().map(Vec::len), Some(embedder.dimension()));
/// assert_eq!(vectors[1], None);
/// # Ok::<(), affinity_server::embedding::EmbeddingError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub enum Embedder {
    /// Deterministic, in this process, no downloads.
    Builtin(BuiltinEmbedder),
    /// A sentence transformer, in this process.
    Local(LocalEmbedder),
    /// A service over HTTP.
    Http(HttpEmbedder),
}

/// Texts embedded between two yields, about a millisecond of work.
const BUILTIN_BATCH_TEXTS: usize = 64;

impl Embedder {
    /// Name, version and dimension of the model; stored vectors of another model are stale.
    pub fn model(&self) -> &str {
        match self {
            Self::Builtin(builtin) => builtin.model(),
            Self::Local(local) => local.model(),
            Self::Http(http) => http.model(),
        }
    }

    /// Components of every vector.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Builtin(builtin) => builtin.dimension(),
            Self::Local(local) => local.dimension(),
            Self::Http(http) => http.dimension(),
        }
    }

    /// One entry per text, in the same order: its vector, finite and not zero, or `None` for a text that says
    /// nothing (empty, blank, or without a letter or digit for the built-in embedder).
    ///
    /// # Errors
    /// An [`EmbeddingError`] when the service fails; the built-in embedder never does.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        match self {
            Self::Builtin(builtin) => {
                let mut vectors = Vec::with_capacity(texts.len());
                for batch in texts.chunks(BUILTIN_BATCH_TEXTS) {
                    vectors.extend(batch.iter().map(|text| builtin.embed(text)));
                    tokio::task::yield_now().await;
                }
                Ok(vectors)
            }
            Self::Local(local) => local.embed(texts).await,
            Self::Http(http) => http.embed(texts).await,
        }
    }
}
