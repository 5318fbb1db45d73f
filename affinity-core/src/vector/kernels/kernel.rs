//! The choice of a kernel, made once.

use super::codes::ByteQuery;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::rows::Rows;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};

/// The instruction set that compares vectors. All of them give the same bits.
///
/// ```
/// use affinity_core::vector::Kernel;
///
/// let (left, right) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
/// for kernel in Kernel::available() {
///     assert_eq!(kernel.dot(&left, &right), 32.0);
///     assert_eq!(kernel.squared_distance(&left, &right), 27.0);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernel(InstructionSet);

/// Each variant holds the proof that it may be called.
#[derive(Clone, Copy, Debug)]
enum InstructionSet {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
}

impl Kernel {
    /// Plain Rust, for every processor.
    pub const SCALAR: Self = Self(InstructionSet::Scalar);

    /// The fastest kernel of this processor.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::SCALAR)
    }

    /// Every kernel that this processor runs, the slowest first.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![InstructionSet::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            kernels.extend(Avx2::detect().map(InstructionSet::Avx2));
            kernels.extend(Avx512::detect().map(InstructionSet::Avx512));
        }
        #[cfg(target_arch = "aarch64")]
        kernels.extend(Neon::detect().map(InstructionSet::Neon));
        kernels.into_iter().map(Self).collect()
    }

    /// `scalar`, `avx2`, `avx512` or `neon`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            InstructionSet::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(_) => "neon",
        }
    }

    /// Dot product: 32 lanes of fused multiply-adds, folded in halves. 0 for empty slices.
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    // hot
    pub fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        match self.0 {
            InstructionSet::Scalar => scalar::dot(left, right),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.dot(left, right),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.dot(left, right),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.dot(left, right),
        }
    }

    /// Sum of squared differences, in the same lanes and folds as [`Kernel::dot`].
    ///
    /// # Panics
    /// If the slices differ in length.
    #[must_use]
    // hot
    pub fn squared_distance(self, left: &[f32], right: &[f32]) -> f32 {
        match self.0 {
            InstructionSet::Scalar => scalar::squared_distance(left, right),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.squared_distance(left, right),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.squared_distance(left, right),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.squared_distance(left, right),
        }
    }

    /// `out[slot] = dot(query, row of slot)` for every present slot in `wanted`; others are left as they were.
    ///
    /// # Panics
    /// If `query` has another dimension than `rows`.
    // hot
    pub fn dot_rows(self, query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
        match self.0 {
            InstructionSet::Scalar => scalar::dot_rows(query, rows, wanted, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.dot_rows(query, rows, wanted, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.dot_rows(query, rows, wanted, out),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.dot_rows(query, rows, wanted, out),
        }
    }

    /// `out[slot] = squared_distance(query, row of slot)`, as [`Kernel::dot_rows`].
    ///
    /// # Panics
    /// If `query` has another dimension than `rows`.
    // hot
    pub fn squared_distance_rows(self, query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
        match self.0 {
            InstructionSet::Scalar => scalar::squared_distance_rows(query, rows, wanted, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.squared_distance_rows(query, rows, wanted, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => {
                avx512.squared_distance_rows(query, rows, wanted, out);
            }
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.squared_distance_rows(query, rows, wanted, out),
        }
    }

    /// `out[i] = dot(query, rows[i])`, each row fetched from memory while the one before it is compared.
    ///
    /// # Panics
    /// If a row has another dimension than `query`.
    // hot
    pub fn dot_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        match self.0 {
            InstructionSet::Scalar => scalar::dot_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.dot_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.dot_each(query, rows, out),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.dot_each(query, rows, out),
        }
    }

    /// `out[i] = squared_distance(query, rows[i])`, each row fetched from memory while the one before it is compared.
    ///
    /// # Panics
    /// If a row has another dimension than `query`.
    // hot
    pub fn squared_distance_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        match self.0 {
            InstructionSet::Scalar => scalar::squared_distance_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.squared_distance_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.squared_distance_each(query, rows, out),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.squared_distance_each(query, rows, out),
        }
    }

    /// `out[i]` = the sum of `query * (rows[i] - 128)`, fetching as [`Kernel::dot_each`].
    ///
    /// # Panics
    /// If a row has another dimension than `query`.
    // hot
    pub fn dot_bytes_each(self, query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
        match self.0 {
            InstructionSet::Scalar => scalar::dot_bytes_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.dot_bytes_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.dot_bytes_each(query, rows, out),
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(neon) => neon.dot_bytes_each(query, rows, out),
        }
    }

    /// `out[i]` = how many bits of `query` and `rows[i]` differ, fetching as [`Kernel::dot_each`].
    ///
    /// # Panics
    /// If a row has another length than `query`.
    // hot
    pub fn differing_bits_each(self, query: &[u64], rows: &[&[u64]], out: &mut [u32]) {
        match self.0 {
            InstructionSet::Scalar => scalar::differing_bits_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2(avx2) => avx2.differing_bits_each(query, rows, out),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512(avx512) => avx512.differing_bits_each(query, rows, out),
            // Every AArch64 counts bits with an instruction.
            #[cfg(target_arch = "aarch64")]
            InstructionSet::Neon(_) => scalar::differing_bits_each(query, rows, out),
        }
    }

    /// Has a slice fetched from memory that will be read soon. Changes nothing but the time that reading takes.
    // hot
    #[inline]
    pub fn fetch<T>(self, items: &[T]) {
        #[cfg(target_arch = "x86_64")]
        super::fetch::fetch(items);
        let _ = items;
    }
}
