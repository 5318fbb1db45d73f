//! The tensors of a model, each checked against the shape that its configuration asks for.

use crate::error::EncoderError;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};

pub(crate) struct Weights<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    /// Before every name: models saved with a head on top have `bert.`.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    pub(crate) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, EncoderError> {
        let path = path.to_owned();
        match SafeTensors::deserialize(bytes) {
            Ok(tensors) => {
                let is_prefixed = tensors.names().iter().any(|name| name.starts_with("bert."));
                Ok(Self { path, tensors, prefix: if is_prefixed { "bert." } else { "" } })
            }
            Err(source) => Err(EncoderError::DamagedWeights { path, source }),
        }
    }

    /// The components in row-major order, all finite.
    pub(crate) fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EncoderError> {
        let (path, tensor) = (self.path.clone(), format!("{}{name}", self.prefix));
        let Ok(view) = self.tensors.tensor(&tensor) else {
            return Err(EncoderError::MissingTensor { path, tensor });
        };
        if view.shape() != shape {
            let (expected, got) = (shape.to_vec(), view.shape().to_vec());
            return Err(EncoderError::WrongShape { path, tensor, expected, got });
        }
        if view.dtype() != Dtype::F32 {
            return Err(EncoderError::WrongType { path, tensor, got: format!("{:?}", view.dtype()) });
        }
        let (words, _) = view.data().as_chunks::<4>();
        let components: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if components.iter().any(|component| !component.is_finite()) {
            return Err(EncoderError::NotFinite { path, tensor });
        }
        Ok(components)
    }
}
