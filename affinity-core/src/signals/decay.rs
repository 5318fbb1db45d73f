//! Half-life decay of edges and nodes with their age.

use std::sync::Arc;

use crate::exact::count_of;
use crate::graph::Timestamp;

/// Days of age told apart; older edges decay as if this old.
const DAYS_MAX: usize = 4096;
const SECONDS_PER_DAY: i64 = 86_400;

/// The factor `2^(-age / half-life)` by whole days of age: a table made once, with the matcher.
#[derive(Clone, Debug)]
pub(crate) struct HalfLife(Arc<[f64]>);

impl HalfLife {
    pub(crate) fn new(days: f64) -> Self {
        Self((0..DAYS_MAX).map(|day| decay_factor(count_of(day), days)).collect())
    }
}

/// A half-life as of the time of one query.
#[derive(Clone, Debug)]
pub(crate) struct Decay {
    /// Empty when there is no decay.
    by_day: Arc<[f64]>,
    as_of_seconds: i64,
}

impl Decay {
    pub(crate) fn new(half_life: Option<&HalfLife>, as_of: Timestamp) -> Self {
        let by_day = half_life.map_or_else(Arc::default, |HalfLife(by_day)| Arc::clone(by_day));
        Self { by_day, as_of_seconds: as_of.micros().div_euclid(1_000_000) }
    }

    pub(crate) fn is_on(&self) -> bool {
        !self.by_day.is_empty()
    }

    /// As [`Decay::factor`] of the first second of a day after 1970.
    #[inline]
    pub(crate) fn factor_of_day(&self, day: u32) -> f64 {
        if self.by_day.is_empty() || day == 0 {
            return 1.0;
        }
        let age_days = (self.as_of_seconds.div_euclid(SECONDS_PER_DAY) - i64::from(day)).max(0);
        let day = usize::try_from(age_days).unwrap_or(DAYS_MAX).min(DAYS_MAX - 1);
        self.by_day[day]
    }

    /// In (0, 1]; 1 without decay, for an edge without a time, and for one from after `as_of`.
    #[inline]
    pub(crate) fn factor(&self, time: u32) -> f64 {
        if self.by_day.is_empty() || time == 0 {
            return 1.0;
        }
        let age_days = (self.as_of_seconds - i64::from(time)).max(0) / SECONDS_PER_DAY;
        let day = usize::try_from(age_days).unwrap_or(DAYS_MAX).min(DAYS_MAX - 1);
        self.by_day[day]
    }
}

/// `2^(-age / half_life)`, both in days.
pub(crate) fn decay_factor(age_days: f64, half_life_days: f64) -> f64 {
    libm::exp2(-age_days / half_life_days)
}
