use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use affinity_core::evaluation::{ndcg_at, recall_at};
use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Key, Matcher, NodeRecord, QueryError, Schema, Value,
};
use rayon::prelude::*;

use super::mixes::{MIXES, SIGNALS, hold_out};
use crate::cost::{cpu_seconds, peak_mb};
use crate::dataset_name;
use crate::error::QualityError;
use crate::progress::Progress;
use crate::protocol::{Asking, Judged, count, each, judge};
use crate::read::{Adjacency, Lists, read_items};
use crate::recipe::{Recipe, rounded_down};
use crate::result::DatasetResult;
use crate::seeded::mix;

/// Rankings are judged by so many of their best.
const K: usize = 20;
/// Users on whom mixes are compared.
const COMPARED_USERS: usize = 1_500;
/// Users on whom scales are measured.
const SCALED_USERS: usize = 300;
/// A signal's value is 1 from so many scales: what is larger is rare, and counts as this much.
const FULL_SCALES: f64 = 64.0;
const MATCHER: &str = "items";
const FILE: &str = "topk.toml";

/// What a user may ask besides the defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct TopkOptions {
    /// Where to write the ranked lists: a line per user, `user item item ...`.
    pub(crate) predictions: Option<PathBuf>,
    /// A file with the only items that are ranked.
    pub(crate) candidates: Option<PathBuf>,
}

/// Chooses a mix on the training data, fits it, recommends and judges.
///
/// # Errors
/// [`QualityError`] when the folder cannot be read or the predictions cannot be written.
pub(crate) fn run(folder: &Path, options: &TopkOptions) -> Result<DatasetResult, QualityError> {
    let data = Adjacency::read(folder)?;
    let ranked = options.candidates.as_deref().map(read_items).transpose()?;
    let began = cpu_seconds();
    let schema = Schema::from_toml(include_str!("../matchers/topk_schema.toml"))?;
    let chosen = choose(&schema, &data)?;
    let progress = Progress::unknown("Fitting");
    let mut recipe = chosen.recipe();
    if ranked.is_some() {
        recipe = recipe.with_filter();
    }
    let set = Set { data: &data, train: &data.train, ranked: ranked.as_ref() };
    let engine = set.engine(&schema, recipe.matcher(&schema)?)?;
    progress.finish();
    let fit_cpu_s = cpu_seconds() - began;
    let judged = judged(&data.test, usize::MAX);
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let judgment = judge(&engine, &asking, &judged)?;
    if let Some(path) = &options.predictions {
        write(path, &judged, &judgment.rankings)
            .map_err(|source| QualityError::Write { path: path.clone(), source })?;
    }
    let mut result = DatasetResult {
        dataset: dataset_name(folder),
        metrics: BTreeMap::new(),
        intervals: BTreeMap::new(),
        fit_cpu_s,
        peak_mb: peak_mb(),
        users_per_s: judgment.queries_per_second,
        p50_us: judgment.latency.p50_us,
        p99_us: judgment.latency.p99_us,
        parameters: chosen.parameters(),
    };
    result.add("recall@20", judgment.recall);
    result.add("ndcg@20", judgment.ndcg);
    Ok(result)
}

/// A mix with the scales that it was chosen with.
struct Chosen {
    menu: Recipe,
    name: &'static str,
    shares: [f64; 5],
    scales: BTreeMap<String, f64>,
    /// Recall and NDCG of each mix on what was hidden.
    compared: Vec<(&'static str, f64, f64)>,
}

impl Chosen {
    fn recipe(&self) -> Recipe {
        let share = |name: &str| weights(&self.shares).get(name).copied().unwrap_or(0.0);
        scaled(&self.menu, &self.scales).with_weights(share)
    }

