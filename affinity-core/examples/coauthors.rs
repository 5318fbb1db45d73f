//! Who should write a paper together? The library alone, on a real collaboration graph with texts.
//!
//! `cargo run --release -p affinity-core --example coauthors -- <folder of dblp-coauthor> [name] [--validation]`
//!
//! Builds an engine on the training papers of four fields of computer science, recommends new co-authors for one
//! person with reasons, and measures how often the recommended people did first write together in a held-out paper.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::error::Error;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use affinity_core::evaluation::RankingQuality;
use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, Evidence, Key, Matcher, NodeRecord, Query, QueryError,
    Schema, Scratch, Unobserved, Value,
};

const SCHEMA: &str = r#"
name = "coauthors"
title = "Papers of four fields of computer science"
[kinds.Author]
label = "name"
attributes = { name = "text", papers = "number" }
[kinds.Paper]
label = "name"
attributes = { name = "text" }
[kinds.Conference]
label = "name"
attributes = { name = "text" }
[kinds.Term]
label = "name"
attributes = { name = "text" }
[relations.WROTE]
from = "Author"
to = "Paper"
[relations.WROTE_WITH]
from = "Author"
to = "Author"
weighted = true
symmetric = true
[relations.PUBLISHES_AT]
from = "Author"
to = "Conference"
weighted = true
[relations.WRITES_ABOUT]
from = "Author"
to = "Term"
weighted = true
[spaces.topics]
kind = "Author"
dimension = 256
"#;

/// The weights and calibrations were chosen by hand on `--validation` alone: a fifth of the training papers held
/// out by a hash of their id, everything built from the rest. The test papers were looked at for the report only.
const COLLABORATORS: &str = r#"
name = "collaborators"
description = "People to write a first paper with"
from = "Author"
to = "Author"
limit = 20
candidates = [{ signal = "all", cap = 100000 }]
filters = [{ attribute = "papers", min = 2.0 }]

[[exclusions]]
rule = "already wrote together"
steps = [{ relation = "WROTE" }, { relation = "WROTE", reversed = true }]

[[signals]]
name = "circle"
label = "Co-authors in common"
phrase = "both wrote with {names}"
weight = 0.26
half = 1.0
shared = { relation = "WROTE_WITH", formula = "adamic_adar" }

[[signals]]
name = "chain"
label = "A co-author's co-author"
phrase = "a few papers apart"
weight = 0.26
half = 0.02
[signals.path]
steps = [
    { relation = "WROTE" }, { relation = "WROTE", reversed = true },
    { relation = "WROTE" }, { relation = "WROTE", reversed = true },
]

[[signals]]
name = "walk"
label = "Close in the whole network"
phrase = "close in the whole network of papers"
weight = 0.26
half = 0.001
walk = { relations = ["WROTE"], precision = 1e-5 }

[[signals]]
name = "conferences"
label = "Conferences in common"
phrase = "both publish at {names}"
weight = 0.06
shared = { relation = "PUBLISHES_AT", formula = "cosine" }

[[signals]]
name = "terms"
label = "Terms in common"
phrase = "both write about {names}"
weight = 0.06
half = 2.0
shared = { relation = "WRITES_ABOUT", formula = "resource_allocation" }

[[signals]]
name = "topics"
label = "Similar texts"
phrase = "similar titles ({value})"
weight = 0.07
near = { space = "topics" }

[[signals]]
name = "productive"
label = "Number of papers"
phrase = "an active author"
weight = 0.03
half = 10.0
prior = { attribute = "papers", strength = 1e-9, scale = 1.0 }
"#;

const FILES: &str = "author, paper, conf, term, paper_author, paper_conf, paper_term, test_papers, test_pairs, \
                     candidates (.txt.gz)";
const DIMENSION: usize = 256;
/// Rankings are judged by this many of their best.
const K: usize = 20;

#[derive(Debug)]
enum Problem {
    Usage,
    Unreadable { path: PathBuf, error: std::io::Error },
    BadLine { path: PathBuf, line: usize },
    OtherSplit { what: &'static str, expected: usize, got: usize },
    NoSuchPerson { name: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage => {
                write!(f, "usage: coauthors <folder> [name] [--validation]; the folder holds {FILES}")
            }
            Self::Unreadable { path, error } => {
                write!(f, "cannot read {}: {error}; expected a folder with {FILES}", path.display())
            }
            Self::BadLine { path, line } => {
                write!(f, "{} line {line} is not \"number rest\"", path.display())
            }
            Self::OtherSplit { what, expected, got } => {
                write!(f, "the folder lists {expected} {what}, but its papers give {got}")
            }
            Self::NoSuchPerson { name } => write!(f, "nobody with two or more papers is called \"{name}\""),
        }
    }
}

