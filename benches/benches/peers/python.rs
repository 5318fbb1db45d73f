//! Peers written in Python: a virtual environment of their own, and a script that answers one line of JSON with one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The folder with the scripts and the lock file of what they import.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The interpreter of `target/peers-venv`, made on first use from `requirements.lock`; `Err` says why there is none.
///
/// A package that cannot be installed is left out: its import fails, and the script says so.
pub(crate) fn interpreter(target: &Path) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("AFFINITY_PEERS_PYTHON") {
        return Ok(given.into());
    }
    let environment = target.join("peers-venv");
    let (python, done) = (environment.join("bin/python"), environment.join("installed"));
    let lock = folder().join("requirements.lock");
    let packages = std::fs::read_to_string(&lock).map_err(|error| error.to_string())?;
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == packages) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    let install = || Command::new(&python);
    let pip = ["-m", "pip", "install", "--quiet", "--no-deps"];
    if run(install().args(pip).arg("--requirement").arg(&lock)).is_err() {
        for package in packages.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Err(reason) = run(install().args(pip).arg(package)) {
                eprintln!("{package}: {reason}");
            }
        }
    }
    std::fs::write(done, packages).map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let last = || String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("failed").to_string();
    if output.status.success() { Ok(()) } else { Err(last()) }
}

/// A running script.
pub(crate) struct Script {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Script {
    /// Starts `benches/peers/<name>` with one thread for whatever it computes.
    pub(crate) fn start(target: &Path, name: &str) -> Result<Self, String> {
        let mut command = Command::new(interpreter(target)?);
        command.arg("-u").arg(folder().join(name)).env("OMP_NUM_THREADS", "1");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Ok(Self { child, input, output })
    }

    /// Sends a request and waits for its answer; an answer with `error` is that error.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value, String> {
        let sent = writeln!(self.input, "{request}").and_then(|()| self.input.flush());
        sent.map_err(|error| error.to_string())?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))?;
        match answer.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.to_string()),
            None => Ok(answer),
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}
