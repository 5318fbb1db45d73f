//! Percentiles of times.

use std::fmt;
use std::time::Duration;

/// In microseconds.
pub(crate) struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Percentiles {
    /// Of at least one time.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut micros: Vec<f64> = times.into_iter().map(|time| time.as_secs_f64() * 1e6).collect();
        micros.sort_by(f64::total_cmp);
        let at = |percent: usize| micros.get(micros.len() * percent / 100).or(micros.last()).copied();
        let at = |percent| at(percent).unwrap_or(f64::NAN);
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.1} us, p99 {:.1} us, max {:.1} us", self.p50, self.p99, self.max)
    }
}