impl Error for Problem {}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let (is_validation, folder) = match (flags.as_slice(), words.first()) {
        ([], Some(folder)) => (false, Path::new(folder)),
        ([flag], Some(folder)) if flag == "--validation" => (true, Path::new(folder)),
        _ => return Err(Problem::Usage.into()),
    };
    println!("reading {}", folder.display());
    let data = Data::read(folder)?;
    let split = if is_validation { data.validation_split() } else { data.test_split()? };
    println!("building the engine on {} papers", data.papers.len() - split.held_out.len());
    let schema = Schema::from_toml(SCHEMA)?;
    let matcher = Matcher::from_toml(COLLABORATORS, "collaborators.toml", &schema)?;
    let engine = Engine::builder(schema).matcher(matcher).apply(data.changes(&split))?.build()?;
    let counts = engine.counts();
    println!("{} nodes, {} edges, {} vectors\n", counts.nodes, counts.edges, counts.vectors);
    let person = match words.get(1) {
        Some(name) => data.named(name, &split).ok_or_else(|| Problem::NoSuchPerson { name: name.clone() })?,
        None => split.best_connected().unwrap_or_default(),
    };
    introduce(&engine, person, &split)?;
    evaluate(&engine, &data, &split, if is_validation { "validation" } else { "test" })
}

/// The files as they are: ids with names, and pairs of ids that start with a paper.
struct Data {
    authors: Vec<(u32, String)>,
    papers: Vec<(u32, String)>,
    conferences: Vec<(u32, String)>,
    terms: Vec<(u32, String)>,
    paper_authors: Vec<(u32, u32)>,
    paper_conferences: Vec<(u32, u32)>,
    paper_terms: Vec<(u32, u32)>,
    test_papers: HashSet<u32>,
    test_pairs: BTreeSet<(u32, u32)>,
    candidates: BTreeSet<u32>,
}

/// Which papers are held out, and what follows from it.
struct Split {
    held_out: HashSet<u32>,
    /// Papers that the engine sees, by author.
    papers: BTreeMap<u32, Vec<u32>>,
    /// How many of those papers two people wrote together; both ways.
    together: BTreeMap<u32, BTreeMap<u32, u32>>,
    /// Who has two or more of those papers.
    candidates: BTreeSet<u32>,
    /// With whom each candidate first wrote in a held-out paper; both ways.
    wanted: BTreeMap<u32, HashSet<u32>>,
}

impl Data {
    fn read(folder: &Path) -> Result<Self, Problem> {
        let list = |name: &str| read(&folder.join(name), |rest| Some(rest.to_string()));
        let pairs = |name: &str| read(&folder.join(name), |rest| rest.parse().ok());
        let ids = |name: &str| read(&folder.join(name), |_| Some(()));
        let first = |list: Vec<(u32, ())>| list.into_iter().map(|(id, ())| id);
        Ok(Self {
            authors: list("author.txt.gz")?,
            papers: list("paper.txt.gz")?,
            conferences: list("conf.txt.gz")?,
            terms: list("term.txt.gz")?,
            paper_authors: pairs("paper_author.txt.gz")?,
            paper_conferences: pairs("paper_conf.txt.gz")?,
            paper_terms: pairs("paper_term.txt.gz")?,
            test_papers: first(ids("test_papers.txt.gz")?).collect(),
            test_pairs: pairs("test_pairs.txt.gz")?.into_iter().collect(),
            candidates: first(ids("candidates.txt.gz")?).collect(),
        })
    }

    /// The published split, checked: the papers held out must give the candidates and pairs that are listed.
    fn test_split(&self) -> Result<Split, Problem> {
        let split = self.split(self.test_papers.clone());
        let pair_count = split.wanted.values().map(HashSet::len).sum::<usize>() / 2;
        let is_wanted = |(a, b): &(u32, u32)| split.wanted.get(a).is_some_and(|others| others.contains(b));
        if split.candidates != self.candidates {
            let (expected, got) = (self.candidates.len(), split.candidates.len());
            return Err(Problem::OtherSplit { what: "candidates", expected, got });
        }
        if pair_count != self.test_pairs.len() || !self.test_pairs.iter().all(is_wanted) {
            let expected = self.test_pairs.len();
            return Err(Problem::OtherSplit { what: "new pairs", expected, got: pair_count });
        }
        Ok(split)
    }

