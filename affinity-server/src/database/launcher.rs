//! Becomes a PostgreSQL program: drops privileges, ties its life to the server's, and executes it.
//!
//! The server starts itself again with [`FLAG`] as first argument. Between `fork` and `exec` of the same
//! process this would need `unsafe` code; in a fresh process of one thread it is a few safe calls.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgid, setuid};

use super::account::Account;

/// The first argument that asks a program to act as launcher.
pub const FLAG: &str = "--launch-postgres";

/// Stands for the path of the cluster in a launched program's arguments.
pub(super) const CLUSTER: &str = "{cluster}";

/// A program to run as `account`, with [`CLUSTER`] in its arguments replaced by a path that account can open.
pub(super) struct Launch<'a> {
    pub(super) launcher: &'a Path,
    pub(super) account: Account,
    pub(super) cluster: &'a Path,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl Launch<'_> {
    /// The command that does it; the thread that spawns it must live as long as the program should.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.launcher);
        command
            .arg(FLAG)
            .arg(self.account.uid().to_string())
            .arg(self.account.gid().to_string())
            .arg(std::process::id().to_string())
            .arg(if self.account.reaches(self.cluster) { "path" } else { "descriptor" })
            .arg(self.cluster)
            .arg(&self.program)
            .args(&self.arguments)
            // A group of its own: Ctrl-C in a terminal stops the server, which then stops PostgreSQL in order.
            .process_group(0);
        command
    }
}

/// Acts as launcher and never returns, when the program was started with [`FLAG`]; returns at once otherwise.
///
/// Call it first in `main`, before any thread exists.
pub fn run_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(FLAG)) {
        return;
    }
    let error = match launch(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    eprintln!("FATAL:  cannot launch PostgreSQL: {error}");
    std::process::exit(1);
}

fn launch(mut arguments: impl Iterator<Item = OsString>) -> io::Result<std::convert::Infallible> {
    let mut next = || arguments.next().ok_or_else(|| io::Error::other("an argument is missing"));
    let uid = Uid::from_raw(number(&next()?)?);
    let gid = Gid::from_raw(number(&next()?)?);
    let parent = number(&next()?)?;
    let by_descriptor = next()? == *"descriptor";
    let cluster = PathBuf::from(next()?);
    let program = next()?;

    // Opened with the privileges of now. The path behind a descriptor needs no right to enter what lies above
    // the cluster, such as root's home directory.
    let descriptor = if by_descriptor { Some(open_inherited(&cluster)?) } else { None };
    let cluster = match &descriptor {
        Some(directory) => PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())),
        None => cluster,
    };
    if Uid::effective().is_root() {
        // Groups beside the main one; on macOS they come from the directory service and stay.
        #[cfg(not(target_vendor = "apple"))]
        nix::unistd::setgroups(&[gid])?;
        setgid(gid)?;
        setuid(uid)?;
    }
    umask(Mode::from_bits_truncate(0o077));
    die_with_parent(parent)?;
    std::env::set_current_dir("/")?;
    let arguments =
        arguments.map(|argument| if argument == *CLUSTER { cluster.clone().into() } else { argument });
    Err(Command::new(program).args(arguments).exec())
}

fn number(argument: &OsStr) -> io::Result<u32> {
    argument
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::other("an argument is not a number"))
}

fn open_inherited(directory: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(directory)?;
    fcntl(&opened, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(opened)
}

/// Asks for a fast shutdown of PostgreSQL when the thread that started it ends, however it ends.
///
/// Set after dropping privileges, which clears it. A parent that died before is noticed by its id.
#[cfg(target_os = "linux")]
fn die_with_parent(parent: u32) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGINT)?;
    let current = nix::unistd::getppid().as_raw();
    if u32::try_from(current).ok() == Some(parent) {
        Ok(())
    } else {
        Err(io::Error::other("the server ended"))
    }
}

/// Only Linux ties a process to the life of its parent; elsewhere the next server attaches to what it finds.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_parent: u32) -> io::Result<()> {
    Ok(())
}
