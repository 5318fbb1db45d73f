//! Neo4j 5 community: its jars from Maven, a small main that fills it, Bolt on loopback.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::data::{AFFINITIES, Data};

/// What Neo4j reaches into, on Java 17.
const OPENED: [&str; 4] = ["java.nio", "java.lang", "java.io", "sun.nio.ch"];

/// A running Neo4j with the members and trends of a graph.
pub(crate) struct Neo4j {
    child: Child,
    store: PathBuf,
    pub(crate) port: u16,
}

impl Neo4j {
    pub(crate) const NAME: &str = "Neo4j 5.26.25 community (Bolt)";

    /// Ready to be asked; `Err` says why it cannot be had.
    pub(crate) fn start(target: &Path, data: &Data) -> Result<Self, String> {
        let jars = jars(target)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        drop(listener);
        let store = data.folder.join("neo4j");
        let _ = std::fs::remove_dir_all(&store); // what an earlier run left
        let mut command = Command::new("java");
        command.args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        command.args(["-Xmx3g", "-cp"]).arg(jars.join("*")).arg(folder().join("Neo4jPeer.java"));
        command.arg(&store).arg(port.to_string()).arg(data.folder.join("affinities.u32"));
        command.args([data.counts[0], data.counts[1], AFFINITIES].map(|count| count.to_string()));
        let log = std::fs::File::create(data.folder.join("neo4j.log")).map_err(|error| error.to_string())?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let output = child.stdout.take().map(BufReader::new);
        let started = Self { child, store, port };
        let is_ready =
            output.is_some_and(|output| output.lines().any(|line| line.is_ok_and(|l| l == "ready")));
        let log = std::fs::read_to_string(data.folder.join("neo4j.log")).unwrap_or_default();
        let reason =
            log.lines().find(|line| line.contains("xception")).unwrap_or("it ended before it was ready");
        if is_ready { Ok(started) } else { Err(reason.to_string()) }
    }
}

impl Drop for Neo4j {
    fn drop(&mut self) {
        let _ = self.child.kill(); // nothing in it is worth keeping
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.store);
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/neo4j")
}

/// The folder of the jars, fetched on first use.
fn jars(target: &Path) -> Result<PathBuf, String> {
    let (jars, done) = (target.join("peers-neo4j"), target.join("peers-neo4j/fetched"));
    if !done.exists() {
        let mut command = Command::new("mvn");
        command.args(["-q", "-B", "dependency:copy-dependencies", "-f"]).arg(folder().join("pom.xml"));
        command.arg(format!("-DoutputDirectory={}", jars.display()));
        let output = command.output().map_err(|error| format!("mvn: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            return Err(said.lines().next().unwrap_or("mvn failed").to_string());
        }
        std::fs::write(&done, "").map_err(|error| error.to_string())?;
    }
    Ok(jars)
}
