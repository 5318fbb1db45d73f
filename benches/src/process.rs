//! What a benchmark asks of the process it runs in.

use std::path::PathBuf;

/// Whether each body is to run once, on small inputs: `cargo bench -- --test`.
#[must_use]
pub fn is_test_run() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Memory of this process that is in use, in bytes; `None` where `/proc` does not tell.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    resident_bytes_of(std::process::id())
}

/// The same of the process `id`.
#[must_use]
pub fn resident_bytes_of(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Where cargo puts what it builds: this program lies in `<target>/<profile>/deps`.
#[must_use]
pub fn target_directory() -> Option<PathBuf> {
    std::env::current_exe().ok()?.ancestors().nth(3).map(PathBuf::from)
}
