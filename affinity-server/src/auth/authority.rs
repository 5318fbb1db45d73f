use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};
use sqlx::PgPool;
use uuid::Uuid;

use super::accounts::{Account, KeyRow, SessionRow};
use super::activity::ActivityBook;
use super::admission::Reach;
use super::caller::{Caller, RolePrefix, Standing};
use super::jwt::JwtVerifier;
use super::key_set::KeySet;
use super::limits::{LimitSettings, Limits};
use super::openid::{Provider, ProviderSettings};
use super::password::Passwords;
use super::permission::{Permission, Permissions};
use super::presented::Presented;
use super::refusal::Refusal;
use super::roles::{RoleBook, Taking};
use super::secret::ServerSecret;
use super::token::Token;
use super::visit::Visit;
use crate::catalog::{AccountStatements, CatalogError, account_sql};
use crate::egress::EgressError;
use crate::problem::Problem;

/// Seconds after which a session that is not used ends (TER-45).
pub(super) const SESSION_IDLE_SECONDS: f64 = 86_400.0;

/// Seconds after which every session ends.
pub(super) const SESSION_AGE_SECONDS_MAX: f64 = 30.0 * 86_400.0;

/// A use moves a session's end by at least so many seconds, or not: not every request writes.
const SESSION_STEP_SECONDS: f64 = 300.0;

/// What the operator decided about who may come in.
#[derive(Debug)]
pub struct AuthoritySettings {
    /// What the database roles' names start with.
    pub prefix: RolePrefix,
    /// What the server signs with.
    pub secret: ServerSecret,
    /// Keys by which others sign tokens.
    pub keys: Option<KeySet>,
    /// The audience that tokens must name, if they name one.
    pub audience: Option<String>,
    /// Who can reach the server.
    pub reach: Reach,
    /// Where people reach the server, for links in mail.
    pub public_url: String,
    /// Origins of other sites whose pages may use the server.
    pub trusted_origins: Vec<String>,
    /// The operator's proxies, whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
    /// How much anybody may ask.
    pub limits: LimitSettings,
    /// By which people may sign in.
    pub providers: Vec<ProviderSettings>,
    /// As which database role requests run that show nothing, by platform; `None`: as the server's own user. For those
    /// that are not named, the server's role for them.
    pub anonymous: BTreeMap<String, Option<String>>,
    /// How long an account that a token names is believed to be active once it was.
    pub activity_age_max: Duration,
}

/// Why nobody can say who is asking.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthorityError {
    /// The tables of people cannot be used.
    Accounts {
        /// What was met.
        source: CatalogError,
    },
    /// Providers cannot be asked.
    Egress {
        /// What was met.
        source: EgressError,
    },
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts { .. } => f.write_str("the tables of people cannot be used"),
            Self::Egress { .. } => f.write_str("providers cannot be asked who people are"),
        }
    }
}

impl std::error::Error for AuthorityError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Accounts { source } => Some(source),
            Self::Egress { source } => Some(source),
        }
    }
}

impl From<CatalogError> for AuthorityError {
    fn from(source: CatalogError) -> Self {
        Self::Accounts { source }
    }
}

impl From<sqlx::Error> for AuthorityError {
    fn from(source: sqlx::Error) -> Self {
        Self::Accounts { source: source.into() }
    }
}

impl From<EgressError> for AuthorityError {
    fn from(source: EgressError) -> Self {
        Self::Egress { source }
    }
}

/// Says who is asking: verifies what requests show.
#[derive(Debug)]
pub struct Authority {
    pub(super) pool: PgPool,
    pub(super) settings: AuthoritySettings,
    pub(super) passwords: Passwords,
    pub(super) limits: Limits,
    pub(super) providers: Vec<Provider>,
    jwt: JwtVerifier,
    roles: RoleBook,
    platforms: BTreeMap<String, Platform>,
}

/// How people of one platform come in.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) accounts: Option<AccountStatements>,
    activity: ActivityBook,
    /// Whether who shows nothing may look around.
    is_open: bool,
}

