use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::load::load;
use super::model::{Catalog, Identifier, ServedPlatform};
use super::settings::PlatformSettings;
use super::sql::CatalogError;

/// The channel of our own triggers.
const CHANNEL: &str = "affinity_catalog";
/// The channel that PostgREST listens to, with what it reloads as payload.
const POSTGREST_CHANNEL: &str = "pgrst";
const LOOK_EVERY: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What the operator wants served, besides the platforms of the database.
#[derive(Clone, Debug, Default)]
pub struct CatalogSettings {
    /// Platforms by name.
    pub platforms: Vec<(String, PlatformSettings)>,
}

/// The newest catalog: followed in the background while a handle is held, never waited for by readers.
#[derive(Clone, Debug)]
pub struct CatalogHandle(Arc<Followed>);

#[derive(Debug)]
struct Followed {
    current: Arc<Current>,
    follower: AbortHandle,
}

#[derive(Debug)]
struct Current {
    catalog: RwLock<Arc<Catalog>>,
    /// Why the database could not be read last, until it can be.
    error: RwLock<Option<String>>,
    suspected: Notify,
}

impl CatalogHandle {
    /// Reads the catalog and follows the database from there: within a second after a change of its structure (a
    /// notification of the triggers in `affinity`, or of PostgREST's `NOTIFY pgrst`; where event triggers could not be
    /// made, a look each second) the next [`Self::load`] shows it.
    ///
    /// # Errors
    /// [`CatalogError`] when the catalog cannot be read a first time.
    pub async fn start(pool: PgPool, settings: CatalogSettings) -> Result<Self, CatalogError> {
        let catalog = load(&pool, &settings).await?;
        warn_of_unguarded(&catalog);
        announce(&catalog, None);
        let current = Arc::new(Current {
            catalog: RwLock::new(Arc::new(catalog)),
            error: RwLock::new(None),
            suspected: Notify::new(),
        });
        let follower = tokio::spawn(follow(pool, settings, Arc::clone(&current))).abort_handle();
        Ok(Self(Arc::new(Followed { current, follower })))
    }

    /// The newest catalog. It stays as it is for as long as it is held.
    #[must_use]
    pub fn load(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.current.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why what [`Self::load`] gives may be out of date, if it may.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.0.current.error.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the database read again, since it answered as if it were another than the catalog says; at most each second.
    pub fn suspect(&self) {
        self.0.current.suspected.notify_one();
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Current {
    fn publish(&self, next: Catalog) {
        let before = {
            let mut catalog = self.catalog.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *catalog, Arc::new(next))
        };
        announce(&self.catalog.read().unwrap_or_else(PoisonError::into_inner), Some(&before));
        self.set_error(None);
    }

    fn set_error(&self, error: Option<String>) {
        *self.error.write().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// Follows the database until the pool closes.
async fn follow(pool: PgPool, settings: CatalogSettings, current: Arc<Current>) {
    loop {
        match follow_once(&pool, &settings, &current).await {
            Ok(()) | Err(CatalogError::Database { source: sqlx::Error::PoolClosed }) => return,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!("the catalog is not followed: {error}: {cause}");
                current.set_error(Some(format!("{error}: {cause}")));
            }
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Ends only with an error.
async fn follow_once(
    pool: &PgPool,
    settings: &CatalogSettings,
    current: &Current,
) -> Result<(), CatalogError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen_all([CHANNEL, POSTGREST_CHANNEL]).await?;
    let is_told: bool = sqlx::query_scalar(HAS_EVENT_TRIGGERS).fetch_one(pool).await?;
    let mut fingerprint = None;
    loop {
        // Before the catalog: a change in between is then seen at the next look.
        if !is_told {
            fingerprint = Some(sqlx::query_scalar::<_, String>(FINGERPRINT).fetch_one(pool).await?);
        }
        let started = Instant::now();
        current.publish(load(pool, settings).await?);
        let read_at = Instant::now();
        tracing::debug!("the catalog was read in {} ms", (read_at - started).as_millis());
        loop {
            tokio::select! {
                notified = listener.try_recv() => match notified? {
                    Some(notification) if notification.channel() == POSTGREST_CHANNEL
                        && !matches!(notification.payload(), "" | "reload schema") => {}
                    // None: the connection was lost and made again, and with it maybe a notification.
                    _ => break,
                },
                // Whoever makes the database refuse a thousand times is answered by one reading.
                () = current.suspected.notified() => if read_at.elapsed() >= LOOK_EVERY { break },
                () = tokio::time::sleep(LOOK_EVERY), if !is_told => {
                    let now: String = sqlx::query_scalar(FINGERPRINT).fetch_one(pool).await?;
                    if fingerprint.as_ref() != Some(&now) {
                        break;
                    }
                }
            }
        }
        // One reading serves all that was told by now.
        while listener.next_buffered().is_some() {}
    }
}

/// Says which platforms give away what no policy guards.
fn warn_of_unguarded(catalog: &Catalog) {
    for (name, platform) in &catalog.platforms {
        if platform.settings.allow_unguarded {
            let schemas: Vec<&str> = platform.schemas.iter().map(Identifier::name).collect();
            let role = platform
                .settings
                .anonymous_role
                .as_deref()
                .map_or("the server's own user".to_owned(), |role| format!("the role \"{role}\""));
            tracing::warn!(
                "{name}: allow_unguarded = true: whoever reaches this server may read and change every row of {} that \
                 {role} may, whether a policy guards it or not",
                schemas.join(", ")
            );
        }
    }
}

/// Says what is refused, when that is news.
fn announce(catalog: &Catalog, before: Option<&Catalog>) {
    for (name, platform) in &catalog.platforms {
        let state = |platform: &ServedPlatform| (platform.relations.is_empty(), platform.refused.clone());
        let known = before.and_then(|before| before.platforms.get(name)).map(state);
        if known.is_some_and(|known| known == state(platform)) {
            continue;
        }
        let refused: Vec<String> = platform
            .refused
            .iter()
            .map(|refused| format!("{}.{} ({})", refused.schema.name(), refused.name.name(), refused.reason))
            .collect();
        match refused.as_slice() {
            [] if platform.relations.is_empty() => {
                tracing::warn!(
                    "{name}: the database has no table in the schemas to serve: {}",
                    platform.settings.schemas.join(", ")
                );
            }
            [] => tracing::info!("{name}: every table is served"),
            _ => tracing::warn!("{name}: {} tables are not served: {}", refused.len(), refused.join(", ")),
        }
    }
}

const HAS_EVENT_TRIGGERS: &str = "
select count(*) = 2 from pg_catalog.pg_event_trigger
where evtname in ('affinity_catalog_changed', 'affinity_catalog_dropped') and evtenabled in ('O', 'A')";

/// Changes whenever a row of these does: their transaction ids add up to something else.
const FINGERPRINT: &str = "
select string_agg(concat(f.count, ' ', f.sum), ',') from (
    select count(*), sum(xmin::text::bigint) from pg_catalog.pg_class
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_attribute
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_attrdef
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_constraint
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_description
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_enum
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_index
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_namespace
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_policy
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_proc
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_rewrite
    union all select count(*), sum(xmin::text::bigint) from pg_catalog.pg_type
    union all select count(*), sum(xmin::text::bigint) from affinity.column_tags
    union all select count(*), sum(xmin::text::bigint) from affinity.platforms
    union all select count(*), sum(xmin::text::bigint) from affinity.unserved) f";
