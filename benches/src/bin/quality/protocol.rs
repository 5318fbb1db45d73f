//! One ranking per source, by `Engine::recommend` as anybody would call it, judged against what was held out.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use affinity_core::evaluation::{BootstrapParams, Interval, mean_interval, ndcg_at, recall_at};
use affinity_core::{Engine, Key, Query, QueryError, Scratch, Timestamp, Unobserved};
use rayon::prelude::*;

use crate::changes::key;
use crate::progress::Progress;
use crate::read::Lists;
use crate::seeded::mix;

/// Queries timed one after the other, on one thread.
const TIMED_QUERIES: usize = 1_000;

/// A source and what it was found to want.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) source: Key,
    pub(crate) wanted: HashSet<Key>,
}

/// Users with something to find, at most `count_max` by a draw.
pub(crate) fn judged(wanted: &Lists, count_max: usize) -> Vec<Judged> {
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

/// Which rankings are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) matcher: &'a str,
    /// How many of each ranking count.
    pub(crate) k: usize,
    /// Instead of the matcher's.
    pub(crate) weights: BTreeMap<String, f64>,
}

impl Asking<'_> {
    pub(crate) fn query(&self, source: &Key) -> Query {
        // Nothing here has a time; a fixed one makes runs equal.
        let mut query = Query::new(self.matcher, source.clone()).limit(self.k);
        query.as_of = Timestamp::default();
        query.weights.clone_from(&self.weights);
        query
    }
}

/// How good the rankings were, and what they cost.
#[derive(Clone, Debug)]
pub(crate) struct Judgment {
    pub(crate) recall: Interval,
    pub(crate) ndcg: Interval,
    /// Best first, in the order of the sources.
    pub(crate) rankings: Vec<Vec<Key>>,
    pub(crate) queries_per_second: f64,
    pub(crate) latency: Latency,
}

/// How long one recommendation takes on one thread, explanations included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Ranks for every source, best first.
///
/// # Errors
/// [`QueryError`] when the matcher or a source is unknown.
pub(crate) fn rank(
    engine: &Engine,
    asking: &Asking<'_>,
    judged: &[Judged],
    progress: &Progress,
) -> Result<Vec<Vec<Key>>, QueryError> {
    let rank = |scratch: &mut Scratch, judged: &Judged| {
        let answer = engine.recommend_with(&asking.query(&judged.source), scratch, &mut Unobserved)?;
        progress.advance();
        Ok(answer.matches.into_iter().map(|found| found.id).collect())
    };
    judged.par_iter().map_init(Scratch::default, rank).collect()
}

/// A quality of each ranking, of those that want anything.
pub(crate) fn each(
    quality: fn(usize, &[Key], &HashSet<Key>) -> Option<f64>,
    k: usize,
    rankings: &[Vec<Key>],
    judged: &[Judged],
) -> Vec<f64> {
    rankings.iter().zip(judged).filter_map(|(ranked, judged)| quality(k, ranked, &judged.wanted)).collect()
}

/// Ranks for every source that wants anything, and judges.
///
/// # Errors
/// [`QueryError`] when the matcher or a source is unknown.
pub(crate) fn judge(engine: &Engine, asking: &Asking<'_>, judged: &[Judged]) -> Result<Judgment, QueryError> {
    let progress = Progress::steps("Recommending", judged.len());
    let began = Instant::now();
    let rankings = rank(engine, asking, judged, &progress)?;
    let spent = began.elapsed();
    progress.finish();
    let params = BootstrapParams::STANDARD;
    Ok(Judgment {
        recall: mean_interval(&each(recall_at, asking.k, &rankings, judged), &params),
        ndcg: mean_interval(&each(ndcg_at, asking.k, &rankings, judged), &params),
        queries_per_second: count(judged.len()) / spent.as_secs_f64().max(f64::MIN_POSITIVE),
        latency: time(engine, asking, judged)?,
        rankings,
    })
}

/// Times sources spread evenly over all, each once after a warm-up of the memory that queries reuse.
///
/// # Errors
/// [`QueryError`] when the matcher or a source is unknown.
pub(crate) fn time(engine: &Engine, asking: &Asking<'_>, judged: &[Judged]) -> Result<Latency, QueryError> {
    let step = judged.len().div_ceil(TIMED_QUERIES).max(1);
    let mut scratch = Scratch::default();
    let mut spent: Vec<Duration> = Vec::with_capacity(TIMED_QUERIES);
    for judged in judged.iter().take(1).chain(judged.iter().step_by(step)) {
        let query = asking.query(&judged.source);
        let began = Instant::now();
        engine.recommend_with(&query, &mut scratch, &mut Unobserved)?;
        spent.push(began.elapsed());
    }
    let warm = spent.get_mut(1..).unwrap_or_default();
    warm.sort_unstable();
    let at = |percent: usize| {
        let place = (warm.len() * percent / 100).min(warm.len().saturating_sub(1));
        warm.get(place).map_or(f64::NAN, |spent| spent.as_secs_f64() * 1e6)
    };
    Ok(Latency { p50_us: at(50), p99_us: at(99) })
}

#[expect(clippy::cast_precision_loss, reason = "numbers of queries stay far below 2^53")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
