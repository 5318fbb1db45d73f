use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use affinity_core::{Audience, Change, Engine, Schema, Value};

use super::mixes::{INPUTS, Inputs, hide_papers};
use super::texts::{encode, stems_of, tags_of};
use crate::changes::{key, put_edge, put_node};
use crate::cost::cpu_seconds;
use crate::dataset_name;
use crate::error::QualityError;
use crate::mixes::{Mix, best_of};
use crate::progress::Progress;
use crate::protocol::{Asking, judge, judged};
use crate::read::{Fold, PaperData};
use crate::recipe::Recipe;
use crate::result::DatasetResult;
use crate::scales::{calibrated, scaled};

const MATCHER: &str = "papers";
/// Users on whom mixes are compared.
const COMPARED_USERS: usize = 1_500;
/// Users on whom scales are measured.
const SCALED_USERS: usize = 300;

/// What a user may ask besides the defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct PaperOptions {
    /// A folder with a sentence transformer, which then reads the titles as well.
    pub(crate) model: Option<PathBuf>,
}

/// Ranks for every reader of each fold of the folder, once for each kind of input, and judges.
///
/// # Errors
/// [`QualityError`] when the folder or the model cannot be read.
pub(crate) fn run(folder: &Path, options: &PaperOptions) -> Result<Vec<DatasetResult>, QualityError> {
    let data = PaperData::read(folder)?;
    let began = cpu_seconds();
    let vectors = options.model.as_deref().map(|model| encode(model, &data.titles)).transpose()?;
    let encode_cpu_s = cpu_seconds() - began;
    let library = Library::new(&data, vectors)?;
    let folds = [("cold", &data.cold, 100), ("warm", &data.warm, 20)];
    let mut results = Vec::new();
    for (name, fold, k) in folds {
        if let Some(fold) = fold {
            let only_new = name == "cold";
            let mut of_fold =
                library.judge(fold, &Asking { matcher: MATCHER, k, weights: BTreeMap::new() }, only_new)?;
            for result in &mut of_fold {
                result.dataset = format!("{} {name}, {}", dataset_name(folder), result.dataset);
                if library.vectors.is_some() {
                    result.parameters.insert("encode_cpu_s".to_string(), encode_cpu_s.into());
                }
            }
            results.append(&mut of_fold);
        }
    }
    Ok(results)
}

/// Papers, and what a run may look at.
struct Library<'a> {
    data: &'a PaperData,
    vectors: Option<Vec<Vec<f32>>>,
    schema: Schema,
    /// All signals there can be.
    menu: Recipe,
}

impl<'a> Library<'a> {
    fn new(data: &'a PaperData, vectors: Option<Vec<Vec<f32>>>) -> Result<Self, QualityError> {
        let mut schema = include_str!("../matchers/papers_schema.toml").to_string();
        let mut menu = Recipe::new("papers.toml", include_str!("../matchers/papers.toml"))?;
        match vectors.iter().flatten().next() {
            Some(vector) => {
                schema += &format!("\n[spaces.meaning]\nkind = \"Paper\"\ndimension = {}\n", vector.len());
            }
            None => menu = menu.with_weights(|signal| if signal == "meaning" { 0.0 } else { 0.1 }),
        }
        Ok(Self { data, vectors, schema: Schema::from_toml(&schema)?, menu })
    }

