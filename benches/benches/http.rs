//! A recommendation over HTTP: the whole service on loopback, without a database behind it.
#![allow(missing_docs, clippy::unwrap_used)] // `criterion_group!` writes undocumented items.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use affinity_core::{Query, Timestamp, Viewer};
use affinity_server::auth::{Caller, RolePrefix};
use affinity_server::config::MatchingConfig;
use affinity_server::embedding::{BuiltinEmbedder, Embedder};
use affinity_server::matching::{Hosted, Matching, Platforms, ScoringPool};
use affinity_server::observability::install_metrics;
use affinity_server::router::router;
use axum::Extension;
use benches::{AS_OF, World, WorldParams};
use criterion::{Criterion, criterion_group, criterion_main};

/// One kept-alive connection that reads whole answers.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// The body of a GET, which must succeed.
    fn get(&mut self, path: &str) -> &[u8] {
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        self.buffer.clear();
        let mut chunk = [0; 65_536];
        loop {
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the connection ended: {}", String::from_utf8_lossy(&self.buffer));
            self.buffer.extend_from_slice(&chunk[..count]);
            if let Some((body, end)) = body_range(&self.buffer)
                && self.buffer.len() >= end
            {
                return &self.buffer[body..end];
            }
        }
    }
}

/// Where the body starts and ends, once the head is there.
fn body_range(answer: &[u8]) -> Option<(usize, usize)> {
    let head_len = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..head_len]).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    Some((head_len, head_len + length.parse::<usize>().unwrap()))
}

fn http_benches(criterion: &mut Criterion) {
    let world = World::generate(WorldParams::SMALL).unwrap();
    let key = world.sources(1).next().unwrap();
    let name = world.engine.schema().name().to_string();
    let path = format!("/match/{name}/partners/{key}?limit=10&as_of={AS_OF}");
    let query = Query::new("partners", &key).limit(10).as_of(AS_OF).viewer(Viewer::Member([].into()));
    let expected = serde_json::to_value(world.engine.recommend(&query).unwrap()).unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = MatchingConfig { workers: 1, queue_length: 16, deadline: Duration::from_secs(10) };
    let platforms = Platforms::from([(name, Hosted::Fixed(Arc::new(world.engine)))]);
    let embedder = Arc::new(Embedder::Builtin(BuiltinEmbedder::default()));
    let matching = Arc::new(Matching::new(platforms, ScoringPool::new(&config), embedder));
    // Without a database nobody says who is asking: here it is the machine's own user.
    let caller = Caller::open_demo(&RolePrefix::default());
    let service = router(matching, None, install_metrics().unwrap()).layer(Extension(caller));
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(listener, service).await });

    let mut client = Client::connect(addr);
    let answer: serde_json::Value = serde_json::from_slice(client.get(&path)).unwrap();
    assert_eq!(answer["matches"], expected["matches"]); // the same matches as from the library
    criterion.bench_function("http/partners/m2000/computed", |bencher| {
        let mut moments = AS_OF.micros()..;
        bencher.iter(|| {
            // Another moment each time, so that no answer is there already.
            let at = Timestamp::from_micros(moments.next().unwrap_or_default());
            client.get(&path.replace(&AS_OF.to_string(), &at.to_string())).len()
        });
    });
    criterion.bench_function("http/partners/m2000/kept", |bencher| {
        bencher.iter(|| client.get(&path).len());
    });
    criterion.bench_function("http/livez/none/keep_alive", |bencher| {
        bencher.iter(|| client.get("/livez").len());
    });
}

criterion_group!(benches, http_benches);
criterion_main!(benches);
