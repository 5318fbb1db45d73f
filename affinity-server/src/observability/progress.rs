use std::io::{self, IsTerminal};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

/// Every bar of the process, so that a log line can be written without tearing one.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often long work says in the log how far it is, when there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Tells a person how far long work is: a bar on a terminal, else plain lines in the log.
///
/// ```
/// use affinity_server::observability::Progress;
///
/// let progress = Progress::steps("Embedding texts", 3);
/// for _ in 0..3 {
///     progress.advance(1);
/// }
/// assert_eq!(progress.done(), 3);
/// progress.finish("Embedded 3 texts");
/// ```
#[derive(Debug)]
pub struct Progress {
    label: String,
    total: Option<u64>,
    done: AtomicU64,
    started: Instant,
    /// Milliseconds after `started` when the last line was written.
    line_ms: AtomicU64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Work of `total` equal steps; `label` says what is being done.
    pub fn steps(label: &str, total: u64) -> Self {
        let style = "{prefix} {wide_bar:.cyan/blue} {human_pos}/{human_len} {msg} {eta}";
        Self::new(label, Some(total), style)
    }

    /// Work that cannot say how long it takes.
    pub fn unknown_length(label: &str) -> Self {
        Self::new(label, None, "{spinner} {prefix} {msg} {elapsed}")
    }

    fn new(label: &str, total: Option<u64>, style: &str) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = BARS.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.set_prefix(label.to_string());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            tracing::info!("{label} ...");
        }
        Self {
            label: label.to_string(),
            total,
            done: AtomicU64::new(0),
            started: Instant::now(),
            line_ms: AtomicU64::new(0),
            bar,
        }
    }

    /// Counts `steps` more as done. Cheap, and callable from many threads.
    pub fn advance(&self, steps: u64) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let line_ms = self.line_ms.load(Ordering::Relaxed);
        let due = now_ms.saturating_sub(line_ms) >= LINE_EVERY.as_millis().try_into().unwrap_or(u64::MAX);
        // Of the threads that find a line due, the one that moves the mark writes it.
        if due && self.line_ms.compare_exchange(line_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            match self.total {
                Some(total) => tracing::info!("{}: {done} of {total}", self.label),
                None => tracing::info!("{}: {done}", self.label),
            }
        }
    }

    /// Says what the current step is.
    pub fn message(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(message.to_string()),
            None => tracing::info!("{}: {message}", self.label),
        }
    }

    /// Steps done so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Ends the work with one line that says what came of it, and how long it took.
    pub fn finish(self, summary: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        tracing::info!("{summary} in {:.1} s", self.started.elapsed().as_secs_f64());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

/// Writes log lines to standard error, above the bars.
#[derive(Clone, Copy, Debug)]
pub(super) struct AboveBars;

impl io::Write for AboveBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'writer> MakeWriter<'writer> for AboveBars {
    type Writer = Self;

    fn make_writer(&'writer self) -> Self::Writer {
        *self
    }
}
