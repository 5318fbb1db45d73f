//! Inner loops over components. The only `unsafe` of vector search, each block behind a proof type.
//!
//! Every kernel gives the bits of [`scalar`]: 32 lanes, one fused multiply-add per lane and chunk, a
//! last chunk padded with zeros, and lanes folded in halves (16, 8, 4, 2, 1).
#![allow(unsafe_code)] // SIMD loads and calls into functions compiled for one instruction set.

mod lanes;
mod rows;
mod codes;
#[cfg(target_arch = "x86_64")]
mod fetch;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod kernel;
#[cfg(test)]
mod tests;

pub use self::codes::{BYTE_ZERO, BYTES_MAX, ByteQuery};
pub use self::kernel::Kernel;
pub use self::rows::Rows;
