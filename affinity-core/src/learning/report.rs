//! What learning came to, for people and as a new matcher.

use std::collections::BTreeMap;

use super::fit::{Fit, Verdict, WeightChange};
use crate::evaluation::Interval;
use crate::evaluation::report::{Cell, Report, Section, Table};
use crate::matcher::Matcher;
use crate::signals::MatcherError;

impl Fit {
    /// The text of the matcher with the weights and probabilities of this fit; `file` is what errors call it.
    ///
    /// Everything else in `text` stays, comments too. Unless weights were learned, they stay as well, and so does a
    /// curve of theirs that this fit has nothing better for.
    ///
    /// # Errors
    /// [`MatcherError`] when `text` is no matcher or lacks a signal.
    pub fn to_toml(&self, text: &str, file: &str) -> Result<String, MatcherError> {
        let is_learned = self.verdict == Verdict::Learned;
        if !is_learned && self.probability.is_none() {
            return Ok(text.to_string());
        }
        let changed = self.weights.iter().filter(|_| is_learned);
        let weights: BTreeMap<String, f64> = changed.map(|of| (of.signal.clone(), of.after)).collect();
        Matcher::rewrite(text, file, &weights, self.probability.as_ref())
    }

    /// The verdict in one sentence.
    #[must_use]
    pub fn verdict_in_words(&self) -> String {
        let number = |interval: &Interval| {
            format!("{:.3} [{:.3}, {:.3}]", interval.estimate, interval.low, interval.high)
        };
        match &self.verdict {
            Verdict::Learned => "The learned weights are better than those before, beyond noise.".to_string(),
            Verdict::NoGain => "No gain beyond noise: the weights stay as they were.".to_string(),
            Verdict::WorseThanBefore { lead } => {
                format!("The learned weights rank worse by {}: the weights stay as they were.", number(lead))
            }
            Verdict::WorseThanSingle { signal, lead } => format!(
                "The learned weights rank worse than {signal} alone by {}: the weights stay as they were.",
                number(lead)
            ),
        }
    }

    /// Before and after, with intervals.
    #[must_use]
    pub fn report(&self, title: impl Into<String>) -> Report {
        let [fit, stop, check] = self.parts;
        let gain = self.gain;
        let facts = vec![
            self.verdict_in_words(),
            format!(
                "{} successes in {} decisions, by time: {fit} to fit, {stop} to stop by, {check} to check. All numbers \
                 are of the last part.",
                self.counts.positives, self.counts.decisions
            ),
            format!(
                "Gain over the weights before: {:.4} [{:.4}, {:.4}] nats a decision.",
                gain.estimate, gain.low, gain.high
            ),
        ];
        let row = |of: &WeightChange| {
            let number = |value: f64| Cell::Number(Interval::exactly(value));
            vec![Cell::Text(of.signal.clone()), number(of.before), number(of.after)]
        };
        let weights = Section::Table(Table {
            title: "Weights".to_string(),
            note: String::new(),
            columns: ["signal", "before", "after"].map(str::to_string).to_vec(),
            rows: self.weights.iter().map(row).collect(),
        });
        let curve = self.reliability.as_ref().map(|of| of.section("Probability of success"));
        Report {
            title: title.into(),
            facts,
            sections: self.quality.sections().into_iter().chain([weights]).chain(curve).collect(),
        }
    }
}
