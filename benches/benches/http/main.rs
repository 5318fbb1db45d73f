//! Affinity over HTTP, on loopback.
//!
//! ```text
//! cargo bench -p benches --bench http                           everything
//! cargo bench -p benches --bench http -- http/livez             the rows of one criterion filter
//! cargo bench -p benches --bench http -- tables [--rounds=N]    tables beside a bare loop over the same database
//! cargo bench -p benches --bench http -- reload                 requests while the catalog is read again
//! cargo bench -p benches --bench http -- memory [--requests=N]  the server's memory over a million requests
//! ```
//!
//! Tables need PostgreSQL: the server, which is this program started again, keeps one in `target/http-bench`.
#![allow(missing_docs, clippy::unwrap_used)] // a benchmark: what cannot be measured ends it

mod client;
mod matching;
mod server;
mod caller;
mod tables;
mod reload;
mod memory;

use benches::is_test_run;
use criterion::Criterion;

/// As the server's own program does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    if server::run_if_asked() {
        return;
    }
    let wants = |name: &str| std::env::args().any(|argument| argument == name);
    let names = ["tables", "reload", "memory"];
    let is_chosen = names.into_iter().any(wants);
    if !is_chosen {
        let mut criterion = Criterion::default().configure_from_args();
        matching::matching_benches(&mut criterion);
        criterion.final_summary();
    }
    // A filter of criterion's asks for none of what follows.
    let is_filtered = std::env::args().skip(1).any(|argument| !argument.starts_with("--"));
    if is_filtered && !is_chosen {
        return;
    }
    let server = server::Server::start();
    if wants("tables") || !is_chosen {
        tables::measure(&server);
    }
    if wants("reload") || !is_chosen {
        reload::measure(&server);
    }
    if wants("memory") || is_test_run() {
        memory::measure(&server);
    }
}

/// The platform whose demo world is asked.
const PLATFORM: &str = include_str!("../../fixtures/http/platform.txt");

/// The number that `--name=` gives.
fn argument(name: &str) -> Option<u64> {
    let prefix = format!("--{name}=");
    std::env::args().find_map(|argument| argument.strip_prefix(&prefix)?.parse().ok())
}
