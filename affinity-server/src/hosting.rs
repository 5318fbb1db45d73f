//! From a migrated database to live engines: demo data where nothing is, then one engine per platform.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use affinity_core::Engine;
use sqlx::PgPool;

use crate::config::{Config, EmbeddingsConfig};
use crate::database::Database;
#[cfg(feature = "local-embeddings")]
use crate::embedding::LocalEmbedder;
use crate::embedding::{BuiltinEmbedder, Embedder, EmbeddingError, HttpEmbedder, HttpEmbedderParams};
use crate::generation::{GenerationError, World};
use crate::matchers::{self, Declared, MatchersError};
use crate::matching::{Hosted, Platforms};
use crate::observability::Progress;
use crate::platform::{Platform, PlatformError};
use crate::projection::{LiveEngine, LiveParts, LiveSettings, ProjectionError, ServingModel};

/// The seed of the demo data: every fresh installation shows the same world.
const DEMO_SEED: u64 = 1;

/// Why a platform cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostingError {
    /// Its folder.
    Platform {
        /// What was met.
        source: PlatformError,
    },
    /// Its matchers.
    Matchers {
        /// What was met.
        source: MatchersError,
    },
    /// Its demo data.
    Demo {
        /// The platform.
        platform: String,
        /// What was met.
        source: Box<GenerationError>,
    },
    /// Its projection.
    Projection {
        /// The platform.
        platform: String,
        /// What was met.
        source: ProjectionError,
    },
    /// The embedder.
    Embedding {
        /// What was met.
        source: EmbeddingError,
    },
}

impl fmt::Display for HostingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform { .. } => f.write_str("a platform's folder cannot be used"),
            Self::Matchers { .. } => f.write_str("a platform's matchers cannot be used"),
            Self::Demo { platform, .. } => write!(f, "the demo data of \"{platform}\" cannot be loaded"),
            Self::Projection { platform, .. } => write!(f, "the engine of \"{platform}\" cannot be made"),
            Self::Embedding { .. } => f.write_str("texts cannot be embedded"),
        }
    }
}

impl std::error::Error for HostingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Platform { source } => Some(source),
            Self::Matchers { source } => Some(source),
            Self::Demo { source, .. } => Some(source),
            Self::Projection { source, .. } => Some(source),
            Self::Embedding { source } => Some(source),
        }
    }
}

/// The embedder that the operator chose.
///
/// # Errors
/// [`HostingError::Embedding`] when its settings cannot be used.
pub fn embedder(config: &EmbeddingsConfig) -> Result<Embedder, HostingError> {
    let Some(url) = &config.url else {
        return match &config.folder {
            Some(folder) => local(folder).map_err(|source| HostingError::Embedding { source }),
            None => Ok(Embedder::Builtin(BuiltinEmbedder::default())),
        };
    };
    let key = config.key.as_ref().map(|key| key.expose().to_string());
    let params = HttpEmbedderParams {
        key,
        ..HttpEmbedderParams::standard(url.as_str(), &config.model, config.dimension)
    };
    HttpEmbedder::new(params).map(Embedder::Http).map_err(|source| HostingError::Embedding { source })
}

#[cfg(feature = "local-embeddings")]
fn local(folder: &Path) -> Result<Embedder, EmbeddingError> {
    LocalEmbedder::open(folder).map(Embedder::Local)
}

#[cfg(not(feature = "local-embeddings"))]
fn local(folder: &Path) -> Result<Embedder, EmbeddingError> {
    Err(EmbeddingError::NotBuilt { folder: folder.to_owned() })
}

/// The live engine of every platform that comes with the server.
///
/// # Errors
/// [`HostingError`] that names the platform, and what of it cannot be used.
pub async fn host_platforms(
    config: &Config,
    pool: &PgPool,
    embedder: &Arc<Embedder>,
) -> Result<Platforms, HostingError> {
    let mut hosted = Platforms::new();
    let platforms =
        Platform::of_data_dir(&config.data_dir).map_err(|source| HostingError::Platform { source })?;
    for platform in platforms {
        if let Some(demo) = platform.demo().filter(|_| config.demo_members > 0) {
            load_demo(pool, platform.name(), demo, config.demo_members).await.map_err(|source| {
                HostingError::Demo { platform: platform.name().to_string(), source: Box::new(source) }
            })?;
        }
        let live = start(&platform, pool, embedder, &config.data_dir).await?;
        hosted.insert(platform.name().to_string(), Hosted::Live(live));
    }
    Ok(hosted)
}

