use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use axum::http::StatusCode;
use sqlx::PgPool;
use tokio::sync::OnceCell;

use super::cursor::CursorKey;
use super::settings::RestSettings;
use super::turnstile::{Place, Turnstile};
use super::unreadable::{Unreadable, UnreadableColumns};
use crate::catalog::{Catalog, CatalogHandle};
use crate::problem::Problem;

/// The REST layer of every platform: a pool, the newest catalog, and caps. Cheap to clone.
#[derive(Clone)]
pub struct Rest(Arc<Parts>);

struct Parts {
    pool: PgPool,
    catalog: CatalogHandle,
    settings: RestSettings,
    cursor_key: CursorKey,
    unreadable: UnreadableColumns,
    timezones: OnceCell<HashSet<String>>,
    turnstile: Turnstile,
}

impl Rest {
    /// Serves what `catalog` describes of the database behind `pool`; its cursors end with it.
    #[must_use]
    pub fn new(pool: PgPool, catalog: CatalogHandle, settings: RestSettings) -> Self {
        Self::signing_with(CursorKey::random(), pool, catalog, settings)
    }

    /// As [`Self::new`], but every server that shares `secret` takes the cursors of the others.
    #[must_use]
    pub fn sharing(secret: [u8; 32], pool: PgPool, catalog: CatalogHandle, settings: RestSettings) -> Self {
        Self::signing_with(CursorKey::shared(secret), pool, catalog, settings)
    }

    fn signing_with(
        cursor_key: CursorKey,
        pool: PgPool,
        catalog: CatalogHandle,
        settings: RestSettings,
    ) -> Self {
        Self(Arc::new(Parts {
            pool,
            catalog,
            turnstile: Turnstile::new(settings.requests_at_once_max, settings.request_wait_max),
            settings,
            cursor_key,
            unreadable: UnreadableColumns::default(),
            timezones: OnceCell::new(),
        }))
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.0.catalog.load()
    }

    /// Whether the platform of this name, as it stands in a path, answers as PostgREST does.
    pub(super) fn is_lenient(&self, platform: &str) -> bool {
        self.catalog().platforms.get(platform).is_some_and(|platform| !platform.settings.is_strict)
    }

    /// Has the catalog read again: the database spoke of names that it should have.
    pub(super) fn suspect_catalog(&self) {
        self.0.catalog.suspect();
    }

    pub(super) fn settings(&self) -> &RestSettings {
        &self.0.settings
    }

    pub(super) fn cursor_key(&self) -> &CursorKey {
        &self.0.cursor_key
    }

    /// A place for one more request of `client`.
    pub(super) async fn enter(&self, client: &str) -> Result<Place, Problem> {
        self.0.turnstile.enter(client).await.ok_or_else(|| {
            let (max, wait) = (self.0.settings.requests_at_once_max, self.0.settings.request_wait_max);
            let message = format!(
                "more requests at once than requests_at_once_max, which is {max} for each client, and none ended within \
                 request_wait_max_ms, which is {}",
                wait.as_millis()
            );
            Problem::rest(StatusCode::TOO_MANY_REQUESTS, "too_many_at_once", message).retry_after_seconds(1)
        })
    }

    /// What `role` may not read of tables that it may read.
    pub(super) async fn unreadable(
        &self,
        catalog: &Arc<Catalog>,
        role: Option<&str>,
    ) -> Result<Arc<Unreadable>, Problem> {
        self.0.unreadable.of(&self.0.pool, catalog, role).await.map_err(|error| unanswered(&error))
    }

    /// Whether PostgreSQL knows a time zone of this name.
    pub(super) async fn knows_timezone(&self, name: &str) -> Result<bool, Problem> {
        let read = async || -> Result<HashSet<String>, sqlx::Error> {
            let names = sqlx::query_scalar("SELECT lower(name) FROM pg_timezone_names")
                .fetch_all(&self.0.pool)
                .await?;
            Ok(names.into_iter().collect())
        };
        let known = self.0.timezones.get_or_try_init(read).await.map_err(|error| unanswered(&error))?;
        Ok(known.contains(&name.to_lowercase()))
    }
}

fn unanswered(error: &sqlx::Error) -> Problem {
    tracing::error!("the database did not answer: {error}");
    let message = "Database connection error. Retrying the connection.";
    Problem::rest(StatusCode::SERVICE_UNAVAILABLE, "PGRST000", message).retry_after_seconds(1)
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
