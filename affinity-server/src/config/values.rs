use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use tracing_subscriber::EnvFilter;

use super::error::ConfigError;
use super::secret::Secret;
use super::setting;
use super::sources::Sources;
use crate::auth::{
    KeySetPlace, LimitSettings, MailSettings, ProviderSettings, Reach, RolePrefix, ServerSecret,
    read_providers,
};
use crate::catalog::PlatformSettings;
use crate::resource::RestSettings;

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
    /// Who may come in.
    pub auth: AuthConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Members of the demo world that an empty database is filled with; 0 for none.
    pub demo_members: u32,
    /// How platforms are served that are not served as standard, by name.
    pub platforms: Vec<(String, PlatformSettings)>,
    /// How much a request to a table may ask for.
    pub rest: RestSettings,
    /// Variables of the environment that look like settings and are none, to be warned about.
    pub ignored_variables: Vec<String>,
}

/// Which PostgreSQL to use.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// A running one; without it an embedded cluster is started.
    pub url: Option<Secret>,
    /// What the names of the roles that callers run as start with.
    pub role_prefix: RolePrefix,
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
    /// An OpenAI-compatible service.
    pub url: Option<Url>,
    /// The folder of a sentence transformer, where no service is configured; without either the built-in embedder
    /// works.
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

/// Who may come in, and by what.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// What the server signs with; without it the one in the data directory.
    pub secret: Option<ServerSecret>,
    /// Where the keys are by which others sign tokens.
    pub keys: Option<KeySetPlace>,
    /// The audience that tokens must name, if they name one.
    pub audience: Option<String>,
    /// Who can reach the server.
    pub reach: Reach,
    /// Where people reach the server; without it the address that it listens on.
    pub public_url: Option<Url>,
    /// Sites whose pages may use the server.
    pub cors_origins: Vec<String>,
    /// By which people may sign in.
    pub providers: Vec<ProviderSettings>,
    /// How mail leaves.
    pub mail: MailSettings,
    /// The operator's proxies.
    pub proxies: Vec<IpAddr>,
    /// How much anybody may ask.
    pub limits: LimitSettings,
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
            role_prefix: sources.read(&setting::ROLE_PREFIX, RolePrefix::new)?.unwrap_or_default(),
            programs: sources
                .read(&setting::POSTGRES_BIN, |text| match text {
                    "fetch" => Some(PostgresPrograms::Fetched),
                    directory => path(directory).map(PostgresPrograms::Directory),
                })?
                .unwrap_or(PostgresPrograms::Search),
            data_dir: data_dir.clone(),
            launcher: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("affinity-server")),
        };
        let embeddings_url = sources.read(&setting::EMBEDDINGS_URL, http_url)?;
        let embeddings_model = sources
            .read(&setting::EMBEDDINGS_MODEL, |text| (!text.trim().is_empty()).then(|| text.to_string()))?;
        let embeddings = EmbeddingsConfig {
            folder: embeddings_model.as_deref().filter(|_| embeddings_url.is_none()).and_then(path),
            url: embeddings_url,
            model: embeddings_model.unwrap_or_else(|| SERVICE_MODEL.to_string()),
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
        let addr = sources
            .read(&setting::ADDR, |text| text.parse().ok())?
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let public_url = sources.read(&setting::PUBLIC_URL, http_url)?;
        let proxies = sources.read(&setting::PROXIES, addresses)?.unwrap_or_default();
        let reach = Reach::of(addr, public_url.as_ref(), &proxies);
        let usual = match reach {
            Reach::ThisMachine => LimitSettings::NONE,
            Reach::Others => LimitSettings::STANDARD,
        };
        let named = |text: &str| (!text.trim().is_empty()).then(|| text.to_string());
        let limit = |setting| sources.read(setting, |text| whole(text, 0..=1_000_000_000));
        let auth = AuthConfig {
            secret: sources.read(&setting::SECRET, ServerSecret::new)?,
            keys: sources.read(&setting::JWT_KEYS, |text| match http_url(text) {
                Some(url) => Some(KeySetPlace::Url(url)),
                None => path(text).map(KeySetPlace::File),
            })?,
            audience: sources.read(&setting::JWT_AUDIENCE, named)?,
            reach,
            public_url,
            cors_origins: sources.read(&setting::CORS_ORIGINS, origins)?.unwrap_or_default(),
            providers: sources
                .read(&setting::OPENID_PROVIDERS, |text| {
                    read_providers(&std::fs::read_to_string(directory.join(text)).ok()?).ok()
                })?
                .unwrap_or_default(),
            mail: MailSettings {
                server: sources.read(&setting::SMTP_URL, smtp_url)?,
                from: sources
                    .read(&setting::MAIL_FROM, |text| text.parse().ok())?
                    .unwrap_or_else(MailSettings::nobody),
                folder: data_dir.join("outbox"),
            },
            proxies,
            limits: LimitSettings {
                member_per_hour: limit(&setting::MEMBER_LIMIT)?.unwrap_or(usual.member_per_hour),
                address_per_hour: limit(&setting::ADDRESS_LIMIT)?.unwrap_or(usual.address_per_hour),
                ..usual
            },
        };
        let log = LogConfig {
            filter: sources
                .read(&setting::LOG, |text| EnvFilter::try_new(text).ok().map(|_| text.to_string()))?
                .unwrap_or_else(|| setting::LOG.default.to_string()),
            format: sources.read(&setting::LOG_FORMAT, log_format)?.unwrap_or(LogFormat::Text),
        };
        Ok(Self {
            platforms: sources.platforms().to_vec(),
            rest: RestSettings { role_prefix: database.role_prefix.clone(), ..sources.caps() },
            ignored_variables: sources.ignored_variables().to_vec(),
            addr,
            data_dir,
            database,
            embeddings,
            matching,
            auth,
            log,
            demo_members: sources
                .read(&setting::DEMO_MEMBERS, |text| whole(text, 0..=10_000_000))?
                .unwrap_or(2_000),
        })
    }
}

/// The model that a service is asked for when none is named.
const SERVICE_MODEL: &str = "text-embedding-3-small";

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

/// Origins as browsers send them: no path, no slash at the end, no default port.
fn origins(text: &str) -> Option<Vec<String>> {
    let origin = |text: &str| http_url(text.trim()).map(|url| url.origin().ascii_serialization());
    text.split(',').map(origin).collect()
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    text.split(',').map(|text| text.trim().parse().ok()).collect()
}

fn smtp_url(text: &str) -> Option<Secret> {
    let is_one = text.starts_with("smtp://") || text.starts_with("smtps://");
    (is_one && Url::parse(text).is_ok_and(|url| url.has_host())).then(|| Secret::new(text))
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
