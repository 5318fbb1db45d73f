//! The strongest directions of a sparse matrix.
//!
//! Source: Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 53(2), 2011: subspace iteration
//! from a random start, then the exact problem within the subspace (Rayleigh-Ritz). Orthonormal bases by Cholesky QR;
//! the small symmetric eigenproblem by Jacobi's rotations (Golub & Van Loan, "Matrix Computations", section 8.5).

use rayon::prelude::*;

use super::cholesky;
use super::interactions::{Interactions, Line};
use crate::exact::narrow;

/// Directions more than asked for: they make the last of those asked for accurate.
const EXTRA_DIRECTIONS: usize = 16;
/// Times that the subspace is multiplied with the matrix and its transpose.
const ITERATIONS: usize = 5;
/// Rows that are summed into one partial product, whatever the number of threads.
const CHUNK_ROWS: usize = 4_096;
/// Sweeps of Jacobi's method at most; it needs about ten.
const SWEEPS_MAX: usize = 30;

/// The matrix `value * left[user] * right[item]`.
pub(super) struct Scaled<'a> {
    pub(super) interactions: &'a Interactions,
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
}

/// Right singular vectors, strongest first.
pub(super) struct Directions {
    /// How many there are.
    pub(super) count: usize,
    /// One row of `count` components per item.
    pub(super) vectors: Vec<f32>,
    /// Squared singular values.
    pub(super) strengths: Vec<f64>,
}

impl Scaled<'_> {
    /// The `count` strongest right singular vectors, or as many as there are; the same bits for any number of threads.
    pub(super) fn directions(&self, count: usize) -> Directions {
        let item_count = self.interactions.item_count();
        let width = (count + EXTRA_DIRECTIONS).min(item_count).min(self.interactions.user_count());
        let count = count.min(width);
        if count == 0 {
            return Directions { count, vectors: Vec::new(), strengths: Vec::new() };
        }
        let mut basis = random(item_count * width);
        for _ in 0..ITERATIONS {
            basis = self.item_rows(&self.user_rows(&basis, width), width);
            // Once more, as rounding leaves the first result a little askew.
            orthonormalize(&mut basis, width);
            orthonormalize(&mut basis, width);
        }
        let image = self.user_rows(&basis, width);
        let mut small: Vec<f64> = gram(&image, width).into_iter().map(f64::from).collect();
        mirror(&mut small, width);
        let rotation = eigenvectors(&mut small, width);
        let mut order: Vec<usize> = (0..width).collect();
        order.sort_by(|a, b| small[b * width + b].total_cmp(&small[a * width + a]).then(a.cmp(b)));
        order.truncate(count);
        // Row by row of the rotation, so that the innermost loop runs along memory.
        let picked: Vec<f32> = (0..width)
            .flat_map(|from| order.iter().map(move |to| (from, *to)))
            .map(|(from, to)| narrow(rotation[to * width + from]))
            .collect();
        let mut vectors = vec![0.0; item_count * count];
        vectors.par_chunks_exact_mut(count).zip(basis.par_chunks_exact(width)).for_each(|(row, basis)| {
            for (component, picked) in basis.iter().zip(picked.chunks_exact(count)) {
                add(row, picked, *component);
            }
        });
        let strengths = order.iter().map(|place| small[place * width + place].max(0.0)).collect();
        Directions { count, vectors, strengths }
    }

    /// The matrix times rows of `width` components, one per item.
    fn user_rows(&self, items: &[f32], width: usize) -> Vec<f32> {
        let line = |user: usize| (self.left[user], self.interactions.items_of(user));
        product(self.interactions.user_count(), line, &self.right, items, width)
    }

    /// The transposed matrix times rows of `width` components, one per user.
    fn item_rows(&self, users: &[f32], width: usize) -> Vec<f32> {
        let line = |item: usize| (self.right[item], self.interactions.users_of(item));
        product(self.interactions.item_count(), line, &self.left, users, width)
    }
}

fn product<'a>(
    row_count: usize,
    line: impl Fn(usize) -> (f32, Line<'a>) + Sync,
    scales: &[f32],
    from: &[f32],
    width: usize,
) -> Vec<f32> {
    let mut rows = vec![0.0; row_count * width];
    rows.par_chunks_exact_mut(width).enumerate().for_each(|(place, row)| {
        let (scale, line) = line(place);
        for (other, value) in line.entries() {
            add(row, &from[other * width..(other + 1) * width], scale * scales[other] * value);
        }
    });
    rows
}

/// `target += factor * line`.
// hot
fn add(target: &mut [f32], line: &[f32], factor: f32) {
    for (target, entry) in target.iter_mut().zip(line) {
        *target += factor * entry;
    }
}

