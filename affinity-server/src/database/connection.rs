use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};

use super::binaries::MAJOR_MIN;
use super::migrations::migrate;
use super::{DatabaseError, EmbeddedPostgres};
use crate::auth::RolePrefix;
use crate::config::DatabaseConfig;

/// Connections the pool may open; the embedded cluster takes 100.
const CONNECTIONS_MAX: u32 = 20;

/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that lay idle for longer is asked whether it lives before it is used: each was asked when it was given
/// back, and asking again costs a round trip.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long connections in use may take to come back at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A pool of connections to the database, and the embedded PostgreSQL behind it if there is one.
///
/// ```no_run
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// use affinity_server::config::Invocation;
/// use affinity_server::database::Database;
///
/// let config = Invocation::from_environment()?.config;
/// let database = Database::start(&config.database).await?;
/// database.migrate().await?;
/// let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int")
///     .fetch_one(database.pool())
///     .await?;
/// assert!(version >= 150_000);
/// database.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Database {
    pool: PgPool,
    place: String,
    role_prefix: RolePrefix,
    embedded: Option<EmbeddedPostgres>,
}

impl Database {
    /// Connects to `DATABASE_URL`, or starts the embedded cluster when there is none.
    ///
    /// Every connection's time zone is UTC. Migrates nothing: see [`migrate`](Self::migrate).
    ///
    /// # Errors
    /// When the database cannot be connected to or is older than PostgreSQL 15, and what
    /// [`EmbeddedPostgres::start`] meets.
    pub async fn start(config: &DatabaseConfig) -> Result<Self, DatabaseError> {
        let (options, embedded) = match &config.url {
            Some(url) => {
                let options: PgConnectOptions =
                    url.expose().parse().map_err(|source| DatabaseError::WrongUrl { source })?;
                (options.application_name("affinity-server"), None)
            }
            None => {
                let embedded = EmbeddedPostgres::start(config).await?;
                (embedded.options().clone(), Some(embedded))
            }
        };
        let place = match &embedded {
            Some(embedded) => embedded.url().to_string(),
            None => place_of(&options),
        };
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await
            .map_err(|source| DatabaseError::Connect { place: place.clone(), source })?;
        let database = Self { pool, place, role_prefix: config.role_prefix.clone(), embedded };
        database.require_supported_version().await?;
        Ok(database)
    }

    /// Makes what the database lacks: roles, tables, rules. Returns how many migrations it applied.
    ///
    /// # Errors
    /// As [`migrate`].
    pub async fn migrate(&self) -> Result<usize, DatabaseError> {
        migrate(&self.pool, &self.role_prefix).await
    }

    /// The connections.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Where the database is, for people: an embedded one's URL, or user, host and name without the password.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The embedded PostgreSQL, unless `DATABASE_URL` names another.
    pub fn embedded(&self) -> Option<&EmbeddedPostgres> {
        self.embedded.as_ref()
    }

    /// Closes the connections, waiting some seconds for those in use, and stops an embedded PostgreSQL in order.
    ///
    /// # Errors
    /// When the thread that supervises PostgreSQL died.
    pub async fn stop(self) -> Result<(), DatabaseError> {
        // A connection that nobody gives back must not keep the server from ending: a fast stop takes it away.
        if tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await.is_err() {
            tracing::warn!("connections were still in use after {} seconds", CLOSE_TIMEOUT.as_secs());
        }
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }

    async fn require_supported_version(&self) -> Result<(), DatabaseError> {
        let (number, version): (i32, String) = sqlx::query_as(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version')",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|source| DatabaseError::Statement { source })?;
        if u32::try_from(number / 10_000).is_ok_and(|major| major >= MAJOR_MIN) {
            Ok(())
        } else {
            Err(DatabaseError::TooOld { place: self.place.clone(), version })
        }
    }
}

/// The URL of the database that `config` means, when it runs: `DATABASE_URL` as given, or the embedded one's.
///
/// # Errors
/// [`DatabaseError::NotRunning`] when no embedded cluster takes connections.
pub async fn running_database_url(config: &DatabaseConfig) -> Result<String, DatabaseError> {
    match &config.url {
        Some(url) => Ok(url.expose().to_string()),
        None => match EmbeddedPostgres::running(&config.data_dir).await {
            Some(running) => Ok(running.url().to_string()),
            None => Err(DatabaseError::NotRunning { data_dir: config.data_dir.clone() }),
        },
    }
}

fn place_of(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    format!("{}@{host}/{}", options.get_username(), options.get_database().unwrap_or_default())
}
