//! Why a model cannot be read or used.

use std::path::PathBuf;

/// A model folder that cannot be used, or a text that its tokenizer refuses.
#[derive(Debug)]
#[non_exhaustive]
pub enum EncoderError {
    /// A file of the folder cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the JSON it should be.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where it goes wrong.
        source: serde_json::Error,
    },
    /// A setting that this crate does not implement, or that contradicts another.
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The setting.
        field: &'static str,
        /// What is implemented.
        expected: String,
        /// What the file says.
        got: String,
    },
    /// The file of weights is damaged, for instance cut short.
    DamagedWeights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: safetensors::SafeTensorError,
    },
    /// A tensor of the architecture is not in the file of weights.
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// A tensor has another shape than the configuration asks for.
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// From the configuration.
        expected: Vec<usize>,
        /// In the file.
        got: Vec<usize>,
    },
    /// A tensor is not of 32-bit floats.
    WrongType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type in the file; `F32` is expected.
        got: String,
    },
    /// A tensor has an infinite component or one that is no number.
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
    },
    /// The tokenizer cannot be read, or it refuses a text.
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl std::fmt::Display for EncoderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(f, "cannot read \"{}\"", path.display()),
            Self::Malformed { path, .. } => {
                write!(f, "\"{}\" is not the JSON expected there", path.display())
            }
            Self::Unsupported { path, field, expected, got } => {
                write!(f, "\"{field}\" in \"{}\" is {got}, expected {expected}", path.display())
            }
            Self::DamagedWeights { path, .. } => {
                write!(f, "\"{}\" is not a whole file of tensors", path.display())
            }
            Self::MissingTensor { path, tensor } => {
                write!(f, "\"{}\" has no tensor \"{tensor}\"", path.display())
            }
            Self::WrongShape { path, tensor, expected, got } => {
                let path = path.display();
                write!(f, "tensor \"{tensor}\" in \"{path}\" has shape {got:?}, expected {expected:?}")
            }
            Self::WrongType { path, tensor, got } => {
                let path = path.display();
                write!(f, "tensor \"{tensor}\" in \"{path}\" has type {got}, expected F32")
            }
            Self::NotFinite { path, tensor } => {
                write!(f, "tensor \"{tensor}\" in \"{}\" is not finite", path.display())
            }
            Self::Tokenizer { path, .. } => write!(f, "tokenizer of \"{}\" failed", path.display()),
        }
    }
}

impl std::error::Error for EncoderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Malformed { source, .. } => Some(source),
            Self::DamagedWeights { source, .. } => Some(source),
            Self::Tokenizer { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}
