use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use affinity_core::{EngineError, Matcher};
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::ProjectionError;
use super::handle::{EngineHandle, Serving};
use super::live::LiveSettings;
use super::projector::{Projection, Projector, Retry, Step};
use super::serving_model::ServingModel;
use super::snapshot_files::SnapshotFiles;
use super::status::{Health, with_causes};

/// The channel that `affinity.capture_change` notifies, with the platform as payload.
const CHANNEL: &str = "affinity_changes";
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// What can be asked of the task that follows the feed.
#[derive(Debug)]
pub(super) enum Command {
    /// Read the views anew and publish what they say.
    Rebuild(oneshot::Sender<Result<(), ProjectionError>>),
    /// Go on by another embedding model, whose vectors are there.
    Switch(Box<(Projector, SnapshotFiles)>, oneshot::Sender<Result<(), ProjectionError>>),
    /// Follow now, and say when what was committed before is published.
    CatchUp(oneshot::Sender<Result<(), ProjectionError>>),
    /// Answer by these matchers from now on.
    Matchers(Vec<Matcher>, oneshot::Sender<Result<(), EngineError>>),
    /// Save and end.
    Stop,
}

/// Follows the change feed of one platform: the only writer of its engine, ledger and snapshot.
pub(super) struct Follower {
    pub(super) projector: Projector,
    pub(super) projection: Projection,
    pub(super) files: SnapshotFiles,
    pub(super) settings: LiveSettings,
    pub(super) handle: Arc<EngineHandle>,
    pub(super) health: Arc<Mutex<Health>>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) wake: Arc<Notify>,
    pub(super) pace: Pace,
}

/// What a start found of the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing that fits.
    Nothing,
    /// A snapshot, and that many changes in the feed since.
    Snapshot { changes_since: usize },
}

/// When to do again what is not done on every change.
#[derive(Debug)]
pub(super) struct Pace {
    /// `None` while what there is was never saved.
    saved_at: Option<Instant>,
    changes_since_save: usize,
    saving: Option<JoinHandle<Result<(), ProjectionError>>>,
    retry_owed_at: Instant,
    owed_backoff: Duration,
}

impl Pace {
    /// After a start from `kept`.
    pub(super) fn new(kept: Kept) -> Self {
        let (saved_at, changes_since_save) = match kept {
            Kept::Nothing => (None, 0),
            Kept::Snapshot { changes_since } => (Some(Instant::now()), changes_since),
        };
        Self {
            saved_at,
            changes_since_save,
            saving: None,
            retry_owed_at: Instant::now(),
            owed_backoff: BACKOFF_MIN,
        }
    }
}

