use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::DatabaseError;
use super::account::Account;
use super::binaries::{Binaries, Search};
use super::download::{download, downloads_directory};
use super::error::file_error;
use super::initialize::{SUPERUSER, cluster_major, initialize};
use super::launcher::{CLUSTER, Launch};
use super::layout::{Layout, SOCKET_PORT};
use super::lock_file::{PostmasterLock, remove_stale};
use super::supervisor::{PostmasterState, Supervisor};
use crate::config::DatabaseConfig;
use crate::observability::Progress;

/// The database of the embedded cluster that holds everything.
const DATABASE: &str = "affinity";

/// How long another server on the data directory may take to start its database or to end.
const IN_USE_PATIENCE: Duration = Duration::from_secs(60);

/// How long an older postmaster may take to end before its lock file is looked at closely.
const STALE_PATIENCE: Duration = Duration::from_millis(500);

/// How long the postmaster may be silent, and how long it may say that it is recovering.
const SILENT_MAX: Duration = Duration::from_secs(60);
const RECOVERY_MAX: Duration = Duration::from_secs(900);

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A log longer than this is put aside at the next start.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A private PostgreSQL in the data directory: this process's own, or one it attached to.
///
/// Dropping it stops an own one in order; [`stop`](Self::stop) does so without blocking the runtime.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    options: PgConnectOptions,
    url: String,
    supervisor: Option<Supervisor>,
}

