use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use affinity_core::{Change, Engine, EngineError, Matcher, Schema, Verification};
use sqlx::PgPool;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::ProjectionError;
use super::feed::{Command, Follower, Kept, Pace, listen};
use super::handle::{EngineHandle, Serving};
use super::projector::{Projection, Projector, Retry};
use super::read::check_projection;
use super::serving_model::ServingModel;
use super::snapshot_files::{SnapshotFiles, origin};
use super::status::{Health, LiveStatus, with_causes};
use super::succession::{Succession, SuccessionStatus};
use super::vectors::VectorStore;
use crate::catalog::ProjectionStatements;
use crate::embedding::Embedder;

/// What a live engine is made from.
#[derive(Clone, Debug)]
pub struct LiveParts {
    /// The database, migrated.
    pub pool: PgPool,
    /// The platform's declaration, with the dimension of the embedder; its name is the platform's.
    pub schema: Schema,
    /// The platform's matchers.
    pub matchers: Vec<Matcher>,
    /// What makes vectors of texts.
    pub embedder: Arc<Embedder>,
    /// How it follows the database, and where it keeps its snapshot.
    pub settings: LiveSettings,
}

/// How a live engine follows the database, and where it keeps its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSettings {
    /// Holds the snapshot of one platform; made when missing.
    pub folder: PathBuf,
    /// How often the feed is looked at besides at each notification.
    pub poll_every: Duration,
    /// Saves a snapshot after so many changes,
    pub save_after_changes: usize,
    /// or after so long, if anything changed.
    pub save_every: Duration,
    /// How long changes stay in the feed, for consumers that are not running.
    pub feed_kept: Duration,
}

impl LiveSettings {
    /// Polling 4 times a second, saving every 5 minutes or 200,000 changes, keeping the feed for a day.
    #[must_use]
    pub fn standard(folder: PathBuf) -> Self {
        Self {
            folder,
            poll_every: Duration::from_millis(250),
            save_after_changes: 200_000,
            save_every: Duration::from_mins(5),
            feed_kept: Duration::from_hours(24),
        }
    }
}

/// The engine of one platform, kept in step with the database.
///
/// What is committed is in the next [`Self::load`] within a second, usually within a tenth of one.
///
/// ```no_run
/// # async fn run(parts: affinity_server::projection::LiveParts) -> Result<(), Box<dyn std::error::Error>> {
/// use affinity_server::projection::LiveEngine;
///
/// let live = LiveEngine::start(parts).await?;
/// println!("{} stands at {}", live.load().schema().name(), live.status().position);
/// live.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LiveEngine {
    pool: PgPool,
    handle: Arc<EngineHandle>,
    health: Arc<Mutex<Health>>,
    commands: mpsc::Sender<Command>,
    follower: JoinHandle<()>,
    listener: JoinHandle<()>,
    succession: Option<JoinHandle<()>>,
}

impl LiveEngine {
    /// The engine from its snapshot and the changes since, or from the views when there is no snapshot that fits.
    ///
    /// # Errors
    /// [`ProjectionError::NotFollowed`] for a platform whose views the feed cannot follow; others when the database
    /// fails or holds what the schema does not allow.
    pub async fn start(parts: LiveParts) -> Result<Self, ProjectionError> {
        let (projector, files, settings) = prepare(parts).await?;
        let (pool, platform) = (projector.pool.clone(), projector.platform.clone());

        // Listening begins before the first look, so that no commit falls between the two.
        let wake = Arc::new(Notify::new());
        let listener = tokio::spawn(listen(pool.clone(), platform.clone(), Arc::clone(&wake)));
        let (projection, kept) = match first_projection(&projector, &files).await {
            Ok(first) => first,
            Err(error) => {
                listener.abort();
                return Err(error);
            }
        };
        let embedder = Arc::clone(&projector.embedder);
        if let Err(error) = ServingModel::record(&pool, &platform, &embedder).await {
            listener.abort();
            return Err(error);
        }
        let handle = Arc::new(EngineHandle::new(Serving { engine: projection.published(), embedder }));
        let health = Arc::new(Mutex::new(Health::new(projection.position.clone())));
        let (commands, inbox) = mpsc::channel(8);
        if projection.engine.verification() == Verification::Pending {
            tokio::spawn(verify(platform, Arc::clone(&projection.engine), commands.clone()));
        }
        let follower = Follower {
            projector,
            projection,
            files,
            settings,
            handle: Arc::clone(&handle),
            health: Arc::clone(&health),
            commands: inbox,
            wake,
            pace: Pace::new(kept),
        };
        let follower = tokio::spawn(follower.run());
        Ok(Self { pool, handle, health, commands, follower, listener, succession: None })
    }

