//! The arithmetic: products of matrices, and the functions applied to their rows. The only unsafe code of the crate.

mod dispatch;
mod matrix;
mod product;
mod exponential;
mod rows;

pub(crate) use self::matrix::{Matrix, MatrixMut, Panels};
pub(crate) use self::product::{Finish, LeftBlocks, multiply};
pub(crate) use self::rows::{add_row, normalize_layer, normalize_length, softmax_rows};
