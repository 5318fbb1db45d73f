//! A recommendation over HTTP: the whole service on loopback, without a database behind it.

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
use criterion::Criterion;

use crate::client::{Client, get};

pub(crate) fn matching_benches(criterion: &mut Criterion) {
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
    let answer: serde_json::Value = serde_json::from_slice(client.ask(&get(&path, ""))).unwrap();
    assert_eq!(answer["matches"], expected["matches"]); // the same matches as from the library
    criterion.bench_function("http/partners/m2000/computed", |bencher| {
        let mut moments = AS_OF.micros()..;
        bencher.iter(|| {
            // Another moment each time, so that no answer is there already.
            let at = Timestamp::from_micros(moments.next().unwrap_or_default());
            client.ask(&get(&path.replace(&AS_OF.to_string(), &at.to_string()), "")).len()
        });
    });
    criterion.bench_function("http/partners/m2000/kept", |bencher| {
        bencher.iter(|| client.ask(&get(&path, "")).len());
    });
    criterion.bench_function("http/livez/none/keep_alive", |bencher| {
        bencher.iter(|| client.ask(&get("/livez", "")).len());
    });
}
