//! Many sources at once: each asks as it would alone, then the best pairs under everyone's capacity.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use serde::Serialize;

use super::error::QueryError;
use super::observer::Unobserved;
use super::query::Query;
use super::version::Engine;
use crate::exact::{score_of, score_units};
use crate::graph::{Condition, Key, NodeId, Timestamp, Viewer};
use crate::matcher::Matcher;
use crate::ranking::assignment::{AssignmentError, Objective, Pair, Party, Problem, Side, Watch};
use crate::scoring::{Cut, Match};
use crate::signals::{NodeRef, Scratch};

/// Candidates of each source when the request does not say.
const CANDIDATES_DEFAULT: usize = 50;
/// Candidates of each source at most.
const CANDIDATES_MAX: usize = 1_000;
/// Full targets that a reason names.
const FULL_TARGETS_MAX: usize = 5;

/// Whom to match with whom, and how many each can take.
///
/// ```
/// use affinity_core::Assign;
/// let assign = Assign { target_capacity: 3, ..Assign::new("mentors", ["mem_001", "mem_002"]) };
/// assert_eq!((assign.sources.len(), assign.candidates), (2, 50));
/// ```
#[derive(Clone, Debug)]
pub struct Assign {
    /// The matcher's name.
    pub matcher: String,
    /// Who is to be matched, each once.
    pub sources: Vec<Key>,
    /// The only nodes to match them with; `None` is whomever the matcher finds.
    pub targets: Option<Vec<Key>>,
    /// The most matches of a source; 1 by default.
    pub source_capacity: u32,
    /// The most matches of a target; 1 by default.
    pub target_capacity: u32,
    /// Sources that can take more or fewer.
    pub source_capacities: BTreeMap<Key, u32>,
    /// Targets that can take more or fewer.
    pub target_capacities: BTreeMap<Key, u32>,
    /// Source and target of pairs that must be in.
    pub locked: Vec<(Key, Key)>,
    /// Source and target of pairs that must not.
    pub forbidden: Vec<(Key, Key)>,
    /// Source and target of pairs to keep where the objective does not suffer.
    pub previous: Vec<(Key, Key)>,
    /// What makes an assignment good.
    pub objective: Objective,
    /// Best candidates of each source that can become matches; 50 by default, at most 1,000.
    pub candidates: usize,
    /// Filters besides the matcher's.
    pub filters: Vec<Condition>,
    /// Weights by signal that replace the matcher's.
    pub weights: BTreeMap<String, f64>,
    /// Who is looking; `None` lets each source ask as itself, with the principals that it has in the graph.
    pub viewer: Option<Viewer>,
    /// The time that the answer is about.
    pub as_of: Timestamp,
    /// Pieces of evidence per contribution.
    pub evidence_max: usize,
    /// Set to true to end the request.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl Assign {
    /// The largest total, one match for everyone, each source asking as itself.
    pub fn new<K: Into<Key>>(matcher: impl Into<String>, sources: impl IntoIterator<Item = K>) -> Self {
        let like = Query::new(matcher, "");
        Self {
            matcher: like.matcher,
            sources: sources.into_iter().map(Into::into).collect(),
            targets: None,
            source_capacity: 1,
            target_capacity: 1,
            source_capacities: BTreeMap::new(),
            target_capacities: BTreeMap::new(),
            locked: Vec::new(),
            forbidden: Vec::new(),
            previous: Vec::new(),
            objective: Objective::Total,
            candidates: CANDIDATES_DEFAULT,
            filters: Vec::new(),
            weights: BTreeMap::new(),
            viewer: None,
            as_of: like.as_of,
            evidence_max: like.evidence_max,
            cancel: None,
        }
    }
}