    /// Embeds every text by the model of `next` in the background while answers go on as before, then replaces the
    /// engine in one swap; the matchers stay those that are served then. [`Self::status`] says how far that is. When
    /// the server ends before, the next call goes on.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn switch_to(&mut self, next: LiveParts) -> Result<(), ProjectionError> {
        let (projector, files, _) = prepare(next).await?;
        let model = projector.embedder.model().to_owned();
        tracing::info!(
            "{}: answers use the vectors of {} until {model} has embedded all texts",
            projector.platform,
            self.serving().embedder.model()
        );
        self.health.lock().unwrap_or_else(PoisonError::into_inner).succession =
            Some(SuccessionStatus { model, done: 0, total: 0, failure: None });
        let (health, commands) = (Arc::clone(&self.health), self.commands.downgrade());
        let succession = Succession { projector, files, health, commands };
        if let Some(before) = self.succession.replace(tokio::spawn(succession.run())) {
            before.abort();
        }
        Ok(())
    }

    /// Deletes the stored vectors of all models but the one that serves, such as a change that was given up left.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot.
    pub async fn forget_other_models(&self) -> Result<(), ProjectionError> {
        let Serving { engine, embedder } = self.serving();
        let (pool, platform) = (&self.pool, engine.schema().name());
        VectorStore { pool, platform, embedder: &embedder }.forget_other_models().await
    }

    /// The newest version with the embedder of its vectors.
    #[must_use]
    pub fn serving(&self) -> Serving {
        self.handle.serving()
    }

    /// The database that it follows.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The engine as the database has it now, without following it further: for work that ends.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn read_once(parts: LiveParts) -> Result<Arc<Engine>, ProjectionError> {
        let (projector, files, _) = prepare(parts).await?;
        let (projection, _) = first_projection(&projector, &files).await?;
        Ok(projection.published())
    }

    /// All that the database says now, as changes to an empty engine, for work that builds engines of its own.
    ///
    /// # Errors
    /// As [`Self::start`]; texts that cannot be embedded are only logged.
    pub async fn read_changes(parts: LiveParts) -> Result<Vec<Change>, ProjectionError> {
        let (projector, ..) = prepare(parts).await?;
        let (changes, failure) = projector.changes().await?;
        if let Some(failure) = &failure {
            tracing::warn!("texts could not be embedded: {}", with_causes(failure));
        }
        Ok(changes)
    }

    /// The newest version.
    #[must_use]
    pub fn load(&self) -> Arc<Engine> {
        self.handle.load()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> LiveStatus {
        let mut status = self.health.lock().unwrap_or_else(PoisonError::into_inner).status();
        status.degraded.extend(self.load().degraded());
        status
    }

    /// Reads the views anew, fits the models to what they say and publishes the result.
    ///
    /// # Errors
    /// As [`Self::start`]; the engine then stays as it was. [`ProjectionError::Stopped`] after [`Self::stop`].
    pub async fn rebuild(&self) -> Result<(), ProjectionError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Rebuild(reply)).await.map_err(|_| ProjectionError::Stopped)?;
        answer.await.map_err(|_| ProjectionError::Stopped)?
    }

    /// Waits until what was committed before is in [`Self::load`].
    ///
    /// # Errors
    /// As [`Self::rebuild`]: the database cannot be followed just now.
    pub async fn catch_up(&self) -> Result<(), ProjectionError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::CatchUp(reply)).await.map_err(|_| ProjectionError::Stopped)?;
        answer.await.map_err(|_| ProjectionError::Stopped)?
    }

    /// What replaces the matchers of this engine while it runs.
    #[must_use]
    pub fn matcher_setter(&self) -> MatcherSetter {
        MatcherSetter { commands: self.commands.downgrade() }
    }

    /// Stops following the database and saves a snapshot if anything changed since the last.
    pub async fn stop(mut self) {
        if let Some(succession) = self.succession.take() {
            succession.abort();
        }
        // An error means that the follower has ended already, which is what stopping is for.
        let _ = self.commands.send(Command::Stop).await;
        if let Err(error) = (&mut self.follower).await {
            tracing::error!("following the database ended early: {error}");
        }
    }
}

