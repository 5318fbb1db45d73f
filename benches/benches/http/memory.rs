//! The server's memory while it answers many requests of all kinds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use benches::is_test_run;

use crate::caller::{Member, pool};
use crate::client::{Client, get};
use crate::server::Server;
use crate::{PLATFORM, argument};

const CLIENTS: usize = 8;

/// Prints the server's memory each time it has answered a twentieth of a million requests, or of `--requests=`.
pub(crate) fn measure(server: &Server) {
    let requests = if is_test_run() { 200 } else { argument("requests").unwrap_or(1_000_000) };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let member = runtime.block_on(async { Member::first(&pool(server).await).await });
    let shapes = shapes(&member);
    let step = requests.div_ceil(20);
    println!("| requests | seconds | resident MB |\n|---|---|---|");
    println!("| 0 | 0 | {:.1} |", megabytes(server));
    let (count, started) = (AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(server.addr);
                loop {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    if number >= requests {
                        return;
                    }
                    let shape = &shapes[usize::try_from(number).unwrap() % shapes.len()];
                    client.ask(&shape(number));
                    if (number + 1) % step == 0 {
                        let seconds = started.elapsed().as_secs();
                        println!("| {} | {seconds} | {:.1} |", number + 1, megabytes(server));
                    }
                }
            });
        }
    });
}

type Shape<'s> = Box<dyn Fn(u64) -> Vec<u8> + Sync + 's>;

/// Requests that differ from each other in their addresses, values and shapes.
fn shapes(member: &Member) -> Vec<Shape<'_>> {
    let ask = |path: fn(u64) -> String| -> Shape<'_> {
        Box::new(move |number| get(&path(number), &member.authorization))
    };
    vec![
        ask(|number| format!("/rest/{PLATFORM}/brands?name=eq.brand%20{number}")),
        ask(|number| format!("/rest/{PLATFORM}/trends?select=id,name&order=name&limit={}", number % 10 + 1)),
        ask(|number| {
            format!("/rest/{PLATFORM}/contents?select=id,trends(name)&limit=2&offset={}", number % 50)
        }),
        ask(|number| format!("/rest/{PLATFORM}/members?select=alias{}:id&limit=1", number % 1_000)),
        ask(|_| "/livez".to_owned()),
    ]
}

fn megabytes(server: &Server) -> f64 {
    server.resident_bytes() as f64 / 1e6
}
