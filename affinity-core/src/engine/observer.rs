//! What a caller may watch: core has no clock of its own.

/// Told when a stage of a request ends.
pub trait Observer {
    /// `stage` is done: `source`, `signals`, `candidates`, `scoring`, `reciprocity`, `ranking` or `explanation`.
    fn stage_done(&mut self, stage: &'static str);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn stage_done(&mut self, _: &'static str) {}
}
