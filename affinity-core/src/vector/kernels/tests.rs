#![allow(clippy::unwrap_used)]

use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};

use super::{ByteQuery, Kernel, Rows};

/// Finite numbers of mixed magnitude, with both zeros and subnormals among them.
fn component() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(|bits| {
        let number = f32::from_bits(bits);
        if number.abs() < 1e18 { number } else { (bits % 2001) as f32 / 1000.0 - 1.0 }
    })
}

#[track_caller]
fn check_twins(left: &[f32], right: &[f32]) {
    for kernel in Kernel::available() {
        let expected = Kernel::SCALAR.dot(left, right).to_bits();
        assert_eq!(kernel.dot(left, right).to_bits(), expected, "{} {left:?} {right:?}", kernel.name());
        let expected = Kernel::SCALAR.squared_distance(left, right).to_bits();
        let got = kernel.squared_distance(left, right).to_bits();
        assert_eq!(got, expected, "{} {left:?} {right:?}", kernel.name());
    }
}

proptest! {
    #[test]
    fn kernels_of_this_machine_equal_the_scalar_twin(
        length in 0_usize..2100,
        offset in 0_usize..9,
        seed in any::<u64>(),
        special in proptest::collection::vec(component(), 1..40),
    ) {
        // Half the components come from `special`, the others from a generator: quick, and still shrinkable.
        let mut state = seed | 1;
        let mut next = |position: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let drawn = (state >> 40) as f32 / 8_388_608.0 - 1.0;
            if state >> 63 == 0 { drawn } else { special[position % special.len()] }
        };
        let left: Vec<f32> = (0..length + offset).map(&mut next).collect();
        let right: Vec<f32> = (0..length + 8).map(&mut next).collect();
        // Different offsets on both sides: neither slice starts at a register boundary.
        check_twins(&left[offset..], &right[8 - offset.min(8)..][..length]);
    }

    #[test]
    fn codes_equal_the_scalar_twin_and_plain_sums(
        query in proptest::collection::vec(-127_i8..=127, 0..300),
        seed in any::<u64>(),
    ) {
        let byte = |row: usize, place: usize| {
            seed.wrapping_mul((row * 1_009 + place) as u64 | 1).to_be_bytes()[0]
        };
        let rows: Vec<Vec<u8>> = (0..5).map(|row| (0..query.len()).map(|place| byte(row, place)).collect()).collect();
        let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
        let plain = |row: &[u8]| -> i32 {
            query.iter().zip(row).map(|(x, y)| i32::from(*x) * (i32::from(*y) - 128)).sum()
        };
        let expected: Vec<i32> = rows.iter().map(|row| plain(row)).collect();
        let words = |row: &[u8]| -> Vec<u64> { row.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)).collect() };
        let bits: Vec<Vec<u64>> = rows.iter().map(|row| words(row)).collect();
        let bits: Vec<&[u64]> = bits.iter().map(Vec::as_slice).collect();
        let differing = |row: &&[u64]| -> u32 { row.iter().zip(bits[0]).map(|(x, y)| (x ^ y).count_ones()).sum() };
        let expected_bits: Vec<u32> = bits.iter().map(differing).collect();
        let coded = ByteQuery::new(query.clone()).unwrap();
        for kernel in Kernel::available() {
            let mut out = [7; 5];
            kernel.dot_bytes_each(&coded, &rows, &mut out);
            prop_assert_eq!(&out[..], &expected[..]);
            let mut out = [7; 5];
            kernel.differing_bits_each(bits[0], &bits, &mut out);
            prop_assert_eq!(&out[..], &expected_bits[..]);
        }
    }

    #[test]
    fn each_row_is_compared_as_by_itself(
        dimension in 0_usize..70,
        row_count in 0_usize..9,
    ) {
        let components: Vec<f32> = (0..row_count * dimension).map(|i| (i % 97) as f32 - 48.0).collect();
        let query: Vec<f32> = (0..dimension).map(|i| (i % 13) as f32 * 0.3 - 2.0).collect();
        let rows: Vec<&[f32]> = (0..row_count).map(|row| &components[row * dimension..(row + 1) * dimension]).collect();
        for kernel in Kernel::available() {
            let (mut dots, mut distances) = ([7.5; 10], [7.5; 10]);
            kernel.dot_each(&query, &rows, &mut dots);
            kernel.squared_distance_each(&query, &rows, &mut distances);
            for (row, (dot, distance)) in rows.iter().zip(dots.iter().zip(&distances)) {
                prop_assert_eq!(dot.to_bits(), Kernel::SCALAR.dot(&query, row).to_bits());
                prop_assert_eq!(distance.to_bits(), Kernel::SCALAR.squared_distance(&query, row).to_bits());
            }
            prop_assert_eq!(dots[row_count], 7.5);
        }
    }

    #[test]
    fn rows_equal_one_comparison_each_and_leave_the_others(
        dimension in 0_usize..70,
        present in any::<u64>(),
        wanted in any::<u64>(),
    ) {
        let count = present.count_ones() as usize;
        let components: Vec<f32> = (0..count * dimension).map(|i| (i % 97) as f32 - 48.0).collect();
        let query: Vec<f32> = (0..dimension).map(|i| (i % 13) as f32 * 0.3 - 2.0).collect();
        let rows = Rows::new(present, dimension, &components).unwrap();
        for kernel in Kernel::available() {
            let (mut dots, mut distances) = ([7.5; 64], [7.5; 64]);
            kernel.dot_rows(&query, rows, wanted, &mut dots);
            kernel.squared_distance_rows(&query, rows, wanted, &mut distances);
            let mut start = 0;
            for slot in 0..64 {
                let (mut dot, mut distance) = (7.5, 7.5);
                if present >> slot & 1 == 1 {
                    let row = &components[start..start + dimension];
                    prop_assert_eq!(rows.row(slot), Some(row));
                    start += dimension;
                    if wanted >> slot & 1 == 1 {
                        dot = Kernel::SCALAR.dot(&query, row);
                        distance = Kernel::SCALAR.squared_distance(&query, row);
                    }
                } else {
                    prop_assert_eq!(rows.row(slot), None);
                }
                prop_assert_eq!((dots[slot].to_bits(), distances[slot].to_bits()), (dot.to_bits(), distance.to_bits()));
            }
        }
    }
}