    /// A fifth of the training papers held out besides the test papers, which nothing is learned from either.
    fn validation_split(&self) -> Split {
        let training =
            self.papers.iter().map(|(paper, _)| *paper).filter(|paper| !self.test_papers.contains(paper));
        let mut split =
            self.split(training.filter(|paper| mix(u64::from(*paper)).is_multiple_of(5)).collect());
        split.held_out.extend(&self.test_papers);
        split
    }

    fn split(&self, held_out: HashSet<u32>) -> Split {
        let mut papers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut writers: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (paper, author) in &self.paper_authors {
            // On the validation split a test paper is neither seen nor asked for.
            let is_seen = !held_out.contains(paper) && !self.test_papers.contains(paper);
            if is_seen {
                papers.entry(*author).or_default().push(*paper);
            }
            if is_seen || held_out.contains(paper) {
                writers.entry(*paper).or_default().insert(*author);
            }
        }
        let candidates: BTreeSet<u32> =
            papers.iter().filter(|(_, papers)| papers.len() >= 2).map(|(author, _)| *author).collect();
        let pairs = |of_held_out: bool| {
            let chosen = writers.iter().filter(|(paper, _)| held_out.contains(*paper) == of_held_out);
            chosen.flat_map(|(_, people)| both_ways(people)).collect::<Vec<_>>()
        };
        let mut together: BTreeMap<u32, BTreeMap<u32, u32>> = BTreeMap::new();
        for (a, b) in pairs(false) {
            *together.entry(a).or_default().entry(b).or_default() += 1;
        }
        let mut wanted: BTreeMap<u32, HashSet<u32>> = BTreeMap::new();
        for (a, b) in pairs(true) {
            let is_new = !together.get(&a).is_some_and(|others| others.contains_key(&b));
            if is_new && candidates.contains(&a) && candidates.contains(&b) {
                wanted.entry(a).or_default().insert(b);
            }
        }
        Split { held_out, papers, together, candidates, wanted }
    }

    /// The candidate of this name; of several the one with most papers.
    fn named(&self, name: &str, split: &Split) -> Option<u32> {
        let people = self
            .authors
            .iter()
            .filter(|(id, known)| known.eq_ignore_ascii_case(name) && split.candidates.contains(id));
        people.map(|(id, _)| *id).max_by_key(|id| (split.papers[id].len(), std::cmp::Reverse(*id)))
    }

    /// Everything that the engine is to know.
    fn changes(&self, split: &Split) -> Vec<Change> {
        let mut changes = Vec::new();
        let kinds = [("Paper", &self.papers), ("Conference", &self.conferences), ("Term", &self.terms)];
        for (kind, list) in kinds {
            let seen = list.iter().filter(|(id, _)| kind != "Paper" || !split.held_out.contains(id));
            changes.extend(seen.map(|(id, name)| put_node(kind, *id, name, None)));
        }
        let conference_of: BTreeMap<u32, u32> = self.paper_conferences.iter().copied().collect();
        let mut terms_of: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (paper, term) in &self.paper_terms {
            terms_of.entry(*paper).or_default().push(*term);
        }
        let idf = idf(&terms_of, &split.held_out);
        for (author, name) in &self.authors {
            let papers = split.papers.get(author).map_or(&[][..], Vec::as_slice);
            changes.push(put_node("Author", *author, name, Some(papers.len())));
            let mut conferences: BTreeMap<u32, f32> = BTreeMap::new();
            let mut terms: BTreeMap<u32, f32> = BTreeMap::new();
            for paper in papers {
                changes.push(put_edge("WROTE", *author, *paper, 1.0));
                conference_of
                    .get(paper)
                    .into_iter()
                    .for_each(|id| *conferences.entry(*id).or_default() += 1.0);
                for term in terms_of.get(paper).into_iter().flatten() {
                    *terms.entry(*term).or_default() += 1.0;
                }
            }
            for (other, count) in
                split.together.get(author).into_iter().flatten().filter(|(other, _)| *other > author)
            {
                changes.push(put_edge("WROTE_WITH", *author, *other, small(*count).sqrt()));
            }
            changes
                .extend(conferences.iter().map(|(id, count)| put_edge("PUBLISHES_AT", *author, *id, *count)));
            changes.extend(
                terms.iter().map(|(id, count)| put_edge("WRITES_ABOUT", *author, *id, 1.0 + count.ln())),
            );
            let vector = text_vector(&terms, &idf);
            if vector.iter().any(|component| *component != 0.0) {
                let (space, key, audience) =
                    ("topics".to_string(), Key::from(author.to_string()), Audience::Everyone);
                changes.push(Change::PutVector { space, key, vector, audience });
            }
        }
        changes
    }
}

