//! From one embedding model to the next: every text is embedded anew while answers come from the old vectors, then
//! the engine is replaced in one swap.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::ProjectionError;
use super::feed::Command;
use super::projector::Projector;
use super::row::TextContent;
use super::snapshot_files::SnapshotFiles;
use super::status::{Health, with_causes};
use crate::observability::Progress;

/// Texts embedded between two looks at how far it is.
const BATCH_TEXTS: usize = 256;
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_mins(1);

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
            if let Some(failure) = self.projector.vectors().embed(batch).await?.failure {
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