impl Follower {
    /// Until told to stop, or until nobody is left to tell it.
    pub(super) async fn run(mut self) {
        let mut backoff = BACKOFF_MIN;
        self.save_when_due().await;
        loop {
            let failing = self.health().error.is_some();
            let pause = if failing { backoff } else { self.settings.poll_every };
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Rebuild(reply)) => {
                        let rebuilt = self.rebuild().await;
                        // Whoever asked may have gone; the engine is rebuilt all the same.
                        let _ = reply.send(rebuilt);
                        continue;
                    }
                    Some(Command::Switch(next, reply)) => {
                        let switched = self.switch(*next).await;
                        let _ = reply.send(switched);
                        continue;
                    }
                    Some(Command::CatchUp(reply)) => {
                        let _ = reply.send(self.step().await); // as above
                        continue;
                    }
                    Some(Command::Matchers(matchers, reply)) => {
                        let _ = reply.send(self.answer_by(matchers).await); // as above
                        continue;
                    }
                    Some(Command::Stop) | None => break,
                },
                // While the database fails, its notifications must not shorten the pause.
                () = self.wake.notified(), if !failing => {}
                () = tokio::time::sleep(pause) => {}
            }
            match self.step().await {
                Ok(()) => backoff = BACKOFF_MIN,
                Err(error) => {
                    let message = with_causes(&error);
                    tracing::warn!(
                        platform = self.projector.platform,
                        "cannot follow the database: {message}"
                    );
                    self.health().error = Some(message);
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
            self.save_when_due().await;
        }
        self.finish().await;
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn step(&mut self) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let owed_due = !self.projection.owing.is_empty() && began >= self.pace.retry_owed_at;
        let retry = if owed_due { Retry::Owed } else { Retry::Nothing };
        let step = match self.projector.follow(&mut self.projection, retry).await {
            Err(ProjectionError::FellBehind { position }) => {
                tracing::warn!(
                    platform = self.projector.platform,
                    "the change feed no longer reaches back to {position}; reading everything"
                );
                let (projection, step) = self.projector.project_all().await?;
                self.projection = projection;
                step
            }
            followed => followed?,
        };
        self.publish(began, step);
        Ok(())
    }

    async fn rebuild(&mut self) -> Result<(), ProjectionError> {
        let began = Instant::now();
        let (projection, step) = self.projector.project_all().await?;
        self.projection = projection;
        self.publish(began, step);
        Ok(())
    }

    /// Reads the views anew by another projector and publishes the result; from then on it is the one that follows.
    async fn switch(
        &mut self,
        (mut projector, files): (Projector, SnapshotFiles),
    ) -> Result<(), ProjectionError> {
        projector.matchers.clone_from(&self.projector.matchers);
        let began = Instant::now();
        let (projection, step) = projector.project_all().await?;
        ServingModel::record(&projector.pool, &projector.platform, &projector.embedder).await?;
        if let Some(saving) = self.pace.saving.take() {
            self.saved(saving).await; // what it writes is of the model before, and must not come last
        }
        (self.projector, self.projection, self.files) = (projector, projection, files);
        self.pace = Pace::new(Kept::Nothing);
        self.health().succession = None;
        self.show();
        self.publish(began, step);
        self.save_when_due().await;
        self.projector.vectors().forget_other_models().await
    }

    /// The engine with other matchers, unless it has these already.
    async fn answer_by(&mut self, matchers: Vec<Matcher>) -> Result<(), EngineError> {
        let served = self.projection.engine.matchers();
        let is_same = |matcher: &Matcher| {
            served.get(matcher.name()).is_some_and(|served| served.version() == matcher.version())
        };
        if matchers.len() == served.len() && matchers.iter().all(is_same) {
            return Ok(());
        }
        let (engine, next) = (Arc::clone(&self.projection.engine), matchers.clone());
        // Matchers that ask for statistics of their own have them fitted, which takes a while.
        let made = tokio::task::spawn_blocking(move || engine.with_matchers(next)).await;
        let made = match made {
            Ok(made) => made?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Ok(()), // the runtime is ending
        };
        self.projection.engine = Arc::new(made);
        self.projector.matchers = matchers;
        self.show();
        self.pace.changes_since_save += 1;
        Ok(())
    }

    /// What there is becomes what readers load.
    fn show(&self) {
        let embedder = Arc::clone(&self.projector.embedder);
        self.handle.publish(Serving { engine: self.projection.published(), embedder });
    }

    /// Shows a step to readers. Everything committed before `began` is in it.
    fn publish(&mut self, began: Instant, step: Step) {
        let Step { change_count, failure } = step;
        let was_failing = self.health().embedding_failure.is_some();
        if change_count > 0 || was_failing != (failure.is_some() || !self.projection.owing.is_empty()) {
            self.show();
        }
        if change_count > 0 {
            self.pace.changes_since_save += change_count;
            let platform = self.projector.platform.clone();
            let count = u64::try_from(change_count).unwrap_or(u64::MAX);
            metrics::counter!("affinity_engine_changes_total", "platform" => platform.clone())
                .increment(count);
            metrics::histogram!("affinity_engine_update_seconds", "platform" => platform)
                .record(began.elapsed());
        }
        if let Some(failure) = &failure {
            let message = with_causes(failure);
            tracing::warn!(platform = self.projector.platform, "texts could not be embedded: {message}");
            self.health().embedding_failure = Some(message);
            self.pace.owed_backoff = (self.pace.owed_backoff * 2).min(BACKOFF_MAX);
            self.pace.retry_owed_at = Instant::now() + self.pace.owed_backoff;
        } else if self.projection.owing.is_empty() {
            self.pace.owed_backoff = BACKOFF_MIN;
            self.health().embedding_failure = None;
        }
        let position = self.projection.position.clone();
        let mut health = self.health();
        (health.position, health.in_step_at, health.error) = (position, began, None);
    }

    async fn save_when_due(&mut self) {
        if let Some(saving) = self.pace.saving.take_if(|saving| saving.is_finished()) {
            self.saved(saving).await;
        }
        let age = self.pace.saved_at.map_or(Duration::MAX, |saved_at| saved_at.elapsed());
        let changes = self.pace.changes_since_save;
        let due = changes >= self.settings.save_after_changes
            || (changes > 0 && age >= self.settings.save_every)
            // An unchanged engine is saved too, or the feed would be trimmed past it and the next start rebuild it.
            || age >= self.settings.feed_kept / 2;
        if due && self.pace.saving.is_none() {
            self.start_saving();
        }
    }

    /// In the background, from versions that no longer change: the engine stays fresh meanwhile.
    fn start_saving(&mut self) {
        let (files, projection) = (self.files.clone(), self.projection.clone());
        self.pace.saving = Some(tokio::task::spawn_blocking(move || files.save(&projection)));
        (self.pace.saved_at, self.pace.changes_since_save) = (Some(Instant::now()), 0);
    }

    async fn saved(&mut self, saving: JoinHandle<Result<(), ProjectionError>>) {
        let saved = match saving.await {
            Ok(saved) => saved,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(ProjectionError::Stopped),
        };
        let outcome = match saved {
            Ok(()) => trim(&self.projector.pool, self.settings.feed_kept).await,
            failed => failed,
        };
        let failure = outcome.err().map(|error| with_causes(&error));
        if let Some(failure) = &failure {
            tracing::warn!(platform = self.projector.platform, "snapshot not saved: {failure}");
        }
        self.health().snapshot_failure = failure;
    }

    async fn finish(mut self) {
        if let Some(saving) = self.pace.saving.take() {
            self.saved(saving).await;
        }
        if self.pace.changes_since_save > 0 || self.pace.saved_at.is_none() {
            self.start_saving();
            if let Some(saving) = self.pace.saving.take() {
                self.saved(saving).await;
            }
        }
    }
}

