//! Functions applied to the rows of a matrix.

use super::dispatch::dispatched;
use super::exponential::exp;

const LANES: usize = 16;

/// `sum of map(x)`, in sixteen lanes and then in order.
#[inline(always)]
fn sum(row: &[f32], map: impl Fn(f32) -> f32) -> f32 {
    let (chunks, tail) = row.as_chunks::<LANES>();
    let mut lanes = [0.0_f32; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += map(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(tail) {
        *lane += map(*value);
    }
    lanes.iter().sum()
}

dispatched! {
    /// Each row becomes `(row - mean) / sqrt(variance + epsilon) * gain + shift`.
    ///
    /// Source: Ba, Kiros & Hinton, "Layer Normalization", 2016.
    pub(crate) fn normalize_layer(values: &mut [f32], gain: &[f32], shift: &[f32], epsilon: f32) {
        let length = gain.len() as f32;
        for row in values.chunks_exact_mut(gain.len()) {
            let mean = sum(row, |value| value) / length;
            let variance = sum(row, |value| (value - mean) * (value - mean)) / length;
            let scale = 1.0 / (variance + epsilon).sqrt();
            for ((value, gain), shift) in row.iter_mut().zip(gain).zip(shift) {
                *value = ((*value - mean) * scale).mul_add(*gain, *shift);
            }
        }
    }
}

dispatched! {
    /// Each row of `columns` becomes `e^(scale * value)`, divided by its sum.
    pub(crate) fn softmax_rows(values: &mut [f32], columns: usize, scale: f32) {
        for row in values.chunks_exact_mut(columns) {
            let largest = row.iter().fold(f32::NEG_INFINITY, |largest, value| largest.max(*value));
            for value in row.iter_mut() {
                *value = exp((*value - largest) * scale);
            }
            let total = sum(row, |value| value);
            for value in row {
                *value /= total;
            }
        }
    }
}

/// `total += row`.
pub(crate) fn add_row(total: &mut [f32], row: &[f32]) {
    for (total, value) in total.iter_mut().zip(row) {
        *total += value;
    }
}

/// `row / |row|`; a row of zeros stays.
pub(crate) fn normalize_length(row: &mut [f32]) {
    let length = sum(row, |value| value * value).sqrt();
    if length > 0.0 {
        for value in row {
            *value /= length;
        }
    }
}
