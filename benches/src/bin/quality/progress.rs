//! How far a run is, on the terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error; nothing where that is not a terminal.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// A bar of so many steps.
    pub(crate) fn steps(what: &str, step_count: usize) -> Self {
        let bar = ProgressBar::new(step_count as u64);
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}");
        Self(
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                .with_message(what.to_string()),
        )
    }

    /// A line without an end that can be told.
    pub(crate) fn unknown(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_string());
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self(bar)
    }

    /// One step more.
    pub(crate) fn advance(&self) {
        self.0.inc(1);
    }

    /// Takes it off the terminal.
    pub(crate) fn finish(self) {
        self.0.finish_and_clear();
    }
}
