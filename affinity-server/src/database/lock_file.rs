use std::path::{Path, PathBuf};

/// What the postmaster of a cluster wrote about itself into `postmaster.pid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PostmasterLock {
    pub(super) process: i32,
    pub(super) socket_directory: PathBuf,
}

impl PostmasterLock {
    /// The lock in `cluster`, or `None` without a postmaster, or before it has written where its socket is.
    ///
    /// The process may be long dead: a killed postmaster leaves its file.
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    /// Lines as in PostgreSQL's `pidfile.h`: process, cluster, start time, port, socket directory, ...
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let process = lines.next()?.trim().parse().ok()?;
        let socket_directory = lines.nth(3).filter(|line| line.starts_with('/'))?;
        Some(Self { process, socket_directory: PathBuf::from(socket_directory) })
    }
}

/// Removes a `postmaster.pid` whose process is not PostgreSQL on this cluster, and says whether it did.
///
/// PostgreSQL itself refuses to start while any process has the number in the file, and numbers are reused
/// quickly in a container. The caller holds the server's own lock. A postmaster and all its children have the
/// cluster as working directory, so where no process has, nobody uses it. Linux only: elsewhere the file stays.
pub(super) fn remove_stale(cluster: &Path) -> bool {
    if !cfg!(target_os = "linux") {
        return false;
    }
    let (Ok(cluster), Ok(processes)) = (cluster.canonicalize(), std::fs::read_dir("/proc")) else {
        return false;
    };
    let in_use = processes.flatten().any(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|directory| directory == cluster)
    });
    !in_use && std::fs::remove_file(cluster.join("postmaster.pid")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_file_of_a_running_postmaster_names_process_and_socket() {
        let text =
            "24762\n/data dir/cluster\n1795267327\n5432\n/data dir/socket\n\n 10059826         9\nready   \n";
        assert_eq!(
            PostmasterLock::parse(text),
            Some(PostmasterLock { process: 24762, socket_directory: PathBuf::from("/data dir/socket") })
        );
    }

    #[test]
    fn lock_file_half_written_is_none() {
        assert_eq!(PostmasterLock::parse("24762\n/data\n17952"), None);
        assert_eq!(PostmasterLock::parse(""), None);
    }
}
