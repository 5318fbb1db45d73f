use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use affinity_server::config::Invocation;
use affinity_server::database::launcher;
use affinity_server::observability::install_logging;
use affinity_server::serve::serve;
use benches::{is_test_run, target_directory};

/// The first argument that makes this program the server.
const FLAG: &str = "--affinity-server";

/// What the server signs with.
pub(crate) const SECRET: &str = "not secret, and of more than 32 letters";

/// A server in a process of its own, with its database; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
    pub(crate) database_url: String,
}

/// Whether this process was a server, which has ended, or PostgreSQL's launcher, which never returns.
pub(crate) fn run_if_asked() -> bool {
    launcher::run_if_asked();
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != FLAG) {
        return false;
    }
    let directory = std::env::current_dir().unwrap();
    let command_line = std::iter::once("affinity-server".into()).chain(arguments);
    let environment = HashMap::from([("AFFINITY_SECRET".to_owned(), SECRET.to_owned())]);
    let config = Invocation::parse(command_line, &environment, &directory).unwrap().config;
    install_logging(&config.log).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(serve(config)).unwrap();
    true
}

impl Server {
    /// One whose demo world is there already when it was measured before.
    pub(crate) fn start() -> Self {
        let kind = if is_test_run() { "http-bench-test" } else { "http-bench" };
        let data_dir: PathBuf = target_directory().unwrap().join(kind);
        let members = if is_test_run() { "60" } else { "2000" };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([FLAG, "--addr", "127.0.0.1:0", "--demo-members", members, "--data-dir"])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut value_behind = |words: &str| {
            let mut log = String::new();
            for line in lines.by_ref().map_while(Result::ok) {
                if let Some((_, value)) = line.split_once(words) {
                    return value.trim().to_owned();
                }
                log = log + &line + "\n";
            }
            panic!("the server ended:\n{log}");
        };
        let database_url = value_behind("database at ");
        let addr = value_behind("listening on http://").parse().unwrap();
        // Whoever stops reading makes the writer wait.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, addr, database_url }
    }

    /// Bytes of its memory that are in use; 0 where `/proc` does not tell.
    pub(crate) fn resident_bytes(&self) -> u64 {
        benches::resident_bytes_of(self.child.id()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // PostgreSQL follows its parent
        let _ = self.child.wait();
    }
}
