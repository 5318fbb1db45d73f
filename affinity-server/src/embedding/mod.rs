//! Embedding: texts in, vectors out, by the built-in embedder, by a sentence transformer in this process, or
//! by a service that speaks OpenAI's protocol.

mod embedder;
mod builtin;
#[cfg(feature = "local-embeddings")]
mod local;
mod http;
mod published; // models that can be fetched
mod install;
mod error;

pub use self::builtin::BuiltinEmbedder;
pub use self::embedder::Embedder;
pub use self::error::EmbeddingError;
pub use self::http::{HttpEmbedder, HttpEmbedderParams};
pub use self::install::{InstallError, InstallParams, install};
#[cfg(feature = "local-embeddings")]
pub use self::local::LocalEmbedder;
pub use self::published::{ModelFile, PublishedModel};
