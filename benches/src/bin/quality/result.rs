//! What a run found, as `--json` prints it and tables show it.

use std::collections::BTreeMap;

use affinity_core::evaluation::Interval;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One data set's result.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct DatasetResult {
    /// The folder's name, with the fold where it has several.
    pub(crate) dataset: String,
    /// By name, such as `recall@20`.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// 95 % bootstrap intervals of the metrics, where they are means over queries.
    pub(crate) intervals: BTreeMap<String, [f64; 2]>,
    /// CPU seconds of all threads from the data in memory to an engine that answers.
    pub(crate) fit_cpu_s: f64,
    /// The most memory that the process held at once, in megabytes of 10^6 bytes.
    pub(crate) peak_mb: Option<f64>,
    /// Rankings per second on all threads.
    pub(crate) users_per_s: f64,
    /// Microseconds of one recommendation with its explanations, on one thread.
    pub(crate) p50_us: f64,
    /// The same.
    pub(crate) p99_us: f64,
    /// What was chosen for this data set, from its training part alone.
    pub(crate) parameters: BTreeMap<String, Value>,
}

impl DatasetResult {
    /// Adds a metric with its interval.
    pub(crate) fn add(&mut self, name: &str, value: Interval) {
        self.metrics.insert(name.to_string(), value.estimate);
        if value.low.is_finite() && value.high.is_finite() {
            self.intervals.insert(name.to_string(), [value.low, value.high]);
        }
    }
}
