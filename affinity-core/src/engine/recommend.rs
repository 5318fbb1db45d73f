//! One request, from the query to the answer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::exact::{WEIGHT_UNITS, quantize_weight};
use crate::graph::{Attributes, Key, NodeId, Sight};
use crate::matcher::Matcher;
use crate::ranking::Allowed;
use crate::scoring::{Answer, Cut, Explanation, FeatureMatrix, Header};
use crate::signals::{Context, Expansion, Reading, Scratch, Source};

use super::error::QueryError;
use super::explain::{Explain, Run};
use super::observer::{Observer, Unobserved};
use super::query::{EVIDENCE_MAX, EXCLUDED_MAX, FILTERS_MAX, Query, QuerySource};
use super::version::Engine;

impl Engine {
    /// Ranked matches with their reasons.
    ///
    /// # Errors
    /// [`QueryError`] when a name is unknown, a value does not fit, or the caller cancelled.
    pub fn recommend(&self, query: &Query) -> Result<Answer, QueryError> {
        self.recommend_with(query, &mut Scratch::default(), &mut Unobserved)
    }

    /// As [`Engine::recommend`], with memory to reuse and someone watching.
    ///
    /// # Errors
    /// As [`Engine::recommend`].
    pub fn recommend_with(
        &self,
        query: &Query,
        scratch: &mut Scratch,
        observer: &mut dyn Observer,
    ) -> Result<Answer, QueryError> {
        let matcher = self.matcher(&query.matcher)?;
        let limit = checked_limit(query, matcher)?;
        self.run(matcher, query, None, scratch, observer, |run, scratch, observer| {
            let (chosen, diversity) = run.choose(limit);
            observer.stage_done("ranking");
            let places: Vec<(usize, NodeId)> = (1..).zip(chosen.iter().map(|(node, _)| *node)).collect();
            let matches = run.found(&places, scratch);
            observer.stage_done("explanation");
            let Ranking { mut funnel, cuts, approximate, .. } = run.ranking;
            funnel.insert("after_limit".to_string(), chosen.len());
            let header = self.header(query, matcher, &run.explain.context);
            Answer {
                id: Answer::id(&header, &matches),
                header,
                matches,
                funnel,
                timings_us: BTreeMap::new(),
                truncated: !cuts.is_empty(),
                cuts,
                approximate,
                degraded: self.degraded(),
                diversity,
            }
        })
    }

