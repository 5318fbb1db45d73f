//! The reference: what every other kernel must reproduce bit for bit.

use super::codes::ByteQuery;
use super::lanes::{LANES, padded};
use super::rows::{Rows, compare_each};

/// Dot product of equal-length slices.
pub(super) fn dot(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (xs, ys) in left.iter().zip(right) {
        add_products(xs, ys, &mut sums);
    }
    if !left_tail.is_empty() {
        add_products(&padded(left_tail), &padded(right_tail), &mut sums);
    }
    total(sums)
}

/// Sum of squared differences of equal-length slices.
pub(super) fn squared_distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len(), "vectors of different dimension");
    let (left, left_tail) = left.as_chunks::<LANES>();
    let (right, right_tail) = right.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for (xs, ys) in left.iter().zip(right) {
        add_squared_differences(xs, ys, &mut sums);
    }
    if !left_tail.is_empty() {
        add_squared_differences(&padded(left_tail), &padded(right_tail), &mut sums);
    }
    total(sums)
}

pub(super) fn dot_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| dot(query, row));
}

pub(super) fn squared_distance_rows(query: &[f32], rows: Rows<'_>, wanted: u64, out: &mut [f32; 64]) {
    rows.compare(wanted, out, |row| squared_distance(query, row));
}

pub(super) fn dot_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, |_| (), |row| dot(query, row));
}

pub(super) fn squared_distance_each(query: &[f32], rows: &[&[f32]], out: &mut [f32]) {
    compare_each(rows, out, |_| (), |row| squared_distance(query, row));
}

/// The sum of `query * (code - 128)`.
pub(super) fn dot_bytes(query: &ByteQuery, codes: &[u8]) -> i32 {
    assert_eq!(query.wide().len(), codes.len(), "codes of different dimension");
    let products = query.wide().iter().zip(codes).map(|(x, y)| i32::from(*x) * i32::from(*y));
    products.sum::<i32>() - query.offset()
}

/// The number of bits that differ.
#[inline(always)] // to be compiled with its caller's instruction for counting
pub(super) fn differing_bits(left: &[u64], right: &[u64]) -> u32 {
    assert_eq!(left.len(), right.len(), "codes of different dimension");
    left.iter().zip(right).map(|(left, right)| (left ^ right).count_ones()).sum()
}

pub(super) fn dot_bytes_each(query: &ByteQuery, rows: &[&[u8]], out: &mut [i32]) {
    compare_each(rows, out, |_| (), |row| dot_bytes(query, row));
}

pub(super) fn differing_bits_each(query: &[u64], rows: &[&[u64]], out: &mut [u32]) {
    compare_each(rows, out, |_| (), |row| differing_bits(query, row));
}

fn add_products(xs: &[f32; LANES], ys: &[f32; LANES], sums: &mut [f32; LANES]) {
    for ((sum, x), y) in sums.iter_mut().zip(xs).zip(ys) {
        *sum = x.mul_add(*y, *sum);
    }
}

fn add_squared_differences(xs: &[f32; LANES], ys: &[f32; LANES], sums: &mut [f32; LANES]) {
    for ((sum, x), y) in sums.iter_mut().zip(xs).zip(ys) {
        let difference = x - y;
        *sum = difference.mul_add(difference, *sum);
    }
}

/// Folds the upper half onto the lower one until one lane is left.
fn total(mut sums: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        let (lower, upper) = sums.split_at_mut(width);
        for (to, from) in lower.iter_mut().zip(upper) {
            *to += *from;
        }
        width /= 2;
    }
    sums[0]
}