/// Replaces the matchers of a live engine; it does not keep the engine running.
#[derive(Clone, Debug)]
pub struct MatcherSetter {
    commands: mpsc::WeakSender<Command>,
}

impl MatcherSetter {
    /// Has the engine answer by `matchers`; false once the engine is stopped.
    ///
    /// # Errors
    /// [`EngineError`] when they do not go together; the engine keeps those it has.
    pub async fn set(&self, matchers: Vec<Matcher>) -> Result<bool, EngineError> {
        let Some(commands) = self.commands.upgrade() else { return Ok(false) };
        let (reply, answer) = oneshot::channel();
        if commands.send(Command::Matchers(matchers, reply)).await.is_err() {
            return Ok(false);
        }
        match answer.await {
            Ok(set) => set.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

impl Drop for LiveEngine {
    fn drop(&mut self) {
        // Without `stop` nothing is saved: the next start replays the feed from the last snapshot.
        self.follower.abort();
        self.listener.abort();
        self.succession.iter().for_each(JoinHandle::abort);
    }
}

/// Compares the checksums that opening a snapshot left for later; a damaged one is replaced from the views.
async fn verify(platform: String, engine: Arc<Engine>, commands: mpsc::Sender<Command>) {
    let Ok(verified) = tokio::task::spawn_blocking(move || engine.verify()).await else { return };
    if let Err(error) = verified {
        tracing::error!(platform, "the snapshot is damaged, reading everything: {}", with_causes(&error));
        let (reply, _) = oneshot::channel();
        // An error means that nobody follows any more, and so nobody reads either.
        let _ = commands.send(Command::Rebuild(reply)).await;
    }
}

/// What makes engines of these parts, once the database has confirmed that it can be followed.
async fn prepare(parts: LiveParts) -> Result<(Projector, SnapshotFiles, LiveSettings), ProjectionError> {
    let LiveParts { pool, schema, matchers, embedder, settings } = parts;
    let platform = schema.name().to_string();
    let mut connection = pool.acquire().await.map_err(ProjectionError::database("be reached"))?;
    let statements = ProjectionStatements::prepare(&mut connection, &platform).await?;
    drop(connection);
    check_projection(&pool, &platform).await?;
    let origin = origin(&pool, &platform, &schema, embedder.model()).await?;
    let files = SnapshotFiles { folder: settings.folder.clone(), origin };
    Ok((Projector { pool, platform, statements, schema, matchers, embedder }, files, settings))
}

/// Where following begins, and how that was found.
async fn first_projection(
    projector: &Projector,
    files: &SnapshotFiles,
) -> Result<(Projection, Kept), ProjectionError> {
    let began = Instant::now();
    if let Some(mut projection) = load_kept(projector, files).await {
        match projector.follow(&mut projection, Retry::Owed).await {
            Ok(step) => {
                let (platform, seconds) = (&projector.platform, began.elapsed().as_secs_f64());
                tracing::info!(
                    "{platform}: snapshot and {} changes since, in {seconds:.2} s",
                    step.change_count
                );
                return Ok((projection, Kept::Snapshot { changes_since: step.change_count }));
            }
            Err(ProjectionError::FellBehind { .. }) => {
                tracing::info!("{}: the snapshot is older than the change feed", projector.platform);
            }
            Err(error) => return Err(error),
        }
    }
    let (projection, step) = projector.project_all().await?;
    if let Some(failure) = &step.failure {
        tracing::warn!(
            platform = projector.platform,
            "texts could not be embedded: {}",
            with_causes(failure)
        );
    }
    Ok((projection, Kept::Nothing))
}

/// The projection that was kept, if it fits; one that is damaged is as good as none.
async fn load_kept(projector: &Projector, files: &SnapshotFiles) -> Option<Projection> {
    let (files, schema, matchers) = (files.clone(), projector.schema.clone(), projector.matchers.clone());
    let loaded = tokio::task::spawn_blocking(move || files.load(&schema, &matchers)).await.ok()?;
    match loaded {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(
                platform = projector.platform,
                "the snapshot is of no use: {}",
                with_causes(&error)
            );
            None
        }
    }
}