/// Why there is no assignment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AssignError {
    /// What a source asks has no answer.
    Query(QueryError),
    /// Capacities, locks or sizes do not fit.
    Problem(AssignmentError),
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => error.fmt(f),
            Self::Problem(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AssignError {}

impl From<QueryError> for AssignError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<AssignmentError> for AssignError {
    fn from(error: AssignmentError) -> Self {
        match error {
            AssignmentError::Cancelled => Self::Query(QueryError::Cancelled),
            error => Self::Problem(error),
        }
    }
}

/// Who is matched with whom, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Assignment {
    /// The schema's name.
    pub platform: String,
    /// The matcher's name.
    pub matcher: String,
    /// Names the matcher's text.
    pub matcher_version: String,
    /// Names the data.
    pub engine_version: String,
    /// Names the fitted statistics.
    pub models_version: String,
    /// The time that the answer is about, RFC 3339 in UTC.
    pub as_of: Timestamp,
    /// What was asked for.
    pub objective: Objective,
    /// By key of the source, then of the target.
    pub pairs: Vec<AssignedPair>,
    /// Sources without a match, then targets that the request names, each by key.
    pub unmatched: Vec<Unmatched>,
    /// Sum of the scores of the pairs, exactly.
    pub total: f64,
    /// No assignment of these candidates that matches as many has a larger total; absent for stable ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// The bound minus the total: 0 proves the assignment best. Absent for stable ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<f64>,
    /// Sources that have a match.
    pub sources_matched: usize,
    /// Targets that have a match.
    pub targets_matched: usize,
    /// Pairs that were matched before.
    pub kept: usize,
    /// Whether a cap left out candidates.
    pub truncated: bool,
    /// Which caps did, and for how many sources.
    pub cuts: Vec<AssignCut>,
    /// What could not be used.
    pub degraded: Vec<String>,
}

/// Two who are matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AssignedPair {
    /// Whom the match is for.
    pub source: NodeRef,
    /// The match as the source's own list has it, with its place there.
    #[serde(rename = "match")]
    pub found: Match,
    /// Whether the request asked for it.
    pub locked: bool,
    /// Whether they were matched before.
    pub kept: bool,
}

/// One who has no match.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unmatched {
    /// The side.
    pub side: Side,
    /// Who.
    pub id: Key,
    /// Why.
    #[serde(flatten)]
    pub reason: UnmatchedReason,
}

/// Why one has no match.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum UnmatchedReason {
    /// Nobody that filters, exclusions and audience allow has a score; for a target, no source lists it.
    NoCandidate,
    /// Everyone who could be matched is forbidden.
    Forbidden,
    /// Everyone who could be matched has as many matches as they can take, in pairs that serve the objective better.
    Taken {
        /// The best of them.
        by: Vec<FullTarget>,
        /// Others that are not listed.
        left_out: usize,
    },
}

/// One who can take no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FullTarget {
    /// Who.
    pub id: Key,
    /// The most matches.
    pub capacity: u32,
}

/// A cap that left out candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssignCut {
    /// A candidate source of the matcher, or `candidates`, the request's own cap.
    pub source: String,
    /// The cap.
    pub cap: usize,
    /// For how many sources.
    pub sources: usize,
}

/// What one source found.
struct Found {
    /// Best first.
    candidates: Vec<(NodeId, f64)>,
    cuts: Vec<Cut>,
    /// Whether somebody would be there but for what is forbidden.
    is_forbidden: bool,
}

/// A request with its names looked up.
struct Asking<'a> {
    engine: &'a Engine,
    assign: &'a Assign,
    matcher: &'a Matcher,
    /// By key.
    sources: Vec<&'a Key>,
    within: Option<HashSet<NodeId>>,
    locked: HashMap<&'a Key, BTreeSet<&'a Key>>,
    forbidden: HashMap<&'a Key, BTreeSet<&'a Key>>,
    previous: BTreeSet<(&'a Key, &'a Key)>,
}

impl Engine {
    /// Matches many sources at once under capacities; every pair with its reasons.
    ///
    /// Each source ranks candidates as [`Engine::recommend`] does for it alone, before diversity; its best
    /// [`Assign::candidates`] and its locked pairs can become matches.
    ///
    /// # Errors
    /// [`AssignError`] when a name is unknown, a lock cannot be kept, something does not fit, or the caller cancelled.
    pub fn assign(&self, assign: &Assign) -> Result<Assignment, AssignError> {
        self.assign_with(assign, &|_, _, _| ())
    }

