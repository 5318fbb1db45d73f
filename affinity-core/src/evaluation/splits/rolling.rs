//! Rolling time split: what came before a point in time feeds, what comes until the next is predicted.
//!
//! Source: Hyndman & Athanasopoulos, "Forecasting: Principles and Practice", 3rd edition, 2021, section 5.10
//! (evaluation on a rolling forecasting origin).

use crate::graph::Timestamp;

/// One origin of a rolling split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The point in time.
    pub cut: Timestamp,
    /// Positions of events before it, in order of position.
    pub feed: Vec<usize>,
    /// Positions of events from it to the next cut, or to the end, in order of position.
    pub labels: Vec<usize>,
}

/// One fold per cut; `cuts` need no order. An event at a cut is one to predict.
///
/// ```
/// use affinity_core::{Timestamp, evaluation::rolling_time_split};
/// let times = [1, 5, 3, 9].map(Timestamp::from_seconds);
/// let folds = rolling_time_split(&times, &[Timestamp::from_seconds(5), Timestamp::from_seconds(3)]);
/// assert_eq!((folds[0].feed.as_slice(), folds[0].labels.as_slice()), ([0].as_slice(), [2].as_slice()));
/// assert_eq!((folds[1].feed.as_slice(), folds[1].labels.as_slice()), ([0, 2].as_slice(), [1, 3].as_slice()));
/// ```
#[must_use]
pub fn rolling_time_split(times: &[Timestamp], cuts: &[Timestamp]) -> Vec<Fold> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable();
    cuts.dedup();
    let positions = |is_in: &dyn Fn(Timestamp) -> bool| {
        times.iter().enumerate().filter(|(_, time)| is_in(**time)).map(|(position, _)| position).collect()
    };
    let fold = |(number, cut): (usize, &Timestamp)| Fold {
        cut: *cut,
        feed: positions(&|time| time < *cut),
        labels: positions(&|time| time >= *cut && cuts.get(number + 1).is_none_or(|next| time < *next)),
    };
    cuts.iter().enumerate().map(fold).collect()
}

/// At most `fold_count` cuts that give the latest `label_share` of events to folds of about equal size.
///
/// Events of one time stay together, so that there may be fewer. `label_share` is in (0, 1].
#[must_use]
pub fn cut_points(times: &[Timestamp], fold_count: usize, label_share: f64) -> Vec<Timestamp> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let count = crate::exact::count_of(sorted.len());
    let first = (1.0 - label_share.clamp(0.0, 1.0)) * count;
    let at = |fold: usize| {
        let place =
            first + (count - first) * crate::exact::count_of(fold) / crate::exact::count_of(fold_count);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the count"
        )]
        sorted.get(place as usize).copied()
    };
    let mut cuts: Vec<Timestamp> = (0..fold_count).filter_map(at).collect();
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::{cut_points, rolling_time_split};
    use crate::graph::Timestamp;
    use proptest::prelude::proptest;

    fn seconds(times: &[i64]) -> Vec<Timestamp> {
        times.iter().copied().map(Timestamp::from_seconds).collect()
    }

    #[test]
    fn cuts_share_the_latest_events_evenly() {
        let times = seconds(&[9, 1, 2, 3, 4, 5, 6, 7, 8, 0]);
        assert_eq!(cut_points(&times, 2, 0.4), seconds(&[6, 8]));
        assert_eq!(cut_points(&seconds(&[5, 5, 5]), 3, 1.0), seconds(&[5]));
        assert!(cut_points(&[], 3, 0.5).is_empty());
    }

    proptest! {
        #[test]
        fn nothing_of_the_future_feeds_and_labels_are_given_once(
            times in proptest::collection::vec(0_i64..30, 0..40), cuts in proptest::collection::vec(0_i64..30, 0..5)
        ) {
            let folds = rolling_time_split(&seconds(&times), &seconds(&cuts));
            let mut labelled = vec![0; times.len()];
            for fold in &folds {
                let cut = fold.cut.micros() / 1_000_000;
                assert!(fold.feed.iter().all(|event| times[*event] < cut));
                assert_eq!(fold.feed.len(), times.iter().filter(|time| **time < cut).count());
                fold.labels.iter().for_each(|event| labelled[*event] += 1);
            }
            let first = cuts.iter().min();
            let expected = times.iter().map(|time| i32::from(first.is_some_and(|first| time >= first)));
            assert_eq!(labelled, expected.collect::<Vec<_>>());
        }
    }
}