    /// Everything up to the order of the candidates, then `ask`: the one way in which this engine ranks.
    ///
    /// `matcher` is the query's, or a variant of it. Only nodes of `within` can be matches, where it is given.
    pub(super) fn run<T>(
        &self,
        matcher: &Matcher,
        query: &Query,
        within: Option<&HashSet<NodeId>>,
        scratch: &mut Scratch,
        observer: &mut dyn Observer,
        ask: impl FnOnce(Run<'_>, &mut Scratch, &mut dyn Observer) -> T,
    ) -> Result<T, QueryError> {
        let weights = self.weights(query, matcher)?;
        let source = self.source(query, matcher)?;
        let is_cancelled = || query.is_cancelled();
        let context = self.context(query, matcher, &source, &is_cancelled);
        let allowed = self.allowed(query, matcher, context)?.within(within);
        observer.stage_done("source");
        let way_back = self.way_back(query, matcher, &source, &is_cancelled)?;
        let readings = read(matcher, context, scratch);
        observer.stage_done("signals");
        let mut ranking = rank(self, matcher, &allowed, &readings, &weights);
        if let Some(way_back) = &way_back {
            observer.stage_done("scoring");
            ranking = way_back.rank(ranking, &weights, scratch);
        }
        let answer = if is_cancelled() {
            Err(QueryError::Cancelled)
        } else {
            observer.stage_done(if way_back.is_some() { "reciprocity" } else { "scoring" });
            let explain =
                Explain { engine: self, query, matcher, context, readings: &readings, weights: &weights };
            let run = Run { explain, allowed: &allowed, way_back: way_back.as_ref(), ranking };
            Ok(ask(run, scratch, observer))
        };
        for reading in readings {
            reading.release(scratch);
        }
        answer
    }

    /// Why one node scores what it scores, whether or not it would be shown.
    ///
    /// # Errors
    /// As [`Engine::recommend`]; also when the target is unknown or hidden from the viewer.
    pub fn explain(&self, query: &Query, target: &Key) -> Result<Explanation, QueryError> {
        let mut scratch = Scratch::default();
        let matcher = self.matcher(&query.matcher)?;
        let weights = self.weights(query, matcher)?;
        let source = self.source(query, matcher)?;
        let is_cancelled = || query.is_cancelled();
        let context = self.context(query, matcher, &source, &is_cancelled);
        let allowed = self.allowed(query, matcher, context)?;
        let found = self.graph.nodes(matcher.to).find(target).filter(|node| allowed.is_visible(*node));
        let node = found.ok_or_else(|| QueryError::UnknownNode {
            kind: self.schema().kinds()[matcher.to.index()].name.clone(),
            key: target.clone(),
        })?;
        let way_back = self.way_back(query, matcher, &source, &is_cancelled)?;
        let context = Context { only: Some(node), ..context };
        let readings = read(matcher, context, &mut scratch);
        if is_cancelled() {
            return Err(QueryError::Cancelled);
        }
        let features = FeatureMatrix::measure(&matcher.signals, &readings, &[node]);
        let explain =
            Explain { engine: self, query, matcher, context, readings: &readings, weights: &weights };
        let contributions = explain.contributions(&[node], &|signal, _| features.value(signal, 0)).remove(0);
        let mut target = explain.one(None, node, contributions);
        let (mut dropped, mut ranks) = (allowed.dropped(node), None);
        if let Some(way_back) = &way_back {
            target = way_back.complete(target, node, &mut scratch);
            dropped = dropped.or_else(|| way_back.dropped(node));
            ranks = Some(way_back.ranks(matcher, &weights, &allowed, node, &mut scratch));
        }
        target.probability = explain.probability(target.score);
        Ok(Explanation {
            header: self.header(query, matcher, &context),
            target,
            ranks,
            dropped,
            degraded: self.degraded(),
        })
    }

    pub(super) fn matcher(&self, name: &str) -> Result<&Matcher, QueryError> {
        self.matchers.get(name).ok_or_else(|| QueryError::UnknownName {
            what: "matcher",
            got: name.to_string(),
            allowed: self.matchers.keys().cloned().collect(),
        })
    }

    pub(super) fn context<'a>(
        &'a self,
        query: &'a Query,
        matcher: &Matcher,
        source: &'a Source,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Context<'a> {
        Context {
            graph: &self.graph,
            spaces: &self.spaces,
            models: &self.models,
            term_weights: &self.term_weights,
            filters: &self.filters,
            source,
            sight: Sight::new(&query.viewer, self.graph.audiences()),
            as_of: query.as_of,
            to: matcher.to,
            only: None,
            cancelled,
        }
    }

    pub(super) fn allowed<'a>(
        &'a self,
        query: &'a Query,
        matcher: &'a Matcher,
        context: Context<'a>,
    ) -> Result<Allowed<'a>, QueryError> {
        at_most("filters", query.filters.len(), FILTERS_MAX)?;
        at_most("excluded nodes", query.excluded.len(), EXCLUDED_MAX)?;
        if !query.filters.is_empty() {
            let kinds = self.schema().kinds();
            let shown: Attributes = kinds[matcher.to.index()].shown_to(&query.viewer).cloned().collect();
            for filter in &query.filters {
                filter.check(&shown, &kinds[matcher.from.index()].attributes, false)?;
            }
        }
        let nodes = self.graph.nodes(matcher.to);
        let ids: HashSet<NodeId> = query.excluded.iter().filter_map(|key| nodes.find(key)).collect();
        Ok(Allowed::new(context, matcher, &query.filters, ids))
    }

    /// One weight per signal: the matcher's, or the query's where it brings one.
    pub(super) fn weights(&self, query: &Query, matcher: &Matcher) -> Result<Vec<f64>, QueryError> {
        let known: BTreeSet<&str> = matcher.signals.iter().map(|signal| signal.name.as_str()).collect();
        for (name, weight) in &query.weights {
            if !known.contains(name.as_str()) {
                return Err(QueryError::UnknownName {
                    what: "signal",
                    got: name.clone(),
                    allowed: known.iter().map(ToString::to_string).collect(),
                });
            }
            if !(0.0..=1.0).contains(weight) {
                let (field, expected) = (format!("weights.{name}"), "a number from 0 to 1");
                return Err(QueryError::OutOfRange { field, got: *weight, expected });
            }
        }
        let given = |name: &str| query.weights.get(name).map(|weight| quantize_weight(*weight));
        let weights: Vec<f64> =
            matcher.signals.iter().map(|signal| given(&signal.name).unwrap_or(signal.weight)).collect();
        let total: f64 = weights.iter().sum();
        if total > 1.0 {
            return Err(QueryError::OutOfRange {
                field: "weights".to_string(),
                got: (total * WEIGHT_UNITS).round() / WEIGHT_UNITS,
                expected: "weights that sum, with those of the matcher, to at most 1",
            });
        }
        Ok(weights)
    }

    pub(super) fn source(&self, query: &Query, matcher: &Matcher) -> Result<Source, QueryError> {
        match &query.source {
            QuerySource::AdHoc(source) => self.ad_hoc(source, matcher, &query.viewer),
            QuerySource::Node(key) => {
                let nodes = self.graph.nodes(matcher.from);
                let sight = Sight::new(&query.viewer, self.graph.audiences());
                let node = nodes.find(key).filter(|node| sight.sees(nodes.audience(*node)));
                let node = node.ok_or_else(|| QueryError::UnknownNode {
                    kind: self.schema().kinds()[matcher.from.index()].name.clone(),
                    key: key.clone(),
                })?;
                Ok(Source::of_node(&self.graph, matcher.from, node))
            }
        }
    }

    pub(super) fn header(&self, query: &Query, matcher: &Matcher, context: &Context<'_>) -> Header {
        Header {
            platform: self.schema().name().to_string(),
            matcher: matcher.name().to_string(),
            matcher_version: matcher.version().to_string(),
            engine_version: self.version.to_string(),
            models_version: self.models_version.to_string(),
            as_of: query.as_of,
            source: context.source_ref(),
        }
    }
}