    /// One result for each kind of input that there is.
    fn judge(
        &self,
        fold: &Fold,
        asking: &Asking<'_>,
        only_new: bool,
    ) -> Result<Vec<DatasetResult>, QualityError> {
        let kinds = INPUTS.iter().filter(|inputs| {
            (!inputs.has_tags || !self.data.tags.is_empty()) && (!inputs.has_model || self.vectors.is_some())
        });
        let kinds: Vec<&Inputs> = kinds.collect();
        let menu = if only_new { self.menu.clone().with_filter() } else { self.menu.clone() };
        let began = cpu_seconds();
        let progress = Progress::unknown("Fitting to a part");
        let (hidden, papers) = hide_papers(&fold.train);
        let engine = self.engine(&hidden, only_new.then_some(&papers), &menu)?;
        progress.finish();
        let compared_users = judged(&hidden.test, COMPARED_USERS);
        let sample = &compared_users[..compared_users.len().min(SCALED_USERS)];
        let (engine, scales) = calibrated(&engine, &self.schema, &menu, asking, sample)?;
        let mut chosen = Vec::new();
        for inputs in &kinds {
            let mixes: Vec<&Mix> = inputs.mixes.iter().collect();
            if let (Some(mix), compared) = best_of(&mixes, &engine, asking, &compared_users)? {
                chosen.push((inputs, mix, compared));
            }
        }
        drop(engine);
        let progress = Progress::unknown("Fitting");
        let ranked: BTreeSet<u32> = fold.test.values().flatten().copied().collect();
        let engine = self.engine(fold, only_new.then_some(&ranked), &menu)?;
        progress.finish();
        let everyone = judged(&fold.test, usize::MAX);
        let fit_cpu_s = cpu_seconds() - began;
        let mut results = Vec::new();
        for (inputs, mix, compared) in chosen {
            let recipe = mix.of(&scaled(&menu, &scales));
            let engine = engine.with_matchers(vec![recipe.matcher(&self.schema)?])?;
            let judgment = judge(&engine, asking, &everyone)?;
            let shares: BTreeMap<&str, f64> = mix.shares.iter().copied().collect();
            let result = DatasetResult::fitted(inputs.name, fit_cpu_s).judged(&judgment, asking.k);
            let result = result
                .parameter("mix", serde_json::json!(shares))
                .parameter("scales", serde_json::json!(scales))
                .parameter("validation recall and ndcg", serde_json::json!(compared));
            results.push(result);
        }
        Ok(results)
    }

    /// All that is known of all papers, and who keeps which; only `ranked` papers are ranked, where they are given.
    fn engine(
        &self,
        fold: &Fold,
        ranked: Option<&BTreeSet<u32>>,
        menu: &Recipe,
    ) -> Result<Engine, QualityError> {
        let users: BTreeSet<u32> = fold.train.keys().chain(fold.test.keys()).copied().collect();
        let papers = || (0_u32..).zip(&self.data.titles);
        let is_ranked = |paper: &u32| ranked.is_some_and(|ranked| ranked.contains(paper));
        let nodes = papers().map(|(paper, _)| {
            put_node("Paper", paper, is_ranked(&paper).then_some(("ranked", Value::Number(1.0))))
        });
        let terms = |space: &str, paper: u32, terms| Change::PutTerms {
            space: space.to_string(),
            key: key(paper),
            terms,
            audience: Audience::Everyone,
        };
        let titles = papers().map(|(paper, title)| terms("titles", paper, stems_of(title)));
        let tags = (0_u32..).zip(&self.data.tags).map(|(paper, of)| terms("tags", paper, tags_of(of)));
        let citations = (0_u32..).zip(&self.data.citations);
        let citations = citations
            .flat_map(|(paper, cited)| cited.iter().map(move |other| put_edge("CITES", paper, *other, 1.0)));
        let vectors = (0_u32..).zip(self.vectors.iter().flatten()).map(|(paper, vector)| Change::PutVector {
            space: "meaning".to_string(),
            key: key(paper),
            vector: vector.clone(),
            audience: Audience::Everyone,
        });
        let keeps = fold.train.iter();
        let keeps = keeps.flat_map(|(user, of)| of.iter().map(|paper| put_edge("KEEPS", *user, *paper, 1.0)));
        let changes = users
            .iter()
            .map(|user| put_node("User", *user, None))
            .chain(nodes)
            .chain(titles)
            .chain(tags)
            .chain(citations)
            .chain(vectors)
            .chain(keeps);
        let matcher = menu.matcher(&self.schema)?;
        Ok(Engine::builder(self.schema.clone()).matcher(matcher).apply(changes)?.build()?)
    }
}
