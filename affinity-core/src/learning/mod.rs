//! A matcher's weights and probabilities from what became of past matches.
//!
//! ```
//! use affinity_core::Timestamp;
//! use affinity_core::learning::{Candidate, Decision, FitParams, LearningError, fit_weights};
//!
//! // Somebody chose `bob`, rejected `dan` and never spoke of `eve`; the signals are "taste" and "town".
//! let candidate = |id: &str, values: [f64; 2], label| Candidate { id: id.into(), values: values.into(), label };
//! let decision = Decision {
//!     source: "ann".into(),
//!     as_of: Timestamp::from_seconds(1_700_000_000),
//!     candidates: vec![
//!         candidate("bob", [0.9, 0.1], Some(1.0)),
//!         candidate("dan", [0.1, f64::NAN], Some(0.0)),
//!         candidate("eve", [0.5, 0.7], None),
//!     ],
//! };
//! let weights = [("taste".to_string(), 0.5), ("town".to_string(), 0.5)];
//! let refused = fit_weights(vec![decision], &weights, &FitParams::STANDARD).unwrap_err();
//! assert!(matches!(refused, LearningError::TooFewOutcomes { got, .. } if got.positives == 1));
//! ```

mod decision;
mod preference;
mod newton;
mod path;
mod calibration;
mod fit;
mod report;
mod error;

pub use self::calibration::probability_curve;
pub use self::decision::{Candidate, Decision, OutcomeCounts, SUCCESS_FROM};
pub use self::error::LearningError;
pub use self::fit::{Fit, FitParams, Verdict, WeightChange, fit_weights};
