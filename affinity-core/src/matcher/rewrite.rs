//! A matcher's text with other weights: everything else stays as it was written, comments too.

use std::collections::BTreeMap;
use std::ops::Range;

use super::probability::ProbabilityCurve;
use super::recipe::Matcher;
use super::spec::MatcherToml;
use crate::exact::quantize_weight;
use crate::graph::line_of;
use crate::signals::MatcherError;

impl Matcher {
    /// `text` with the given weights by signal and with this curve of probabilities; `file` is what errors call it.
    ///
    /// Signals that `weights` does not name keep theirs. Without a curve, one that is there is emptied: it was fitted to
    /// other weights. The result is a new version, to be read by [`Matcher::from_toml`].
    ///
    /// # Errors
    /// [`MatcherError`] when `text` is no matcher or a signal is not in it.
    pub fn rewrite(
        text: &str,
        file: &str,
        weights: &BTreeMap<String, f64>,
        probability: Option<&ProbabilityCurve>,
    ) -> Result<String, MatcherError> {
        let parsed: MatcherToml = toml::from_str(text).map_err(|error| MatcherError::Syntax {
            file: file.to_string(),
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            reason: error.message().to_string(),
        })?;
        let signals = parsed.signals.get_ref();
        let known = || signals.iter().map(|signal| signal.get_ref().name.clone());
        if let Some(got) = weights.keys().find(|name| known().all(|known| known != **name)) {
            return Err(MatcherError::Unknown {
                file: file.to_string(),
                line: line_of(text, parsed.signals.span().start),
                field: "signals",
                got: got.clone(),
                allowed: known().collect(),
            });
        }
        let mut edits: Vec<(Range<usize>, String)> = signals
            .iter()
            .filter_map(|signal| {
                let spec = signal.get_ref();
                Some((spec.weight.span(), decimal(*weights.get(&spec.name)?)))
            })
            .collect();
        let points = probability.map_or_else(|| "[]".to_string(), written);
        match parsed.probability {
            Some(before) => edits.push((before.points.span(), points)),
            None if probability.is_some() => {
                let start = if text.ends_with('\n') { "\n" } else { "\n\n" };
                let section = format!(
                    "{start}# [score, probability of success], fitted to outcomes.\n[probability]\npoints = {points}\n"
                );
                edits.push((text.len()..text.len(), section));
            }
            None => {}
        }
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = text.to_string();
        for (range, replacement) in edits {
            text.replace_range(range, &replacement);
        }
        Ok(text)
    }
}

/// A weight with five decimals, which are enough to find its multiple of 2^-16 again.
fn decimal(weight: f64) -> String {
    let text = format!("{:.5}", quantize_weight(weight));
    match text.trim_end_matches('0') {
        whole if whole.ends_with('.') => format!("{whole}0"),
        short => short.to_string(),
    }
}

fn written(curve: &ProbabilityCurve) -> String {
    let point = |[score, probability]: &[f64; 2]| format!("[{score:?}, {probability:?}]");
    format!("[{}]", curve.points().iter().map(point).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::decimal;
    use crate::exact::{WEIGHT_UNITS, quantize_weight};

    #[test]
    fn five_decimals_name_every_weight() {
        for units in 0..=65_536_u32 {
            let weight = f64::from(units) / WEIGHT_UNITS;
            let read: f64 = decimal(weight).parse().unwrap_or(f64::NAN);
            assert_eq!(quantize_weight(read), weight);
        }
        assert_eq!((decimal(0.5), decimal(1.0), decimal(0.0)), ("0.5".into(), "1.0".into(), "0.0".into()));
    }
}
