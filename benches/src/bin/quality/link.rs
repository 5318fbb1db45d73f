//! `link`: is there a link between two nodes, in GATNE's format.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use affinity_core::evaluation::{BootstrapParams, Interval, Separation};
use affinity_core::{Change, EdgeKey, EdgeRecord, Engine, Key, NodeRecord, QueryError, Schema};
use rayon::prelude::*;

use crate::cost::cpu_seconds;
use crate::dataset_name;
use crate::error::QualityError;
use crate::progress::Progress;
use crate::protocol::{Asking, Judged, count, rank, time};
use crate::read::{LabeledLink, LinkData, ReadError};
use crate::recipe::Recipe;
use crate::result::DatasetResult;

const MATCHER: &str = "links";
/// Matches of a ranking, for what it costs.
const K: usize = 20;

/// Builds one graph per edge type, scores the test pairs of that type and judges: areas and F1, mean over the types.
///
/// # Errors
/// [`QualityError`] when the folder cannot be read.
pub(crate) fn run(folder: &Path) -> Result<DatasetResult, QualityError> {
    let data = LinkData::read(folder)?;
    let began = cpu_seconds();
    let schema = Schema::from_toml(include_str!("matchers/link_schema.toml"))?;
    let recipe = Recipe::new("link.toml", include_str!("matchers/link.toml"))?;
    let types: BTreeSet<&str> = data.test.iter().map(|labeled| labeled.link.edge_type.as_str()).collect();
    let mut engines: BTreeMap<&str, Engine> = BTreeMap::new();
    for edge_type in &types {
        let changes = changes(&data, edge_type);
        let builder = Engine::builder(schema.clone()).matcher(recipe.matcher(&schema)?);
        engines.insert(edge_type, builder.apply(changes)?.build()?);
    }
    let fit_cpu_s = cpu_seconds() - began;
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let mut separations = Vec::new();
    let (mut ranked, mut spent, mut latency) = (0, 0.0, None);
    for (edge_type, engine) in &engines {
        let of_type: Vec<&LabeledLink> =
            data.test.iter().filter(|labeled| labeled.link.edge_type == *edge_type).collect();
        let scored = score(engine, &asking, &of_type)?;
        separations.push(Separation::with_intervals(&scored, &BootstrapParams::STANDARD));
        let known = known(&data, edge_type);
        let sources: BTreeSet<&str> = of_type.iter().map(|labeled| labeled.link.ends.0.as_str()).collect();
        let judged: Vec<Judged> = sources
            .into_iter()
            .filter(|source| known.contains(source))
            .take(2_000)
            .map(|source| Judged { source: source.into(), wanted: HashSet::new() })
            .collect();
        let (progress, start) = (Progress::steps("Recommending", judged.len()), std::time::Instant::now());
        rank(engine, &asking, &judged, &progress)?;
        progress.finish();
        ranked += judged.len();
        spent += start.elapsed().as_secs_f64();
        latency.get_or_insert(time(engine, &asking, &judged)?);
    }
    let mut result = DatasetResult::fitted(dataset_name(folder), fit_cpu_s)
        .timed(count(ranked) / f64::max(spent, f64::MIN_POSITIVE), latency)
        .parameter("edge types", serde_json::json!(types));
    result.add("roc_auc", mean(separations.iter().map(|separation| separation.roc_auc)));
    result.add("pr_auc", mean(separations.iter().map(|separation| separation.pr_auc)));
    result.add("f1", mean(separations.iter().map(|separation| separation.f1)));
    if result.metrics.is_empty() {
        return Err(ReadError::Empty { path: folder.join("test.txt"), what: "links to judge" }.into());
    }
    Ok(result)
}

/// Of the types where there is anything to tell apart. The interval is that of independent means.
fn mean(intervals: impl Iterator<Item = Interval>) -> Interval {
    let known: Vec<Interval> = intervals.filter(|interval| interval.estimate.is_finite()).collect();
    let number = count(known.len());
    let estimate = known.iter().map(|interval| interval.estimate).sum::<f64>() / number;
    let half = |side: fn(&Interval) -> f64| {
        known.iter().map(|interval| (side(interval) - interval.estimate).powi(2)).sum::<f64>().sqrt() / number
    };
    Interval {
        estimate,
        low: estimate - half(|interval| interval.low),
        high: estimate + half(|interval| interval.high),
    }
}

/// The nodes that links of a type are known of.
fn known<'a>(data: &'a LinkData, edge_type: &str) -> BTreeSet<&'a str> {
    let links = data.train.iter().filter(|link| link.edge_type == *edge_type);
    links.flat_map(|link| [link.ends.0.as_str(), link.ends.1.as_str()]).collect()
}

/// The links of one type without direction, each once.
fn changes(data: &LinkData, edge_type: &str) -> Vec<Change> {
    let links = data.train.iter().filter(|link| link.edge_type == *edge_type);
    let pairs: BTreeSet<(&str, &str)> = links
        .map(|link| (link.ends.0.as_str(), link.ends.1.as_str()))
        .filter(|(a, b)| a != b)
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    let node = |name: &str| Change::PutNode {
        kind: "Node".to_string(),
        key: name.into(),
        record: NodeRecord::default(),
    };
    let edge = |(a, b): &(&str, &str)| Change::PutEdge {
        edge: EdgeKey {
            relation: "LINKED".to_string(),
            source: (*a).into(),
            target: (*b).into(),
            origin: None,
        },
        record: EdgeRecord::default(),
    };
    known(data, edge_type).into_iter().map(node).chain(pairs.iter().map(edge)).collect()
}

/// The score of each pair, in their order; 0 for a node without links.
fn score(
    engine: &Engine,
    asking: &Asking<'_>,
    labeled: &[&LabeledLink],
) -> Result<Vec<(f64, bool)>, QueryError> {
    let mut by_source: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, labeled) in labeled.iter().enumerate() {
        by_source.entry(labeled.link.ends.0.as_str()).or_default().push(place);
    }
    let by_source: Vec<(&str, Vec<usize>)> = by_source.into_iter().collect();
    let progress = Progress::steps("Scoring", by_source.len());
    let of_source = |(source, places): &(&str, Vec<usize>)| -> Result<Vec<(usize, f64)>, QueryError> {
        progress.advance();
        let targets: Vec<Key> =
            places.iter().map(|place| Key::from(labeled[*place].link.ends.1.as_str())).collect();
        let table = match engine.features(&asking.query(&Key::from(*source)), &targets) {
            Ok(table) => table,
            Err(QueryError::UnknownNode { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let value = |row: &affinity_core::FeatureRow| row.values.first().copied().unwrap_or(f64::NAN);
        let scores: HashMap<&Key, f64> =
            table.rows.iter().map(|row| (&row.id, value(row).max(0.0))).collect();
        let scores =
            places.iter().zip(&targets).filter_map(|(place, target)| Some((*place, *scores.get(target)?)));
        Ok(scores.collect())
    };
    let found: Vec<Vec<(usize, f64)>> = by_source.par_iter().map(of_source).collect::<Result<_, _>>()?;
    progress.finish();
    let mut scored: Vec<(f64, bool)> = labeled.iter().map(|labeled| (0.0, labeled.is_there)).collect();
    for (place, score) in found.into_iter().flatten() {
        scored[place].0 = score;
    }
    Ok(scored)
}
