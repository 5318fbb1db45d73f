use std::time::{Duration, Instant};

use super::position::Position;
use super::succession::SuccessionStatus;

/// How a live engine is doing: what readiness reports.
#[derive(Clone, Debug)]
pub struct LiveStatus {
    /// How far in the change feed it is.
    pub position: Position,
    /// How long ago it last was in step with the database: everything committed before that is in the engine.
    pub lag: Duration,
    /// Why it is not in step, while it is not.
    pub error: Option<String>,
    /// What answers lack until it is mended, in words.
    pub degraded: Vec<String>,
}

/// The same, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) position: Position,
    pub(super) in_step_at: Instant,
    pub(super) error: Option<String>,
    pub(super) embedding_failure: Option<String>,
    pub(super) snapshot_failure: Option<String>,
    /// While a next embedding model works towards taking over.
    pub(super) succession: Option<SuccessionStatus>,
}

impl Health {
    pub(super) fn new(position: Position) -> Self {
        Self {
            position,
            in_step_at: Instant::now(),
            error: None,
            embedding_failure: None,
            snapshot_failure: None,
            succession: None,
        }
    }

    pub(super) fn status(&self) -> LiveStatus {
        let embedding =
            self.embedding_failure.iter().map(|failure| format!("texts could not be embedded: {failure}"));
        let snapshot =
            self.snapshot_failure.iter().map(|failure| format!("no snapshot was saved: {failure}"));
        let succession = self.succession.iter().map(ToString::to_string);
        LiveStatus {
            position: self.position.clone(),
            lag: self.in_step_at.elapsed(),
            error: self.error.clone(),
            degraded: embedding.chain(snapshot).chain(succession).collect(),
        }
    }
}

/// An error with its causes, on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
