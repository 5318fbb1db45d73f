use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds for what is measured in seconds: from 50 µs, a stage of a recommendation, to 10 s, a deadline.
const SECONDS_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Upper bounds for what is counted, such as the candidates of a request.
const COUNT_BUCKETS: [f64; 10] =
    [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// How often samples are folded in.
const FOLD_PERIOD: Duration = Duration::from_secs(5);

/// Why metrics could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum MetricsError {
    /// The recorder could not be installed.
    Install {
        /// What was met.
        source: BuildError,
    },
}

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics could not be set up")
    }
}

impl std::error::Error for MetricsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Install { source } => Some(source),
        }
    }
}

/// Renders the process's metrics for Prometheus.
#[derive(Clone)]
pub struct MetricsHandle {
    prometheus: PrometheusHandle,
}

impl fmt::Debug for MetricsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsHandle").finish_non_exhaustive()
    }
}

impl MetricsHandle {
    /// Every metric in Prometheus' text format.
    pub fn render(&self) -> String {
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }

    /// Folds samples in now and then, until it is dropped: the exporter, which has no listener of its own, keeps each one
    /// until it is told to, and maybe nobody ever asks for metrics.
    pub async fn fold(self) {
        loop {
            tokio::time::sleep(FOLD_PERIOD).await;
            self.prometheus.run_upkeep();
        }
    }
}

/// Collects what the `metrics` macros of this process record; a second call gives the first one's handle.
///
/// A histogram whose name ends with `_seconds` or `_count` gets buckets that fit.
///
/// # Errors
/// When another recorder is installed already.
pub fn install_metrics() -> Result<MetricsHandle, MetricsError> {
    static INSTALLED: Mutex<Option<MetricsHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let prometheus = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_string()), &SECONDS_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_count".to_string()), &COUNT_BUCKETS)
        })
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|source| MetricsError::Install { source })?;
    Ok(installed.insert(MetricsHandle { prometheus }).clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn histogram_of_seconds_has_buckets_and_survives_a_second_install() {
        let handle = install_metrics().unwrap();
        metrics::histogram!("observability_test_seconds").record(0.0003);
        let text = install_metrics().unwrap().render();
        assert!(text.contains("observability_test_seconds_bucket{le=\"0.00025\"} 0"), "{text}");
        assert!(text.contains("observability_test_seconds_bucket{le=\"0.0005\"} 1"), "{text}");
        assert_eq!(handle.render(), text);
    }
}
