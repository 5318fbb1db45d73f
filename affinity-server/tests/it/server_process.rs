//! The real program, started as a person would, and what it says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;

use crate::cluster::SERVER;

/// How long a start may take: a first one on a busy machine, with a download.
const START_MAX: Duration = Duration::from_secs(180);

/// How long processes may take to be gone.
const END_MAX: Duration = Duration::from_secs(30);

/// A server that serves, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    lines: Receiver<String>,
    /// What it has logged so far.
    pub(crate) log: String,
    pub(crate) addr: SocketAddr,
    pub(crate) data_dir: PathBuf,
}

/// The program with `data_dir`, a free port, no demo data, and nothing of this process's own configuration.
pub(crate) fn command(data_dir: &Path) -> Command {
    command_with_demo(data_dir, 0)
}

/// The same with a demo world of so many members.
pub(crate) fn command_with_demo(data_dir: &Path, members: u32) -> Command {
    let mut command = command_at(data_dir, "127.0.0.1:0");
    command.args(["--demo-members", &members.to_string()]);
    command
}

/// The program with `data_dir` and this address, and nothing of this process's own configuration.
pub(crate) fn command_at(data_dir: &Path, addr: &str) -> Command {
    let mut command = Command::new(SERVER);
    for variable in std::env::vars_os().map(|(name, _)| name) {
        let name = variable.to_string_lossy();
        if name.starts_with("AFFINITY_") || name.starts_with("PG") || name == "DATABASE_URL" {
            command.env_remove(&variable);
        }
    }
    command.arg("--data-dir").arg(data_dir).args(["--addr", addr]);
    command
}

impl Server {
    /// Starts `command` and waits until it listens; its log, when it ends before that.
    pub(crate) fn try_start(mut command: Command, data_dir: &Path) -> Result<Self, String> {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let deadline = Instant::now() + START_MAX;
        let mut log = String::new();
        // An error ends the program, and with it the lines.
        while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            log.push_str(&line);
            log.push('\n');
            if let Some((_, addr)) = line.split_once("listening on http://") {
                let addr = addr.trim().parse().unwrap();
                return Ok(Self { child, lines, log, addr, data_dir: data_dir.to_path_buf() });
            }
        }
        let _ = child.kill();
        let _ = child.wait();
        Err(log)
    }

    /// A server with an embedded database in `data_dir`.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::try_start(command(data_dir), data_dir).unwrap()
    }

    pub(crate) fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Sends `signal` and waits for the end; the exit status and the whole log.
    pub(crate) fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        kill(self.process(), signal).unwrap();
        let status = poll("the server ends", || self.child.try_wait().unwrap());
        let rest: Vec<String> = self.lines.iter().collect();
        (status, format!("{}{}", self.log, rest.join("\n")))
    }

    /// What `affinity-server database-url` prints.
    pub(crate) fn database_url(&self) -> String {
        let output = command(&self.data_dir).arg("database-url").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    /// How to connect to its database.
    pub(crate) fn database_options(&self) -> PgConnectOptions {
        self.database_url().parse().unwrap()
    }

    /// Status and JSON body of a request; an empty `body` makes it a GET.
    pub(crate) fn ask(&self, path: &str, body: &str) -> (u16, serde_json::Value) {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let length = body.len();
        let mut stream = TcpStream::connect(self.addr).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}")))
    }

    /// The whole answer to `GET path`.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks `attempt` until it has an answer, and fails when that takes too long.
#[track_caller]
pub(crate) fn poll<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + END_MAX;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {END_MAX:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The processes of the PostgreSQL on `data_dir`: each has the cluster as working directory.
pub(crate) fn postgres_processes(data_dir: &Path) -> Vec<String> {
    let cluster = data_dir.join("database/cluster").canonicalize().unwrap();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        // One that has ended and was not collected yet has no working directory.
        .filter(|process| {
            std::fs::read_link(process.path().join("cwd")).is_ok_and(|directory| directory == cluster)
        })
        .map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}
