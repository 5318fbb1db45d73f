//! x86-64 with AVX-512F: two registers of sixteen lanes.

use std::arch::x86_64::{
    __m512, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps, _mm_shuffle_ps, _mm256_add_ps,
    _mm256_castpd_ps, _mm256_castps256_ps128, _mm256_extractf128_ps, _mm512_add_ps, _mm512_castps_pd,
    _mm512_castps512_ps256, _mm512_dpbusd_epi32, _mm512_extractf64x4_pd, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_reduce_add_epi32, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_sub_ps,
};

use super::avx2::Avx2;
use super::codes::ByteQuery;
use super::fetch::fetch;
use super::lanes::{LANES, padded};
use super::rows::{Rows, compare_each};

/// Proof that this processor has AVX-512F.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx512 {
    /// For codes, where the processor has no instructions of their own.
    avx2: Avx2,
    vnni: Option<Vnni>,
}

/// Proof that this processor has AVX-512F and AVX-512 VNNI.
#[derive(Clone, Copy, Debug)]
struct Vnni(());

impl Avx512 {
    /// `None` where the processor or the operating system lacks it.
    pub(super) fn detect() -> Option<Self> {
        let vnni = is_x86_feature_detected!("avx512vnni").then_some(Vnni(()));
        let avx2 = Avx2::detect()?;
        is_x86_feature_detected!("avx512f").then_some(Self { avx2, vnni })
    }

    pub(super) fn dot_bytes_each(self, query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
        match self.vnni {
            // SAFETY: `detect` makes a `Vnni` only where the processor has it, and an `Avx512` only with AVX-512F.
            Some(Vnni(())) => unsafe { dot_bytes_each(query, rows, out) },
            None => self.avx2.dot_bytes_each(query, rows, out),
        }
    }

    pub(super) fn differing_bits_each(self, query: &[u64], rows: &[&[u64]], out: &mut [u32]) {
        self.avx2.differing_bits_each(query, rows, out);
    }

    pub(super) fn dot(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { dot(left, right) }
    }

    pub(super) fn squared_distance(self, left: &[f32], right: &[f32]) -> f32 {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { squared_distance(left, right) }
    }

    pub(super) fn dot_rows(self, query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { dot_rows(query, rows, wanted, out) }
    }

    pub(super) fn squared_distance_rows(
        self,
        query: &[f32],
        rows: Rows<'_>,
        wanted: u64,
        out: &mut [f32; 64],
    ) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { squared_distance_rows(query, rows, wanted, out) }
    }

    pub(super) fn dot_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { dot_each(query, rows, out) }
    }

    pub(super) fn squared_distance_each(self, query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
        // SAFETY: `detect` is the only constructor, so the processor has AVX-512F.
        unsafe { squared_distance_each(query, rows, out) }
    }
}

#[target_feature(enable = "avx512f")]
fn dot_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| dot(query, row));
}

#[target_feature(enable = "avx512f")]
fn squared_distance_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| squared_distance(query, row));
}

#[target_feature(enable = "avx512f")]
fn dot_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, fetch, |row| dot(query, row));
}

#[target_feature(enable = "avx512f")]
fn squared_distance_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, fetch, |row| squared_distance(query, row));
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn dot_bytes_each(query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
    compare_each(rows, out, fetch, |row| dot_bytes(query, row));
}

/// 64 codes at a time, four products to a lane.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn dot_bytes(query: &ByteQuery, codes: &[u8]) -> i32 {
    assert_eq!(query.narrow().len(), codes.len(), "codes of different dimension");
    let (xs, xs_tail) = query.narrow().as_chunks::<64>();
    let (ys, ys_tail) = codes.as_chunks::<64>();
    let mut sum = _mm512_setzero_si512();
    for (x, y) in xs.iter().zip(ys) {
        // SAFETY: both lead to 64 bytes, and these loads need no alignment.
        let (x, y) =
            unsafe { (_mm512_loadu_si512(x.as_ptr().cast()), _mm512_loadu_si512(y.as_ptr().cast())) };
        sum = _mm512_dpbusd_epi32(sum, y, x);
    }
    let tail = xs_tail.iter().zip(ys_tail).map(|(x, y)| i32::from(*x) * i32::from(*y));
    _mm512_reduce_add_epi32(sum) + tail.sum::<i32>() - query.offset()
}

#[inline]
#[target_feature(enable = "avx512f")]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [_mm512_setzero_ps(); 2];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_products(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_products(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn squared_distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [_mm512_setzero_ps(); 2];
    for (xs, ys) in left.iter().zip(right) {
        sums = add_squared_differences(xs, ys, sums);
    }
    if !left_tail.is_empty() {
        sums = add_squared_differences(&padded(left_tail), &padded(right_tail), sums);
    }
    total(sums)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_products(xs: &[f32; LANES], ys: &[f32; LANES], sums: [__m512; 2]) -> [__m512; 2] {
    let (xs, ys) = (load(xs), load(ys));
    [_mm512_fmadd_ps(xs[0], ys[0], sums[0]), _mm512_fmadd_ps(xs[1], ys[1], sums[1])]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add_squared_differences(xs: &[f32; LANES], ys: &[f32; LANES], sums: [__m512; 2]) -> [__m512; 2] {
    let (xs, ys) = (load(xs), load(ys));
    let differences = [_mm512_sub_ps(xs[0], ys[0]), _mm512_sub_ps(xs[1], ys[1])];
    [
        _mm512_fmadd_ps(differences[0], differences[0], sums[0]),
        _mm512_fmadd_ps(differences[1], differences[1], sums[1]),
    ]
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(chunk: &[f32; LANES]) -> [__m512; 2] {
    let first = chunk.as_ptr();
    // SAFETY: the chunk holds 32 floats, and these loads need no alignment.
    unsafe { [_mm512_loadu_ps(first), _mm512_loadu_ps(first.add(16))] }
}

/// The same folds as the scalar twin: 16, 8, 4, 2, 1.
#[inline]
#[target_feature(enable = "avx512f")]
fn total(sums: [__m512; 2]) -> f32 {
    let sixteen = _mm512_add_ps(sums[0], sums[1]);
    // Taken out as doubles: the extraction of eight floats needs AVX-512DQ.
    let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(sixteen)));
    let eight = _mm256_add_ps(_mm512_castps512_ps256(sixteen), upper);
    let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}
