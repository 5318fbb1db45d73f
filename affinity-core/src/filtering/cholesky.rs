//! Small symmetric systems, many of them.
//!
//! Source: right-looking blocked Cholesky; Golub & Van Loan, "Matrix Computations", 4th ed., section 4.2.

/// Rows that are eliminated together: each entry of the rest is then loaded and stored once for all of them.
const PANEL: usize = 4;

/// Solves `A x = b` in place of `b` for a symmetric positive definite `A`, given by its upper triangle in rows.
///
/// `upper` has `order * order` entries and is overwritten by the factor. A pivot that rounding has made smaller
/// than `pivot_min` counts as that. Plain multiplications and sums in a fixed order: the same bits everywhere.
///
/// # Panics
/// Unless `upper` has the square of the length of `right`.
pub(super) fn solve(upper: &mut [f32], right: &mut [f32], pivot_min: f32) {
    let order = right.len();
    assert_eq!(upper.len(), order * order);
    factorize(upper, order, pivot_min);
    for row in 0..order {
        let (factors, pivot) = (&upper[row * order + row + 1..(row + 1) * order], upper[row * order + row]);
        let (head, tail) = right.split_at_mut(row + 1);
        head[row] /= pivot;
        subtract(tail, factors, head[row]);
    }
    for row in (0..order).rev() {
        let (head, tail) = right.split_at_mut(row + 1);
        let known = dot(&upper[row * order + row + 1..(row + 1) * order], tail);
        head[row] = (head[row] - known) / upper[row * order + row];
    }
}

/// `U` with `U' U = A` in place of the upper triangle of `A`.
pub(super) fn factorize(upper: &mut [f32], order: usize, pivot_min: f32) {
    for first in (0..order).step_by(PANEL) {
        let end = (first + PANEL).min(order);
        let (done, rest) = upper.split_at_mut(end * order);
        let panel = &mut done[first * order..];
        for row in first..end {
            let (before, own) = panel.split_at_mut((row - first) * order);
            for above in before.chunks_exact(order) {
                subtract(&mut own[row..order], &above[row..], above[row]);
            }
            let scale = 1.0 / own[row].max(pivot_min).sqrt();
            own[row..order].iter_mut().for_each(|entry| *entry *= scale);
            own[row] = 1.0 / scale;
        }
        for (row, rest) in (end..order).zip(rest.chunks_exact_mut(order)) {
            let mut lines = panel.chunks_exact(order);
            if let (Some(a), Some(b), Some(c), Some(d)) =
                (lines.next(), lines.next(), lines.next(), lines.next())
            {
                let factors = [a[row], b[row], c[row], d[row]];
                subtract_four(&mut rest[row..], [&a[row..], &b[row..], &c[row..], &d[row..]], factors);
            }
        }
    }
}

/// `target -= factor * line`.
// hot
fn subtract(target: &mut [f32], line: &[f32], factor: f32) {
    for (target, entry) in target.iter_mut().zip(line) {
        *target -= factor * entry;
    }
}

/// `target -= f0 * l0 + f1 * l1 + f2 * l2 + f3 * l3`.
// hot
fn subtract_four(target: &mut [f32], lines: [&[f32]; 4], factors: [f32; 4]) {
    let ([a, b, c, d], [fa, fb, fc, fd]) = (lines, factors);
    for ((((target, a), b), c), d) in target.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *target -= (fa * a + fb * b) + (fc * c + fd * d);
    }
}

/// Sum of products in eight fixed lanes.
// hot
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let (left, right) = (left.chunks_exact(8), right.chunks_exact(8));
    let tail: f32 = left.remainder().iter().zip(right.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0_f32; 8];
    for (xs, ys) in left.zip(right) {
        for ((lane, x), y) in lanes.iter_mut().zip(xs).zip(ys) {
            *lane += x * y;
        }
    }
    lanes.iter().sum::<f32>() + tail
}

#[cfg(test)]
#[allow(clippy::cast_precision_loss)]
mod tests {
    use proptest::prelude::*;

    use super::solve;

    #[test]
    fn solving_two_by_two_gives_the_worked_numbers() {
        // [[4, 2], [2, 5]] x = [8, 12]: x = [1, 2].
        let mut right = [8.0, 12.0];
        solve(&mut [4.0, 2.0, 0.0, 5.0], &mut right, 1e-9);
        assert_eq!(right, [1.0, 2.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn solutions_satisfy_their_system(
            order in 1_usize..23,
            numbers in proptest::collection::vec(-3_i16..4, 23 * 30),
            wanted in proptest::collection::vec(-5_i16..6, 23),
        ) {
            let column = |index: usize| &numbers[index * 30..(index + 1) * 30];
            let entry = |row: usize, other: usize| {
                let products = column(row).iter().zip(column(other)).map(|(x, y)| f32::from(*x) * f32::from(*y));
                products.sum::<f32>() + if row == other { 20.0 } else { 0.0 }
            };
            let mut upper: Vec<f32> =
                (0..order * order).map(|place| entry(place / order, place % order)).collect();
            let mut right: Vec<f32> = (0..order)
                .map(|row| (0..order).map(|other| entry(row, other) * f32::from(wanted[other])).sum())
                .collect();
            solve(&mut upper, &mut right, 1e-3);
            for (got, wanted) in right.iter().zip(&wanted) {
                prop_assert!((got - f32::from(*wanted)).abs() < 0.02, "{got} {wanted}");
            }
        }
    }
}
