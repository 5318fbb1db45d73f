//! Why a service gave no vectors.

use crate::egress::EgressError;

/// A failed embedding. No field holds the key.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmbeddingError {
    /// The configured address is not a URL with a host.
    InvalidUrl {
        /// What was configured.
        url: String,
    },
    /// The configured key has characters that no header may hold.
    InvalidKey,
    /// A number of the configuration is 0.
    ZeroParameter {
        /// The field of [`HttpEmbedderParams`](super::HttpEmbedderParams).
        field: &'static str,
    },
    /// The service could not be reached, after the retries.
    Unreachable {
        /// Requests sent for this batch.
        attempts: u32,
        /// What happened to the last one.
        source: EgressError,
    },
    /// The service refused, after the retries where its status allows any.
    Refused {
        /// The last HTTP status.
        status: u16,
        /// Requests sent for this batch.
        attempts: u32,
        /// The service's own message, cut to a readable length.
        message: String,
    },
    /// The answer is not the JSON that the protocol asks for, or a component does not fit in 32 bits.
    Malformed {
        /// Where the answer leaves the protocol.
        source: serde_json::Error,
    },
    /// The answer has another number of vectors than the request had texts.
    WrongCount {
        /// Texts sent.
        expected: usize,
        /// Vectors received.
        got: usize,
    },
    /// An index is out of range or came twice.
    WrongIndex {
        /// The index received.
        index: usize,
        /// Texts sent: indexes are below.
        count: usize,
    },
    /// A vector has another length than configured.
    WrongDimension {
        /// The model that answered.
        model: String,
        /// The length configured.
        expected: usize,
        /// The length received.
        got: usize,
    },
    /// The model in this process cannot be read or used.
    Model {
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This server was built without the feature `local-embeddings`.
    NotBuilt {
        /// The configured folder.
        folder: std::path::PathBuf,
    },
    /// The model is only known from its stored vectors.
    Retired {
        /// Its name.
        model: String,
    },
    /// The work was given up because the server is stopping.
    Stopped,
}

impl std::fmt::Display for EmbeddingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidUrl { url } => {
                write!(f, "embedding service address \"{url}\" is not an http or https URL")
            }
            Self::InvalidKey => write!(f, "embedding service key has characters that a header cannot hold"),
            Self::ZeroParameter { field } => {
                write!(f, "embedding parameter \"{field}\" is 0, expected at least 1")
            }
            Self::Unreachable { attempts, .. } => {
                write!(f, "embedding service could not be reached in {attempts} attempts")
            }
            Self::Refused { status, attempts, message } => {
                write!(
                    f,
                    "embedding service answered status {status} after {attempts} attempts: \"{message}\""
                )
            }
            Self::Malformed { .. } => {
                write!(f, "embedding service answered something else than a list of embeddings")
            }
            Self::WrongCount { expected, got } => {
                write!(f, "embedding service answered {got} vectors, expected {expected}")
            }
            Self::WrongIndex { index, count } => {
                write!(
                    f,
                    "embedding service answered index {index} twice or out of range, expected each below {count} once"
                )
            }
            Self::WrongDimension { model, expected, got } => {
                write!(f, "model \"{model}\" answered vectors of {got} components, expected {expected}")
            }
            Self::Model { .. } => write!(f, "the embedding model cannot be used"),
            Self::NotBuilt { folder } => {
                let folder = folder.display();
                write!(f, "this server was built without \"local-embeddings\" and cannot read \"{folder}\"")
            }
            Self::Retired { model } => {
                write!(f, "model \"{model}\" is being replaced, and new texts wait for the next")
            }
            Self::Stopped => write!(f, "embedding was given up because the server is stopping"),
        }
    }
}

impl std::error::Error for EmbeddingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::Malformed { source } => Some(source),
            Self::Model { source } => Some(source.as_ref()),
            _ => None,
        }
    }
}
