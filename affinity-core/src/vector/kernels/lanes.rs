//! The lane count that all kernels share.

/// Partial sums kept side by side: four registers of AVX2, two of AVX-512, eight of NEON.
///
/// Four registers hide the latency of a fused multiply-add at the one per cycle that two loads each allow.
pub(super) const LANES: usize = 32;

/// The last, incomplete chunk, filled up with zeros. `tail` is shorter than [`LANES`].
#[inline]
pub(super) fn padded(tail: &[f32]) -> [f32; LANES] {
    let mut chunk = [0.0; LANES];
    for (to, from) in chunk.iter_mut().zip(tail) {
        *to = *from;
    }
    chunk
}
