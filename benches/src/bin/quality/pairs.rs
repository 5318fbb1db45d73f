//! `pairs`: who writes together next, in the format of dblp-coauthor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use affinity_core::{Audience, Change, Engine, Matcher, Schema, Value};

use crate::changes::{key, put_edge, put_node};
use crate::cost::cpu_seconds;
use crate::dataset_name;
use crate::error::QualityError;
use crate::protocol::{Asking, Judged, judge};
use crate::read::PairData;
use crate::result::DatasetResult;

const MATCHER: &str = "collaborators";
/// Rankings are judged by so many of their best.
const K: usize = 20;
/// As in the schema.
const DIMENSION: usize = 256;

/// Builds an engine on the training papers, recommends for everyone who has somebody to find, and judges.
///
/// # Errors
/// [`QualityError`] when the folder cannot be read.
pub(crate) fn run(folder: &Path) -> Result<DatasetResult, QualityError> {
    let data = PairData::read(folder)?;
    let began = cpu_seconds();
    let schema = Schema::from_toml(include_str!("matchers/pairs_schema.toml"))?;
    let matcher = Matcher::from_toml(include_str!("matchers/pairs.toml"), "pairs.toml", &schema)?;
    let engine = Engine::builder(schema).matcher(matcher).apply(changes(&data))?.build()?;
    let fit_cpu_s = cpu_seconds() - began;
    let judged: Vec<Judged> = data
        .wanted
        .iter()
        .map(|(author, others)| Judged {
            source: key(*author),
            wanted: others.iter().map(|id| key(*id)).collect(),
        })
        .collect();
    let asking = Asking { matcher: MATCHER, k: K, weights: BTreeMap::new() };
    let judgment = judge(&engine, &asking, &judged)?;
    Ok(DatasetResult::fitted(dataset_name(folder), fit_cpu_s).judged(&judgment, K))
}

/// Everything that the engine is to know.
fn changes(data: &PairData) -> Vec<Change> {
    let mut changes = Vec::new();
    let papers: BTreeSet<u32> = data.papers.values().flatten().copied().collect();
    let conferences: BTreeSet<u32> = data.conferences.values().flatten().copied().collect();
    let terms: BTreeSet<u32> = data.terms.values().flatten().copied().collect();
    for (kind, ids) in [("Paper", &papers), ("Conference", &conferences), ("Term", &terms)] {
        changes.extend(ids.iter().map(|id| put_node(kind, *id, None)));
    }
    let idf = idf(&data.terms);
    let mut writers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (author, papers) in &data.papers {
        let of_author = |about: &BTreeMap<u32, BTreeSet<u32>>| {
            let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
            for id in papers.iter().filter_map(|paper| about.get(paper)).flatten() {
                *counts.entry(*id).or_default() += 1.0;
            }
            counts
        };
        let is_ranked = Value::Number(if data.candidates.contains(author) { 1.0 } else { 0.0 });
        let paper_count = Value::Number(crate::protocol::count(papers.len()));
        changes.push(put_node("Author", *author, [("papers", paper_count), ("ranked", is_ranked)]));
        for paper in papers {
            changes.push(put_edge("WROTE", *author, *paper, 1.0));
            writers.entry(*paper).or_default().push(*author);
        }
        let (conferences, terms) = (of_author(&data.conferences), of_author(&data.terms));
        changes.extend(conferences.iter().map(|(id, count)| put_edge("PUBLISHES_AT", *author, *id, *count)));
        changes
            .extend(terms.iter().map(|(id, count)| put_edge("WRITES_ABOUT", *author, *id, 1.0 + count.ln())));
        let vector = text_vector(&terms, &idf);
        if vector.iter().any(|component| *component != 0.0) {
            let (space, key, audience) = ("topics".to_string(), key(*author), Audience::Everyone);
            changes.push(Change::PutVector { space, key, vector, audience });
        }
    }
    let mut together: BTreeMap<(u32, u32), f32> = BTreeMap::new();
    for people in writers.values() {
        for (place, a) in people.iter().enumerate() {
            people[place + 1..].iter().for_each(|b| *together.entry((*a, *b)).or_default() += 1.0);
        }
    }
    changes.extend(together.iter().map(|((a, b), count)| put_edge("WROTE_WITH", *a, *b, count.sqrt())));
    changes
}

/// `ln(papers / papers with the term)`.
fn idf(terms: &BTreeMap<u32, BTreeSet<u32>>) -> BTreeMap<u32, f32> {
    let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
    for term in terms.values().flatten() {
        *counts.entry(*term).or_default() += 1.0;
    }
    let paper_count: f32 = terms.values().map(|_| 1.0).sum();
    counts.into_iter().map(|(term, count)| (term, (paper_count / count).ln())).collect()
}

/// Tf-idf of an author's terms under a signed random projection: each term adds or subtracts in every component.
fn text_vector(terms: &BTreeMap<u32, f32>, idf: &BTreeMap<u32, f32>) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    for (term, count) in terms {
        let weight = (1.0 + count.ln()) * idf.get(term).copied().unwrap_or(0.0);
        for (block, components) in (0_u64..).zip(vector.chunks_mut(64)) {
            let signs = crate::seeded::mix(u64::from(*term) * 4 + block);
            for (bit, component) in components.iter_mut().enumerate() {
                *component += if signs >> bit & 1 == 1 { weight } else { -weight };
            }
        }
    }
    vector
}
