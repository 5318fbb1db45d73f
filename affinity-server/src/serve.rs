//! The life of the server: database up, migrated, requests answered, everything down in order.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::auth::{
    self, AdmissionError, Authority, AuthorityError, AuthoritySettings, KeySet, KeySetError, MailError,
    Mailer, ServerSecret, require_admission,
};
use crate::catalog::{CatalogError, CatalogHandle, CatalogSettings};
use crate::config::Config;
use crate::database::{Database, DatabaseError};
use crate::embedding::Embedder;
use crate::hosting::{HostingError, embedder, host_platforms};
use crate::matching::{Matching, ScoringPool};
use crate::observability::{MetricsError, install_metrics};
use crate::resource::Rest;
use crate::router::{Backend, router};

/// Who is suspended loses the rights that a token gives within so long.
const ACTIVITY_AGE_MAX: Duration = Duration::from_secs(1);

/// Why the server ended before it was told to.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The database.
    Database {
        /// What was met.
        source: DatabaseError,
    },
    /// The address cannot be listened on.
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system answered.
        source: io::Error,
    },
    /// It may not listen there unprotected, or its secret or keys cannot be used.
    Admission {
        /// What is missing.
        source: AdmissionError,
    },
    /// The keys by which others sign tokens cannot be used.
    Keys {
        /// What was met.
        source: KeySetError,
    },
    /// Mail cannot be sent.
    Mail {
        /// What was met.
        source: MailError,
    },
    /// Nobody can say who is asking.
    Authority {
        /// What was met.
        source: AuthorityError,
    },
    /// A platform cannot be served.
    Hosting {
        /// What was met.
        source: HostingError,
    },
    /// Metrics cannot be collected.
    Metrics {
        /// What was met.
        source: MetricsError,
    },
    /// The database's catalog cannot be read.
    Catalog {
        /// What was met.
        source: CatalogError,
    },
    /// Signals cannot be waited for, or connections not accepted.
    System {
        /// What the system answered.
        source: io::Error,
    },
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { source } => source.fmt(f),
            Self::Catalog { source } => source.fmt(f),
            Self::Hosting { source } => source.fmt(f),
            Self::Metrics { source } => source.fmt(f),
            Self::Admission { source } => source.fmt(f),
            Self::Keys { source } => source.fmt(f),
            Self::Authority { source } => source.fmt(f),
            Self::Mail { source } => source.fmt(f),
            Self::Bind { addr, .. } => {
                write!(f, "cannot listen on {addr}; choose another with --addr or AFFINITY_ADDR")
            }
            Self::System { .. } => write!(f, "the system does not let the server run"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database { source } => source.source(),
            Self::Catalog { source } => source.source(),
            Self::Hosting { source } => source.source(),
            Self::Metrics { source } => source.source(),
            Self::Admission { source } => source.source(),
            Self::Keys { source } => source.source(),
            Self::Authority { source } => source.source(),
            Self::Mail { source } => source.source(),
            Self::Bind { source, .. } | Self::System { source } => Some(source),
        }
    }
}

impl From<AdmissionError> for ServeError {
    fn from(source: AdmissionError) -> Self {
        Self::Admission { source }
    }
}

impl From<HostingError> for ServeError {
    fn from(source: HostingError) -> Self {
        Self::Hosting { source }
    }
}

impl From<CatalogError> for ServeError {
    fn from(source: CatalogError) -> Self {
        Self::Catalog { source }
    }
}

impl From<DatabaseError> for ServeError {
    fn from(source: DatabaseError) -> Self {
        Self::Database { source }
    }
}

/// Serves until SIGINT or SIGTERM, then lets requests finish and stops the database in order.
///
/// # Errors
/// When the database cannot be started or migrated, or the address cannot be listened on.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    for variable in &config.ignored_variables {
        tracing::warn!(
            "environment variable {variable} is no setting of this server and is ignored; see --help"
        );
    }
    let mut stop = StopSignals::install().map_err(|source| ServeError::System { source })?;
    let database = tokio::select! {
        // Dropping a start stops what it started.
        () = stop.received() => return Ok(()),
        started = Database::start(&config.database) => started?,
    };
    let served = serve_from(&config, &database, stop).await;
    let stopped = database.stop().await;
    served?;
    Ok(stopped?)
}

