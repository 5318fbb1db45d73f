use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::DatabaseError;
use super::initialize::last_lines;

/// How often the postmaster is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long the postmaster may take to stop in order before it is told to drop everything (and recover next time).
const STOP_SECONDS_MAX: u64 = 60;

/// How the postmaster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PostmasterState {
    Starting,
    Running {
        process: u32,
    },
    /// It ended without being asked to, with these last words, and is about to be started again.
    Ended {
        output: String,
    },
    /// It was stopped, or the thread is gone.
    Stopped,
}

/// The thread that starts the postmaster, starts it again when it dies, and stops it in order.
///
/// A thread of its own because the parent-death signal follows the thread that forked, not the process: a
/// runtime's worker may end long before the server does.
#[derive(Debug)]
pub(super) struct Supervisor {
    stop: Sender<()>,
    state: watch::Receiver<PostmasterState>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the postmaster by `command`, logging to `log`. `lock` is held until the postmaster has ended.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(command: Command, log: PathBuf, lock: File) -> Result<Self, DatabaseError> {
        let (stop, stops) = channel();
        let (publish, state) = watch::channel(PostmasterState::Starting);
        let thread = std::thread::Builder::new()
            .name("postgres-supervisor".to_string())
            .spawn(move || {
                supervise(command, &log, &stops, &publish);
                let _ = publish.send(PostmasterState::Stopped);
                drop(lock);
            })
            .map_err(|_| DatabaseError::Thread { role: "supervises PostgreSQL" })?;
        Ok(Self { stop, state, thread: Some(thread) })
    }

    /// How the postmaster is now.
    pub(super) fn state(&self) -> PostmasterState {
        self.state.borrow().clone()
    }

    /// Stops the postmaster in order (open transactions roll back, a checkpoint is written) and waits for it.
    pub(super) fn stop(&mut self) -> Result<(), DatabaseError> {
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let _ = self.stop.send(());
        thread.join().map_err(|_| DatabaseError::Thread { role: "supervises PostgreSQL" })
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

fn supervise(
    mut command: Command,
    log: &Path,
    stops: &Receiver<()>,
    publish: &watch::Sender<PostmasterState>,
) {
    let mut pause = Duration::from_millis(100);
    loop {
        let started = Instant::now();
        let output = match spawn(&mut command, log) {
            Ok((mut child, log_start)) => {
                let _ = publish.send(PostmasterState::Running { process: child.id() });
                if wait(&mut child, stops) == Ended::AsAsked {
                    return;
                }
                log_since(log, log_start)
            }
            Err(error) => error.to_string(),
        };
        // During a start this is expected while an older postmaster is still ending; later it is a crash.
        tracing::warn!(%output, "PostgreSQL ended by itself and will be started again");
        let _ = publish.send(PostmasterState::Ended { output });
        pause = if started.elapsed() > Duration::from_secs(60) {
            Duration::from_millis(100)
        } else {
            (pause * 2).min(Duration::from_secs(1))
        };
        if stops.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn spawn(command: &mut Command, log: &Path) -> std::io::Result<(Child, u64)> {
    let log = File::options().create(true).append(true).mode(0o600).open(log)?;
    let log_start = log.metadata()?.len();
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok((child, log_start))
}

#[derive(PartialEq, Eq)]
enum Ended {
    ByItself,
    AsAsked,
}

fn wait(child: &mut Child, stops: &Receiver<()>) -> Ended {
    loop {
        match stops.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {
                if !matches!(child.try_wait(), Ok(None)) {
                    return Ended::ByItself;
                }
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                end(child);
                return Ended::AsAsked;
            }
        }
    }
}

/// Ends the postmaster: fast, and when that takes too long, at once. It is a child, so its number is not reused.
fn end(child: &mut Child) {
    let Ok(process) = i32::try_from(child.id()).map(Pid::from_raw) else {
        return;
    };
    for (signal, seconds_max) in
        [(Signal::SIGINT, STOP_SECONDS_MAX), (Signal::SIGQUIT, 10), (Signal::SIGKILL, 10)]
    {
        let _ = kill(process, signal);
        let deadline = Instant::now() + Duration::from_secs(seconds_max);
        while Instant::now() < deadline {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        tracing::warn!(%signal, seconds_max, "PostgreSQL is slow to stop");
    }
}

fn log_since(log: &Path, start: u64) -> String {
    let read = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        std::io::Result::Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().map_or_else(|error| error.to_string(), |text| last_lines(&text))
}