impl Authority {
    /// Reads which platforms have people, and which hold demo data.
    ///
    /// # Errors
    /// When the database does not answer, a platform's row names tables that are not there, or TLS cannot be set up.
    pub async fn start(pool: PgPool, mut settings: AuthoritySettings) -> Result<Self, AuthorityError> {
        let mut connection = pool.acquire().await?;
        let rows: Vec<(String, bool)> = sqlx::query_as(
            "SELECT p.name, d.platform IS NOT NULL FROM affinity.platforms p \
             LEFT JOIN affinity.demo_data d ON d.platform = p.name",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut platforms = BTreeMap::new();
        for (name, has_demo_data) in rows {
            let accounts = AccountStatements::prepare(&mut connection, &name).await?;
            let is_open = has_demo_data && settings.reach == Reach::ThisMachine;
            let activity = ActivityBook::new(settings.activity_age_max);
            platforms.insert(name, Platform { accounts, activity, is_open });
        }
        drop(connection);
        let providers = std::mem::take(&mut settings.providers).into_iter().map(Provider::new);
        let providers = providers.collect::<Result<_, _>>()?;
        let limits = Limits::new(settings.limits);
        let jwt = JwtVerifier::new(&settings.secret, settings.keys.take(), settings.audience.take());
        Ok(Self {
            pool,
            settings,
            passwords: Passwords::default(),
            limits,
            providers,
            jwt,
            roles: RoleBook::default(),
            platforms,
        })
    }

    /// The platforms whose demo data anyone on this machine may look at.
    pub fn open_platforms(&self) -> impl Iterator<Item = &str> {
        self.platforms.iter().filter(|(_, platform)| platform.is_open).map(|(name, _)| name.as_str())
    }

    /// Origins of other sites whose pages may use the server.
    #[must_use]
    pub fn trusted_origins(&self) -> &[String] {
        &self.settings.trusted_origins
    }

    pub(super) fn platform(&self, name: &str) -> Option<&Platform> {
        self.platforms.get(name)
    }

    /// Whether browsers come by TLS, as everybody must who is not on this machine.
    fn is_secure(&self) -> bool {
        self.settings.reach == Reach::Others || self.settings.public_url.starts_with("https://")
    }

    /// The cookie that holds a session of `platform`. Off loopback its name makes browsers insist on TLS.
    pub(super) fn cookie_name(&self, platform: &str) -> String {
        let prefix = if self.is_secure() { "__Host-" } else { "" };
        format!("{prefix}affinity_{platform}")
    }

    /// `Set-Cookie` for a session of `platform`, or without one what makes browsers forget it.
    pub(super) fn cookie(&self, platform: &str, token: Option<&Token>) -> HeaderValue {
        let (value, seconds) = token.map_or(("", 0.0), |token| (token.expose(), SESSION_AGE_SECONDS_MAX));
        self.cookie_of(&self.cookie_name(platform), value, seconds)
    }

    /// `Set-Cookie` that scripts cannot read, for so many seconds.
    pub(super) fn cookie_of(&self, name: &str, value: &str, seconds: f64) -> HeaderValue {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        // Names of platforms and tokens are plain letters.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Where people reach the accounts of `platform`.
    pub(super) fn public_url(&self, platform: &str) -> String {
        format!("{}/auth/{platform}", self.settings.public_url.trim_end_matches('/'))
    }

    /// Who asks `platform` with these headers. `visit` learns session and key.
    ///
    /// # Errors
    /// [`Refusal`] when something is shown that does not hold, except for a cookie: a browser sends an old one on.
    pub async fn identify(
        &self,
        platform: &str,
        headers: &HeaderMap,
        visit: &mut Visit,
    ) -> Result<Caller, Refusal> {
        match Presented::of(headers, &self.cookie_name(platform))? {
            Presented::Nothing => Ok(self.nobody(platform)),
            Presented::Jwt(text) => self.by_jwt(platform, &text).await,
            Presented::Key(token) => self.by_key(platform, &token, visit).await,
            Presented::Session(token) => self
                .by_session(platform, &token, visit)
                .await?
                .ok_or_else(|| Refusal::invalid_token("session_ended", "there is no such session any more")),
            Presented::Cookie(token) => {
                Ok(self.by_session(platform, &token, visit).await?.unwrap_or_else(|| self.nobody(platform)))
            }
        }
    }

    /// Who shows nothing.
    pub(super) fn nobody(&self, platform: &str) -> Caller {
        if self.platform(platform).is_some_and(|platform| platform.is_open) {
            return Caller::open_demo(&self.settings.prefix);
        }
        self.anonymous(platform, Map::new())
    }

    /// Who has shown something that gives no rights, with its claims.
    fn anonymous(&self, platform: &str, claims: Map<String, Value>) -> Caller {
        let standard = || Some(self.settings.prefix.role(Standing::Anonymous));
        let role = self.settings.anonymous.get(platform).cloned().unwrap_or_else(standard);
        Caller::new(Standing::Anonymous, role, claims)
    }

    /// Somebody of `standing` who is `account`.
    fn signed_in(&self, standing: Standing, account: &Account, facts: [(&str, Value); 1]) -> Caller {
        let mut claims = Map::from_iter(facts.map(|(name, value)| (name.to_owned(), value)));
        claims.insert("sub".into(), account.id.to_string().into());
        claims.insert("email".into(), account.email.as_str().into());
        Caller::new(standing, Some(self.settings.prefix.role(standing)), claims)
    }

    async fn by_session(
        &self,
        platform: &str,
        token: &Token,
        visit: &mut Visit,
    ) -> Result<Option<Caller>, Refusal> {
        let Some(statements) = self.platform(platform).and_then(|platform| platform.accounts.as_ref()) else {
            return Ok(None);
        };
        let found: Option<SessionRow> = sqlx::query_as(account_sql(&statements.session_by_token))
            .bind(token.hash())
            .bind(platform)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| Refusal::database(&error))?;
        let Some(row) = found.filter(|row| row.age_seconds < SESSION_AGE_SECONDS_MAX) else {
            return Ok(None);
        };
        if !row.account.active {
            return Ok(Some(self.anonymous(platform, Map::new())));
        }
        visit.session = Some(row.session_id);
        let rest_seconds = SESSION_IDLE_SECONDS.min(SESSION_AGE_SECONDS_MAX - row.age_seconds);
        if rest_seconds - row.rest_seconds > SESSION_STEP_SECONDS {
            sqlx::query(account_sql(&statements.extend_session))
                .bind(row.session_id)
                .bind(rest_seconds)
                .execute(&self.pool)
                .await
                .map_err(|error| Refusal::database(&error))?;
        }
        let standing = if row.is_operator { Standing::Staff } else { Standing::Member };
        let session = ("session_id", Value::from(row.session_id.to_string()));
        Ok(Some(self.signed_in(standing, &row.account, [session])))
    }

    async fn by_key(&self, platform: &str, token: &Token, visit: &mut Visit) -> Result<Caller, Refusal> {
        let unknown = || Refusal::invalid_token("unknown_key", "there is no such API key any more");
        let accounts = self.platform(platform).and_then(|platform| platform.accounts.as_ref());
        let statements = accounts.ok_or_else(unknown)?;
        let found: Option<KeyRow> = sqlx::query_as(account_sql(&statements.key_by_hash))
            .bind(token.hash())
            .bind(platform)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| Refusal::database(&error))?;
        let row = found.ok_or_else(unknown)?;
        if row.is_due {
            sqlx::query("UPDATE affinity.api_keys SET last_used_at = now() WHERE id = $1")
                .bind(row.key_id)
                .execute(&self.pool)
                .await
                .map_err(|error| Refusal::database(&error))?;
        }
        visit.key = Some(row.key_id);
        visit.key_per_minute = u32::try_from(row.requests_per_minute).ok();
        if !row.account.active {
            return Ok(self.anonymous(platform, Map::new()));
        }
        let permissions = row.permissions.iter().filter_map(|text| text.parse::<Permission>().ok());
        let key = ("key_id", Value::from(row.key_id.to_string()));
        // His own rights as a member, never as staff: a key lies in a program's configuration.
        let owner = self.signed_in(Standing::Member, &row.account, [key]);
        Ok(owner.narrowed(Permissions::only(permissions)))
    }

