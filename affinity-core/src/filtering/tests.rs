#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use proptest::prelude::*;

use super::{
    Correspondence, Interactions, InteractionsBuilder, InteractionsChange, ItemRows, LocalEaseParams,
    LowPassParams, RowScale, Rp3Params,
};

fn interactions(rows: &[Vec<bool>]) -> Interactions {
    let mut builder = InteractionsBuilder::new(rows[0].len());
    for row in rows {
        let chosen = row.iter().zip(0_u32..).filter(|(chosen, _)| **chosen);
        builder.push_user(&chosen.map(|(_, item)| (item, 1.0)).collect::<Vec<_>>());
    }
    builder.build()
}

/// Users 0: a, b; 1: a, b, c; 2: c, d.
fn worked() -> Interactions {
    let row = |text: &str| text.chars().map(|letter| letter == '1').collect::<Vec<bool>>();
    interactions(&[row("1100"), row("1110"), row("0011")])
}

fn matrices() -> impl Strategy<Value = Vec<Vec<bool>>> {
    (2_usize..9, 2_usize..12).prop_flat_map(|(items, users)| {
        proptest::collection::vec(proptest::collection::vec(any::<bool>(), items), users)
    })
}

fn number(chosen: bool) -> f64 {
    f64::from(u8::from(chosen))
}

fn weight(rows: &ItemRows, from: usize, to: usize) -> f64 {
    f64::from(rows.weight(from, to as u32).unwrap_or(0)) / 16_777_216.0
}

#[track_caller]
fn check_near(rows: &ItemRows, dense: &[Vec<f64>]) {
    for (from, line) in dense.iter().enumerate() {
        for (to, expected) in line.iter().enumerate().filter(|(to, _)| *to != from) {
            let got = weight(rows, from, to);
            assert!((got - expected).abs() < 2e-5, "from {from} to {to}: {got}, expected {expected}");
        }
    }
}

/// `R' diag(user^-power) R`.
fn gram(rows: &[Vec<bool>], power: f64) -> Vec<Vec<f64>> {
    let count = rows[0].len();
    let mut gram = vec![vec![0.0; count]; count];
    for row in rows {
        let total: f64 = row.iter().map(|chosen| number(*chosen)).sum();
        for (i, first) in row.iter().enumerate() {
            for (j, second) in row.iter().enumerate().filter(|(_, second)| **second && *first) {
                gram[i][j] += number(*first) * number(*second) / total.powf(power);
            }
        }
    }
    gram
}

/// The inverse by Gauss and Jordan.
fn inverse(matrix: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let count = matrix.len();
    let mut wide: Vec<Vec<f64>> = matrix
        .iter()
        .enumerate()
        .map(|(i, row)| row.iter().copied().chain((0..count).map(|j| number(i == j))).collect())
        .collect();
    for pivot in 0..count {
        let scale = wide[pivot][pivot];
        wide[pivot].iter_mut().for_each(|entry| *entry /= scale);
        let line = wide[pivot].clone();
        for (row, other) in wide.iter_mut().enumerate().filter(|(row, _)| *row != pivot) {
            let factor = other[pivot];
            other.iter_mut().zip(&line).for_each(|(entry, pivot)| *entry -= factor * pivot);
            assert!(row < count);
        }
    }
    wide.into_iter().map(|row| row[count..].to_vec()).collect()
}

#[test]
fn local_ease_of_two_items_gives_the_worked_number() {
    // a and b share both users of each: G = [[2, 2], [2, 2]]; w = 2 / (2 + 1).
    let one = vec![true, true];
    let params =
        LocalEaseParams { ridge: 1.0, relative_ridge: 0.0, user_power: 0.0, ..LocalEaseParams::STANDARD };
    let rows = params.fit(&interactions(&[one.clone(), one]));
    assert!((weight(&rows, 0, 1) - 2.0 / 3.0).abs() < 1e-6);
    assert!((weight(&rows, 1, 0) - 2.0 / 3.0).abs() < 1e-6);
}

