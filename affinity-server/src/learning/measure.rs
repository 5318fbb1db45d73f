use std::collections::HashSet;

use affinity_core::evaluation::{BootstrapParams, Comparison, Forecast, Reliability, Summary, reliability};
use affinity_core::learning::{Decision, probability_curve};
use affinity_core::{FeatureTable, Key, Matcher};
use rayon::prelude::*;

use super::error::LearnError;
use super::fold::{DecisionOf, Fold, shown, wanted};
use super::past::Past;
use crate::observability::Progress;

/// How many of a ranking count.
const K: usize = 20;
/// Decisions whose rankings are held at once.
const CHUNK: usize = 64;
/// Bins of the calibration curve.
const BINS: usize = 10;

/// How good the matcher was.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The matcher first, then popularity, each signal alone, and the weights before where it was fitted.
    pub summary: Summary,
    /// Whether probabilities mean what they say; `None` of too few outcomes.
    pub reliability: Option<Reliability>,
    /// Whether those are the matcher's own, or of a curve fitted to the outcomes of other folds.
    pub has_own_probabilities: bool,
    /// Decisions whose source was there before the cut.
    pub decision_count: usize,
    /// Their candidates, all together.
    pub candidate_count: usize,
    /// Their outcomes about candidates.
    pub outcome_count: usize,
    /// Successes among those,
    pub wanted_count: usize,
    /// and how many of them were among the candidates.
    pub reached_count: usize,
}

/// A system's way to rank.
enum System {
    Popularity,
    Weights(Vec<f64>),
}

/// One decision, ranked by every system.
struct Judged {
    segments: Vec<String>,
    wanted: HashSet<Key>,
    reached_count: usize,
    candidate_count: usize,
    rankings: Vec<Vec<Key>>,
    /// Score and label of every outcome.
    outcomes: Vec<(f64, f64)>,
}

/// Ranks the decisions of all folds by the matcher and by what it has to be better than.
///
/// # Errors
/// [`LearnError::Engine`] and [`LearnError::Query`], and [`LearnError::NoSuccesses`] when there is nothing to find.
pub fn measure(past: &Past, folds: &[Fold]) -> Result<Measured, LearnError> {
    let no_successes =
        || LearnError::NoSuccesses { matcher: past.name.clone(), outcome_count: past.outcomes.len() };
    let matcher = past.matcher().ok_or_else(no_successes)?;
    let (names, systems): (Vec<String>, Vec<System>) = systems(past, matcher).into_iter().unzip();
    let total: usize = folds.iter().map(|fold| fold.decisions.len()).sum();
    let progress = Progress::steps("Looking at past decisions", total as u64);
    let (mut judged, mut candidate_count) = (Vec::new(), 0);
    let mut comparison = None;
    // The newest first: its catalog is the largest.
    for (number, fold) in folds.iter().enumerate().rev() {
        progress.message(&format!("before {}", fold.cut));
        let engine = past.engine_before(fold.cut)?;
        let comparison = comparison.get_or_insert_with(|| {
            let chosen = folds.first().map(|first| &first.chosen);
            let catalog = engine.first_by_key(matcher.to_kind(), usize::MAX);
            let times = |id: &Key| chosen.and_then(|chosen| chosen.get(id)).copied().unwrap_or(0);
            let counted = catalog.into_iter().map(|node| (node.id.clone(), times(&node.id)));
            Comparison::new(K, names.clone(), counted)
        });
        let segments = past.segments(fold.cut);
        let judge = |decision: &DecisionOf| {
            let table = past.table(&engine, fold.cut, decision)?;
            progress.advance(1);
            let of = segments.get(&decision.source).cloned().unwrap_or_default();
            Ok(table.map(|table| judge(&table, decision, fold, &systems, of)))
        };
        for chunk in fold.decisions.chunks(CHUNK) {
            let of_chunk: Result<Vec<Option<Judged>>, LearnError> = chunk.par_iter().map(judge).collect();
            for one in of_chunk?.into_iter().flatten() {
                let rankings: Vec<&[Key]> = one.rankings.iter().map(Vec::as_slice).collect();
                let of: Vec<&str> = one.segments.iter().map(String::as_str).collect();
                comparison.add(&of, &one.wanted, &rankings);
                candidate_count += one.candidate_count;
                judged.push((number, one.wanted.len(), one.reached_count, one.outcomes));
            }
        }
    }
    progress.finish(&format!("Looked at {} decisions", judged.len()));
    let wanted_count = judged.iter().map(|(_, wanted, ..)| wanted).sum();
    let comparison = comparison.filter(|_| wanted_count > 0).ok_or_else(no_successes)?;
    let outcomes: Vec<(usize, &[(f64, f64)])> =
        judged.iter().map(|(fold, .., outcomes)| (*fold, outcomes.as_slice())).collect();
    Ok(Measured {
        summary: comparison.summarize(&BootstrapParams::STANDARD),
        reliability: forecasts(matcher, &outcomes, folds.len())
            .map(|forecasts| reliability(&forecasts, BINS, &BootstrapParams::STANDARD)),
        has_own_probabilities: matcher.probability().is_some(),
        decision_count: judged.len(),
        candidate_count,
        outcome_count: outcomes.iter().map(|(_, of)| of.len()).sum(),
        wanted_count,
        reached_count: judged.iter().map(|(_, _, reached, _)| reached).sum(),
    })
}

