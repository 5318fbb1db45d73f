//! How early a ranking comes to what was chosen: reciprocal rank and average precision.
//!
//! Source: Voorhees, "The TREC-8 question answering track report", 1999 (reciprocal rank); Manning, Raghavan &
//! Schütze, "Introduction to Information Retrieval", 2008, section 8.4 (average precision).

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

use crate::exact::count_of;

/// 1 over the rank of the first hit, 0 without one; `None` when nothing is wanted.
///
/// `ranked` is best first and without repetition.
pub fn reciprocal_rank<T: Eq + Hash, S: BuildHasher>(ranked: &[T], wanted: &HashSet<T, S>) -> Option<f64> {
    let first = ranked.iter().position(|item| wanted.contains(item));
    (!wanted.is_empty()).then(|| first.map_or(0.0, |place| 1.0 / count_of(place + 1)))
}

/// The mean, over what is wanted, of the share of hits up to it; what is not ranked adds 0. `None` when nothing is
/// wanted.
///
/// `ranked` is best first and without repetition.
///
/// ```
/// use affinity_core::evaluation::average_precision;
/// assert_eq!(average_precision(&["bob", "ann", "eve"], &["bob", "eve"].into()), Some((1.0 + 2.0 / 3.0) / 2.0));
/// ```
pub fn average_precision<T: Eq + Hash, S: BuildHasher>(ranked: &[T], wanted: &HashSet<T, S>) -> Option<f64> {
    let hits = ranked.iter().enumerate().filter(|(_, item)| wanted.contains(item));
    let precision = |(found, (place, _)): (usize, (usize, &T))| count_of(found + 1) / count_of(place + 1);
    let sum: f64 = hits.enumerate().map(precision).sum();
    (!wanted.is_empty()).then(|| sum / count_of(wanted.len()))
}

#[cfg(test)]
mod tests {
    use super::{average_precision, reciprocal_rank};
    use std::collections::HashSet;

    #[track_caller]
    fn check(ranked: &[u32], items: &[u32], first: Option<f64>, precision: Option<f64>) {
        let wanted: HashSet<u32> = items.iter().copied().collect();
        assert_eq!(
            (reciprocal_rank(ranked, &wanted), average_precision(ranked, &wanted)),
            (first, precision)
        );
    }

    #[test]
    fn hits_at_ranks_two_and_four_of_three_wanted() {
        check(&[9, 1, 8, 2], &[1, 2, 3], Some(0.5), Some((0.5 + 0.5) / 3.0));
    }

    #[test]
    fn a_miss_is_zero_and_wanting_nothing_does_not_count() {
        check(&[1, 2], &[3], Some(0.0), Some(0.0));
        check(&[1, 2], &[], None, None);
    }
}
