//! A change of the embedding model: the vectors at hand serve until the next model has embedded every text.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use affinity_server::embedding::{Embedder, LocalEmbedder};
use affinity_server::projection::{LiveEngine, LiveParts, LiveSettings, ServingModel};
use sqlx::PgPool;

use crate::projection::{answers, builtin, matchers, member_ids, platform, projector_with, world};

const PATIENCE: Duration = Duration::from_secs(30);

fn model_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../affinity-embedding/tests/models").join(name)
}

fn local(name: &str) -> Arc<Embedder> {
    Arc::new(Embedder::Local(LocalEmbedder::open(&model_folder(name)).unwrap()))
}

/// A database with the small world, and a folder for the snapshots of its engine.
struct World {
    pool: PgPool,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(name: &str) -> Self {
        Self { pool: world(name).await, folder: tempfile::tempdir().unwrap() }
    }

    fn parts(&self, embedder: &Arc<Embedder>) -> LiveParts {
        let schema = platform().schema(embedder.dimension()).unwrap();
        LiveParts {
            pool: self.pool.clone(),
            matchers: matchers(&schema),
            schema,
            embedder: Arc::clone(embedder),
            settings: LiveSettings::standard(self.folder.path().to_path_buf()),
        }
    }

    async fn start(&self, embedder: &Arc<Embedder>) -> LiveEngine {
        let live = LiveEngine::start(self.parts(embedder)).await.unwrap();
        // An answer says when its snapshot is not verified yet.
        check_soon(&live, "nothing is lacking", |live| live.status().degraded.is_empty()).await;
        live
    }

    /// Whose vectors are stored.
    async fn models(&self) -> Vec<String> {
        let models = sqlx::query_scalar("select distinct model from affinity.vectors order by model");
        models.fetch_all(&self.pool).await.unwrap()
    }

    /// As long as the transaction lasts, no vector can be stored.
    async fn barrier(&self) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let mut barrier = self.pool.begin().await.unwrap();
        sqlx::query("lock table affinity.vectors in share mode").execute(&mut *barrier).await.unwrap();
        barrier
    }
}

async fn check_soon(live: &LiveEngine, what: &str, holds: impl Fn(&LiveEngine) -> bool) {
    let (began, mut looks) = (Instant::now(), tokio::time::interval(Duration::from_millis(2)));
    while !holds(live) {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}; {:?}", live.status());
        looks.tick().await;
    }
}

async fn check_serving(live: &LiveEngine, model: &Arc<Embedder>) {
    check_soon(live, "the next model serves", |live| live.serving().embedder.model() == model.model()).await;
    check_soon(live, "nothing is lacking", |live| live.status().degraded.is_empty()).await;
}

/// That the engine is the one that reading everything by `model` makes, and the database holds its vectors alone.
async fn check_equal_to_rebuild(world: &World, live: &LiveEngine, model: &Arc<Embedder>) {
    let pool = &world.pool;
    let members = member_ids(pool).await;
    let projector = projector_with(pool, world.parts(model).schema, Embedder::clone(model)).await;
    let (whole, _) = projector.project_all().await.unwrap();
    assert_eq!(answers(&live.load(), &members), answers(&whole.engine, &members));
    let began = Instant::now();
    loop {
        let models = world.models().await;
        if models == [model.model()] {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "vectors of {models:?}");
    }
    let recorded = ServingModel::recorded(pool, "teraffi").await.unwrap().unwrap();
    let (model, dimension) = (model.model().to_string(), model.dimension());
    assert_eq!(recorded, ServingModel { model, dimension });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_of_the_model_before_serve_until_the_next_has_all() {
    let (world, before, after) = (World::new("switch").await, local("tiny-32"), local("tiny-21"));
    let mut live = world.start(&before).await;
    let members = member_ids(&world.pool).await;
    let expected = answers(&live.load(), &members);

    let barrier = world.barrier().await;
    live.switch_to(world.parts(&after)).await.unwrap();
    check_soon(&live, "it says so", |live| {
        live.status().degraded.iter().any(|said| said.contains("tiny-21") && said.contains(": 0 of "))
    })
    .await;
    assert_eq!(answers(&live.load(), &members), expected);
    let edges = live.load().counts().edges;
    sqlx::query(
        "delete from teraffi.member_trend_affinities
         where ctid = (select min(ctid) from teraffi.member_trend_affinities)",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    check_soon(&live, "changes are followed meanwhile", |live| live.load().counts().edges < edges).await;
    let serving = live.serving();
    assert_eq!(serving.embedder.model(), before.model());
    assert_eq!(serving.engine.schema().spaces()[0].dimension, 32);

    barrier.rollback().await.unwrap();
    check_serving(&live, &after).await;
    assert_eq!(live.load().schema().spaces()[0].dimension, 21);
    check_equal_to_rebuild(&world, &live, &after).await;

    let expected = answers(&live.load(), &members);
    live.stop().await;
    let live = world.start(&after).await;
    assert_eq!(answers(&live.load(), &members), expected, "from the snapshot");
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_of_model_that_was_cut_short_goes_on_without_the_model_before() {
    let (world, before, after) = (World::new("switch_restart").await, local("tiny-32"), local("tiny-21"));
    let mut live = world.start(&before).await;
    let members = member_ids(&world.pool).await;
    let expected = answers(&live.load(), &members);
    let barrier = world.barrier().await;
    live.switch_to(world.parts(&after)).await.unwrap();
    live.stop().await;
    barrier.rollback().await.unwrap();

    let recorded = ServingModel::recorded(&world.pool, "teraffi").await.unwrap().unwrap();
    assert_eq!(recorded.model, before.model());
    let retired = Embedder::of_stored(&recorded.model, recorded.dimension);
    assert!(matches!(retired, Embedder::Retired { dimension: 32, .. }), "{retired:?}");
    let mut live = world.start(&Arc::new(retired)).await;
    assert_eq!(answers(&live.load(), &members), expected, "its folder may be gone: the vectors are not");
    live.switch_to(world.parts(&after)).await.unwrap();
    check_serving(&live, &after).await;
    check_equal_to_rebuild(&world, &live, &after).await;
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn model_that_fails_leaves_the_one_before_and_says_why() {
    let (world, before, after) = (World::new("switch_failing").await, Arc::new(builtin()), local("tiny-21"));
    let mut live = world.start(&before).await;
    let failing = Embedder::Retired { model: "nobody/9".to_string(), dimension: 9 };
    live.switch_to(world.parts(&Arc::new(failing))).await.unwrap();
    check_soon(&live, "it says why", |live| {
        let says = |said: &String| said.contains("nobody/9") && said.contains("is being replaced");
        live.status().degraded.iter().any(says)
    })
    .await;
    assert_eq!(live.serving().embedder.model(), before.model());

    live.switch_to(world.parts(&after)).await.unwrap();
    check_serving(&live, &after).await;
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vectors_of_a_change_that_was_given_up_are_forgotten_and_no_others() {
    let (world, model) = (World::new("switch_given_up").await, Arc::new(builtin()));
    let live = world.start(&model).await;
    sqlx::query(
        "insert into affinity.vectors (platform, kind, id, space, model, text_hash, vector)
         select platform, kind, id, space, 'given up', text_hash, '{1}' from affinity.vectors",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    assert_eq!(world.models().await.len(), 2);
    live.forget_other_models().await.unwrap();
    check_equal_to_rebuild(&world, &live, &model).await;
    live.stop().await;
}
