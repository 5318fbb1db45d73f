//! How long the catalog takes to be read, and what requests notice of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use affinity_server::catalog::{CatalogHandle, CatalogSettings};
use benches::is_test_run;

use crate::PLATFORM;
use crate::caller::{Member, pool};
use crate::client::{Client, get};
use crate::server::Server;

/// Prints how long a reading of all platforms takes, and how long requests wait while one follows another.
pub(crate) fn measure(server: &Server) {
    let (readings, lasting) = match is_test_run() {
        true => (1, Duration::from_millis(200)),
        false => (15, Duration::from_secs(5)),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(pool(server));
    let member = runtime.block_on(Member::first(&pool));
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..readings {
        let started = Instant::now();
        let read = CatalogHandle::start(pool.clone(), CatalogSettings::default());
        let handle = runtime.block_on(read).unwrap();
        times.push(started.elapsed());
        assert!(!handle.load().platforms.is_empty());
    }
    times.sort_unstable();
    println!(
        "catalog/reload: {:.0} ms, {:.0} at most (goal 200)",
        milliseconds(times[times.len() / 2]),
        milliseconds(times[times.len() - 1])
    );

    let request = get(&format!("/rest/{PLATFORM}/trends?limit=1"), &member.authorization);
    let quiet = waits(server, &request, lasting);
    let ended = AtomicBool::new(false);
    let reloading = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let told = sqlx::query("NOTIFY pgrst, 'reload schema'").execute(&pool);
                runtime.block_on(told).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let waits = waits(server, &request, lasting);
        ended.store(true, Ordering::Relaxed);
        waits
    });
    for (name, waits) in [("quiet", quiet), ("reloading", reloading)] {
        println!(
            "catalog/requests/{name}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms of {}",
            milliseconds(waits[waits.len() / 2]),
            milliseconds(waits[waits.len() * 99 / 100]),
            milliseconds(waits[waits.len() - 1]),
            waits.len()
        );
    }
}

/// How long each of one client's requests took, shortest first.
fn waits(server: &Server, request: &[u8], lasting: Duration) -> Vec<Duration> {
    let mut client = Client::connect(server.addr);
    let until = Instant::now() + lasting;
    let mut waits = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        client.ask(request);
        waits.push(started.elapsed());
    }
    waits.sort_unstable();
    waits
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