    fn parameters(&self) -> BTreeMap<String, serde_json::Value> {
        let compared: BTreeMap<&str, [f64; 2]> =
            self.compared.iter().map(|(name, recall, ndcg)| (*name, [*recall, *ndcg])).collect();
        [
            ("mix".to_string(), self.name.into()),
            ("scales".to_string(), serde_json::json!(self.scales)),
            ("validation recall@20 and ndcg@20".to_string(), serde_json::json!(compared)),
        ]
        .into()
    }
}

fn weights(shares: &[f64; 5]) -> BTreeMap<String, f64> {
    SIGNALS.iter().zip(shares).map(|(name, share)| ((*name).to_string(), rounded_down(*share))).collect()
}

fn scaled(menu: &Recipe, scales: &BTreeMap<String, f64>) -> Recipe {
    menu.clone().with_full(|name| scales.get(name).map(|scale| scale * FULL_SCALES))
}

/// Fits all signals to a part of the training data, measures their scales there and tries every mix on the rest.
fn choose(schema: &Schema, data: &Adjacency) -> Result<Chosen, QualityError> {
    let menu = Recipe::new(FILE, include_str!("../matchers/topk.toml"))?;
    let progress = Progress::unknown("Fitting to a part");
    let (kept, hidden) = hold_out(&data.train);
    let set = Set { data, train: &kept, ranked: None };
    let engine = set.engine(schema, menu.matcher(schema)?)?;
    progress.finish();
    let compared_users = judged(&hidden, COMPARED_USERS);
    let sample = &compared_users[..compared_users.len().min(SCALED_USERS)];
    // Values are rounded: the first look only finds the order of magnitude.
    let first = scales(&engine, sample, &BTreeMap::new())?;
    let engine = engine.with_matchers(vec![scaled(&menu, &first).matcher(schema)?])?;
    let scales = scales(&engine, sample, &first)?;
    let engine = engine.with_matchers(vec![scaled(&menu, &scales).matcher(schema)?])?;
    let mixes: Vec<_> =
        MIXES.iter().filter(|(_, shares)| shares[4] == 0.0 || !data.trust.is_empty()).collect();
    let progress = Progress::steps("Comparing", compared_users.len());
    let rankings = rankings(&engine, &compared_users, &mixes, &progress)?;
    progress.finish();
    let mut compared = Vec::new();
    let mut best = (f64::NEG_INFINITY, &MIXES[0]);
    for (position, mix) in mixes.into_iter().enumerate() {
        let of_mix: Vec<Vec<Key>> = rankings.iter().map(|of_user| of_user[position].clone()).collect();
        let recall = mean(&each(recall_at, K, &of_mix, &compared_users));
        let ndcg = mean(&each(ndcg_at, K, &of_mix, &compared_users));
        compared.push((mix.0, recall, ndcg));
        if recall + ndcg > best.0 {
            best = (recall + ndcg, mix);
        }
    }
    Ok(Chosen { menu, name: best.1.0, shares: best.1.1, scales, compared })
}

/// The best of each user by each mix: candidates are found and measured once for all mixes.
fn rankings(
    engine: &Engine,
    users: &[Judged],
    mixes: &[&(&'static str, [f64; 5])],
    progress: &Progress,
) -> Result<Vec<Vec<Vec<Key>>>, QueryError> {
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let of_user = |judged: &Judged| -> Result<Vec<Vec<Key>>, QueryError> {
        let table = engine.features(&asking.query(&judged.source), &[])?;
        progress.advance();
        let of_mix = |(_, shares): &&(&'static str, [f64; 5])| {
            let score = |values: &[f64]| -> f64 {
                let known = values.iter().zip(shares).filter(|(value, _)| !value.is_nan());
                known.map(|(value, share)| value * share).sum()
            };
            // Rows are by key, which breaks ties as the engine does.
            let mut scored: Vec<(f64, &Key)> =
                table.rows.iter().map(|row| (score(&row.values), &row.id)).collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0));
            scored.into_iter().take(K).map(|(_, id)| id.clone()).collect()
        };
        Ok(mixes.iter().map(of_mix).collect())
    };
    users.par_iter().map(of_user).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len().max(1))
}

