//! The choice between the embedders.

use super::builtin::BuiltinEmbedder;
use super::error::EmbeddingError;
use super::http::HttpEmbedder;
#[cfg(feature = "local-embeddings")]
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
    /// A sentence transformer in this process.
    #[cfg(feature = "local-embeddings")]
    Local(LocalEmbedder),
    /// A service over HTTP.
    Http(HttpEmbedder),
    /// A model that made stored vectors and is not at hand any more: it embeds nothing.
    Retired {
        /// As [`Embedder::model`] named it.
        model: String,
        /// Components of its vectors.
        dimension: usize,
    },
}

/// Texts embedded between two yields, about a millisecond of work.
const BUILTIN_BATCH_TEXTS: usize = 64;

impl Embedder {
    /// What stands in for the model that made stored vectors: the built-in one itself, for another its name alone.
    pub fn of_stored(model: &str, dimension: usize) -> Self {
        let builtin = BuiltinEmbedder::default();
        if builtin.model() == model && builtin.dimension() == dimension {
            return Self::Builtin(builtin);
        }
        Self::Retired { model: model.to_owned(), dimension }
    }

    /// Name, version and dimension of the model; stored vectors of another model are stale.
    pub fn model(&self) -> &str {
        match self {
            Self::Builtin(builtin) => builtin.model(),
            #[cfg(feature = "local-embeddings")]
            Self::Local(local) => local.model(),
            Self::Retired { model, .. } => model,
            Self::Http(http) => http.model(),
        }
    }

    /// Components of every vector.
    pub fn dimension(&self) -> usize {
        match self {
            Self::Builtin(builtin) => builtin.dimension(),
            #[cfg(feature = "local-embeddings")]
            Self::Local(local) => local.dimension(),
            Self::Retired { dimension, .. } => *dimension,
            Self::Http(http) => http.dimension(),
        }
    }

    /// One entry per text, in the same order: its vector, finite and not zero, or `None` for a text that says
    /// nothing (empty, blank, or without a letter or digit for the built-in embedder).
    ///
    /// # Errors
    /// An [`EmbeddingError`] when the service or the model fails, or for a retired one; the built-in embedder never
    /// does.
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
            #[cfg(feature = "local-embeddings")]
            Self::Local(local) => local.embed(texts).await,
            Self::Http(http) => http.embed(texts).await,
            Self::Retired { model, .. } => Err(EmbeddingError::Retired { model: model.clone() }),
        }
    }
}
