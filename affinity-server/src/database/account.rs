use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use super::DatabaseError;

/// The account that runs PostgreSQL: this process's own, or an unprivileged one when this process is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The account for the cluster in `cluster`, which need not exist yet.
    ///
    /// Root never runs PostgreSQL (it refuses): an existing cluster is run as its owner, a new one as `postgres`,
    /// or as `nobody` where PostgreSQL was never installed.
    ///
    /// # Errors
    /// When another user owns the cluster and this process is not root, or when root has no account to drop to.
    pub(super) fn for_cluster(cluster: &Path) -> Result<Self, DatabaseError> {
        let current = Self { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() };
        let owner = std::fs::metadata(cluster).ok().map(|found| Self { uid: found.uid(), gid: found.gid() });
        if current.uid != 0 {
            return match owner {
                Some(owner) if owner.uid != current.uid => Err(DatabaseError::ForeignCluster {
                    cluster: cluster.to_path_buf(),
                    owner: owner.uid,
                    current: current.uid,
                }),
                _ => Ok(current),
            };
        }
        match owner {
            Some(owner) if owner.uid != 0 => Ok(owner),
            _ => ["postgres", "nobody"]
                .into_iter()
                .find_map(|name| User::from_name(name).ok().flatten())
                .filter(|user| !user.uid.is_root())
                .map(|user| Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() })
                .ok_or(DatabaseError::NoUnprivilegedAccount),
        }
    }

    pub(super) fn uid(self) -> u32 {
        self.uid
    }

    pub(super) fn gid(self) -> u32 {
        self.gid
    }

    /// Whether this process must drop its privileges to become this account.
    pub(super) fn is_another(self) -> bool {
        self.uid != Uid::effective().as_raw()
    }

    /// Whether this account may enter every directory above `path`, by their permission bits.
    ///
    /// `path` is absolute. Access lists are not read: at worst a path is called unreachable that is not, and the
    /// cluster is then opened through a descriptor, which works as well.
    pub(super) fn reaches(self, path: &Path) -> bool {
        !self.is_another()
            || path.ancestors().skip(1).all(|directory| match std::fs::metadata(directory) {
                Ok(found) if found.uid() == self.uid => found.mode() & 0o100 != 0,
                Ok(found) if found.gid() == self.gid => found.mode() & 0o010 != 0,
                Ok(found) => found.mode() & 0o001 != 0,
                // Not made yet: the maker decides.
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            })
    }

    /// Gives `path` to this account.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn take(self, path: &Path) -> Result<(), DatabaseError> {
        if !self.is_another() {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(super::error::file_error("give to the database's account", path))
    }
}
