use std::path::{Path, PathBuf};
use std::process::Command;

use super::DatabaseError;
use super::account::Account;
use crate::config::PostgresPrograms;

/// The oldest PostgreSQL that the migrations run on.
pub(super) const MAJOR_MIN: u32 = 15;

/// A directory with `initdb` and `postgres` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) directory: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn initdb(&self) -> PathBuf {
        self.directory.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.directory.join("postgres")
    }

    /// The PostgreSQL in `directory`, or what is wrong with it, as the end of a sentence.
    pub(super) fn inspect(directory: &Path) -> Result<Self, String> {
        // Distributions link single programs into /usr/local/bin; the others lie beside the link's target.
        let postgres = directory
            .join("postgres")
            .canonicalize()
            .map_err(|error| format!("holds no program \"postgres\" ({error})"))?;
        let directory = postgres.parent().unwrap_or(directory).to_path_buf();
        if !directory.join("initdb").is_file() {
            return Err("holds no program \"initdb\"".to_string());
        }
        let output = Command::new(&postgres)
            .arg("--version")
            .output()
            .map_err(|error| format!("holds a \"postgres\" that does not run ({error})"))?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_string();
        match major_of(&version) {
            Some(major) if major >= MAJOR_MIN => Ok(Self { directory, major }),
            Some(_) => Err(format!("holds the older \"{version}\"")),
            None => Err(format!("holds a \"postgres\" of unknown version \"{version}\"")),
        }
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` or `... 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

/// What decides which PostgreSQL runs a cluster.
pub(super) struct Search<'a> {
    /// The operator's choice, which nothing overrides.
    pub(super) programs: &'a PostgresPrograms,
    pub(super) cluster: &'a Path,
    /// The version that made the cluster, when there is one.
    pub(super) cluster_major: Option<u32>,
    /// Who must be able to execute what is found.
    pub(super) account: Account,
    /// Where earlier downloads are.
    pub(super) downloads: &'a Path,
}

impl Search<'_> {
    /// The first PostgreSQL that fits, in the order of DESIGN section 6; `None` when one must be fetched.
    ///
    /// # Errors
    /// When the operator's choice does not run, is too old, or is of another version than the cluster.
    pub(super) fn run(&self) -> Result<Option<Binaries>, DatabaseError> {
        match self.programs {
            PostgresPrograms::Directory(directory) => self.chosen(directory).map(Some),
            PostgresPrograms::Fetched => Ok(self.first_fit(newest_first(self.downloads, ""))),
            PostgresPrograms::Search => {
                let installed = path_directories().chain(usual_directories());
                Ok(self.first_fit(installed.chain(newest_first(self.downloads, ""))))
            }
        }
    }

    fn chosen(&self, directory: &Path) -> Result<Binaries, DatabaseError> {
        let binaries = Binaries::inspect(directory).map_err(|reason| DatabaseError::UnusableBinaries {
            directory: directory.to_path_buf(),
            reason,
        })?;
        match self.cluster_major {
            Some(cluster_major) if cluster_major != binaries.major => Err(DatabaseError::MajorMismatch {
                cluster: self.cluster.to_path_buf(),
                cluster_major,
                binaries: binaries.directory,
                binaries_major: binaries.major,
            }),
            _ => Ok(binaries),
        }
    }

    fn first_fit(&self, directories: impl IntoIterator<Item = PathBuf>) -> Option<Binaries> {
        directories
            .into_iter()
            .filter_map(|directory| Binaries::inspect(&directory).ok())
            .filter(|found| self.account.reaches(&found.postgres()))
            .find(|found| self.cluster_major.is_none_or(|major| major == found.major))
    }
}

fn path_directories() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|directory| directory.is_absolute()).collect::<Vec<_>>().into_iter()
}

/// Where distributions and Homebrew put PostgreSQL without linking it into `PATH`.
fn usual_directories() -> impl Iterator<Item = PathBuf> {
    [
        ("/usr/lib/postgresql", ""),    // Debian, Ubuntu, Alpine
        ("/usr", "pgsql-"),             // the PostgreSQL project's packages for Red Hat and SUSE
        ("/usr/lib", "postgresql"),     // SUSE
        ("/usr/libexec", "postgresql"), // Alpine, older
        ("/opt/homebrew/opt", "postgresql@"),
        ("/usr/local/opt", "postgresql@"),
        ("/Library/PostgreSQL", ""), // the installer for macOS
    ]
    .into_iter()
    .flat_map(|(parent, prefix)| newest_first(Path::new(parent), prefix))
}

/// The `bin` directories of `parent/<prefix><version>`, highest version first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?;
            let parts = version.split('.').map(str::parse).collect::<Result<Vec<u32>, _>>().ok()?;
            Some((parts, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, directory)| directory).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn version_of_releases_and_betas_is_read() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("postgres (PostgreSQL) 17"), Some(17));
        assert_eq!(major_of("mysqld 8.0"), None);
    }

    #[test]
    fn versions_are_ordered_as_numbers_newest_first() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["pg-9.6", "pg-15", "pg-17.2", "pg-17.11", "pg-", "other-99", "pg-x"] {
            std::fs::create_dir(parent.path().join(name)).unwrap();
        }
        let names: Vec<String> = newest_first(parent.path(), "pg-")
            .iter()
            .map(|directory| directory.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["pg-17.11", "pg-17.2", "pg-15", "pg-9.6"]);
    }

    /// A directory with a `postgres` that says it is of `major`.
    fn fake_binaries(major: u32) -> tempfile::TempDir {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        for name in ["initdb", "postgres"] {
            let program = directory.path().join(name);
            std::fs::write(&program, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    fn search(chosen: &Path, cluster_major: Option<u32>) -> Result<Option<Binaries>, DatabaseError> {
        let cluster = Path::new("/nowhere/cluster");
        let account = Account::for_cluster(cluster).unwrap();
        Search {
            programs: &PostgresPrograms::Directory(chosen.to_path_buf()),
            cluster,
            cluster_major,
            account,
            downloads: Path::new("/nowhere"),
        }
        .run()
    }

    #[test]
    fn chosen_binaries_of_the_clusters_version_are_taken() {
        let directory = fake_binaries(16);
        assert_eq!(search(directory.path(), Some(16)).unwrap().unwrap().major, 16);
        assert_eq!(search(directory.path(), None).unwrap().unwrap().major, 16);
    }

    #[test]
    fn chosen_binaries_of_another_version_are_refused_with_both_versions() {
        let directory = fake_binaries(17);
        let refused = search(directory.path(), Some(15)).unwrap_err();
        assert!(matches!(
            refused,
            DatabaseError::MajorMismatch { cluster_major: 15, binaries_major: 17, .. }
        ));
        assert!(refused.to_string().contains("pg_dump"), "{refused}");
    }

    #[test]
    fn chosen_binaries_too_old_or_missing_are_refused() {
        let old = fake_binaries(14);
        let empty = tempfile::tempdir().unwrap();
        for (directory, expected) in [(old.path(), "older"), (empty.path(), "no program \"postgres\"")] {
            let refused = search(directory, None).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