/// The mean of each signal's 20th best raw value; 1 for a signal that says nothing.
///
/// `before` are the scales by which the engine's matcher is calibrated, empty for the matcher as it is written.
fn scales(
    engine: &Engine,
    sample: &[Judged],
    before: &BTreeMap<String, f64>,
) -> Result<BTreeMap<String, f64>, QueryError> {
    /// As written in the matcher.
    const FULL: f64 = 1_000.0;
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let of_user = |judged: &Judged| -> Result<[f64; 5], QueryError> {
        let table = engine.features(&asking.query(&judged.source), &[])?;
        let at_k = |signal: usize| {
            let mut values: Vec<f64> =
                table.rows.iter().map(|row| row.values[signal]).filter(|value| *value > 0.0).collect();
            values.sort_by(|a, b| b.total_cmp(a));
            values.get(K - 1).or(values.last()).copied().unwrap_or(0.0)
        };
        Ok(std::array::from_fn(at_k))
    };
    let at_k: Vec<[f64; 5]> = sample.par_iter().map(of_user).collect::<Result<_, _>>()?;
    let scale = |(position, name): (usize, &&str)| {
        let full = before.get(*name).map_or(FULL, |scale| scale * FULL_SCALES);
        let mean = mean(&at_k.iter().map(|values| values[position] * full).collect::<Vec<_>>());
        // Nothing can be said of what is smaller than the roundings.
        (
            (*name).to_string(),
            if mean > 0.0 { mean.max(1e-12) } else { before.get(*name).copied().unwrap_or(1e-6) },
        )
    };
    Ok(SIGNALS.iter().enumerate().map(scale).collect())
}

/// Users with something to find, at most `count_max` by a draw.
fn judged(wanted: &Lists, count_max: usize) -> Vec<Judged> {
    let mut users: Vec<&u32> =
        wanted.iter().filter(|(_, items)| !items.is_empty()).map(|(user, _)| user).collect();
    if users.len() > count_max {
        users.sort_by_key(|user| mix(u64::from(**user)));
        users.truncate(count_max);
    }
    let judged =
        |user: &u32| Judged { source: key(*user), wanted: wanted[user].iter().copied().map(key).collect() };
    users.into_iter().map(judged).collect()
}

fn key(id: u32) -> Key {
    Key::from(id.to_string())
}

/// What an engine is built from.
struct Set<'a> {
    data: &'a Adjacency,
    train: &'a Lists,
    /// The only items that are ranked; `None` for all.
    ranked: Option<&'a BTreeSet<u32>>,
}

impl Set<'_> {
    fn engine(&self, schema: &Schema, matcher: Matcher) -> Result<Engine, QualityError> {
        let users: BTreeSet<u32> = self.data.train.keys().chain(self.data.test.keys()).copied().collect();
        let items = self.data.items();
        let node =
            |kind: &str, id: u32, record| Change::PutNode { kind: kind.to_string(), key: key(id), record };
        let item = |id: u32| {
            let is_ranked = self.ranked.is_some_and(|ranked| ranked.contains(&id));
            let ranked = is_ranked.then(|| ("ranked".to_string(), Value::Number(1.0)));
            node("Item", id, NodeRecord { attributes: ranked.into_iter().collect(), ..NodeRecord::default() })
        };
        let nodes = users.iter().map(|id| node("User", *id, NodeRecord::default()));
        let trust =
            self.data.trust.iter().flat_map(|(user, others)| others.iter().map(|other| (*user, *other)));
        let trust =
            trust.filter(|(user, other)| user != other && users.contains(user) && users.contains(other));
        let chose = self.train.iter().flat_map(|(user, items)| items.iter().map(|item| (*user, *item)));
        let changes = nodes
            .chain(items.iter().map(|id| item(*id)))
            .chain(trust.map(|(user, other)| edge("TRUSTS", user, other)))
            .chain(chose.map(|(user, item)| edge("CHOSE", user, item)));
        Ok(Engine::builder(schema.clone()).matcher(matcher).apply(changes)?.build()?)
    }
}

fn edge(relation: &str, source: u32, target: u32) -> Change {
    let edge =
        EdgeKey { relation: relation.to_string(), source: key(source), target: key(target), origin: None };
    Change::PutEdge { edge, record: EdgeRecord::default() }
}

/// One line per user: `user item item ...`, best first.
fn write(path: &Path, judged: &[Judged], rankings: &[Vec<Key>]) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    for (judged, ranking) in judged.iter().zip(rankings) {
        write!(file, "{}", judged.source)?;
        for item in ranking {
            write!(file, " {item}")?;
        }
        writeln!(file)?;
    }
    file.flush()
}