/// Numbers in [-1, 1) that look random and are always the same.
///
/// Source: `SplitMix64` (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
#[expect(clippy::cast_precision_loss, reason = "24 bits fit a single")]
fn random(count: usize) -> Vec<f32> {
    let number = |position: u64| {
        let mut mixed = (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count as u64).map(number).collect()
}

/// The upper triangle of `rows' * rows`.
fn gram(rows: &[f32], width: usize) -> Vec<f32> {
    let partial = |chunk: &[f32]| {
        let mut sums = vec![0.0; width * width];
        for four in chunk.chunks(4 * width) {
            let lines: Vec<&[f32]> = four.chunks_exact(width).collect();
            for (place, sums) in sums.chunks_exact_mut(width).enumerate() {
                match lines.as_slice() {
                    [a, b, c, d] => add_four(
                        &mut sums[place..],
                        [&a[place..], &b[place..], &c[place..], &d[place..]],
                        [a[place], b[place], c[place], d[place]],
                    ),
                    lines => {
                        lines.iter().for_each(|line| add(&mut sums[place..], &line[place..], line[place]))
                    }
                }
            }
        }
        sums
    };
    let partials: Vec<Vec<f32>> = rows.par_chunks(CHUNK_ROWS * width).map(partial).collect();
    let mut sums = vec![0.0; width * width];
    partials.iter().for_each(|partial| add(&mut sums, partial, 1.0));
    sums
}

/// `target += f0 * l0 + f1 * l1 + f2 * l2 + f3 * l3`.
// hot
fn add_four(target: &mut [f32], lines: [&[f32]; 4], factors: [f32; 4]) {
    let ([a, b, c, d], [fa, fb, fc, fd]) = (lines, factors);
    for ((((target, a), b), c), d) in target.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *target += (fa * a + fb * b) + (fc * c + fd * d);
    }
}

/// Turns rows into those of an orthonormal basis of the same columns' span.
fn orthonormalize(rows: &mut [f32], width: usize) {
    let mut upper = gram(rows, width);
    let largest = (0..width).map(|place| upper[place * width + place]).fold(0.0, f32::max);
    // A direction that is not there gets a pivot that makes it vanish instead of blowing it up.
    cholesky::factorize(&mut upper, width, largest.max(f32::MIN_POSITIVE) * 1e-6);
    rows.par_chunks_exact_mut(width).for_each(|row| {
        for (place, upper) in upper.chunks_exact(width).enumerate() {
            let (head, tail) = row.split_at_mut(place + 1);
            head[place] /= upper[place];
            add(tail, &upper[place + 1..], -head[place]);
        }
    });
}

fn mirror(upper: &mut [f64], width: usize) {
    for row in 1..width {
        for column in 0..row {
            upper[row * width + column] = upper[column * width + row];
        }
    }
}

/// Eigenvectors of a symmetric matrix, one a row; the matrix becomes diagonal and holds the eigenvalues.
fn eigenvectors(matrix: &mut [f64], width: usize) -> Vec<f64> {
    let mut vectors = vec![0.0; width * width];
    (0..width).for_each(|place| vectors[place * width + place] = 1.0);
    let scale: f64 = (0..width).map(|place| matrix[place * width + place].abs()).fold(0.0, f64::max);
    for _ in 0..SWEEPS_MAX {
        let mut largest = 0.0_f64;
        for p in 0..width {
            for q in p + 1..width {
                let off = matrix[p * width + q];
                largest = largest.max(off.abs());
                if off.abs() > scale * 1e-12 {
                    let (sine, cosine) = rotation(matrix[p * width + p], off, matrix[q * width + q]);
                    for place in 0..width {
                        let row = &mut matrix[place * width..(place + 1) * width];
                        (row[p], row[q]) = (cosine * row[p] - sine * row[q], sine * row[p] + cosine * row[q]);
                    }
                    rotate_rows(matrix, width, (p, q), (sine, cosine));
                    rotate_rows(&mut vectors, width, (p, q), (sine, cosine));
                }
            }
        }
        if largest <= scale * 1e-12 {
            break;
        }
    }
    vectors
}

/// Sine and cosine of the rotation that makes `[[a, b], [b, d]]` diagonal.
fn rotation(a: f64, b: f64, d: f64) -> (f64, f64) {
    let theta = (d - a) / (2.0 * b);
    let tangent = theta.signum() / (theta.abs() + libm::sqrt(theta * theta + 1.0));
    let cosine = 1.0 / libm::sqrt(tangent * tangent + 1.0);
    (tangent * cosine, cosine)
}

fn rotate_rows(matrix: &mut [f64], width: usize, (p, q): (usize, usize), (sine, cosine): (f64, f64)) {
    let (head, tail) = matrix.split_at_mut(q * width);
    for (x, y) in head[p * width..(p + 1) * width].iter_mut().zip(&mut tail[..width]) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}
