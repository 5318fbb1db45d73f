use std::time::Duration;

/// How long the first wait takes at most; each one after it twice as long.
const FIRST_WAIT_MAX: Duration = Duration::from_millis(8);

/// Waits before another attempt, of which so many have failed: longer each time, and never as long as others do, so
/// that transactions that met once do not meet again.
pub(super) async fn wait_apart(failed_attempts: u32) {
    let mut random = [0; 4];
    // Without randomness it waits longest, which is no worse than right.
    let share = getrandom::fill(&mut random).map_or(u32::MAX, |()| u32::from_le_bytes(random));
    let longest = FIRST_WAIT_MAX.saturating_mul(1 << failed_attempts.saturating_sub(1).min(8));
    tokio::time::sleep(longest.mul_f64(f64::from(share) / f64::from(u32::MAX))).await;
}