fn systems(past: &Past, matcher: &Matcher) -> Vec<(String, System)> {
    let signals = matcher.signals();
    let now: Vec<f64> = signals.iter().map(|signal| signal.weight).collect();
    let mut systems = vec![
        (past.name.matcher.clone(), System::Weights(now)),
        ("popularity".to_string(), System::Popularity),
    ];
    if let Some((_, before)) = &past.fitted {
        let weights = signals.iter().map(|signal| before.get(&signal.name).copied().unwrap_or(0.0));
        systems.push(("weights before".to_string(), System::Weights(weights.collect())));
    }
    for (place, signal) in signals.iter().enumerate() {
        let alone = (0..signals.len()).map(|other| if other == place { 1.0 } else { 0.0 });
        systems.push((format!("only {}", signal.name), System::Weights(alone.collect())));
    }
    systems
}

fn judge(
    table: &FeatureTable,
    decision: &DecisionOf,
    fold: &Fold,
    systems: &[System],
    segments: Vec<String>,
) -> Judged {
    let (pool, wanted) = (shown(table, &decision.labels), wanted(table, &decision.labels));
    let rank = |system: &System| match system {
        System::Weights(weights) => pool.ranked(weights),
        System::Popularity => by_popularity(&pool, fold),
    };
    let score = |of: &affinity_core::learning::Candidate| Some((of.score(&table.weights), of.label?));
    Judged {
        segments,
        reached_count: pool.candidates.iter().filter(|of| wanted.contains(&of.id)).count(),
        candidate_count: pool.candidates.len(),
        rankings: systems.iter().map(rank).collect(),
        outcomes: pool.candidates.iter().filter_map(score).collect(),
        wanted,
    }
}

/// Those chosen most often before, ties by key; whoever never was is left out.
fn by_popularity(pool: &Decision, fold: &Fold) -> Vec<Key> {
    let times = pool.candidates.iter().filter_map(|of| Some((*fold.chosen.get(&of.id)?, &of.id)));
    let mut order: Vec<(u64, &Key)> = times.collect();
    order.sort_unstable_by(|(a, a_key), (b, b_key)| b.cmp(a).then_with(|| a_key.cmp(b_key)));
    order.into_iter().map(|(_, key)| key.clone()).collect()
}

/// What the probability of every outcome would have been said to be.
///
/// A matcher without a curve is forecast by curves that know only the other folds.
fn forecasts(
    matcher: &Matcher,
    decisions: &[(usize, &[(f64, f64)])],
    fold_count: usize,
) -> Option<Vec<Forecast>> {
    let curves: Vec<_> = match matcher.probability() {
        Some(own) => vec![Some(own.clone()); fold_count],
        None => (0..fold_count)
            .map(|fold| {
                let others = decisions.iter().filter(|(of, _)| *of != fold);
                probability_curve(
                    &others.flat_map(|(_, outcomes)| outcomes.iter().copied()).collect::<Vec<_>>(),
                )
            })
            .collect(),
    };
    let mut forecasts = Vec::new();
    for (query, (fold, outcomes)) in decisions.iter().enumerate() {
        let curve = curves[*fold].as_ref()?;
        forecasts.extend(outcomes.iter().map(|(score, label)| Forecast {
            query,
            probability: curve.at(*score),
            outcome: *label,
        }));
    }
    Some(forecasts).filter(|forecasts| !forecasts.is_empty())
}
