//! One PostgreSQL for the whole run, and a migrated database of its own for each test.
//!
//! ```ignore
//! let pool = cluster::database("trends_rise").await;
//! ```
//!
//! The cluster is the server's own embedded one, started by the first test that asks. It ends with this process,
//! however that ends, and a shell that outlives it removes its files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use affinity_server::auth::RolePrefix;
use affinity_server::config::{DatabaseConfig, PostgresPrograms};
use affinity_server::database::{EmbeddedPostgres, migrate};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// The program whose `main` can become PostgreSQL; a test binary's cannot.
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_affinity-server");

/// A new database with every migration applied, and a pool of a few connections to it.
///
/// `name` starts the database's name, to be recognized in logs: lower case letters, digits and underscores.
pub(crate) async fn database(name: &str) -> PgPool {
    copy_of("affinity", name).await
}

/// A new database without anything of ours.
pub(crate) async fn empty_database(name: &str) -> PgPool {
    copy_of("template1", name).await
}

/// A copy of `pool`'s database, to which nothing else may be connected.
pub(crate) async fn copy_of_pool(pool: &PgPool, name: &str) -> PgPool {
    let original = pool.connect_options().get_database().unwrap().to_string();
    let mut admin =
        PgConnection::connect_with(&shared().options().clone().database("postgres")).await.unwrap();
    // The pool opens new connections when it needs them.
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&original)
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    copy_of(&original, name).await
}

async fn copy_of(original: &str, name: &str) -> PgPool {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')), "{name}");
    let template = shared().options();
    let mut admin = PgConnection::connect_with(&template.clone().database("postgres")).await.unwrap();
    let database = format!("{}_{}", &name[..name.len().min(50)], COUNT.fetch_add(1, Ordering::Relaxed));
    let statement = format!("CREATE DATABASE {database} TEMPLATE {original}");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    PgPoolOptions::new().max_connections(5).connect_with(template.clone().database(&database)).await.unwrap()
}

/// The URL of `pool`'s database, for a program to connect to.
pub(crate) fn url(pool: &PgPool) -> String {
    let database = pool.connect_options().get_database().unwrap().to_string();
    shared().url().replace("/affinity?", &format!("/{database}?"))
}

/// The run's cluster, with the migrated database that the others are copied from; nothing may stay
/// connected to that one.
fn shared() -> &'static EmbeddedPostgres {
    static CLUSTER: OnceLock<EmbeddedPostgres> = OnceLock::new();
    // On a thread of its own: a runtime may not be started inside a test's.
    CLUSTER.get_or_init(|| std::thread::spawn(start).join().unwrap())
}

#[tokio::main(flavor = "current_thread")]
async fn start() -> EmbeddedPostgres {
    let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", std::process::id()));
    remove_after_this_process(&data_dir);
    let cluster = EmbeddedPostgres::start(&database_config(data_dir)).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(cluster.options().clone()).await.unwrap();
    migrate(&pool, &RolePrefix::default()).await.unwrap();
    pool.close().await;
    cluster
}

/// An embedded database in `data_dir`, started through the server's program.
pub(crate) fn database_config(data_dir: PathBuf) -> DatabaseConfig {
    DatabaseConfig {
        url: None,
        role_prefix: RolePrefix::default(),
        programs: PostgresPrograms::Search,
        data_dir,
        launcher: PathBuf::from(SERVER),
    }
}

/// Removes `data_dir` when this process has ended and PostgreSQL has followed it.
fn remove_after_this_process(data_dir: &Path) {
    // Reads the pipe from this process, which ends when this process does, panicked or killed.
    let script = "trap '' INT TERM; cat >/dev/null
        waited=0
        while [ -e \"$1/database/cluster/postmaster.pid\" ] && [ $waited -lt 200 ]; do sleep 0.1; waited=$((waited+1)); done
        rm -rf \"$1\"";
    let shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The pipe stays open until the process ends.
    std::mem::forget(shell);
}

#[tokio::test]
async fn database_of_each_test_is_its_own_and_migrated() {
    let (first, second) = tokio::join!(database("own"), database("own"));
    sqlx::query("CREATE TABLE only_here (id int)").execute(&first).await.unwrap();
    let count = "SELECT count(*) FROM pg_class WHERE relname IN ('only_here', '_sqlx_migrations')";
    let in_first: i64 = sqlx::query_scalar(count).fetch_one(&first).await.unwrap();
    let in_second: i64 = sqlx::query_scalar(count).fetch_one(&second).await.unwrap();
    assert_eq!((in_first, in_second), (2, 1));
}
