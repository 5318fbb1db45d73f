//! What the server tells people and monitors: logs, progress of long work, and metrics.

mod progress;
mod logging;
mod metrics;

pub use self::logging::{LoggingError, install_logging};
pub use self::metrics::{MetricsError, MetricsHandle, install_metrics};
pub use self::progress::Progress;
