//! A change of the embedding model: the vectors at hand serve until the next model has embedded every text.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use affinity_server::embedding::{Embedder, LocalEmbedder};
use affinity_server::projection::{LiveEngine, LiveParts, LiveSettings, ServingModel, Successor};
use sqlx::PgPool;

use crate::projection::{answers, builtin, matchers, member_ids, platform, projector_with, world};

const PATIENCE: Duration = Duration::from_secs(30);

fn model_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../affinity-embedding/tests/models").join(name)
}

fn local(name: &str) -> Embedder {
    Embedder::Local(LocalEmbedder::open(&model_folder(name)).unwrap())
}

fn made_from(embedder: Embedder) -> Successor {
    let schema = platform().schema(embedder.dimension()).unwrap();
    Successor { matchers: matchers(&schema), schema, embedder: Arc::new(embedder) }
}

async fn start(pool: &PgPool, folder: &Path, from: &Successor) -> LiveEngine {
    let Successor { schema, matchers, embedder } = from.clone();
    let settings = LiveSettings::standard(folder.to_path_buf());
    LiveEngine::start(LiveParts { pool: pool.clone(), schema, matchers, embedder, settings }).await.unwrap()
}

async fn check_soon(live: &LiveEngine, what: &str, holds: impl Fn(&LiveEngine) -> bool) {
    let (began, mut looks) = (Instant::now(), tokio::time::interval(Duration::from_millis(2)));
    while !holds(live) {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}; {:?}", live.status());
        looks.tick().await;
    }
}

async fn check_serving(live: &LiveEngine, model: &Successor) {
    check_soon(live, "the next model serves", |live| {
        live.serving().embedder.model() == model.embedder.model()
    })
    .await;
    check_soon(live, "nothing is lacking", |live| live.status().degraded.is_empty()).await;
}

/// That the engine is the one that reading everything by `model` makes, and the database holds its vectors alone.
async fn check_equal_to_rebuild(pool: &PgPool, live: &LiveEngine, model: &Successor) {
    let members = member_ids(pool).await;
    let embedder = Embedder::clone(&model.embedder);
    let projector = projector_with(pool, model.schema.clone(), embedder).await;
    let (whole, _) = projector.project_all().await.unwrap();
    assert_eq!(answers(&live.load(), &members), answers(&whole.engine, &members));
    let began = Instant::now();
    loop {
        let models: Vec<String> =
            sqlx::query_scalar("select distinct model from affinity.vectors").fetch_all(pool).await.unwrap();
        if models == [model.embedder.model()] {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "vectors of {models:?}");
    }
    let recorded = ServingModel::recorded(pool, "teraffi").await.unwrap().unwrap();
    let (model, dimension) = (model.embedder.model().to_string(), model.embedder.dimension());
    assert_eq!(recorded, ServingModel { model, dimension });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_of_the_model_before_serve_until_the_next_has_all() {
    let (pool, folder) = (world("switch").await, tempfile::tempdir().unwrap());
    let (before, after) = (made_from(local("tiny-32")), made_from(local("tiny-21")));
    let mut live = start(&pool, folder.path(), &before).await;
    let members = member_ids(&pool).await;
    let expected = answers(&live.load(), &members);

    // As long as this transaction lasts, no vector can be stored.
    let mut barrier = pool.begin().await.unwrap();
    sqlx::query("lock table affinity.vectors in share mode").execute(&mut *barrier).await.unwrap();
    live.switch_to(after.clone()).await.unwrap();
    check_soon(&live, "it says so", |live| {
        live.status().degraded.iter().any(|said| said.contains("tiny-21") && said.contains("0 of "))
    })
    .await;
    assert_eq!(answers(&live.load(), &members), expected);
    let edges = live.load().counts().edges;
    sqlx::query(
        "delete from teraffi.member_trend_affinities where ctid = (select min(ctid) from teraffi.member_trend_affinities)",
    )
    .execute(&pool)
    .await
    .unwrap();
    check_soon(&live, "changes are followed meanwhile", |live| live.load().counts().edges < edges).await;
    let serving = live.serving();
    assert_eq!(serving.embedder.model(), before.embedder.model());
    assert_eq!(serving.engine.schema().spaces()[0].dimension, 32);

    barrier.rollback().await.unwrap();
    check_serving(&live, &after).await;
    assert_eq!(live.load().schema().spaces()[0].dimension, 21);
    check_equal_to_rebuild(&pool, &live, &after).await;

    let expected = answers(&live.load(), &members);
    live.stop().await;
    let live = start(&pool, folder.path(), &after).await;
    assert_eq!(answers(&live.load(), &members), expected, "from the snapshot");
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_of_model_that_was_cut_short_goes_on_without_the_model_before() {
    let (pool, folder) = (world("switch_restart").await, tempfile::tempdir().unwrap());
    let (before, after) = (made_from(local("tiny-32")), made_from(local("tiny-21")));
    let mut live = start(&pool, folder.path(), &before).await;
    let members = member_ids(&pool).await;
    let expected = answers(&live.load(), &members);
    let mut barrier = pool.begin().await.unwrap();
    sqlx::query("lock table affinity.vectors in share mode").execute(&mut *barrier).await.unwrap();
    live.switch_to(after.clone()).await.unwrap();
    live.stop().await;
    barrier.rollback().await.unwrap();

    let recorded = ServingModel::recorded(&pool, "teraffi").await.unwrap().unwrap();
    assert_eq!(recorded.model, before.embedder.model());
    let retired = Embedder::of_stored(&recorded.model, recorded.dimension);
    assert!(matches!(retired, Embedder::Retired { dimension: 32, .. }), "{retired:?}");
    let mut live = start(&pool, folder.path(), &made_from(retired)).await;
    assert_eq!(answers(&live.load(), &members), expected, "its folder may be gone: the vectors are not");
    live.switch_to(after.clone()).await.unwrap();
    check_serving(&live, &after).await;
    check_equal_to_rebuild(&pool, &live, &after).await;
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn model_that_fails_leaves_the_one_before_and_says_why() {
    let (pool, folder) = (world("switch_failing").await, tempfile::tempdir().unwrap());
    let mut live = start(&pool, folder.path(), &made_from(builtin())).await;
    live.switch_to(made_from(Embedder::Retired { model: "nobody/9".to_string(), dimension: 9 }))
        .await
        .unwrap();
    check_soon(&live, "it says why", |live| {
        live.status()
            .degraded
            .iter()
            .any(|said| said.contains("nobody/9") && said.contains("is being replaced"))
    })
    .await;
    assert_eq!(live.serving().embedder.model(), builtin().model());

    let after = made_from(local("tiny-21"));
    live.switch_to(after.clone()).await.unwrap();
    check_serving(&live, &after).await;
    live.stop().await;
}
