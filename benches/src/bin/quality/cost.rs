//! What a run cost this process.

use nix::sys::resource::{UsageWho, getrusage};

/// CPU seconds of all threads of this process so far.
pub(crate) fn cpu_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return f64::NAN };
    let seconds = |time: nix::sys::time::TimeVal| {
        let micros = i32::try_from(time.tv_usec()).unwrap_or(0);
        // Exact below 2^32 seconds.
        u32::try_from(time.tv_sec()).map_or(f64::NAN, f64::from) + f64::from(micros) / 1e6
    };
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// The most memory that this process held at once, in megabytes of 10^6 bytes; `None` where the system does not tell.
pub(crate) fn peak_mb() -> Option<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let kibibytes = u32::try_from(usage.max_rss()).ok()?; // what Linux counts in
    Some(f64::from(kibibytes) * 1024.0 / 1e6)
}
