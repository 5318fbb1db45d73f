use std::sync::{Arc, PoisonError, RwLock};

use affinity_core::Engine;

/// The engine that answers are given from now. Readers keep the version they loaded for as long as they need it.
#[derive(Debug)]
pub struct EngineHandle {
    current: RwLock<Arc<Engine>>,
}

impl EngineHandle {
    /// A handle on a first version.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { current: RwLock::new(engine) }
    }

    /// The newest version.
    #[must_use]
    pub fn load(&self) -> Arc<Engine> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes `next` what [`Self::load`] returns.
    pub(super) fn publish(&self, next: Arc<Engine>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}
