use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::DatabaseError;
use super::account::Account;
use super::binaries::Binaries;
use super::error::file_error;
use super::launcher::{CLUSTER, Launch};
use super::layout::Layout;

/// The superuser of the embedded cluster.
///
/// Not "affinity": the default search path starts with the schema of the user's name, and there is one of that.
/// It has no password: only the account that owns the cluster, and root, can enter the directory of the only
/// socket, and whoever can do that can read the cluster's files anyway.
pub(super) const SUPERUSER: &str = "postgres";

/// The major version that made the cluster, or `None` when there is none yet.
///
/// # Errors
/// When the directory holds something else, which is never written over.
pub(super) fn cluster_major(cluster: &Path) -> Result<Option<u32>, DatabaseError> {
    let Ok(mut entries) = std::fs::read_dir(cluster) else {
        return Ok(None);
    };
    let version = std::fs::read_to_string(cluster.join("PG_VERSION")).ok();
    match version.and_then(|text| text.trim().parse().ok()) {
        Some(major) => Ok(Some(major)),
        None if entries.next().is_none() => Ok(None),
        None => Err(DatabaseError::NotACluster { cluster: cluster.to_path_buf() }),
    }
}

/// Makes the cluster beside its place and renames it there, so that one cut short is never taken for a whole.
///
/// Blocks for some seconds; the caller holds the layout's lock.
///
/// # Errors
/// When `initdb` fails, with the end of its output.
pub(super) fn initialize(
    layout: &Layout,
    binaries: &Binaries,
    account: Account,
    launcher: &Path,
) -> Result<(), DatabaseError> {
    // Text sorts by code point everywhere, and knows letters beyond ASCII where the system's library does.
    let classes = if cfg!(target_os = "macos") { "UTF-8" } else { "C.UTF-8" };
    match run_initdb(layout, binaries, account, launcher, classes) {
        Err(DatabaseError::Initialize { output, .. }) if output.contains("locale") => {
            run_initdb(layout, binaries, account, launcher, "C")?;
        }
        outcome => outcome?,
    }
    let (unfinished, cluster) = (layout.unfinished_cluster(), layout.cluster());
    std::fs::rename(&unfinished, &cluster).map_err(file_error("put in place", cluster))
}

fn run_initdb(
    layout: &Layout,
    binaries: &Binaries,
    account: Account,
    launcher: &Path,
    classes: &str,
) -> Result<(), DatabaseError> {
    let cluster = layout.unfinished_cluster();
    if cluster.exists() {
        std::fs::remove_dir_all(&cluster).map_err(file_error("remove the unfinished", &cluster))?;
    }
    DirBuilder::new().mode(0o700).create(&cluster).map_err(file_error("make directory", &cluster))?;
    account.take(&cluster)?;
    let arguments = ["-D", CLUSTER, "--username", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--locale=C"]
        .into_iter()
        .map(OsString::from)
        .chain([format!("--lc-ctype={classes}").into(), "--data-checksums".into()])
        .collect();
    let launch = Launch { launcher, account, cluster: &cluster, program: binaries.initdb(), arguments };
    let output = launch.command().output().map_err(file_error("run", launcher))?;
    if output.status.success() {
        return Ok(());
    }
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(DatabaseError::Initialize { status: output.status.to_string(), output: last_lines(&text) })
}

/// The last lines of a program's output, on one line: where it says why it failed.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join(" | ")
}
