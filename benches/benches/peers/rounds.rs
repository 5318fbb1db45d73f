//! Taking turns: what shares a machine with others is only comparable with what ran beside it.

use nix::time::{ClockId, clock_gettime};

/// Seconds of processor time that this process has used so far, all threads together.
///
/// Not the time on the wall: other work on the machine would count, and mostly against whoever ran at a bad moment.
pub(crate) fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

/// What `work` returns, and the seconds of processor time that it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = cpu_seconds();
    let result = work();
    (result, cpu_seconds() - start)
}

/// One measured quantity: the median of its rounds, and the least and the greatest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Measured {
    /// A quantity that is counted, not timed.
    pub(crate) fn exactly(value: f64) -> Self {
        Self { median: value, least: value, greatest: value }
    }

    /// The same in another unit.
    pub(crate) fn times(self, factor: f64) -> Self {
        let Self { median, least, greatest } = self;
        Self { median: median * factor, least: least * factor, greatest: greatest * factor }
    }

    /// Of at least one value, an odd number of them.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self { median: values[values.len() / 2], least: values[0], greatest: values[values.len() - 1] }
    }
}

/// Measures each contender `rounds` times, in turns: first, second, ..., first, second, ...
///
/// A contender returns one number, such as seconds or queries per second.
pub(crate) fn medians(rounds: usize, contenders: &mut [&mut dyn FnMut() -> f64]) -> Vec<Measured> {
    let mut values = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (values, measure) in values.iter_mut().zip(contenders.iter_mut()) {
            values.push(measure());
        }
    }
    values.into_iter().map(Measured::of).collect()
}