/// Drops changes that were committed before `kept`; with the snapshot saved nobody here needs them.
async fn trim(pool: &PgPool, kept: Duration) -> Result<(), ProjectionError> {
    sqlx::query("select affinity.trim_changes(make_interval(secs => $1))")
        .bind(kept.as_secs_f64())
        .execute(pool)
        .await
        .map_err(ProjectionError::database("trim the change feed"))?;
    Ok(())
}

/// Wakes the follower of `platform` at each of its commits, until the pool closes.
pub(super) async fn listen(pool: PgPool, platform: String, wake: Arc<Notify>) {
    loop {
        match listen_once(&pool, &platform, &wake).await {
            Err(sqlx::Error::PoolClosed) => return,
            // Polling goes on meanwhile: only promptness suffers.
            Err(error) => tracing::warn!(platform, "not notified of changes: {}", with_causes(&error)),
            Ok(()) => {}
        }
        tokio::time::sleep(BACKOFF_MAX).await;
    }
}

async fn listen_once(pool: &PgPool, platform: &str, wake: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    wake.notify_one(); // for what was committed before anybody listened
    loop {
        // None: the connection was lost and made again, and with it maybe notifications.
        match listener.try_recv().await? {
            Some(notification) if notification.payload() != platform => {}
            _ => wake.notify_one(),
        }
    }
}
