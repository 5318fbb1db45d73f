//! AArch64 with NEON: eight registers of four lanes.

use std::arch::aarch64::{
    float32x4_t, vadd_f32, vaddq_f32, vaddq_s32, vaddvq_s32, vdupq_n_f32, vdupq_n_s32, vfmaq_f32,
    vget_high_f32, vget_lane_f32, vget_low_f32, vget_low_s16, vld1_u8, vld1q_f32, vld1q_s16, vmlal_high_s16,
    vmlal_s16, vmovl_u8, vpadd_f32, vreinterpretq_s16_u16, vsubq_f32,
};
use std::arch::is_aarch64_feature_detected;

use super::codes::ByteQuery;
use super::lanes::{LANES, padded};
use super::rows::{Rows, compare_each};

/// Proof that this processor has NEON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neon(());

impl Neon {
    /// `None` where the processor lacks it.
    pub(super) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    pub(super) fn dot_bytes_each(self, query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { dot_bytes_each(query, rows, out) }
    }

    pub(super) fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { dot(left, right) }
    }

    pub(super) fn squared_distance(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { squared_distance(left, right) }
    }

    pub(super) fn dot_rows(self, query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { dot_rows(query, rows, wanted, out) }
    }

    pub(super) fn squared_distance_rows(
        self,
        query: &[f32],
        rows: Rows<'_>,
        wanted: u64,
        out: &mut [f32; 64],
    ) {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { squared_distance_rows(query, rows, wanted, out) }
    }

    pub(super) fn dot_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { dot_each(query, rows, out) }
    }

    pub(super) fn squared_distance_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has NEON.
        unsafe { squared_distance_each(query, rows, out) }
    }
}

#[target_feature(enable = "neon")]
fn dot_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| dot(query, row));
}

#[target_feature(enable = "neon")]
fn squared_distance_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| squared_distance(query, row));
}

#[target_feature(enable = "neon")]
fn dot_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, |_| (), |row| dot(query, row));
}

#[target_feature(enable = "neon")]
fn squared_distance_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, |_| (), |row| squared_distance(query, row));
}

#[target_feature(enable = "neon")]
fn dot_bytes_each(query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
    compare_each(rows, out, |_| (), |row| dot_bytes(query, row));
}

/// Eight codes at a time, made wide.
#[inline]
#[target_feature(enable = "neon")]
fn dot_bytes(query: &ByteQuery, codes: &[u8]) -> i32 {
    assert_eq!(query.wide().len(), codes.len(), "codes of different dimension");
    let (xs, xs_tail) = query.wide().as_chunks::<8>();
    let (ys, ys_tail) = codes.as_chunks::<8>();
    let mut sums = [vdupq_n_s32(0); 2];
    for (x, y) in xs.iter().zip(ys) {
        // SAFETY: `x` holds eight numbers of two bytes and `y` eight of one.
        let (x, y) = unsafe { (vld1q_s16(x.as_ptr()), vreinterpretq_s16_u16(vmovl_u8(vld1_u8(y.as_ptr())))) };
        sums[0] = vmlal_s16(sums[0], vget_low_s16(x), vget_low_s16(y));
        sums[1] = vmlal_high_s16(sums[1], x, y);
    }
    let tail = xs_tail.iter().zip(ys_tail).map(|(x, y)| i32::from(*x) * i32::from(*y));
    vaddvq_s32(vaddq_s32(sums[0], sums[1])) + tail.sum::<i32>() - query.offset()
}

#[inline]
#[target_feature(enable = "neon")]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [vdupq_n_f32(0.0); 8];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_products(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_products(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "neon")]
fn squared_distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [vdupq_n_f32(0.0); 8];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_squared_differences(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_squared_differences(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "neon")]
fn add_products(xs: &[f32; LANES], ys: &[f32; LANES], mut sums: [float32x4_t; 8]) -> [float32x4_t; 8] {
    for ((sum, x), y) in sums.iter_mut().zip(load(xs)).zip(load(ys)) {
        *sum = vfmaq_f32(*sum, x, y);
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn add_squared_differences(
    xs: &[f32; LANES],
    ys: &[f32; LANES],
    mut sums: [float32x4_t; 8],
) -> [float32x4_t; 8] {
    for ((sum, x), y) in sums.iter_mut().zip(load(xs)).zip(load(ys)) {
        let difference = vsubq_f32(x, y);
        *sum = vfmaq_f32(*sum, difference, difference);
    }
    sums
}

#[inline]
#[target_feature(enable = "neon")]
fn load(chunk: &[f32; LANES]) -> [float32x4_t; 8] {
    let (quads, _) = chunk.as_chunks::<4>();
    let mut registers = [vdupq_n_f32(0.0); 8];
    for (register, quad) in registers.iter_mut().zip(quads) {
        // SAFETY: `quad` holds four floats.
        *register = unsafe { vld1q_f32(quad.as_ptr()) };
    }
    registers
}

/// The same folds as the scalar twin: 16, 8, 4, 2, 1.
#[inline]
#[target_feature(enable = "neon")]
fn total(sums: [float32x4_t; 8]) -> f32 {
    let sixteen = [
        vaddq_f32(sums[0], sums[4]),
        vaddq_f32(sums[1], sums[5]),
        vaddq_f32(sums[2], sums[6]),
        vaddq_f32(sums[3], sums[7]),
    ];
    let eight = [vaddq_f32(sixteen[0], sixteen[2]), vaddq_f32(sixteen[1], sixteen[3])];
    let four = vaddq_f32(eight[0], eight[1]);
    let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    vget_lane_f32::<0>(vpadd_f32(two, two))
}