impl EmbeddedPostgres {
    /// Starts the cluster of `config`'s data directory, making it first if there is none, and waits until it
    /// takes connections. Where another server keeps one running, attaches to that.
    ///
    /// A warm start takes about 0.1 s, a first one some seconds, and some more when PostgreSQL must be fetched.
    ///
    /// # Errors
    /// When no PostgreSQL is found, when the cluster is not this account's or of another version, when the
    /// directory is in use by what cannot be attached to, or when PostgreSQL refuses to start.
    pub async fn start(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let layout = Layout::new(&config.data_dir);
        layout.create()?;
        let path = layout.lock();
        let lock =
            File::options().create(true).append(true).open(&path).map_err(file_error("open", &path))?;
        let started = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Self::start_own(config, layout, lock).await,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(file_error("lock", path)(source)),
            }
            if let Some(attached) = Self::attach(&layout).await {
                return Ok(attached);
            }
            if started.elapsed() > IN_USE_PATIENCE {
                let process = PostmasterLock::read(&layout.cluster()).map(|lock| lock.process);
                return Err(DatabaseError::InUse { data_dir: layout.data_dir().to_path_buf(), process });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The cluster that runs on `data_dir`, whoever started it, or `None`.
    pub async fn running(data_dir: &Path) -> Option<Self> {
        Self::attach(&Layout::new(data_dir)).await
    }

    /// How to connect to the cluster's database.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The same as a URL that psql and every other libpq client take. It holds no secret.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether another process started the cluster, and stops it.
    pub fn is_attached(&self) -> bool {
        self.supervisor.is_none()
    }

    /// Stops the cluster in order when it is this process's own.
    ///
    /// # Errors
    /// When the supervising thread died.
    pub async fn stop(mut self) -> Result<(), DatabaseError> {
        let Some(mut supervisor) = self.supervisor.take() else {
            return Ok(());
        };
        tokio::task::spawn_blocking(move || supervisor.stop())
            .await
            .map_err(|_| DatabaseError::Thread { role: "stops PostgreSQL" })?
    }

    async fn attach(layout: &Layout) -> Option<Self> {
        let lock = PostmasterLock::read(&layout.cluster())?;
        let options = connect_options(&lock.socket_directory);
        let connection = tokio::time::timeout(Duration::from_secs(5), options.connect()).await.ok()?.ok()?;
        connection.close().await.ok()?;
        Some(Self { options, url: libpq_url(&lock.socket_directory), supervisor: None })
    }

    async fn start_own(config: &DatabaseConfig, layout: Layout, lock: File) -> Result<Self, DatabaseError> {
        let cluster = layout.cluster();
        let account = Account::for_cluster(&cluster)?;
        if !cfg!(target_os = "linux") && !account.reaches(&cluster) {
            return Err(DatabaseError::Unreachable {
                path: layout.data_dir().to_path_buf(),
                account: account.uid(),
            });
        }
        let binaries = find_binaries(config, &layout, account).await?;
        if cluster_major(&cluster)?.is_none() {
            let progress = Progress::unknown_length("Making a PostgreSQL cluster, once");
            let (layout, binaries, launcher) = (layout.clone(), binaries.clone(), config.launcher.clone());
            blocking("initializes PostgreSQL", move || initialize(&layout, &binaries, account, &launcher))
                .await??;
            progress.finish("Made a PostgreSQL cluster");
        }
        let socket_directory = layout.create_socket_directory(account)?;
        put_long_log_aside(&layout);
        let launch = Launch {
            launcher: &config.launcher,
            account,
            cluster: &cluster,
            program: binaries.postgres(),
            arguments: postmaster_arguments(&socket_directory),
        };
        let supervisor = Supervisor::start(launch.command(), layout.log(), lock)?;
        let options = connect_options(&socket_directory);
        let mut own = Self { options, url: libpq_url(&socket_directory), supervisor: Some(supervisor) };
        own.wait_until_ready(&layout).await?;
        own.create_database().await?;
        Ok(own)
    }

    /// Waits until this process's own postmaster takes connections.
    ///
    /// After a kill the older postmaster may still be ending, and its `postmaster.pid` in the way: the
    /// supervisor starts ours again until it fits.
    async fn wait_until_ready(&mut self, layout: &Layout) -> Result<(), DatabaseError> {
        let started = Instant::now();
        let mut last = "no postmaster".to_string();
        let mut deadline = SILENT_MAX;
        loop {
            let Some(supervisor) = &self.supervisor else {
                return Ok(());
            };
            match supervisor.state() {
                PostmasterState::Running { process } if is_of_process(layout, process) => {
                    match self.options.clone().database("postgres").connect().await {
                        Ok(connection) => {
                            connection.close().await.map_err(|source| DatabaseError::Statement { source })?;
                            return Ok(());
                        }
                        Err(error) => {
                            // 57P03, cannot_connect_now: it lives and replays its log after a crash.
                            let code = error.as_database_error().and_then(|error| error.code());
                            deadline =
                                if code.as_deref() == Some("57P03") { RECOVERY_MAX } else { SILENT_MAX };
                            last = error.to_string();
                        }
                    }
                }
                PostmasterState::Ended { output } if is_lock_conflict(&output) => {
                    last = output;
                    if started.elapsed() > STALE_PATIENCE {
                        if remove_stale(&layout.cluster()) {
                            tracing::info!("removed the postmaster.pid of a PostgreSQL that is gone");
                        } else if let Some(attached) = Self::attach(layout).await {
                            // One that nobody supervises, started by hand or left by a server that was killed
                            // on a system without parent-death signals.
                            *self = attached;
                        }
                    }
                }
                PostmasterState::Ended { output } => {
                    return Err(DatabaseError::StartFailed { output, log: layout.log() });
                }
                PostmasterState::Stopped => {
                    return Err(DatabaseError::Thread { role: "supervises PostgreSQL" });
                }
                PostmasterState::Starting | PostmasterState::Running { .. } => {}
            }
            if started.elapsed() > deadline {
                return Err(match PostmasterLock::read(&layout.cluster()) {
                    Some(lock) if is_lock_conflict(&last) => DatabaseError::InUse {
                        data_dir: layout.data_dir().to_path_buf(),
                        process: Some(lock.process),
                    },
                    _ => DatabaseError::NotReady {
                        waited_seconds: deadline.as_secs(),
                        last,
                        log: layout.log(),
                    },
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn create_database(&self) -> Result<(), DatabaseError> {
        let statement = |source| DatabaseError::Statement { source };
        let options = self.options.clone().database("postgres");
        let mut connection = PgConnection::connect_with(&options).await.map_err(statement)?;
        let found: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await
            .map_err(statement)?;
        if !found {
            sqlx::query("CREATE DATABASE affinity").execute(&mut connection).await.map_err(statement)?;
        }
        connection.close().await.map_err(statement)
    }
}

async fn find_binaries(
    config: &DatabaseConfig,
    layout: &Layout,
    account: Account,
) -> Result<Binaries, DatabaseError> {
    let cluster = layout.cluster();
    let cluster_major = cluster_major(&cluster)?;
    let downloads = downloads_directory(account, layout.data_dir());
    let programs = config.programs.clone();
    let searched = downloads.clone();
    let found = blocking("looks for PostgreSQL", move || {
        Search { programs: &programs, cluster: &cluster, cluster_major, account, downloads: &searched }.run()
    })
    .await??;
    match found {
        Some(binaries) => Ok(binaries),
        None => download(cluster_major, &downloads).await,
    }
}

async fn blocking<T: Send + 'static>(
    role: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DatabaseError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| DatabaseError::Thread { role })
}

fn postmaster_arguments(socket_directory: &Path) -> Vec<std::ffi::OsString> {
    // A list to PostgreSQL: quoted, a path may hold commas and spaces.
    let socket_directory = socket_directory.to_string_lossy().replace('"', "\"\"");
    let settings = [
        format!("unix_socket_directories=\"{socket_directory}\""),
        format!("port={SOCKET_PORT}"),
        "unix_socket_permissions=0700".to_string(),
        "listen_addresses=".to_string(),
        // On the command line, where neither a file nor ALTER SYSTEM turns them off.
        "fsync=on".to_string(),
        // Plans of queries then say which query they are of, as PostgREST's clients expect.
        "compute_query_id=on".to_string(),
        "full_page_writes=on".to_string(),
        "synchronous_commit=on".to_string(),
        "timezone=UTC".to_string(),
        "log_timezone=UTC".to_string(),
        "logging_collector=off".to_string(),
        "log_checkpoints=off".to_string(),
    ];
    let settings = settings.into_iter().flat_map(|setting| ["-c".into(), setting.into()]);
    ["-D".into(), CLUSTER.into()].into_iter().chain(settings).collect()
}

fn connect_options(socket_directory: &Path) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_directory)
        .port(SOCKET_PORT)
        .username(SUPERUSER)
        .database(DATABASE)
        .ssl_mode(PgSslMode::Disable)
        .application_name("affinity-server")
}

fn libpq_url(socket_directory: &Path) -> String {
    let mut host = String::new();
    for byte in socket_directory.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                host.push(char::from(*byte))
            }
            other => host.push_str(&format!("%{other:02X}")),
        }
    }
    format!("postgresql:///{DATABASE}?host={host}&port={SOCKET_PORT}&user={SUPERUSER}")
}

fn is_of_process(layout: &Layout, process: u32) -> bool {
    PostmasterLock::read(&layout.cluster()).is_some_and(|lock| u32::try_from(lock.process) == Ok(process))
}

/// Whether the postmaster's last words say that another one uses the cluster: its lock file, or memory that the
/// children of a killed one still hold.
fn is_lock_conflict(output: &str) -> bool {
    output.contains("postmaster.pid") || output.contains("shared memory block")
}

fn put_long_log_aside(layout: &Layout) {
    let log = layout.log();
    if log.metadata().is_ok_and(|found| found.len() > LOG_BYTES_MAX)
        && let Err(error) = std::fs::rename(&log, log.with_extension("log.1"))
    {
        tracing::warn!(%error, "the long log of PostgreSQL stays in place");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn url_with_spaces_is_read_back_as_the_same_directory() {
        let directory = Path::new("/tmp/a dir/100%,&ü");
        let options: PgConnectOptions = libpq_url(directory).parse().unwrap();
        assert_eq!(options.get_socket().map(std::path::PathBuf::as_path), Some(directory));
        assert_eq!(options.get_username(), SUPERUSER);
        assert_eq!(options.get_database(), Some(DATABASE));
    }
}