#[test]
fn scalar_dot_fuses_and_folds_in_halves() {
    // Fused: 1 + 2^-12 squared keeps its last bit when the product is not rounded before the sum.
    let near_one = 1.0 + 2.0_f32.powi(-12);
    let mut left = [0.0; 64];
    let mut right = [0.0; 64];
    (left[0], right[0]) = (1.0, -1.0);
    (left[32], right[32]) = (near_one, near_one);
    assert_eq!(Kernel::SCALAR.dot(&left, &right), 2.0_f32.powi(-11) + 2.0_f32.powi(-24));

    // Folded: lanes 0 and 16 meet first, so the small number of lane 1 survives next to the cancelled pair.
    let mut left = [0.0; 32];
    (left[0], left[1], left[16]) = (1e9, 1.0, -1e9);
    check_twins(&left, &[1.0; 32]);
    assert_eq!(Kernel::SCALAR.dot(&left, &[1.0; 32]), 1.0);
}

#[test]
fn kernels_keep_negative_zero_alike_across_the_tail() {
    let left = [-0.0_f32; 40];
    check_twins(&left, &[1.0; 40]);
    check_twins(&left[..32], &[1.0; 32]);
    check_twins(&left[..3], &[1.0; 3]);
}

#[test]
fn detect_takes_the_last_available() {
    let names: Vec<&str> = Kernel::available().iter().map(|kernel| kernel.name()).collect();
    assert_eq!(names.first(), Some(&"scalar"));
    assert_eq!(names.last(), Some(&Kernel::detect().name()));
}

#[test]
fn rows_of_wrong_length_are_refused() {
    assert!(Rows::new(0b101, 3, &[0.0; 5]).is_none());
    assert!(Rows::new(0b101, usize::MAX, &[]).is_none());
    assert!(Rows::new(0b101, 3, &[0.0; 6]).unwrap().row(64).is_none());
}

#[test]
#[should_panic(expected = "vectors of different dimension")]
fn dot_of_different_lengths_panics() {
    let length = Kernel::detect().dot(&[1.0; 32], &[1.0; 33]);
    assert!(length.is_nan(), "unreachable");
}

#[test]
fn the_largest_codes_of_the_largest_dimension_do_not_overflow() {
    let query = ByteQuery::new(vec![127; 65_536]).unwrap();
    let row = vec![255_u8; 65_536];
    for kernel in Kernel::available() {
        let mut out = [0];
        kernel.dot_bytes_each(&query, &[&row], &mut out);
        assert_eq!(out, [127 * 127 * 65_536]);
    }
    assert!(ByteQuery::new(vec![0; 65_537]).is_none());
}
