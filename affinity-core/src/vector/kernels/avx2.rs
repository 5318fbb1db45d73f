//! x86-64 with AVX2 and FMA: four registers of eight lanes.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_loadu_si128, _mm_movehl_ps,
    _mm_shuffle_ps, _mm256_add_epi32, _mm256_add_ps, _mm256_castps256_ps128, _mm256_cvtepu8_epi16,
    _mm256_extractf128_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_setzero_ps, _mm256_setzero_si256, _mm256_storeu_si256, _mm256_sub_ps,
};

use super::codes::ByteQuery;
use super::fetch::fetch;
use super::lanes::{LANES, padded};
use super::rows::{Rows, compare_each};
use super::scalar::differing_bits;

/// Proof that this processor has AVX2, FMA and POPCNT.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// `None` where the processor or the operating system lacks one of them.
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }

    pub(super) fn dot_bytes_each(self, query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2.
        unsafe { dot_bytes_each(query, rows, out) }
    }

    pub(super) fn differing_bits_each(self, query: &[u64], rows: &[&[u64]], out: &mut [u32]) {
        // SAFETY: `detect` is the only constructor, so the processor has POPCNT.
        unsafe { differing_bits_each(query, rows, out) }
    }

    pub(super) fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { dot(left, right) }
    }

    pub(super) fn squared_distance(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { squared_distance(left, right) }
    }

    pub(super) fn dot_rows(self, query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { dot_rows(query, rows, wanted, out) }
    }

    pub(super) fn squared_distance_rows(
        self,
        query: &[f32],
        rows: Rows<'_>,
        wanted: u64,
        out: &mut [f32; 64],
    ) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { squared_distance_rows(query, rows, wanted, out) }
    }

    pub(super) fn dot_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { dot_each(query, rows, out) }
    }

    pub(super) fn squared_distance_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX2 and FMA.
        unsafe { squared_distance_each(query, rows, out) }
    }
}

#[target_feature(enable = "avx2,fma")]
fn dot_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| dot(query, row));
}

#[target_feature(enable = "avx2,fma")]
fn squared_distance_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| squared_distance(query, row));
}

#[target_feature(enable = "avx2,fma")]
fn dot_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, fetch, |row| dot(query, row));
}

#[target_feature(enable = "avx2,fma")]
fn squared_distance_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, fetch, |row| squared_distance(query, row));
}

#[target_feature(enable = "avx2")]
fn dot_bytes_each(query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
    compare_each(rows, out, fetch, |row| dot_bytes(query, row));
}

#[target_feature(enable = "popcnt")]
fn differing_bits_each(query: &[u64], rows: &[&[u64]], out: &mut [u32]) {
    compare_each(rows, out, fetch, |row| differing_bits(query, row));
}

/// Sixteen codes at a time, made wide, multiplied and added in pairs.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_bytes(query: &ByteQuery, codes: &[u8]) -> i32 {
    assert_eq!(query.wide().len(), codes.len(), "codes of different dimension");
    let (xs, xs_tail) = query.wide().as_chunks::<32>();
    let (ys, ys_tail) = codes.as_chunks::<32>();
    let mut sums = [_mm256_setzero_si256(); 2];
    for (x, y) in xs.iter().zip(ys) {
        let (x, y) = (x.as_ptr().cast::<__m256i>(), y.as_ptr().cast::<__m128i>());
        // SAFETY: `x` leads to 32 numbers of two bytes and `y` to 32 of one; these loads need no alignment.
        let (x, y) = unsafe {
            (
                [_mm256_loadu_si256(x), _mm256_loadu_si256(x.add(1))],
                [_mm_loadu_si128(y), _mm_loadu_si128(y.add(1))],
            )
        };
        sums[0] = _mm256_add_epi32(sums[0], _mm256_madd_epi16(x[0], _mm256_cvtepu8_epi16(y[0])));
        sums[1] = _mm256_add_epi32(sums[1], _mm256_madd_epi16(x[1], _mm256_cvtepu8_epi16(y[1])));
    }
    let mut lanes = [0_i32; 8];
    // SAFETY: `lanes` holds eight numbers of four bytes; the store needs no alignment.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), _mm256_add_epi32(sums[0], sums[1])) };
    let tail = xs_tail.iter().zip(ys_tail).map(|(x, y)| i32::from(*x) * i32::from(*y));
    lanes.iter().sum::<i32>() + tail.sum::<i32>() - query.offset()
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_products(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_products(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn squared_distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [_mm256_setzero_ps(); 4];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_squared_differences(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_squared_differences(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_products(xs: &[f32; LANES], ys: &[f32; LANES], sums: [__m256; 4]) -> [__m256; 4] {
    let (xs, ys) = (load(xs), load(ys));
    [
        _mm256_fmadd_ps(xs[0], ys[0], sums[0]),
        _mm256_fmadd_ps(xs[1], ys[1], sums[1]),
        _mm256_fmadd_ps(xs[2], ys[2], sums[2]),
        _mm256_fmadd_ps(xs[3], ys[3], sums[3]),
    ]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn add_squared_differences(xs: &[f32; LANES], ys: &[f32; LANES], sums: [__m256; 4]) -> [__m256; 4] {
    let (xs, ys) = (load(xs), load(ys));
    let differences = [
        _mm256_sub_ps(xs[0], ys[0]),
        _mm256_sub_ps(xs[1], ys[1]),
        _mm256_sub_ps(xs[2], ys[2]),
        _mm256_sub_ps(xs[3], ys[3]),
    ];
    [
        _mm256_fmadd_ps(differences[0], differences[0], sums[0]),
        _mm256_fmadd_ps(differences[1], differences[1], sums[1]),
        _mm256_fmadd_ps(differences[2], differences[2], sums[2]),
        _mm256_fmadd_ps(differences[3], differences[3], sums[3]),
    ]
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn load(chunk: &[f32; LANES]) -> [__m256; 4] {
    let first = chunk.as_ptr();
    // SAFETY: the chunk holds 32 floats, and these loads need no alignment.
    unsafe {
        [
            _mm256_loadu_ps(first),
            _mm256_loadu_ps(first.add(8)),
            _mm256_loadu_ps(first.add(16)),
            _mm256_loadu_ps(first.add(24)),
        ]
    }
}

/// The same folds as the scalar twin: 16, 8, 4, 2, 1.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn total(sums: [__m256; 4]) -> f32 {
    let sixteen = [_mm256_add_ps(sums[0], sums[2]), _mm256_add_ps(sums[1], sums[3])];
    let eight = _mm256_add_ps(sixteen[0], sixteen[1]);
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
