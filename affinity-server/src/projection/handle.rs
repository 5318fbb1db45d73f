use std::sync::{Arc, PoisonError, RwLock};

use affinity_core::Engine;

use crate::embedding::Embedder;

/// An engine, and the embedder whose vectors it holds: a text is comparable with them by the same one alone.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Answers come from it.
    pub engine: Arc<Engine>,
    /// Embeds the texts of requests.
    pub embedder: Arc<Embedder>,
}

/// The engine that answers are given from now. Readers keep the version they loaded for as long as they need it.
#[derive(Debug)]
pub struct EngineHandle {
    current: RwLock<Serving>,
}

impl EngineHandle {
    /// A handle on a first version.
    #[must_use]
    pub fn new(first: Serving) -> Self {
        Self { current: RwLock::new(first) }
    }

    /// The newest version.
    #[must_use]
    pub fn load(&self) -> Arc<Engine> {
        self.serving().engine
    }

    /// The newest version with its embedder.
    #[must_use]
    pub fn serving(&self) -> Serving {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `next` what [`Self::load`] returns.
    pub(super) fn publish(&self, next: Serving) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}
