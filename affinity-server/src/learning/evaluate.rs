//! The command `evaluate`.

use std::path::PathBuf;

use affinity_core::evaluation::report::Report;

use super::error::LearnError;
use super::fold::folds;
use super::measure::{Measured, measure};
use super::output::{deliver, not_replayed, screen};
use super::past::Past;
use crate::config::Config;
use crate::database::Database;
use crate::hosting::parts_to_read;
use crate::matchers::{MatcherName, find_platform};
use crate::platform::Platform;

/// What to evaluate, and where to say how it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateOptions {
    /// Which matcher.
    pub matcher: MatcherName,
    /// Cuts in time, from 1.
    pub folds: usize,
    /// An HTML file.
    pub out: PathBuf,
    /// Whether the report is printed as JSON.
    pub json: bool,
}

/// Measures a matcher on the outcomes in the configured database.
///
/// # Errors
/// When a name is unknown, there are no outcomes, the database fails or the report cannot be written.
pub async fn evaluate(config: &Config, options: EvaluateOptions) -> anyhow::Result<()> {
    let platform = find_platform(config, &options.matcher)?;
    let database = Database::start(&config.database).await?;
    let past = read_past(config, &platform, &database, &options.matcher).await;
    database.stop().await?;
    let (past, fold_count) = (past?, options.folds);
    let measured = tokio::task::spawn_blocking(move || {
        let folds = folds(&past.outcomes, fold_count);
        let measured = measure(&past, &folds)?;
        let cuts = folds.iter().map(|fold| fold.cut.to_string()).collect::<Vec<_>>().join(", ");
        Ok::<_, LearnError>((report(&past, &measured, &cuts), measured.summary))
    });
    let (report, summary) = measured.await??;
    deliver(&report, &screen(&summary), &options)
}

/// What the past of a matcher is, from the migrated database.
pub(super) async fn read_past(
    config: &Config,
    platform: &Platform,
    database: &Database,
    matcher: &MatcherName,
) -> anyhow::Result<Past> {
    database.migrate().await?;
    let parts = parts_to_read(config, platform, database.pool()).await?;
    Past::read(database.pool(), platform, parts, matcher).await
}

fn report(past: &Past, measured: &Measured, cuts: &str) -> Report {
    let Measured { decision_count, candidate_count, outcome_count, wanted_count, reached_count, .. } =
        measured;
    let candidates = candidate_count / decision_count.max(&1);
    let version = past.matcher().map_or("", affinity_core::Matcher::version);
    let mut facts = vec![
        format!(
            "Version {version}: {decision_count} decisions with {wanted_count} successes; {} outcomes in all, from 0 \
             (rejected) to 1 (success).",
            past.outcomes.len()
        ),
        format!("Each decision is ranked with what was known before its cut: {cuts}."),
        format!(
            "All systems rank the {candidates} candidates that a decision has on average. {reached_count} of the \
             {wanted_count} successes and {outcome_count} outcomes of any kind were among them; the others count as missed."
        ),
        not_replayed(past),
    ];
    if let Some((made_at, _)) = &past.fitted {
        facts.push(format!(
            "This version was fitted at {}: outcomes that it learned from flatter it, those since do not.",
            made_at.format("%Y-%m-%d %H:%M UTC")
        ));
    }
    let title = match measured.has_own_probabilities {
        true => "Probability of success, by the matcher's own curve",
        false => "Probability of success, by a curve fitted to the other folds",
    };
    let curve = measured.reliability.as_ref().map(|of| of.section(title));
    Report {
        title: format!("How good {} was", past.name),
        facts,
        sections: measured.summary.sections().into_iter().chain(curve).collect(),
    }
}
