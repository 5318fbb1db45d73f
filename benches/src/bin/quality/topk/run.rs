use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use affinity_core::{Engine, Key, Matcher, Schema, Value};

use super::mixes::{FRIENDS, MIXES, hold_out};
use crate::changes::{put_edge, put_node};
use crate::cost::cpu_seconds;
use crate::dataset_name;
use crate::error::QualityError;
use crate::mixes::{Compared, Mix, best_of};
use crate::progress::Progress;
use crate::protocol::{Asking, Judged, judge, judged};
use crate::read::{Adjacency, Lists, read_items};
use crate::recipe::Recipe;
use crate::result::DatasetResult;
use crate::scales::{Scales, calibrated, scaled};

/// Rankings are judged by so many of their best.
const K: usize = 20;
/// Users on whom mixes are compared.
const COMPARED_USERS: usize = 1_500;
/// Users on whom scales are measured.
const SCALED_USERS: usize = 300;
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
    let mut result = DatasetResult::fitted(dataset_name(folder), fit_cpu_s).judged(&judgment, K);
    result.parameters = chosen.parameters();
    Ok(result)
}

/// A mix with the scales that it was chosen with.
struct Chosen {
    menu: Recipe,
    mix: Mix,
    scales: Scales,
    compared: Compared,
}

impl Chosen {
    fn recipe(&self) -> Recipe {
        self.mix.of(&scaled(&self.menu, &self.scales))
    }

    fn parameters(&self) -> BTreeMap<String, serde_json::Value> {
        [
            ("mix".to_string(), self.mix.name.into()),
            ("scales".to_string(), serde_json::json!(self.scales)),
            ("validation recall@20 and ndcg@20".to_string(), serde_json::json!(self.compared)),
        ]
        .into()
    }
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
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let (engine, scales) = calibrated(&engine, schema, &menu, &asking, sample)?;
    let is_possible = |mix: &&Mix| mix.share(FRIENDS) == 0.0 || !data.trust.is_empty();
    let mixes: Vec<&Mix> = MIXES.iter().filter(is_possible).collect();
    let (best, compared) = best_of(&mixes, &engine, &asking, &compared_users)?;
    Ok(Chosen { menu, mix: best.copied().unwrap_or(MIXES[0]), scales, compared })
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
        let item = |id: u32| {
            let is_ranked = self.ranked.is_some_and(|ranked| ranked.contains(&id));
            put_node("Item", id, is_ranked.then_some(("ranked", Value::Number(1.0))))
        };
        let nodes = users.iter().map(|id| put_node("User", *id, None));
        let trust =
            self.data.trust.iter().flat_map(|(user, others)| others.iter().map(|other| (*user, *other)));
        let trust =
            trust.filter(|(user, other)| user != other && users.contains(user) && users.contains(other));
        let chose = self.train.iter().flat_map(|(user, items)| items.iter().map(|item| (*user, *item)));
        let changes = nodes
            .chain(items.iter().map(|id| item(*id)))
            .chain(trust.map(|(user, other)| put_edge("TRUSTS", user, other, 1.0)))
            .chain(chose.map(|(user, item)| put_edge("CHOSE", user, item, 1.0)));
        Ok(Engine::builder(schema.clone()).matcher(matcher).apply(changes)?.build()?)
    }
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