pub(super) fn at_most(what: &'static str, got: usize, max: usize) -> Result<(), QueryError> {
    if got > max { Err(QueryError::TooMany { what, got, max }) } else { Ok(()) }
}

pub(super) fn checked_limit(query: &Query, matcher: &Matcher) -> Result<usize, QueryError> {
    let limit = query.limit.unwrap_or(matcher.limit);
    at_most("matches asked for", limit, matcher.limit_max)?;
    at_most("pieces of evidence asked for", query.evidence_max, EVIDENCE_MAX)?;
    Ok(limit)
}

pub(super) fn read<'q>(
    matcher: &'q Matcher,
    context: Context<'q>,
    scratch: &mut Scratch,
) -> Vec<Box<dyn Reading + 'q>> {
    matcher.signals.iter().map(|signal| signal.signal.read(context, scratch)).collect()
}

/// Candidates with their scores, best first.
pub(super) struct Ranking {
    pub(super) funnel: BTreeMap<String, usize>,
    pub(super) cuts: Vec<Cut>,
    /// Sources of candidates that did not look at every node.
    pub(super) approximate: Vec<String>,
    /// Sorted by node.
    pub(super) candidates: Vec<NodeId>,
    pub(super) features: FeatureMatrix,
    /// Position among the candidates, node and score; best first, ties by key; scores of 0 left out.
    pub(super) order: Vec<(usize, NodeId, f64)>,
}

pub(super) fn rank(
    engine: &Engine,
    matcher: &Matcher,
    allowed: &Allowed<'_>,
    readings: &[Box<dyn Reading + '_>],
    weights: &[f64],
) -> Ranking {
    let (candidates, cuts, approximate) = candidates(engine, matcher, allowed, readings);
    let features = FeatureMatrix::measure(&matcher.signals, readings, &candidates);
    let scores = features.scores(weights);
    let scored =
        candidates.iter().zip(scores).enumerate().map(|(position, (node, score))| (position, *node, score));
    let mut order: Vec<(usize, NodeId, f64)> = scored.filter(|(_, _, score)| *score > 0.0).collect();
    let keys = engine.graph.nodes(matcher.to);
    order.sort_unstable_by(|(_, a, a_score), (_, b, b_score)| {
        b_score.total_cmp(a_score).then_with(|| keys.key(*a).cmp(keys.key(*b)))
    });
    let funnel = BTreeMap::from([
        ("candidates".to_string(), candidates.len()),
        ("after_scoring".to_string(), order.len()),
    ]);
    Ranking { funnel, cuts, approximate, candidates, features, order }
}

/// What the candidate sources find, sorted and without repetition, which caps cut, and which sources searched
/// approximately.
pub(super) fn candidates(
    engine: &Engine,
    matcher: &Matcher,
    allowed: &Allowed<'_>,
    readings: &[Box<dyn Reading + '_>],
) -> (Vec<NodeId>, Vec<Cut>, Vec<String>) {
    let (mut candidates, mut cuts, mut approximate) = (Vec::new(), Vec::new(), Vec::new());
    for source in &matcher.candidates {
        let expansion = match source.signal {
            Some(signal) => readings[signal].expand(source.cap, &|node| allowed.allows(node)),
            None => every_node(engine, matcher, allowed, source.cap),
        };
        if expansion.is_cut {
            cuts.push(Cut { source: source.name.clone(), cap: source.cap });
        }
        if expansion.is_approximate {
            approximate.push(source.name.clone());
        }
        candidates.extend(expansion.candidates);
    }
    candidates.sort_unstable();
    candidates.dedup();
    (candidates, cuts, approximate)
}

/// The allowed nodes of the kind with the smallest keys.
pub(super) fn every_node(engine: &Engine, matcher: &Matcher, allowed: &Allowed<'_>, cap: usize) -> Expansion {
    let nodes = engine.graph.nodes(matcher.to);
    let ids = (0..nodes.node_count()).filter_map(NodeId::from_index);
    let mut candidates: Vec<NodeId> = ids.filter(|node| allowed.allows(*node)).collect();
    let is_cut = candidates.len() > cap;
    if is_cut {
        candidates.sort_unstable_by(|a, b| nodes.key(*a).cmp(nodes.key(*b)));
        candidates.truncate(cap);
    }
    Expansion { candidates, is_cut, is_approximate: false }
}
