//! Shares of signals in a score, and which of several is best on what was hidden.

use std::collections::BTreeMap;

use affinity_core::evaluation::{ndcg_at, recall_at};
use affinity_core::{Engine, Key, QueryError};
use rayon::prelude::*;

use crate::progress::Progress;
use crate::protocol::{Asking, Judged, count, each};
use crate::recipe::Recipe;

/// Shares of signals, in multiples of raw over scale.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    pub(crate) shares: &'static [(&'static str, f64)],
}

impl Mix {
    /// The signal's part of the whole; 0 for one that does not count.
    pub(crate) fn share(&self, signal: &str) -> f64 {
        let of = self.shares.iter().find(|(name, _)| *name == signal).map_or(0.0, |(_, share)| *share);
        of / self.shares.iter().map(|(_, share)| share).sum::<f64>()
    }

    /// The menu with the signals that count, each with its share.
    pub(crate) fn of(&self, menu: &Recipe) -> Recipe {
        menu.clone().with_weights(|signal| self.share(signal))
    }
}

/// Recall and NDCG by mix.
pub(crate) type Compared = BTreeMap<&'static str, [f64; 2]>;

/// The mix with the largest sum of recall and NDCG, the first of equals, and how good all are.
///
/// # Errors
/// [`QueryError`] when the matcher or a source is unknown.
pub(crate) fn best_of<'a>(
    mixes: &[&'a Mix],
    engine: &Engine,
    asking: &Asking<'_>,
    judged: &[Judged],
) -> Result<(Option<&'a Mix>, Compared), QueryError> {
    let progress = Progress::steps("Comparing", judged.len());
    let of_query = |judged: &Judged| {
        let rankings = rankings(mixes, engine, asking, &judged.source);
        progress.advance();
        rankings
    };
    let rankings: Vec<Vec<Vec<Key>>> = judged.par_iter().map(of_query).collect::<Result<_, _>>()?;
    progress.finish();
    let (mut compared, mut best) = (Compared::new(), (f64::NEG_INFINITY, None));
    for (position, mix) in mixes.iter().enumerate() {
        let of_mix: Vec<Vec<Key>> = rankings.iter().map(|of_query| of_query[position].clone()).collect();
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / count(values.len().max(1));
        let recall = mean(each(recall_at, asking.k, &of_mix, judged));
        let ndcg = mean(each(ndcg_at, asking.k, &of_mix, judged));
        compared.insert(mix.name, [recall, ndcg]);
        if recall + ndcg > best.0 {
            best = (recall + ndcg, Some(*mix));
        }
    }
    Ok((best.1, compared))
}

/// The best of a query by each mix: candidates are found and measured once for all.
fn rankings(
    mixes: &[&Mix],
    engine: &Engine,
    asking: &Asking<'_>,
    source: &Key,
) -> Result<Vec<Vec<Key>>, QueryError> {
    let table = engine.features(&asking.query(source), &[])?;
    let by_mix = |mix: &&Mix| {
        let shares: Vec<f64> = table.signals.iter().map(|signal| mix.share(signal)).collect();
        let score = |values: &[f64]| -> f64 {
            let known = values.iter().zip(&shares).filter(|(value, _)| !value.is_nan());
            known.map(|(value, share)| value * share).sum()
        };
        // Rows are by key, which breaks ties as the engine does.
        let mut scored: Vec<(f64, &Key)> =
            table.rows.iter().map(|row| (score(&row.values), &row.id)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored.into_iter().take(asking.k).map(|(_, id)| id.clone()).collect()
    };
    Ok(mixes.iter().map(by_mix).collect())
}
