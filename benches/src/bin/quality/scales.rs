//! How large the values of signals are, so that shares of a score mean the same on any data.

use std::collections::BTreeMap;

use affinity_core::{Engine, QueryError, Schema};
use rayon::prelude::*;

use crate::error::QualityError;
use crate::protocol::{Asking, Judged, count};
use crate::recipe::Recipe;

/// A signal's value is 1 from so many scales: what is larger is rare, and counts as this much. Nothing below is bent:
/// the score is a weighted sum of raw values.
const FULL_SCALES: f64 = 64.0;
/// As written in matchers whose scales are to be measured.
const FULL: f64 = 1_000.0;

/// The mean of each signal's `k`th best raw value, by name.
pub(crate) type Scales = BTreeMap<String, f64>;

/// `menu` with every signal calibrated by its scale.
pub(crate) fn scaled(menu: &Recipe, scales: &Scales) -> Recipe {
    menu.clone().with_full(|name| scales.get(name).map(|scale| scale * FULL_SCALES))
}

/// The engine with a matcher that is calibrated by the scales of its signals, and those.
///
/// Queries of `sample` tell them; what is wanted there is not looked at.
///
/// # Errors
/// [`QualityError`] when the matcher does not fit the schema or a source is unknown.
pub(crate) fn calibrated(
    engine: &Engine,
    schema: &Schema,
    menu: &Recipe,
    asking: &Asking<'_>,
    sample: &[Judged],
) -> Result<(Engine, Scales), QualityError> {
    // Values are rounded: the first look only finds the order of magnitude.
    let first = measure(engine, asking, sample, &Scales::new())?;
    let engine = engine.with_matchers(vec![scaled(menu, &first).matcher(schema)?])?;
    let scales = measure(&engine, asking, sample, &first)?;
    let engine = engine.with_matchers(vec![scaled(menu, &scales).matcher(schema)?])?;
    Ok((engine, scales))
}

/// `before` are the scales by which the engine's matcher is calibrated, empty for the matcher as it is written.
///
/// 1e-6 for a signal that says nothing.
fn measure(
    engine: &Engine,
    asking: &Asking<'_>,
    sample: &[Judged],
    before: &Scales,
) -> Result<Scales, QueryError> {
    let of_query = |judged: &Judged| -> Result<Vec<(String, f64)>, QueryError> {
        let table = engine.features(&asking.query(&judged.source), &[])?;
        let at_k = |signal: usize| {
            let mut values: Vec<f64> =
                table.rows.iter().map(|row| row.values[signal]).filter(|value| *value > 0.0).collect();
            values.sort_by(|a, b| b.total_cmp(a));
            values.get(asking.k - 1).or(values.last()).copied().unwrap_or(0.0)
        };
        Ok(table.signals.iter().enumerate().map(|(place, name)| (name.clone(), at_k(place))).collect())
    };
    let found: Vec<Vec<(String, f64)>> = sample.par_iter().map(of_query).collect::<Result<_, _>>()?;
    let mut sums = Scales::new();
    for (name, value) in found.into_iter().flatten() {
        *sums.entry(name).or_default() += value / count(sample.len());
    }
    let scale = |(name, mean): (String, f64)| {
        let known = before.get(&name);
        let scale = mean * known.map_or(FULL, |scale| scale * FULL_SCALES);
        // Nothing can be said of what is smaller than the roundings.
        let scale = if scale > 0.0 { scale.max(1e-12) } else { known.copied().unwrap_or(1e-6) };
        (name, scale)
    };
    Ok(sums.into_iter().map(scale).collect())
}
