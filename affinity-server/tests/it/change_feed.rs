//! The engine follows the database: nothing lost, nobody stalled, within a second, across restarts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use affinity_core::{Engine, Key, Verification};
use affinity_server::catalog::ProjectionStatements;
use affinity_server::projection::{LiveEngine, LiveParts, LiveSettings, ProjectionError};
use sqlx::PgPool;

use crate::projection::{OMAR, SARAH, answers, builtin, matchers, member_ids, platform, projector, world};

/// How stale an answer may be at most.
const FRESH: Duration = Duration::from_secs(1);
/// For what has no promised time.
const PATIENCE: Duration = Duration::from_secs(30);

fn parts(pool: &PgPool, folder: &Path) -> LiveParts {
    let embedder = builtin();
    let schema = platform().schema(embedder.dimension()).unwrap();
    LiveParts {
        pool: pool.clone(),
        matchers: matchers(&schema),
        schema,
        embedder: Arc::new(embedder),
        settings: LiveSettings::standard(folder.to_path_buf()),
    }
}

/// Waits until the newest engine satisfies `holds`; how long that took.
#[track_caller]
fn check_soon(
    live: &LiveEngine,
    within: Duration,
    what: &str,
    holds: impl Fn(&Engine) -> bool,
) -> impl Future<Output = Duration> {
    let began = Instant::now();
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    async move {
        while !holds(&live.load()) {
            assert!(began.elapsed() < within, "not within {within:?}: {what}; {:?}", live.status());
            looks.tick().await;
        }
        began.elapsed()
    }
}

fn name_of(engine: &Engine, member: &str) -> Option<String> {
    let kind = engine.schema().kind("Member").unwrap();
    engine.node(kind, &Key::from(member)).map(|node| node.name.into_string())
}

async fn rename(executor: impl sqlx::PgExecutor<'_>, member: &str, name: &str) {
    sqlx::query("update teraffi.member_profiles set name = $2 where member_id = $1::uuid")
        .bind(member)
        .bind(name)
        .execute(executor)
        .await
        .unwrap();
}

