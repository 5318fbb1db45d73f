//! The command `fit`.

use affinity_core::Matcher;
use affinity_core::evaluation::Summary;
use affinity_core::evaluation::report::Report;
use affinity_core::learning::{
    Decision, FitParams, LearningError, OutcomeCounts, Verdict, WeightChange, fit_weights,
};
use rayon::prelude::*;

use super::error::LearnError;
use super::evaluate::{EvaluateOptions, read_past};
use super::fold::{DecisionOf, folds, shown};
use super::output::{deliver, not_replayed, screen};
use super::past::Past;
use crate::config::Config;
use crate::database::Database;
use crate::matchers::{FittedVersion, MatcherName, Versions, find_platform};
use crate::observability::Progress;

/// What came of a fit.
#[derive(Clone, Debug)]
pub enum FitOutcome {
    /// There is too little to learn from.
    TooFew {
        /// What there is.
        got: OutcomeCounts,
        /// What it takes.
        needed: OutcomeCounts,
    },
    /// The weights stay as they were.
    Kept {
        /// Why, with numbers.
        report: Report,
        /// Its measures.
        summary: Summary,
    },
    /// Better weights.
    Learned {
        /// Before and after.
        report: Report,
        /// Its measures.
        summary: Summary,
        /// Before and after.
        weights: Vec<WeightChange>,
        /// The hash of the text.
        version: String,
        /// The text of the new version.
        text: String,
        /// The version whose weights it started at.
        fitted_from: String,
    },
}

/// Learns weights from the outcomes in the configured database and keeps them as a version that nobody is served yet.
///
/// # Errors
/// When a name is unknown, there are no outcomes, the database fails or the report cannot be written. Too few
/// outcomes, and weights that would not be better, are no errors: it says so, and keeps the weights.
pub async fn fit(config: &Config, options: EvaluateOptions) -> anyhow::Result<()> {
    let platform = find_platform(config, &options.matcher)?;
    let database = Database::start(&config.database).await?;
    let (name, fold_count) = (options.matcher.clone(), options.folds);
    let fitted = async {
        let past = read_past(config, &platform, &database, &name).await?;
        let outcome = tokio::task::spawn_blocking(move || fit_past(&past, fold_count)).await??;
        if let FitOutcome::Learned { report, version, text, fitted_from, .. } = &outcome {
            let report = serde_json::to_value(report)?;
            let fitted = FittedVersion { version, toml: text, fitted_from, report: &report };
            Versions::new(database.pool().clone()).add(&name, fitted).await?;
        }
        anyhow::Ok(outcome)
    };
    let fitted = fitted.await;
    database.stop().await?;
    say(&fitted?, &options)
}

fn say(outcome: &FitOutcome, options: &EvaluateOptions) -> anyhow::Result<()> {
    let name = &options.matcher;
    match outcome {
        FitOutcome::TooFew { got, needed } => {
            if options.json {
                println!(
                    "{}",
                    serde_json::json!({ "verdict": "too_few_outcomes", "got": got, "needed": needed })
                );
            } else {
                println!("{}", too_few(name, *got, *needed));
            }
            Ok(())
        }
        FitOutcome::Kept { report, summary } => deliver(report, &screen(summary), options),
        FitOutcome::Learned { report, summary, weights, version, .. } => {
            let mut text = screen(summary);
            for WeightChange { signal, before, after } in weights {
                text.push_str(&format!("\n{signal:<24} {before:.3} -> {after:.3}"));
            }
            text.push_str(&format!(
                "\n\nNothing is served differently yet. To serve these weights:\n  {}\n",
                activation(name, version)
            ));
            deliver(report, &text, options)
        }
    }
}

fn too_few(name: &MatcherName, got: OutcomeCounts, needed: OutcomeCounts) -> String {
    format!(
        "{name} has {} successes among its candidates, in {} decisions; a fit needs {} in {}. The weights stay as they are.",
        got.positives, got.decisions, needed.positives, needed.decisions
    )
}

fn activation(name: &MatcherName, version: &str) -> String {
    format!("affinity-server activate {name} {version}")
}

/// Learns weights from the decisions of the past; the same past gives the same version.
///
/// # Errors
/// [`LearnError`] of an engine, a decision or the matcher's text.
pub fn fit_past(past: &Past, fold_count: usize) -> Result<FitOutcome, LearnError> {
    let Some(matcher) = past.matcher() else {
        return Err(LearnError::NoOutcomes { matcher: past.name.clone() });
    };
    let before: Vec<(String, f64)> =
        matcher.signals().into_iter().map(|signal| (signal.name, signal.weight)).collect();
    let fit = match fit_weights(decisions(past, fold_count)?, &before, &FitParams::STANDARD) {
        Ok(fit) => fit,
        Err(LearningError::TooFewOutcomes { got, needed }) => return Ok(FitOutcome::TooFew { got, needed }),
        Err(source) => return Err(LearnError::Learning { source }),
    };
    let mut report = fit.report(format!("A fit of {}", past.name));
    report.facts.push(not_replayed(past));
    if fit.verdict != Verdict::Learned {
        return Ok(FitOutcome::Kept { report, summary: fit.quality });
    }
    let wrong = |source| LearnError::Matcher { source };
    let text = fit.to_toml(&past.text, &past.name.to_string()).map_err(wrong)?;
    let learned = Matcher::from_toml(&text, "the fit", &past.schema).map_err(wrong)?;
    report.facts.push(format!("It is served after: {}", activation(&past.name, learned.version())));
    Ok(FitOutcome::Learned {
        report,
        summary: fit.quality,
        weights: fit.weights,
        version: learned.version().to_string(),
        text,
        fitted_from: matcher.version().to_string(),
    })
}

/// Every decision with all who would have been shown.
///
/// Outcomes of others do not teach: that they are no candidates, which is chosen by some of the signals, would be
/// mistaken for those signals' fault.
fn decisions(past: &Past, fold_count: usize) -> Result<Vec<Decision>, LearnError> {
    let folds = folds(&past.outcomes, fold_count);
    let total: usize = folds.iter().map(|fold| fold.decisions.len()).sum();
    let progress = Progress::steps("Looking at past decisions", total as u64);
    let mut decisions = Vec::new();
    for fold in &folds {
        progress.message(&format!("before {}", fold.cut));
        let engine = past.engine_before(fold.cut)?;
        let look = |of: &DecisionOf| {
            let table = past.table(&engine, fold.cut, of)?;
            progress.advance(1);
            Ok(table.map(|table| shown(&table, &of.labels)))
        };
        let found: Result<Vec<Option<Decision>>, LearnError> = fold.decisions.par_iter().map(look).collect();
        decisions.extend(found?.into_iter().flatten());
    }
    progress.finish(&format!("Looked at {} decisions", decisions.len()));
    Ok(decisions)
}