    async fn by_jwt(&self, platform: &str, text: &str) -> Result<Caller, Refusal> {
        let claims = self.jwt.claims(text).await?;
        let Some(role) = claims.get("role").and_then(Value::as_str).map(str::to_owned) else {
            return Ok(self.anonymous(platform, claims));
        };
        let taking = self.roles.taking(&self.pool, &role).await;
        match taking.map_err(|error| Refusal::database(&error))? {
            Taking::Allowed => {}
            Taking::Refused => {
                let detail = format!("permission denied to set role \"{role}\"");
                return Err(Problem::rest(StatusCode::FORBIDDEN, "42501", detail).into());
            }
            Taking::Unknown => {
                let detail = format!("role \"{role}\" does not exist");
                return Err(Problem::rest(StatusCode::BAD_REQUEST, "22023", detail).into());
            }
        }
        let prefix = &self.settings.prefix;
        let known = Standing::ALL.into_iter().find(|standing| prefix.role(*standing) == role);
        let standing = match known {
            Some(standing) => standing,
            // A role of the operator's: what it may do is for the database, and for matching it is somebody.
            None if claims.contains_key("sub") => Standing::Member,
            None => Standing::Anonymous,
        };
        let subject = claims.get("sub").and_then(Value::as_str).and_then(|sub| sub.parse::<Uuid>().ok());
        if known.is_some_and(|standing| matches!(standing, Standing::Member | Standing::Staff))
            && let Some(subject) = subject
            && !self.is_active(platform, subject).await.map_err(|error| Refusal::database(&error))?
        {
            return Ok(self.anonymous(platform, Map::new()));
        }
        Ok(Caller::new(standing, Some(role), claims))
    }

    /// Whether `account` may do anything; where a platform has no people, whoever signed the token knew.
    async fn is_active(&self, platform: &str, account: Uuid) -> Result<bool, sqlx::Error> {
        let Some(Platform { accounts: Some(statements), activity, .. }) = self.platform(platform) else {
            return Ok(true);
        };
        if activity.knows(account) {
            return Ok(true);
        }
        let found: Option<Account> = sqlx::query_as(account_sql(&statements.account_by_id))
            .bind(account)
            .fetch_optional(&self.pool)
            .await?;
        let is_active = found.is_some_and(|account| account.active);
        if is_active {
            activity.note(account);
        }
        Ok(is_active)
    }
}

/// For handlers and layers: one authority for the whole server.
pub type SharedAuthority = Arc<Authority>;
