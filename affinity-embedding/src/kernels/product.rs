//! Products of matrices, six rows by sixteen columns at a time.

use super::dispatch::dispatched;
use super::exponential::gelu;
use super::matrix::{LANES, Matrix, MatrixMut, Panels};

/// Rows computed together: with two registers each they leave room for the operands in AVX2's sixteen.
const ROWS: usize = 6;

/// What happens to a finished sum.
#[derive(Clone, Copy)]
pub(crate) enum Finish {
    /// It replaces the output.
    Store,
    /// GELU of it replaces the output.
    Gelu,
    /// It is added to the output.
    Add,
}

/// The left side of a product, packed: blocks of [`ROWS`] rows, each stored column by column.
#[derive(Default)]
pub(crate) struct LeftBlocks(Vec<[f32; ROWS]>);

impl LeftBlocks {
    fn pack(&mut self, left: Matrix<'_>) {
        let depth = left.columns();
        self.0.clear();
        self.0.resize(left.row_count().div_ceil(ROWS) * depth, [0.0; ROWS]);
        for row in 0..left.row_count() {
            let block = &mut self.0[row / ROWS * depth..][..depth];
            for (values, value) in block.iter_mut().zip(left.row(row)) {
                values[row % ROWS] = *value;
            }
        }
    }
}

/// `out = finish(left x right + bias)`.
///
/// A row of the output depends on its own row of `left` alone, to the last bit: each sum starts at the bias and runs
/// over the depth in order. `blocks` is scratch memory.
pub(crate) fn multiply(
    left: Matrix<'_>,
    right: &Panels,
    finish: Finish,
    mut out: MatrixMut<'_>,
    blocks: &mut LeftBlocks,
) {
    assert_eq!(left.columns(), right.depth(), "depths of a product");
    assert_eq!(out.shape(), (left.row_count(), right.width()), "shape of a product");
    blocks.pack(left);
    match finish {
        Finish::Store => multiply_and_store(blocks, right, &mut out),
        Finish::Gelu => multiply_and_gelu(blocks, right, &mut out),
        Finish::Add => multiply_and_add(blocks, right, &mut out),
    }
}

dispatched! {
    fn multiply_and_store(left: &LeftBlocks, right: &Panels, out: &mut MatrixMut<'_>) {
        multiply_blocks(left, right, out, |sum, _| sum);
    }
}

dispatched! {
    fn multiply_and_gelu(left: &LeftBlocks, right: &Panels, out: &mut MatrixMut<'_>) {
        multiply_blocks(left, right, out, |sum, _| gelu(sum));
    }
}

dispatched! {
    fn multiply_and_add(left: &LeftBlocks, right: &Panels, out: &mut MatrixMut<'_>) {
        multiply_blocks(left, right, out, |sum, before| before + sum);
    }
}

// A panel stays in the first-level cache while all rows pass by it.
#[inline(always)]
fn multiply_blocks(
    left: &LeftBlocks,
    right: &Panels,
    out: &mut MatrixMut<'_>,
    finish: impl Fn(f32, f32) -> f32,
) {
    let (row_count, _) = out.shape();
    for (panel_idx, (panel, bias)) in right.panels().enumerate() {
        for (block_idx, block) in left.0.chunks_exact(right.depth()).enumerate() {
            let sums = multiply_block(block, panel, bias);
            let first = block_idx * ROWS;
            for (row, sums) in (first..row_count).zip(&sums) {
                let mut finished = [0.0; LANES];
                let out = out.segment(row, panel_idx * LANES);
                finished[..out.len()].copy_from_slice(out);
                for (value, sum) in finished.iter_mut().zip(sums) {
                    *value = finish(*sum, *value);
                }
                let length = out.len();
                out.copy_from_slice(&finished[..length]);
            }
        }
    }
}

#[inline(always)]
fn multiply_block(
    block: &[[f32; ROWS]],
    panel: &[[f32; LANES]],
    bias: &[f32; LANES],
) -> [[f32; LANES]; ROWS] {
    let mut sums = [*bias; ROWS];
    for (left, right) in block.iter().zip(panel) {
        for (sums, left) in sums.iter_mut().zip(left) {
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = left.mul_add(*right, *sum);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::matrix::{Matrix, MatrixMut, Panels};
    use super::{Finish, LeftBlocks, multiply};
    use proptest::prelude::*;

    /// Small whole numbers: every sum of their products is exact, in any order.
    fn rows(row_count: usize, columns: usize, seed: i16) -> Vec<f32> {
        (0..)
            .map(|place: i16| f32::from((place.wrapping_mul(37) ^ seed) % 9))
            .take(row_count * columns)
            .collect()
    }

    proptest! {
        #[test]
        fn product_is_the_sum_of_products(
            row_count in 1..20_usize, depth in 1..40_usize, width in 1..40_usize, seed in 0..1000_i16,
        ) {
            let (left, right, bias) = (rows(row_count, depth, seed), rows(width, depth, 7), rows(1, width, 3));
            let (left, right) = (Matrix::new(&left, depth), Matrix::new(&right, depth));
            let before = rows(row_count, width, 11);
            let expected = |add: bool| -> Vec<f32> {
                let cell = |row: usize, column: usize| {
                    let products = left.row(row).iter().zip(right.row(column)).map(|(left, right)| left * right);
                    products.sum::<f32>() + bias[column] + if add { before[row * width + column] } else { 0.0 }
                };
                (0..row_count * width).map(|place| cell(place / width, place % width)).collect()
            };
            let panels = Panels::of_layer(right, &bias);
            for (finish, add) in [(Finish::Store, false), (Finish::Add, true)] {
                let mut got = before.clone();
                let mut blocks = LeftBlocks::default();
                multiply(left, &panels, finish, MatrixMut::new(&mut got, width), &mut blocks);
                prop_assert_eq!(got, expected(add));
            }
        }
    }

    #[test]
    fn product_writes_only_its_part_of_the_output() {
        let (left, right) = (rows(3, 4, 5), rows(4, 2, 6));
        let mut panels = Panels::default();
        panels.pack(Matrix::new(&right, 2));
        let mut out = vec![-1.0; 5 * 6];
        let part = MatrixMut::new(&mut out, 6).part((1, 3), (2, 2));
        multiply(Matrix::new(&left, 4), &panels, Finish::Store, part, &mut LeftBlocks::default());
        for (place, got) in out.iter().enumerate() {
            let (row, column) = (place / 6, place % 6);
            let expected = match (row, column) {
                (1..4, 2..4) => {
                    (0..4).map(|depth| left[(row - 1) * 4 + depth] * right[depth * 2 + column - 2]).sum()
                }
                _ => -1.0,
            };
            assert_eq!(*got, expected, "row {row} column {column}");
        }
    }
}
