//! What a run found, as `--json` prints it and tables show it.

use std::collections::BTreeMap;

use affinity_core::evaluation::Interval;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cost::peak_mb;
use crate::protocol::{Judgment, Latency};

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
    /// What fitting cost; nothing is known yet of how good or fast it is.
    pub(crate) fn fitted(dataset: impl Into<String>, fit_cpu_s: f64) -> Self {
        Self {
            dataset: dataset.into(),
            metrics: BTreeMap::new(),
            intervals: BTreeMap::new(),
            fit_cpu_s,
            peak_mb: peak_mb(),
            users_per_s: 0.0,
            p50_us: f64::NAN,
            p99_us: f64::NAN,
            parameters: BTreeMap::new(),
        }
    }

    /// The same with what came of judging the first `k`.
    pub(crate) fn judged(self, judgment: &Judgment, k: usize) -> Self {
        let mut judged = self.timed(judgment.queries_per_second, Some(judgment.latency));
        judged.add(&format!("recall@{k}"), judgment.recall);
        judged.add(&format!("ndcg@{k}"), judgment.ndcg);
        judged
    }

    /// The same with how fast it is, as far as that was measured.
    pub(crate) fn timed(mut self, users_per_s: f64, latency: Option<Latency>) -> Self {
        self.users_per_s = users_per_s;
        if let Some(Latency { p50_us, p99_us }) = latency {
            (self.p50_us, self.p99_us) = (p50_us, p99_us);
        }
        self
    }

    /// The same with something that was chosen.
    pub(crate) fn parameter(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.to_string(), value.into());
        self
    }

    /// Adds a metric with its interval.
    pub(crate) fn add(&mut self, name: &str, value: Interval) {
        self.metrics.insert(name.to_string(), value.estimate);
        if value.low.is_finite() && value.high.is_finite() {
            self.intervals.insert(name.to_string(), [value.low, value.high]);
        }
    }
}
