//! From one embedding model to the next: every text is embedded anew while answers come from the old vectors, then
//! the engine is replaced in one swap.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};

use super::ProjectionError;
use super::feed::Command;
use super::projector::Projector;
use super::row::TextContent;
use super::snapshot_files::SnapshotFiles;
use super::status::{Health, with_causes};
use crate::embedding::Embedder;
use crate::observability::Progress;

/// Texts embedded between two looks at how far it is.
const BATCH_TEXTS: usize = 256;
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_mins(1);

/// The model that a platform's answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingModel {
    /// As [`Embedder::model`] names it.
    pub model: String,
    /// Components of its vectors.
    pub dimension: usize,
}

impl ServingModel {
    /// What the last run recorded; `None` for a platform that never ran.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot be asked.
    pub async fn recorded(pool: &PgPool, platform: &str) -> Result<Option<Self>, ProjectionError> {
        let row: Option<(String, i32)> =
            sqlx::query_as("select model, dimension from affinity.embedding_models where platform = $1")
                .bind(platform)
                .fetch_optional(pool)
                .await
                .map_err(ProjectionError::database("name the embedding model"))?;
        Ok(row
            .and_then(|(model, dimension)| Some(Self { model, dimension: usize::try_from(dimension).ok()? })))
    }

    /// Makes `embedder` the recorded one.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot be stored.
    pub(super) async fn record(
        pool: &PgPool,
        platform: &str,
        embedder: &Embedder,
    ) -> Result<(), ProjectionError> {
        sqlx::query(
            "insert into affinity.embedding_models (platform, model, dimension) values ($1, $2, $3)
             on conflict (platform) do update set model = excluded.model, dimension = excluded.dimension",
        )
        .bind(platform)
        .bind(embedder.model())
        .bind(i32::try_from(embedder.dimension()).unwrap_or(i32::MAX))
        .execute(pool)
        .await
        .map_err(ProjectionError::database("record the embedding model"))?;
        Ok(())
    }
}

/// How far a succession is: what readiness reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SuccessionStatus {
    pub(super) model: String,
    pub(super) done: usize,
    pub(super) total: usize,
    /// Why it does not go on, while it does not.
    pub(super) failure: Option<String>,
}

impl std::fmt::Display for SuccessionStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, done, total, failure } = self;
        write!(f, "answers use vectors of the model before until \"{model}\" has embedded all texts: ")?;
        write!(f, "{done} of {total}")?;
        failure.iter().try_for_each(|failure| write!(f, "; {failure}"))
    }
}

/// The work of one change of model.
pub(super) struct Succession {
    pub(super) projector: Projector,
    pub(super) files: SnapshotFiles,
    pub(super) health: Arc<Mutex<Health>>,
    pub(super) commands: mpsc::WeakSender<Command>,
}

impl Succession {
    /// Until the new engine serves, or until nobody follows any more.
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let failure = match self.attempt().await {
                Ok(None) | Err(ProjectionError::Stopped) => return,
                Ok(Some(failure)) => failure,
                Err(error) => with_causes(&error),
            };
            let platform = &self.projector.platform;
            tracing::warn!("{platform}: the change of embedding model waits: {failure}");
            self.report(|status| status.failure = Some(failure));
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Embeds what is missing and switches; what kept it from that, if the model did.
    async fn attempt(&self) -> Result<Option<String>, ProjectionError> {
        let (platform, model) = (&self.projector.platform, self.projector.embedder.model());
        let mut missing = self.projector.texts_to_embed().await?;
        let total = missing.len();
        self.report(|status| (status.done, status.total) = (0, total));
        let progress = Progress::steps(
            &format!("Embedding texts of {platform} by {model}"),
            u64::try_from(total).unwrap_or(u64::MAX),
        );
        while !missing.is_empty() {
            let batch: Vec<TextContent> = missing.split_off(missing.len().saturating_sub(BATCH_TEXTS));
            let count = batch.len();
            if let Some(failure) = self.projector.embed_and_store(batch).await? {
                return Ok(Some(with_causes(&failure)));
            }
            progress.advance(u64::try_from(count).unwrap_or(u64::MAX));
            self.report(|status| (status.done, status.failure) = (status.done + count, None));
        }
        progress.finish(&format!("Embedded {total} texts of {platform} by {model}"));
        let (reply, answer) = oneshot::channel();
        let next = Box::new((self.projector.clone(), self.files.clone()));
        let commands = self.commands.upgrade().ok_or(ProjectionError::Stopped)?;
        let sent = commands.send(Command::Switch(next, reply)).await;
        sent.map_err(|_| ProjectionError::Stopped)?;
        answer.await.map_err(|_| ProjectionError::Stopped)??;
        tracing::info!("{platform}: answers now use the vectors of {model}");
        Ok(None)
    }

    fn report(&self, change: impl FnOnce(&mut SuccessionStatus)) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = &mut health.succession {
            change(status);
        }
    }
}
