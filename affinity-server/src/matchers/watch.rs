use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::declared::Declared;
use super::error::MatchersError;
use super::versions::Versions;
use crate::platform::Platform;
use crate::projection::MatcherSetter;

/// The channel that an activation notifies, with the platform as payload.
const CHANNEL: &str = "affinity_matchers";
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Serves another version of a matcher as soon as it is activated, until the pool closes or the engine stops.
pub async fn watch(pool: PgPool, platform: Platform, dimension: usize, setter: MatcherSetter) {
    loop {
        match watch_once(&pool, &platform, dimension, &setter).await {
            Ok(()) | Err(MatchersError::Database { source: sqlx::Error::PoolClosed, .. }) => return,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::warn!("{}: matchers are not followed: {error}: {cause}", platform.name());
            }
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Ends well only when the engine is gone.
async fn watch_once(
    pool: &PgPool,
    platform: &Platform,
    dimension: usize,
    setter: &MatcherSetter,
) -> Result<(), MatchersError> {
    let mut listener =
        PgListener::connect_with(pool).await.map_err(MatchersError::database("be listened to"))?;
    listener.listen(CHANNEL).await.map_err(MatchersError::database("be listened to"))?;
    loop {
        let declared = served(pool, platform, dimension).await?;
        if !setter.set(declared.matchers).await.map_err(|source| MatchersError::Engine { source })? {
            return Ok(());
        }
        // None: the connection was lost and made again, and with it maybe a notification.
        while listener
            .try_recv()
            .await
            .map_err(MatchersError::database("be listened to"))?
            .is_some_and(|notification| notification.payload() != platform.name())
        {}
    }
}

/// What a platform serves now: its folder's matchers, with activated versions in their place.
///
/// # Errors
/// [`MatchersError`] naming the matcher or what the database could not do.
pub async fn served(pool: &PgPool, platform: &Platform, dimension: usize) -> Result<Declared, MatchersError> {
    let files = Declared::new(platform, dimension, platform.matchers())?;
    let versions = Versions::new(pool.clone());
    let texts = versions.served(platform.name(), platform.matchers(), &files.matchers).await?;
    Declared::new(platform, dimension, &texts)
}