/// Fills a platform that has no rows yet.
async fn load_demo(pool: &PgPool, platform: &str, demo: &str, members: u32) -> Result<(), GenerationError> {
    let world = Arc::new(World::load(demo)?);
    let mut connection = pool.acquire().await?;
    let table_count = world.tables().count() as u64;
    let mut progress = None;
    let advance = |_| {
        let label = || format!("Loading the demo data of {platform}");
        progress.get_or_insert_with(|| Progress::steps(&label(), table_count)).advance(1);
    };
    match world.load_into(&mut connection, u64::from(members), DEMO_SEED, advance).await {
        Err(GenerationError::NotEmpty { .. }) => Ok(()), // somebody's data: it stays as it is
        Err(error) => Err(error),
        Ok(row_count) => {
            // By this the server knows that it may show everything: it is all made up.
            sqlx::query("INSERT INTO affinity.demo_data (platform) VALUES ($1) ON CONFLICT DO NOTHING")
                .bind(platform)
                .execute(&mut *connection)
                .await?;
            let summary = format!("Loaded {row_count} rows of demo data for {platform}");
            progress.into_iter().for_each(|progress| progress.finish(&summary));
            Ok(())
        }
    }
}

/// What the engine of a platform is made from.
///
/// # Errors
/// [`HostingError::Matchers`].
pub async fn live_parts(
    platform: &Platform,
    pool: &PgPool,
    embedder: &Arc<Embedder>,
    data_dir: &Path,
) -> Result<LiveParts, HostingError> {
    let served = matchers::served(pool, platform, embedder.dimension()).await;
    let Declared { schema, matchers } = served.map_err(|source| HostingError::Matchers { source })?;
    Ok(LiveParts {
        pool: pool.clone(),
        matchers,
        schema,
        embedder: Arc::clone(embedder),
        settings: LiveSettings::standard(data_dir.join("engines").join(platform.name())),
    })
}

/// As [`live_parts`], for work that ends: by the model that answers come from now, so that it finds what a server
/// would say and embeds nothing twice; by the configured one for a platform that never ran.
///
/// # Errors
/// As [`embedder`] and [`live_parts`], or [`HostingError::Projection`] when the database cannot be asked.
pub async fn parts_to_read(
    config: &Config,
    platform: &Platform,
    pool: &PgPool,
) -> Result<LiveParts, HostingError> {
    let configured = Arc::new(embedder(&config.embeddings)?);
    let serving = serving_embedder(platform, pool, &configured).await?.unwrap_or(configured);
    live_parts(platform, pool, &serving, &config.data_dir).await
}

/// The engine of a platform as the database has it now, for a command that needs nothing of the database besides.
///
/// # Errors
/// As [`parts_to_read`], or when the database cannot be started, migrated or stopped.
pub async fn engine_once(config: &Config, platform: &Platform) -> anyhow::Result<Arc<Engine>> {
    let database = Database::start(&config.database).await?;
    let engine = async {
        database.migrate().await?;
        let parts = parts_to_read(config, platform, database.pool()).await?;
        anyhow::Ok(LiveEngine::read_once(parts).await?)
    };
    let engine = engine.await;
    database.stop().await?;
    engine
}

/// What goes with the vectors that answers come from: `configured` where it made them, else what stands in for the
/// model that did. `None` for a platform that never ran.
async fn serving_embedder(
    platform: &Platform,
    pool: &PgPool,
    configured: &Arc<Embedder>,
) -> Result<Option<Arc<Embedder>>, HostingError> {
    let recorded = ServingModel::recorded(pool, platform.name()).await.map_err(projecting(platform))?;
    Ok(recorded.map(|ServingModel { model, dimension }| {
        if model == configured.model() {
            Arc::clone(configured)
        } else {
            Arc::new(Embedder::of_stored(&model, dimension))
        }
    }))
}

fn projecting(platform: &Platform) -> impl Fn(ProjectionError) -> HostingError {
    |source| HostingError::Projection { platform: platform.name().to_string(), source }
}

async fn start(
    platform: &Platform,
    pool: &PgPool,
    configured: &Arc<Embedder>,
    data_dir: &Path,
) -> Result<LiveEngine, HostingError> {
    // Another model than the last run's, or a slow one on the first: answers come from what is there, or can be made
    // at once, until the configured one has embedded every text.
    let serving = serving_embedder(platform, pool, configured).await?;
    let serving = serving.unwrap_or_else(|| Arc::new(Embedder::Builtin(BuiltinEmbedder::default())));
    let parts = live_parts(platform, pool, &serving, data_dir).await?;
    let mut live = LiveEngine::start(parts).await.map_err(projecting(platform))?;
    let watch =
        matchers::watch(pool.clone(), platform.clone(), configured.dimension(), live.matcher_setter());
    tokio::spawn(watch);
    if serving.model() == configured.model() {
        live.forget_other_models().await.map_err(projecting(platform))?;
    } else {
        let next = live_parts(platform, pool, configured, data_dir).await?;
        live.switch_to(next).await.map_err(projecting(platform))?;
    }
    Ok(live)
}