#[test]
fn rp3_of_three_users_gives_the_worked_numbers() {
    // From a: user 0 with 1/2 to b, user 1 with 1/3 to b and to c; b has 2 users, c has 2.
    let plain = Rp3Params { beta: 0.0, rows: RowScale::Popularity(1.0), ..Rp3Params::STANDARD };
    let rows = plain.fit(&worked());
    assert!((weight(&rows, 0, 1) - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-6);
    assert!((weight(&rows, 0, 2) - (1.0 / 3.0) / 2.0).abs() < 1e-6);
    assert_eq!(rows.weight(0, 3), None);
    let rows = Rp3Params::STANDARD.fit(&worked());
    assert!((weight(&rows, 0, 1) - 5.0 / 7.0).abs() < 1e-6, "equal popularity: only the sum counts");
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn local_ease_with_all_neighbors_is_the_dense_closed_form(rows in matrices(), power in 0_u8..3) {
        let power = f64::from(power) / 2.0;
        let mut regularized = gram(&rows, power);
        let is_shared = regularized.iter().enumerate().all(|(i, line)| {
            line.iter().enumerate().all(|(j, entry)| i == j || *entry > 0.0)
        });
        // An item that shares no user with another is no neighbor of it, but may be one of its neighbors' neighbors.
        prop_assume!(is_shared);
        (0..regularized.len()).for_each(|item| regularized[item][item] += 3.0);
        let inverse = inverse(&regularized);
        let dense: Vec<Vec<f64>> = inverse
            .iter()
            .map(|line| line.iter().enumerate().map(|(j, entry)| -entry / inverse[j][j]).collect())
            .collect();
        let params = LocalEaseParams {
            ridge: 3.0,
            relative_ridge: 0.0,
            user_power: power,
            ..LocalEaseParams::STANDARD
        };
        check_near(&params.fit(&interactions(&rows)), &dense);
    }

    #[test]
    fn rp3_is_the_product_of_its_dense_steps(rows in matrices(), past in 0_u8..3, beta in 0_u8..3) {
        let (past, beta) = (f64::from(past) / 2.0, f64::from(beta) / 2.0);
        let popularity = |item: usize| rows.iter().map(|row| number(row[item])).sum::<f64>().max(1.0);
        let mut dense = gram(&rows, 1.0);
        for (from, line) in dense.iter_mut().enumerate() {
            for (to, entry) in line.iter_mut().enumerate() {
                *entry /= popularity(from).powf(past) * popularity(to).powf(beta);
            }
        }
        let params = Rp3Params { beta, rows: RowScale::Popularity(past), ..Rp3Params::STANDARD };
        check_near(&params.fit(&interactions(&rows)), &dense);
    }

    #[test]
    fn low_pass_of_full_rank_is_the_sharpened_filter(rows in matrices(), time in 0_u8..3) {
        // With all directions kept, the linear part and the factors make P e^(-t P), here by its series.
        let time = f64::from(time) / 2.0;
        let count = rows[0].len();
        let popularity = |item: usize| rows.iter().map(|row| number(row[item])).sum::<f64>().max(1.0);
        let mut filter = gram(&rows, 1.0);
        for (from, line) in filter.iter_mut().enumerate() {
            for (to, entry) in line.iter_mut().enumerate() {
                *entry /= (popularity(from) * popularity(to)).sqrt();
            }
        }
        let times = |left: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let entry = |line: &[f64], j: usize| (0..count).map(|k| line[k] * filter[k][j]).sum();
            left.iter().map(|line| (0..count).map(|j| entry(line, j)).collect()).collect()
        };
        let (mut dense, mut term) = (filter.clone(), filter.clone());
        for step in 1_u8..30 {
            term = times(&term);
            term.iter_mut().flatten().for_each(|entry| *entry *= -time / f64::from(step));
            dense.iter_mut().flatten().zip(term.iter().flatten()).for_each(|(sum, entry)| *sum += entry);
        }
        let params = LowPassParams { ideal: 0.0, sharpening: time, ..LowPassParams::STANDARD };
        let (linear, factors) = params.fit(&interactions(&rows));
        for (from, line) in dense.iter().enumerate() {
            for (to, expected) in line.iter().enumerate().filter(|(to, _)| *to != from) {
                let products = factors.left(from).iter().zip(factors.right(to));
                let product: f64 = products.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                let got = weight(&linear, from, to) + product / 2.0_f64.powi(factors.product_bits(to));
                prop_assert!((got - expected).abs() < 2e-3, "from {from} to {to}: {got}, expected {expected}");
            }
        }
    }

    #[test]
    fn fits_do_not_depend_on_the_number_of_threads(rows in matrices()) {
        let matrix = interactions(&rows);
        let fit = || {
            let (ease, rp3) = (LocalEaseParams::STANDARD.fit(&matrix), Rp3Params::STANDARD.fit(&matrix));
            (ease, rp3, LowPassParams::STANDARD.fit(&matrix))
        };
        prop_assert!(in_pool(1, fit) == in_pool(3, fit));
    }

    #[test]
    fn refitting_what_changed_gives_the_bits_of_a_whole_fit(
        rows in matrices(),
        flips in proptest::collection::vec((0_usize..12, 0_usize..9), 0..4),
        power in 0_u8..2,
        neighbors in 1_usize..6,
    ) {
        let mut changed = rows.clone();
        for (user, item) in flips {
            let row = &mut changed[user % rows.len()];
            let place = item % row.len();
            row[place] = !row[place];
        }
        let (before, after) = (interactions(&rows), interactions(&changed));
        let users = Correspondence::new(&(0..rows.len()).collect::<Vec<_>>(), &(0..rows.len()).collect::<Vec<_>>());
        let items: Vec<usize> = (0..rows[0].len()).collect();
        let items = Correspondence::new(&items, &items);
        let change = InteractionsChange { before: &before, after: &after, users: &users, items: &items };
        let ease = LocalEaseParams {
            neighbors,
            ridge: f64::from(power),
            user_power: f64::from(power) / 2.0,
            item_power: 0.5,
            relative_ridge: 1.0 - f64::from(power) / 2.0,
        };
        prop_assert!(ease.refit(&change, &ease.fit(&before)) == ease.fit(&after));
        let rp3 = Rp3Params { neighbors, ..Rp3Params::STANDARD };
        prop_assert!(rp3.refit(&change, &rp3.fit(&before)) == rp3.fit(&after));
    }
}

#[test]
fn strongest_directions_pass_the_ideal_filter() {
    // Two groups that share nothing: the two strongest directions are the groups, so nothing passes between them.
    let row = |text: &str| text.chars().map(|letter| letter == '1').collect::<Vec<bool>>();
    let rows = [row("11100"), row("11100"), row("11100"), row("00011"), row("00011")];
    let params = LowPassParams { rank: 2, linear: 0.0, ideal: 1.0, ..LowPassParams::STANDARD };
    let (_, factors) = params.fit(&interactions(&rows));
    let product = |from: usize, to: usize| {
        let products = factors.left(from).iter().zip(factors.right(to));
        products.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>()
            / 2.0_f64.powi(factors.product_bits(to))
    };
    for (from, to, expected) in [(0, 1, 1.0 / 3.0), (2, 0, 1.0 / 3.0), (3, 4, 0.5), (0, 3, 0.0), (4, 2, 0.0)]
    {
        let got = product(from, to);
        assert!((got - expected).abs() < 2e-3, "from {from} to {to}: {got}, expected {expected}");
    }
}