/// Past the triggers, as a repair by hand might be.
async fn rename_unnoticed(pool: &PgPool, member: &str, name: &str) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    rename(&mut *tx, member, name).await;
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commit_is_in_the_engine_within_a_second() {
    let (pool, folder) = (world("fresh").await, tempfile::tempdir().unwrap());
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    for round in 0..20 {
        let name = format!("Sarah {round}");
        rename(&pool, SARAH, &name).await;
        check_soon(&live, FRESH, &name, |engine| name_of(engine, SARAH).as_deref() == Some(&name)).await;
    }
    let status = live.status();
    assert!(status.error.is_none() && status.degraded.is_empty() && status.lag < FRESH, "{status:?}");
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_that_began_first_and_commits_last_loses_nothing_and_stalls_nobody() {
    let (pool, folder) = (world("two_writers").await, tempfile::tempdir().unwrap());
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    let mut slow = pool.begin().await.unwrap();
    rename(&mut *slow, SARAH, "Slow").await;
    for round in 0..3 {
        let name = format!("Quick {round}");
        rename(&pool, OMAR, &name).await;
        check_soon(&live, FRESH, &name, |engine| name_of(engine, OMAR).as_deref() == Some(&name)).await;
        assert_eq!(name_of(&live.load(), SARAH).as_deref(), Some("Sarah Bennett"), "not committed yet");
    }
    slow.commit().await.unwrap();
    check_soon(&live, FRESH, "the slow one", |engine| name_of(engine, SARAH).as_deref() == Some("Slow"))
        .await;
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_keep_the_version_they_loaded() {
    let (pool, folder) = (world("versions").await, tempfile::tempdir().unwrap());
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    let before = live.load();
    rename(&pool, SARAH, "Another").await;
    check_soon(&live, FRESH, "renamed", |engine| name_of(engine, SARAH).as_deref() == Some("Another")).await;
    assert_eq!(name_of(&before, SARAH).as_deref(), Some("Sarah Bennett"));
    assert_ne!(before.version(), live.load().version());
    live.stop().await;
}

/// Writes affinities until told to stop; how many commits that were.
async fn stream_of_writes(pool: PgPool, stop: Arc<AtomicBool>) -> u32 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        count += 1;
        let statement = if count % 3 == 0 {
            "delete from teraffi.member_trend_affinities where ctid = (select ctid from teraffi.member_trend_affinities
             order by md5(member_id::text || trend_id::text || $1::text) limit 1)"
        } else {
            "insert into teraffi.member_trend_affinities (member_id, trend_id, strength)
             select m.id, t.id, ($1 % 100) / 100.0 from teraffi.members m, teraffi.trends t
             order by md5(m.id::text || t.id::text || $1::text) limit 1
             on conflict (member_id, trend_id) do update set strength = excluded.strength"
        };
        sqlx::query(statement).bind(i32::try_from(count).unwrap()).execute(&pool).await.unwrap();
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restart_amid_a_stream_of_writes_ends_equal_to_a_rebuild() {
    let (pool, folder) = (world("restart").await, tempfile::tempdir().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(stream_of_writes(pool.clone(), Arc::clone(&stop)));
    for _ in 0..3 {
        let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
        let version = live.load().version().to_string();
        check_soon(&live, PATIENCE, "changes", |engine| engine.version() != version).await;
        live.stop().await;
    }
    // The fourth ends without saying so, like a killed process: its snapshot is that of the third.
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    let version = live.load().version().to_string();
    check_soon(&live, PATIENCE, "changes", |engine| engine.version() != version).await;
    drop(live);

    stop.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() > 0);
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    let members = member_ids(&pool).await;
    let (whole, _) = projector(&pool).await.project_all().await.unwrap();
    assert_eq!(answers(&live.load(), &members), answers(&whole.engine, &members));
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_older_than_the_feed_reads_everything() {
    let (pool, folder) = (world("older").await, tempfile::tempdir().unwrap());
    LiveEngine::start(parts(&pool, folder.path())).await.unwrap().stop().await;
    rename(&pool, SARAH, "Much later").await;
    for _ in 0..2 {
        sqlx::query("select affinity.trim_changes(interval '0')").execute(&pool).await.unwrap();
    }
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    assert_eq!(name_of(&live.load(), SARAH).as_deref(), Some("Much later"));
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_snapshot_is_read_anew_from_the_database() {
    let (pool, folder) = (world("damaged").await, tempfile::tempdir().unwrap());
    LiveEngine::start(parts(&pool, folder.path())).await.unwrap().stop().await;
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
        assert_eq!(name_of(&live.load(), SARAH).as_deref(), Some("Sarah Bennett"), "{}", file.display());
        live.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshot_is_used_and_its_checksums_are_compared_in_the_background() {
    let (pool, folder) = (world("snapshot").await, tempfile::tempdir().unwrap());
    LiveEngine::start(parts(&pool, folder.path())).await.unwrap().stop().await;
    // Past the triggers: only an engine from the snapshot does not see it.
    rename_unnoticed(&pool, SARAH, "Unnoticed").await;
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    assert_eq!(name_of(&live.load(), SARAH).as_deref(), Some("Sarah Bennett"));
    let verified = |engine: &Engine| engine.verification() == Verification::Done;
    check_soon(&live, PATIENCE, "verified", verified).await;
    assert!(live.status().degraded.is_empty(), "{:?}", live.status());
    live.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebuild_reads_the_views_anew() {
    let (pool, folder) = (world("rebuild").await, tempfile::tempdir().unwrap());
    let live = LiveEngine::start(parts(&pool, folder.path())).await.unwrap();
    rename_unnoticed(&pool, SARAH, "Repaired").await;
    live.rebuild().await.unwrap();
    assert_eq!(name_of(&live.load(), SARAH).as_deref(), Some("Repaired"));
    live.stop().await;
}

#[tokio::test]
async fn view_that_reads_an_unwatched_table_is_refused_by_name() {
    let (pool, folder) = (world("unwatched").await, tempfile::tempdir().unwrap());
    sqlx::query("delete from affinity.touches where table_name = 'trends'").execute(&pool).await.unwrap();
    let error = LiveEngine::start(parts(&pool, folder.path())).await.unwrap_err();
    let ProjectionError::NotFollowed { platform, faults } = error else { panic!("{error:?}") };
    assert_eq!(platform, "teraffi");
    assert!(
        faults.iter().any(|fault| fault.contains("affinity_nodes") && fault.contains("trends")),
        "{faults:?}"
    );
}

#[tokio::test]
async fn platform_without_views_is_refused_by_name() {
    let (pool, folder) = (world("no_views").await, tempfile::tempdir().unwrap());
    sqlx::query("drop view teraffi.affinity_texts").execute(&pool).await.unwrap();
    let error = LiveEngine::start(parts(&pool, folder.path())).await.unwrap_err();
    assert!(matches!(error, ProjectionError::Catalog { .. }), "{error:?}");
    let mut connection = pool.acquire().await.unwrap();
    let error = ProjectionStatements::prepare(&mut connection, "nowhere").await.unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}