    /// As [`Engine::assign`]; `progress` is told a stage, `candidates`, `assignment` or `explanation`, and how many of
    /// how many sources are done.
    ///
    /// # Errors
    /// As [`Engine::assign`].
    pub fn assign_with(
        &self,
        assign: &Assign,
        progress: &(dyn Fn(&'static str, usize, usize) + Sync),
    ) -> Result<Assignment, AssignError> {
        if !(1..=CANDIDATES_MAX).contains(&assign.candidates) {
            let (what, got, max) = ("candidates of each source", assign.candidates, CANDIDATES_MAX);
            return Err(QueryError::TooMany { what, got, max }.into());
        }
        let asking = Asking::new(self, assign)?;
        let found = asking
            .for_each_source("candidates", progress, &|source, scratch| asking.candidates(source, scratch))?;
        let keys = self.graph.nodes(asking.matcher.to);
        let named = assign.targets.iter().flatten();
        let listed = found.iter().flat_map(|found| found.candidates.iter().map(|(node, _)| keys.key(*node)));
        let targets: BTreeSet<&Key> = listed.chain(named).collect();
        let targets: Vec<&Key> = targets.into_iter().collect();
        let problem = asking.problem(&found, &targets)?;
        let cancelled = || assign.cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::Relaxed));
        let report = |done, total| progress("assignment", done, total);
        let watch = Watch { cancelled: &cancelled, progress: &report };
        let solution = problem.solve(assign.objective, watch)?;
        let mut chosen: HashMap<&Key, Vec<NodeId>> = HashMap::new();
        let (mut filled, mut taken) = (vec![0_u32; asking.sources.len()], vec![0_u32; targets.len()]);
        for position in &solution.pairs {
            let pair = problem.pairs[*position];
            let (source, target) = (pair.source as usize, pair.target as usize);
            chosen.entry(asking.sources[source]).or_default().extend(keys.find(targets[target]));
            filled[source] += 1;
            taken[target] += 1;
        }
        let pairs = asking.for_each_source("explanation", progress, &|source, scratch| {
            asking.explained(source, chosen.get(source).map_or(&[], Vec::as_slice), scratch)
        })?;
        let proof = solution.certificate.as_ref();
        let units = |units: i128| score_of(u64::try_from(units).unwrap_or(u64::MAX));
        let cuts = cuts_of(&found);
        Ok(Assignment {
            platform: self.schema().name().to_string(),
            matcher: asking.matcher.name().to_string(),
            matcher_version: asking.matcher.version().to_string(),
            engine_version: self.version.to_string(),
            models_version: self.models_version.to_string(),
            as_of: assign.as_of,
            objective: assign.objective,
            pairs: pairs.into_iter().flatten().collect(),
            unmatched: asking.unmatched(&found, &problem, &filled, &taken),
            total: score_of(solution.total),
            bound: proof.map(|proof| units(proof.bound)),
            gap: proof.map(|proof| units(proof.gap / proof.per_unit)),
            sources_matched: solution.sources_matched,
            targets_matched: solution.targets_matched,
            kept: solution.kept,
            truncated: !cuts.is_empty(),
            cuts,
            degraded: self.degraded(),
        })
    }
}

