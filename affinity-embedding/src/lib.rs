//! Sentences in, vectors out: a sentence transformer of the BERT family, read from a folder and run on the CPU.
//!
//! ```
//! use affinity_embedding::SentenceEncoder;
//!
//! let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/tiny-32"); // made up, two layers
//! let encoder = SentenceEncoder::open(folder)?;
//! let vectors = encoder.encode(&["Organic farming", "Graph theory"])?;
//! assert_eq!((vectors.len(), vectors[0].len()), (2, encoder.dimension()));
//!
//! let length: f32 = vectors[0].iter().map(|component| component * component).sum();
//! assert!((length - 1.0).abs() < 1e-5);
//! # Ok::<(), affinity_embedding::EncoderError>(())
//! ```
//!
//! The same model and text give the same bits on every machine, whatever else is encoded with it and by how many
//! threads: each number is summed in one fixed order, with fused multiply-adds that round as IEEE 754 asks.

mod encoder;
mod folder;
mod weights;
mod bert;
mod kernels;
mod error;

pub use self::encoder::SentenceEncoder;
pub use self::error::EncoderError;
