//! The command `recommend`: matches of many sources into a file, the same as they would get one by one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use affinity_core::{Answer, Engine, Key, Query, QueryError, Scratch, Unobserved};
use rayon::prelude::*;

use crate::config::Config;
use crate::hosting::engine_once;
use crate::matchers::{MatcherName, find_platform};
use crate::matching::{node_viewer, this_second};
use crate::observability::Progress;

/// Sources whose answers are held at once.
const CHUNK: usize = 512;

/// Whose matches to write, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecommendOptions {
    /// By which matcher.
    pub matcher: MatcherName,
    /// For whom; empty for everyone whom every member may read.
    pub sources: Vec<String>,
    /// Matches per source; the matcher's own number when missing.
    pub limit: Option<usize>,
    /// A CSV file; standard output when missing.
    pub out: Option<PathBuf>,
}

/// Writes the matches that `options` ask for, one row each, sources in the order asked for or of their keys.
///
/// # Errors
/// When a name is unknown, the database fails or the file cannot be written.
pub async fn recommend_all(config: &Config, options: RecommendOptions) -> anyhow::Result<()> {
    let platform = find_platform(config, &options.matcher)?;
    let engine = engine_once(config, &platform).await?;
    tokio::task::spawn_blocking(move || write_all(&engine, &options)).await?
}

fn write_all(engine: &Engine, options: &RecommendOptions) -> anyhow::Result<()> {
    let name = &options.matcher.matcher;
    let matcher = engine.matchers().get(name).ok_or_else(|| QueryError::UnknownName {
        what: "matcher",
        got: name.clone(),
        allowed: engine.matchers().keys().cloned().collect(),
    })?;
    let sources: Vec<Key> = match options.sources.as_slice() {
        [] => engine.first_by_key(matcher.from_kind(), usize::MAX).into_iter().map(|node| node.id).collect(),
        named => named.iter().map(|id| Key::from(id.as_str())).collect(),
    };
    let as_of = this_second();
    let mut out: Box<dyn Write> = match &options.out {
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
        None => Box::new(BufWriter::new(io::stdout().lock())),
    };
    let signals: Vec<String> = matcher.signals().into_iter().map(|signal| signal.name).collect();
    writeln!(out, "source,rank,target,name,score,probability,sentence,answer_id,{}", quoted(&signals))?;
    let progress = Progress::steps("Recommending", sources.len() as u64);
    let mut row_count = 0;
    for chunk in sources.chunks(CHUNK) {
        let answer = |scratch: &mut Scratch, source: &Key| {
            let mut query = Query::new(name.as_str(), source.clone()).viewer(node_viewer(
                engine,
                matcher.from_kind(),
                source,
            ));
            (query.as_of, query.limit) = (as_of, options.limit);
            let answer = engine.recommend_with(&query, scratch, &mut Unobserved);
            progress.advance(1);
            answer
        };
        let answers: Result<Vec<Answer>, QueryError> =
            chunk.par_iter().map_init(Scratch::default, answer).collect();
        for answer in answers? {
            row_count += answer.matches.len();
            write_answer(&mut out, &answer, &signals)?;
        }
    }
    out.flush()?;
    progress.finish(&format!("Wrote {row_count} matches of {} sources", sources.len()));
    Ok(())
}

fn write_answer(out: &mut dyn Write, answer: &Answer, signals: &[String]) -> io::Result<()> {
    for found in &answer.matches {
        let contribution = |signal: &String| {
            let parts = found.contributions.iter().filter(|part| part.signal == *signal);
            parts.map(|part| part.contribution).sum::<f64>().to_string()
        };
        let texts = [
            answer.header.source.id.to_string(),
            found.rank.map_or_else(String::new, |rank| rank.to_string()),
            found.id.to_string(),
            found.name.to_string(),
            found.score.to_string(),
            found.probability.map_or_else(String::new, |probability| probability.to_string()),
            found.sentence.clone(),
            answer.id.clone(),
        ];
        let contributions: Vec<String> = signals.iter().map(contribution).collect();
        writeln!(out, "{},{}", quoted(&texts), quoted(&contributions))?;
    }
    Ok(())
}

/// Fields as RFC 4180 writes them.
fn quoted(fields: &[String]) -> String {
    let field = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    fields.iter().map(field).collect::<Vec<_>>().join(",")
}
