use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::secret::Secret;
use super::setting;
use super::sources::Sources;
use crate::catalog::PlatformSettings;

/// Everything the operator decides, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub addr: SocketAddr,
    /// Where the server keeps what it keeps, absolute.
    pub data_dir: PathBuf,
    /// Which PostgreSQL.
    pub database: DatabaseConfig,
    /// How texts become vectors.
    pub embeddings: EmbeddingsConfig,
    /// How matches are computed.
    pub matching: MatchingConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Members of the demo world that an empty database is filled with; 0 for none.
    pub demo_members: u32,
    /// How platforms are served that are not served as standard, by name.
    pub platforms: Vec<(String, PlatformSettings)>,
    /// Variables of the environment that look like settings and are none, to be warned about.
    pub ignored_variables: Vec<String>,
}

/// Which PostgreSQL to use.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// A running one; without it an embedded cluster is started.
    pub url: Option<Secret>,
    /// Whose programs run the embedded cluster.
    pub programs: PostgresPrograms,
    /// The directory that holds the embedded cluster, absolute.
    pub data_dir: PathBuf,
    /// The program that becomes PostgreSQL: this server, whose `main` first calls
    /// [`launcher::run_if_asked`](crate::database::launcher::run_if_asked).
    pub launcher: PathBuf,
}

/// Whose programs run the embedded cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresPrograms {
    /// The first that fit on this system, else fetched ones.
    Search,
    /// Those in this directory and no others.
    Directory(PathBuf),
    /// Fetched ones, whatever is installed.
    Fetched,
}

/// How texts become vectors.
#[derive(Clone, Debug)]
pub struct EmbeddingsConfig {
    /// An OpenAI-compatible service; without it the built-in embedder works.
    pub url: Option<Url>,
    /// The folder of a sentence transformer to run in this process; only without a service.
    pub folder: Option<PathBuf>,
    /// The service's model.
    pub model: String,
    /// The service's key.
    pub key: Option<Secret>,
    /// Components of the service's vectors.
    pub dimension: usize,
}

/// How matches are computed.
#[derive(Clone, Copy, Debug)]
pub struct MatchingConfig {
    /// Threads, at least 1.
    pub workers: usize,
    /// Requests that may wait for a thread.
    pub queue_length: usize,
    /// Time a request may take, waiting included.
    pub deadline: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// A filter of `tracing_subscriber`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Checks what was written; relative paths start at `directory`.
    pub(super) fn from_sources(sources: &Sources, directory: &Path) -> Result<Self, ConfigError> {
        // Rebuilt from its parts, or "./" would show in every message.
        let path = |text: &str| Some(directory.join(text).components().collect());
        let data_dir = sources.read(&setting::DATA_DIR, path)?.unwrap_or_else(|| directory.join(".affinity"));
        let database = DatabaseConfig {
            url: sources.read(&setting::DATABASE_URL, database_url)?,
            programs: sources
                .read(&setting::POSTGRES_BIN, |text| match text {
                    "fetch" => Some(PostgresPrograms::Fetched),
                    directory => path(directory).map(PostgresPrograms::Directory),
                })?
                .unwrap_or(PostgresPrograms::Search),
            data_dir: data_dir.clone(),
            launcher: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("affinity-server")),
        };
        let url = sources.read(&setting::EMBEDDINGS_URL, http_url)?;
        let named = |text: &str| (!text.trim().is_empty()).then(|| text.to_string());
        let model = sources.read(&setting::EMBEDDINGS_MODEL, named)?;
        let embeddings = EmbeddingsConfig {
            folder: model.as_deref().filter(|_| url.is_none()).and_then(path),
            url,
            model: model.unwrap_or_else(|| setting::EMBEDDINGS_MODEL.default.to_string()),
            key: sources.read(&setting::EMBEDDINGS_KEY, key)?,
            dimension: sources
                .read(&setting::EMBEDDINGS_DIMENSION, |text| whole(text, 1..=16_384))?
                .unwrap_or(1_536),
        };
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let matching = MatchingConfig {
            workers: sources
                .read(&setting::MATCH_WORKERS, |text| whole(text, 1..=1_024))?
                .unwrap_or(processors),
            queue_length: sources
                .read(&setting::MATCH_QUEUE, |text| whole(text, 1..=1_000_000))?
                .unwrap_or(256),
            deadline: sources
                .read(&setting::MATCH_DEADLINE, |text| whole(text, 1..=600_000))?
                .map_or(Duration::from_secs(2), Duration::from_millis),
        };
        let log = LogConfig {
            filter: sources
                .read(&setting::LOG, |text| EnvFilter::try_new(text).ok().map(|_| text.to_string()))?
                .unwrap_or_else(|| setting::LOG.default.to_string()),
            format: sources.read(&setting::LOG_FORMAT, log_format)?.unwrap_or(LogFormat::Text),
        };
        Ok(Self {
            platforms: sources.platforms().to_vec(),
            ignored_variables: sources.ignored_variables().to_vec(),
            addr: sources
                .read(&setting::ADDR, |text| text.parse().ok())?
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            data_dir,
            database,
            embeddings,
            matching,
            log,
            demo_members: sources
                .read(&setting::DEMO_MEMBERS, |text| whole(text, 0..=10_000_000))?
                .unwrap_or(2_000),
        })
    }
}

fn whole<T>(text: &str, allowed: std::ops::RangeInclusive<T>) -> Option<T>
where
    T: std::str::FromStr + PartialOrd,
{
    text.parse().ok().filter(|number| allowed.contains(number))
}

fn database_url(text: &str) -> Option<Secret> {
    let known = text.starts_with("postgres://") || text.starts_with("postgresql://");
    let readable = text.parse::<sqlx::postgres::PgConnectOptions>().is_ok();
    (known && readable).then(|| Secret::new(text))
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn key(text: &str) -> Option<Secret> {
    // What a header may carry, so that a pasted newline is found now and not at the first request.
    text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| Secret::new(text))
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}