impl<'a> Asking<'a> {
    fn new(engine: &'a Engine, assign: &'a Assign) -> Result<Self, AssignError> {
        let matcher = engine.matcher(&assign.matcher)?;
        let nodes = engine.graph.nodes(matcher.to);
        let mut sources: Vec<&Key> = assign.sources.iter().collect();
        sources.sort_unstable();
        let by_source = |pairs: &'a [(Key, Key)]| {
            let mut by_source: HashMap<&Key, BTreeSet<&Key>> = HashMap::new();
            for (source, target) in pairs {
                by_source.entry(source).or_default().insert(target);
            }
            by_source
        };
        let within = assign.targets.as_ref();
        let asking = Self {
            engine,
            assign,
            matcher,
            sources,
            within: within.map(|keys| keys.iter().filter_map(|key| nodes.find(key)).collect()),
            locked: by_source(&assign.locked),
            forbidden: by_source(&assign.forbidden),
            previous: assign.previous.iter().map(|(source, target)| (source, target)).collect(),
        };
        for (source, target) in &assign.locked {
            let (lock, target) = ((source.clone(), target), target.clone());
            if asking.forbidden.get(source).is_some_and(|targets| targets.contains(lock.1)) {
                return Err(AssignmentError::LockForbidden { source: lock.0, target }.into());
            }
            if asking.sources.binary_search(&source).is_err() {
                return Err(AssignmentError::LockNotCandidate { source: lock.0, target }.into());
            }
        }
        Ok(asking)
    }

    /// Asks for every source in parallel; answers by key of the source, and of several errors the first.
    fn for_each_source<T: Send>(
        &self,
        stage: &'static str,
        progress: &(dyn Fn(&'static str, usize, usize) + Sync),
        ask: &(dyn Fn(&'a Key, &mut Scratch) -> Result<T, AssignError> + Sync),
    ) -> Result<Vec<T>, AssignError> {
        let done = AtomicUsize::new(0);
        let answers: Vec<Result<T, AssignError>> = self
            .sources
            .par_iter()
            .map_init(Scratch::default, |scratch, source| {
                let answer = ask(source, scratch);
                progress(stage, done.fetch_add(1, Ordering::Relaxed) + 1, self.sources.len());
                answer
            })
            .collect();
        answers.into_iter().collect()
    }

    fn query(&self, source: &Key) -> Query {
        let own = || Viewer::Member(self.engine.principals(self.matcher.from, source).into_iter().collect());
        Query {
            filters: self.assign.filters.clone(),
            weights: self.assign.weights.clone(),
            excluded: self.forbidden.get(source).into_iter().flatten().map(|key| (*key).clone()).collect(),
            viewer: self.assign.viewer.clone().unwrap_or_else(own),
            as_of: self.assign.as_of,
            evidence_max: self.assign.evidence_max,
            cancel: self.assign.cancel.clone(),
            ..Query::new(&self.assign.matcher, source)
        }
    }

    fn candidates(&self, source: &Key, scratch: &mut Scratch) -> Result<Found, AssignError> {
        let query = self.query(source);
        let (engine, matcher, cap) = (self.engine, self.matcher, self.assign.candidates);
        let keys = engine.graph.nodes(matcher.to);
        let locked = self.locked.get(source);
        let mut found =
            engine.run(matcher, &query, self.within.as_ref(), scratch, &mut Unobserved, |run, _, _| {
                let order = run.ranking.order.iter().map(|(_, node, score)| (*node, *score));
                let is_locked = |node: NodeId| locked.is_some_and(|locked| locked.contains(keys.key(node)));
                let kept = order.enumerate().filter(|(place, (node, _))| *place < cap || is_locked(*node));
                let mut cuts = run.ranking.cuts;
                if run.ranking.order.len() > cap {
                    cuts.push(Cut { source: "candidates".to_string(), cap });
                }
                Found { candidates: kept.map(|(_, found)| found).collect(), cuts, is_forbidden: false }
            })?;
        for target in locked.into_iter().flatten() {
            let is_there = found.candidates.iter().any(|(node, _)| keys.key(*node) == *target);
            if !is_there {
                let (source, target) = (source.clone(), (*target).clone());
                return Err(AssignmentError::LockNotCandidate { source, target }.into());
            }
        }
        if found.candidates.is_empty() && !query.excluded.is_empty() {
            let open = Query { excluded: Vec::new(), ..query };
            let ask = |order: &[_]| !order.is_empty();
            found.is_forbidden =
                engine.run(matcher, &open, self.within.as_ref(), scratch, &mut Unobserved, |run, _, _| {
                    ask(&run.ranking.order)
                })?;
        }
        Ok(found)
    }

    fn problem(&self, found: &[Found], targets: &[&Key]) -> Result<Problem, AssignError> {
        let assign = self.assign;
        let party = |key: &Key, own: &BTreeMap<Key, u32>, default: u32| Party {
            key: key.clone(),
            capacity: own.get(key).copied().unwrap_or(default),
        };
        let keys = self.engine.graph.nodes(self.matcher.to);
        let place = |target: &Key| targets.binary_search(&target).ok().and_then(|at| u32::try_from(at).ok());
        let mut problem = Problem {
            sources: self
                .sources
                .iter()
                .map(|key| party(key, &assign.source_capacities, assign.source_capacity))
                .collect(),
            targets: targets
                .iter()
                .map(|key| party(key, &assign.target_capacities, assign.target_capacity))
                .collect(),
            ..Problem::default()
        };
        for (source, found) in (0_u32..).zip(found) {
            let key = self.sources[source as usize];
            for (node, score) in &found.candidates {
                let name = keys.key(*node);
                let Some(target) = place(name) else { continue };
                problem.pairs.push(Pair { source, target, score: score_units(*score) });
                if self.locked.get(key).is_some_and(|locked| locked.contains(name)) {
                    problem.locked.push((source, target));
                }
                if self.previous.contains(&(key, name)) {
                    problem.previous.push((source, target));
                }
            }
        }
        Ok(problem)
    }

    /// The chosen candidates of a source as its own list shows them, by key.
    fn explained(
        &self,
        source: &Key,
        chosen: &[NodeId],
        scratch: &mut Scratch,
    ) -> Result<Vec<AssignedPair>, AssignError> {
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let query = self.query(source);
        let within = self.within.as_ref();
        let pairs =
            self.engine.run(self.matcher, &query, within, scratch, &mut Unobserved, |run, scratch, _| {
                let order = &run.ranking.order;
                let place = |node| order.iter().position(|(_, other, _)| *other == node);
                let ranked = chosen.iter().filter_map(|node| Some((place(*node)? + 1, *node)));
                let ranked: Vec<(usize, NodeId)> = ranked.collect();
                let found = run.found(&ranked, scratch).into_iter().map(|found| {
                    let is_in = |pairs: &HashMap<&Key, BTreeSet<&Key>>| {
                        pairs.get(source).is_some_and(|targets| targets.contains(&found.id))
                    };
                    AssignedPair {
                        source: run.explain.context.source_ref(),
                        locked: is_in(&self.locked),
                        kept: self.previous.contains(&(source, &found.id)),
                        found,
                    }
                });
                found.collect()
            })?;
        Ok(pairs)
    }

    fn unmatched(&self, found: &[Found], problem: &Problem, filled: &[u32], taken: &[u32]) -> Vec<Unmatched> {
        let mut by_source: Vec<Vec<Pair>> = vec![Vec::new(); problem.sources.len()];
        let mut by_target: Vec<Vec<Pair>> = vec![Vec::new(); problem.targets.len()];
        for pair in &problem.pairs {
            by_source[pair.source as usize].push(*pair);
            by_target[pair.target as usize].push(*pair);
        }
        let reason = |pairs: &mut Vec<Pair>, others: &[Party], end: &dyn Fn(&Pair) -> usize| {
            let key = |pair: &Pair| &others[end(pair)].key;
            pairs.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| key(a).cmp(key(b))));
            let full =
                |pair: &Pair| FullTarget { id: key(pair).clone(), capacity: others[end(pair)].capacity };
            match pairs.len() {
                0 => UnmatchedReason::NoCandidate,
                count => UnmatchedReason::Taken {
                    by: pairs.iter().take(FULL_TARGETS_MAX).map(full).collect(),
                    left_out: count.saturating_sub(FULL_TARGETS_MAX),
                },
            }
        };
        let mut unmatched = Vec::new();
        for (at, source) in problem.sources.iter().enumerate().filter(|(at, _)| filled[*at] == 0) {
            let reason = match reason(&mut by_source[at], &problem.targets, &|pair| pair.target as usize) {
                UnmatchedReason::NoCandidate if found[at].is_forbidden => UnmatchedReason::Forbidden,
                reason => reason,
            };
            unmatched.push(Unmatched { side: Side::Source, id: source.key.clone(), reason });
        }
        let named: HashSet<&Key> = self.assign.targets.iter().flatten().collect();
        let is_asked_for = |(at, target): &(usize, &Party)| taken[*at] == 0 && named.contains(&target.key);
        for (at, target) in problem.targets.iter().enumerate().filter(is_asked_for) {
            let reason = reason(&mut by_target[at], &problem.sources, &|pair| pair.source as usize);
            unmatched.push(Unmatched { side: Side::Target, id: target.key.clone(), reason });
        }
        unmatched
    }
}

/// Caps with the number of sources that they cut, by name.
fn cuts_of(found: &[Found]) -> Vec<AssignCut> {
    let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for cut in found.iter().flat_map(|found| &found.cuts) {
        *counts.entry((&cut.source, cut.cap)).or_default() += 1;
    }
    let cut = |((source, cap), sources): ((&str, usize), usize)| AssignCut {
        source: source.to_string(),
        cap,
        sources,
    };
    counts.into_iter().map(cut).collect()
}
