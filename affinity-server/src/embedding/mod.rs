//! Embedding: texts in, vectors out, by the built-in embedder, by a model in this process, or by a service that speaks
//! OpenAI's protocol.

mod embedder;
mod builtin;
mod local;
mod http;
mod error;

pub use self::builtin::BuiltinEmbedder;
pub use self::embedder::Embedder;
pub use self::error::EmbeddingError;
pub use self::http::{HttpEmbedder, HttpEmbedderParams};
pub use self::local::LocalEmbedder;