impl Split {
    /// Whoever wrote with most people.
    fn best_connected(&self) -> Option<u32> {
        let people = self.candidates.iter().copied();
        people.max_by_key(|id| (self.together.get(id).map_or(0, BTreeMap::len), std::cmp::Reverse(*id)))
    }
}

/// All pairs of different people.
fn both_ways(people: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    people.iter().flat_map(|a| people.iter().filter(move |b| a != *b).map(move |b| (*a, *b))).collect()
}

/// Lines of a gzip file, each a number and, after a space or tab, something for `rest` to read.
fn read<T>(path: &Path, rest: impl Fn(&str) -> Option<T>) -> Result<Vec<(u32, T)>, Problem> {
    let unreadable = |error| Problem::Unreadable { path: path.to_path_buf(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let parse = |(position, line): (usize, &str)| {
        let (id, tail) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let both = id.parse().ok().zip(rest(tail.trim()));
        both.ok_or_else(|| Problem::BadLine { path: path.to_path_buf(), line: position + 1 })
    };
    text.lines().enumerate().map(parse).collect()
}

/// A count of papers, which a single holds exactly.
fn small(count: u32) -> f32 {
    u16::try_from(count).map_or(f32::from(u16::MAX), f32::from)
}

fn put_node(kind: &str, id: u32, name: &str, paper_count: Option<usize>) -> Change {
    let name = ("name".to_string(), Value::Text(name.to_string()));
    let papers = paper_count.and_then(|count| u32::try_from(count).ok());
    let papers = papers.map(|count| ("papers".to_string(), Value::Number(f64::from(count))));
    let record =
        NodeRecord { attributes: papers.into_iter().chain([name]).collect(), ..NodeRecord::default() };
    Change::PutNode { kind: kind.to_string(), key: Key::from(id.to_string()), record }
}

fn put_edge(relation: &str, source: u32, target: u32, weight: f32) -> Change {
    let (source, target) = (Key::from(source.to_string()), Key::from(target.to_string()));
    let edge = EdgeKey { relation: relation.to_string(), source, target, origin: None };
    Change::PutEdge { edge, record: EdgeRecord { weight, ..EdgeRecord::default() } }
}

/// `ln(papers / papers with the term)` over the papers that the engine sees.
fn idf(terms_of: &BTreeMap<u32, Vec<u32>>, held_out: &HashSet<u32>) -> BTreeMap<u32, f32> {
    let seen = || terms_of.iter().filter(|(paper, _)| !held_out.contains(paper));
    let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
    for term in seen().flat_map(|(_, terms)| terms) {
        *counts.entry(*term).or_default() += 1.0;
    }
    let paper_count: f32 = seen().map(|_| 1.0).sum();
    counts.into_iter().map(|(term, count)| (term, (paper_count / count).ln())).collect()
}

/// Tf-idf of an author's terms under a signed random projection: each term adds or subtracts in every component.
fn text_vector(terms: &BTreeMap<u32, f32>, idf: &BTreeMap<u32, f32>) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSION];
    for (term, count) in terms {
        let weight = (1.0 + count.ln()) * idf.get(term).copied().unwrap_or(0.0);
        for (block, components) in (0_u64..).zip(vector.chunks_mut(64)) {
            let signs = mix(u64::from(*term) * 4 + block);
            for (bit, component) in components.iter_mut().enumerate() {
                *component += if signs >> bit & 1 == 1 { weight } else { -weight };
            }
        }
    }
    vector
}

