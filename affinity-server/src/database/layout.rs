use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DatabaseError;
use super::account::Account;
use super::error::file_error;

/// The port in the socket's file name. Nothing listens on it: each cluster has a socket directory of its own.
pub(super) const SOCKET_PORT: u16 = 5432;

/// The bytes a socket directory may have: 107 for the address, less `/.s.PGSQL.5432`.
const SOCKET_DIRECTORY_LENGTH_MAX: usize = 107 - "/.s.PGSQL.5432".len();

/// Where the parts of the embedded cluster lie.
///
/// ```text
/// <data dir>/database/cluster       PostgreSQL's own files, owned by the account that runs it
///                    /cluster.new   a first start that has not finished
///                    /socket        its socket, when the path is short enough
///                    /postgres.log  what it logs
///                    /lock          held by the server that supervises it
/// ```
#[derive(Clone, Debug)]
pub(super) struct Layout {
    data_dir: PathBuf,
}

impl Layout {
    /// The layout in `data_dir`, which is absolute and need not exist.
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_path_buf() }
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn database(&self) -> PathBuf {
        self.data_dir.join("database")
    }

    pub(super) fn cluster(&self) -> PathBuf {
        self.database().join("cluster")
    }

    pub(super) fn unfinished_cluster(&self) -> PathBuf {
        self.database().join("cluster.new")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.database().join("postgres.log")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.database().join("lock")
    }

    /// Makes the data directory and the one for the database, when missing.
    ///
    /// Those made here may be entered by everyone and listed by nobody else: the account that runs PostgreSQL
    /// passes through them to its own, which is closed.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn create(&self) -> Result<(), DatabaseError> {
        let database = self.database();
        DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&database)
            .map_err(file_error("make directory", database))
    }

    /// A directory for the socket, made if missing: mode 0700, owned by `account`, short enough for a socket.
    ///
    /// In the data directory where possible, else under `XDG_RUNTIME_DIR`, the temporary directory or `/tmp`,
    /// with a name made from the data directory, so that a killed server leaves one to find again, not a trail.
    ///
    /// # Errors
    /// When there is no such place, or when the directory exists and others may enter it.
    pub(super) fn create_socket_directory(&self, account: Account) -> Result<PathBuf, DatabaseError> {
        let preferred = self.database().join("socket");
        if fits_socket(&preferred) && account.reaches(&preferred) {
            return create_private(preferred, account);
        }
        let digest = Sha256::digest(self.data_dir.as_os_str().as_encoded_bytes());
        let suffix: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("affinity-{}-{suffix}", account.uid());
        // A runtime directory belongs to one user, so it serves only when PostgreSQL runs as that user.
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|_| !account.is_another());
        let mut shortest = preferred;
        for base in runtime.into_iter().chain([std::env::temp_dir(), PathBuf::from("/tmp")]) {
            let candidate = base.join(&name);
            if base.is_dir() && fits_socket(&candidate) && account.reaches(&candidate) {
                return create_private(candidate, account);
            }
            if candidate.as_os_str().len() < shortest.as_os_str().len() {
                shortest = candidate;
            }
        }
        Err(DatabaseError::SocketPathTooLong { path: shortest, length_max: SOCKET_DIRECTORY_LENGTH_MAX })
    }
}

fn fits_socket(directory: &Path) -> bool {
    directory.as_os_str().len() <= SOCKET_DIRECTORY_LENGTH_MAX
}

fn create_private(path: PathBuf, account: Account) -> Result<PathBuf, DatabaseError> {
    match DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => account.take(&path)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // Not followed when it is a link: in a shared temporary directory somebody else may have put it there.
            let found = std::fs::symlink_metadata(&path).map_err(file_error("read", &path))?;
            if !found.is_dir() || found.uid() != account.uid() || found.mode() & 0o077 != 0 {
                return Err(DatabaseError::SocketDirectoryNotPrivate { path });
            }
        }
        Err(error) => return Err(file_error("make directory", path)(error)),
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn own_account() -> Account {
        let directory = tempfile::tempdir().unwrap();
        Account::for_cluster(directory.path()).unwrap()
    }

    #[test]
    fn socket_directory_of_a_long_path_is_short_private_and_stable() {
        let account = own_account();
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(&root.path().join("long".repeat(30)));
        layout.create().unwrap();
        let first = layout.create_socket_directory(account).unwrap();
        let again = layout.create_socket_directory(account).unwrap();
        assert!(first.as_os_str().len() <= SOCKET_DIRECTORY_LENGTH_MAX, "{}", first.display());
        assert_eq!(first, again);
        assert_eq!(std::fs::metadata(&first).unwrap().mode() & 0o777, 0o700);
        std::fs::remove_dir(first).unwrap();
    }

    #[test]
    fn socket_directory_open_to_others_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let account = own_account();
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        std::fs::create_dir(&path).unwrap();
        account.take(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = create_private(path.clone(), account).unwrap_err();
        assert!(matches!(refused, DatabaseError::SocketDirectoryNotPrivate { path: named } if named == path));
    }
}