async fn serve_from(config: &Config, database: &Database, mut stop: StopSignals) -> Result<(), ServeError> {
    tracing::info!("database at {}", database.place());
    if database.embedded().is_some_and(|embedded| embedded.is_attached()) {
        tracing::warn!("another process keeps this data directory's database; it ends with that process");
    }
    tokio::select! {
        () = stop.received() => return Ok(()),
        migrated = database.migrate() => migrated?,
    };
    let secret = require_admission(database.pool(), config).await?;
    let listener = TcpListener::bind(config.addr)
        .await
        .map_err(|source| ServeError::Bind { addr: config.addr, source })?;
    let addr = listener.local_addr().map_err(|source| ServeError::System { source })?;
    let metrics = install_metrics().map_err(|source| ServeError::Metrics { source })?;
    let embedder = Arc::new(embedder(&config.embeddings)?);
    introduce_embedder(&embedder);
    let platforms = tokio::select! {
        () = stop.received() => return Ok(()),
        hosted = host_platforms(config, database.pool(), &embedder) => hosted?,
    };
    let settings = CatalogSettings { platforms: config.platforms.clone() };
    let catalog = CatalogHandle::start(database.pool().clone(), settings).await?;
    let matching = Arc::new(Matching::new(platforms, ScoringPool::new(&config.matching), embedder));
    let cursor_secret = secret.derive("cursors");
    let authority = Arc::new(authority(config, database, addr, secret).await?);
    let mailer = Mailer::new(config.auth.mail.clone()).map_err(|source| ServeError::Mail { source })?;
    let mail = tokio::spawn(auth::deliver(database.pool().clone(), mailer));
    let upkeep = tokio::spawn(auth::forget_expired(database.pool().clone()));
    let folding = tokio::spawn(metrics.clone().fold());
    introduce(addr, &matching, &authority).await;
    let settings = config.rest.clone();
    let rest = Rest::sharing(cursor_secret, database.pool().clone(), catalog.clone(), settings);
    let service = router(Arc::clone(&matching), Some(Backend { authority, catalog, rest }), metrics);
    let served = axum::serve(listener, service.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move { stop.received().await })
        .await
        .map_err(|source| ServeError::System { source });
    mail.abort();
    upkeep.abort();
    folding.abort();
    for hosted in Arc::into_inner(matching).map(Matching::into_platforms).into_iter().flatten() {
        hosted.1.stop().await;
    }
    served
}

/// Says how texts are compared, and what is lost without a model.
fn introduce_embedder(embedder: &Embedder) {
    match embedder {
        Embedder::Builtin(_) => {
            tracing::info!(
                "texts are compared by their words and parts of words: what they mean in other words is lost"
            );
            tracing::info!(
                "run \"affinity-server embeddings install\" for a model that knows meanings (91 MB)"
            );
        }
        other => tracing::info!("texts are compared by the model {}", other.model()),
    }
}

/// Who decides whom the server listens to; after the demo data is there, since that opens it to this machine.
async fn authority(
    config: &Config,
    database: &Database,
    addr: SocketAddr,
    secret: ServerSecret,
) -> Result<Authority, ServeError> {
    let keys = config.auth.keys.as_ref().map(KeySet::open).transpose();
    let prefix = &config.database.role_prefix;
    let settings = AuthoritySettings {
        prefix: prefix.clone(),
        secret,
        keys: keys.map_err(|source| ServeError::Keys { source })?,
        audience: config.auth.audience.clone(),
        reach: config.auth.reach,
        public_url: config.auth.public_url.as_ref().map_or_else(|| format!("http://{addr}"), Url::to_string),
        trusted_origins: config.auth.cors_origins.clone(),
        proxies: config.auth.proxies.clone(),
        limits: config.auth.limits,
        providers: config.auth.providers.clone(),
        anonymous: config
            .platforms
            .iter()
            .map(|(name, served)| (name.clone(), prefix.role_of_nobody(served)))
            .collect(),
        activity_age_max: ACTIVITY_AGE_MAX,
    };
    Authority::start(database.pool().clone(), settings)
        .await
        .map_err(|source| ServeError::Authority { source })
}

/// Says where the server is, what it holds, and what to try first.
async fn introduce(addr: SocketAddr, matching: &Matching, authority: &Authority) {
    tracing::info!("listening on http://{addr}");
    for name in authority.open_platforms() {
        tracing::info!(
            "{name} holds demo data: whoever is on this machine may read and match without signing in"
        );
    }
    for (name, hosted) in matching.platforms() {
        let counts = hosted.engine().counts();
        tracing::info!("{name}: {} nodes, {} edges, {} vectors", counts.nodes, counts.edges, counts.vectors);
        if let Some((matcher, id)) = matching.first_try(name).await {
            tracing::info!("try: curl 'http://{addr}/match/{name}/{matcher}/{id}?limit=10'");
        }
    }
}

/// The signals that ask the server to stop.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn install() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => tracing::info!("interrupted, stopping"),
            _ = self.terminate.recv() => tracing::info!("asked to stop, stopping"),
        }
    }
}