/// `SplitMix64`: scatters its argument over all 64 bits.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Prints five people to meet, and why.
fn introduce(engine: &Engine, person: u32, split: &Split) -> Result<(), Box<dyn Error>> {
    let mut query = Query::new("collaborators", person.to_string()).limit(5);
    query.evidence_max = 3;
    let answer = engine.recommend(&query)?;
    let with = split.together.get(&person).map_or(0, BTreeMap::len);
    println!("New collaborators for {} ({with} co-authors so far)", answer.header.source.name);
    for found in &answer.matches {
        let id: u32 = found.id.to_string().parse()?;
        let hit = split.wanted.get(&person).is_some_and(|wanted| wanted.contains(&id));
        let remark = if hit { "  [did so in a held-out paper]" } else { "" };
        println!("{:.4}  {}{remark}", found.score, found.sentence);
        for part in found.contributions.iter().filter(|part| part.contribution > 0.0) {
            println!("    {:.4}  {} {:.3} x {:.3}", part.contribution, part.label, part.value, part.weight);
            if let Some(Evidence::Path { path, .. }) = part.evidence.first() {
                let names: Vec<&str> = path.iter().map(|node| node.name.as_str()).collect();
                println!("            {}", names.join(" > "));
            }
        }
    }
    println!();
    Ok(())
}

/// Prints the quality over everyone who has someone to find: of the matcher, and of each of its signals alone.
fn evaluate(engine: &Engine, data: &Data, split: &Split, of: &str) -> Result<(), Box<dyn Error>> {
    let pair_count = split.wanted.values().map(HashSet::len).sum::<usize>() / 2;
    println!(
        "All-ranking on the {of} papers. The folder's README gives statistics and no published ranking numbers,"
    );
    println!("so the matcher is compared with baselines of this same run.");
    println!(
        "  here:   {} authors, {} papers, {} conferences, {} terms; {pair_count} new pairs, {} candidates, {} askers",
        data.authors.len(),
        data.papers.len(),
        data.conferences.len(),
        data.terms.len(),
        split.candidates.len(),
        split.wanted.len()
    );
    println!(
        "  README: 14475 authors, 14376 papers, 20 conferences, 8920 terms; 1355 new pairs, 5306 candidates (test)\n"
    );
    println!("{:<28} {:>9} {:>9}", "", "Recall@20", "NDCG@20");
    let signals: Vec<String> =
        engine.matchers()["collaborators"].signals().into_iter().map(|signal| signal.name).collect();
    let print = |label: &str, quality: RankingQuality| {
        println!("{label:<28} {:>9.4} {:>9.4}", quality.recall(), quality.ndcg())
    };
    print("matcher, all signals", measure(engine, split, &BTreeMap::new())?);
    for signal in &signals {
        let weights =
            signals.iter().map(|name| (name.clone(), if name == signal { 1.0 } else { 0.0 })).collect();
        let label = if signal == "productive" { "popularity".to_string() } else { format!("{signal} alone") };
        print(&label, measure(engine, split, &weights)?);
    }
    Ok(())
}

/// Mean quality over all askers, with these weights in place of the matcher's.
fn measure(
    engine: &Engine,
    split: &Split,
    weights: &BTreeMap<String, f64>,
) -> Result<RankingQuality, QueryError> {
    let rank = |authors: &[u32]| -> Result<Vec<Vec<Key>>, QueryError> {
        let mut scratch = Scratch::default();
        let mut ask = |author: &u32| {
            let mut query = Query::new("collaborators", author.to_string()).limit(K);
            query.weights.clone_from(weights);
            query.evidence_max = 0;
            let answer = engine.recommend_with(&query, &mut scratch, &mut Unobserved)?;
            Ok(answer.matches.into_iter().map(|found| found.id).collect())
        };
        authors.iter().map(&mut ask).collect()
    };
    // An engine never changes: threads share it without a lock, and the answers do not depend on their number.
    let askers: Vec<u32> = split.wanted.keys().copied().collect();
    let thread_count = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = askers.chunks(askers.len().div_ceil(thread_count).max(1));
    let ranked: Vec<Vec<Vec<Key>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts.map(|part| scope.spawn(|| rank(part))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Result<_, _>>()
    })?;
    let mut quality = RankingQuality::at(K);
    for (ranked, wanted) in ranked.iter().flatten().zip(split.wanted.values()) {
        quality.add(ranked, &wanted.iter().map(|id| Key::from(id.to_string())).collect::<HashSet<Key>>());
    }
    Ok(quality)
}
