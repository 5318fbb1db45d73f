//! Why a node is not among the matches, and the smallest change that would let it in.

use serde::Serialize;

use super::error::QueryError;
use super::explain::Run;
use super::observer::Unobserved;
use super::query::Query;
use super::recommend::{checked_limit, every_node};
use super::shortfall::{SignalShortfall, shortfalls};
use super::version::Engine;
use crate::graph::{Condition, Key, NodeId, Value};
use crate::matcher::{CAP_MAX, Matcher};
use crate::ranking::{Dropped, Rejection};
use crate::scoring::{FeatureMatrix, Header};
use crate::signals::{Expansion, NodeRef, Scratch};

/// Runs of the query at most: more than there are stages.
const ROUNDS_MAX: usize = 8;

/// Why a node is not among the matches, or where it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhyNot {
    /// What it was made with and for.
    #[serde(flatten)]
    pub header: Header,
    /// The node asked about.
    pub target: NodeRef,
    /// Its place among the matches; absent when it is not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// What keeps it out, first what does so first; then what would, each with the changes so far made.
    pub reasons: Vec<WhyNotReason>,
    /// All that must change, together, for it to be shown; absent when no such change is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Remedy>>,
    /// What could not be used.
    pub degraded: Vec<String>,
}

/// What keeps a node out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum WhyNotReason {
    /// It is the source.
    Source,
    /// The query leaves it out.
    Query,
    /// A filter does not accept it.
    Filter {
        /// Whose filter.
        of: FilterOf,
        /// What is allowed.
        condition: Condition,
        /// The value found; absent when it has none.
        found: Option<Value>,
        /// The source's value that a filter compares with.
        source_value: Option<Value>,
    },
    /// An exclusion of the matcher applies.
    Exclusion {
        /// What the matcher calls the rule.
        rule: String,
    },
    /// No source of candidates lists it.
    NotCandidate {
        /// Each of them.
        sources: Vec<MissedSource>,
    },
    /// No signal with a weight has a value for it, in a two-sided match either way.
    NoScore,
    /// Matches are two-sided, and only so many of the best one-way candidates are asked back.
    Window,
    /// Matches are two-sided, and its own matcher drops the source.
    WayBack {
        /// Why.
        reason: Dropped,
    },
    /// It scores high enough, but others are shown for variety.
    Diversity {
        /// Place by score.
        rank: usize,
        /// In [0, 1].
        score: f64,
    },
    /// Enough others score higher.
    Rank {
        /// Place by score, as in an answer without a limit.
        rank: usize,
        /// In [0, 1].
        score: f64,
        /// Matches that are shown.
        limit: usize,
        /// The last match shown.
        last: Option<LastShown>,
        /// What each signal would have to add by itself; empty for two-sided or diverse matches.
        signals: Vec<SignalShortfall>,
    },
}

/// Whose filter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterOf {
    /// In the matcher's text.
    Matcher,
    /// Brought by the query.
    Query,
}

/// A source of candidates that does not list the node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MissedSource {
    /// The signal, or `all`.
    pub source: String,
    /// How many it lists at most.
    pub cap: usize,
    /// The node's value by the signal, in [0, 1]; absent when the signal has nothing to say, and for `all`.
    pub value: Option<f64>,
    /// The smallest value that it lists; absent when it lists nothing, and for `all`.
    pub floor: Option<f64>,
    /// The cap from which on it would list the node; absent when none would.
    pub cap_needed: Option<usize>,
}

/// The match that it would have to overtake.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LastShown {
    /// External key.
    pub id: Key,
    /// In [0, 1].
    pub score: f64,
    /// How much more the node would have to score, at least 2^-40 where the key does not decide for it.
    pub missing: f64,
}

/// A change of the query or of the matcher.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Remedy {
    /// The query must no longer leave the node out.
    Include,
    /// A filter must go.
    DropFilter {
        /// Whose filter.
        of: FilterOf,
        /// The filter.
        condition: Condition,
    },
    /// An exclusion must go.
    DropExclusion {
        /// What the matcher calls the rule.
        rule: String,
    },
    /// A source of candidates must list more.
    RaiseCap {
        /// The signal, or `all`.
        source: String,
        /// The smallest cap that does.
        cap: usize,
    },
    /// More matches must be shown.
    RaiseLimit {
        /// The smallest limit that does.
        limit: usize,
    },
    /// A signal must count for more: where more matches than the matcher allows would have to be shown.
    RaiseWeight {
        /// The signal.
        signal: String,
        /// The smallest weight that does, a multiple of 2^-16.
        weight: f64,
    },
}

/// What a run says about the node: the reasons of one stage, and the changes that get it past the stage.
enum Verdict {
    Shown { rank: usize },
    Out { reasons: Vec<WhyNotReason>, changes: Vec<Remedy> },
}

impl Engine {
    /// Why one node is not among the matches of a query, and the smallest change that would let it in.
    ///
    /// Runs the query, gets past what stopped the node, and runs again, until the node is shown or nothing helps.
    ///
    /// # Errors
    /// As [`Engine::recommend`]; also when the target is unknown or hidden from the viewer.
    pub fn why_not(&self, query: &Query, target: &Key) -> Result<WhyNot, QueryError> {
        let mut scratch = Scratch::default();
        let declared = self.matcher(&query.matcher)?;
        checked_limit(query, declared)?;
        let (mut matcher, mut query) = (declared.clone(), query.clone());
        let (mut rank, mut reasons, mut changes) = (None, Vec::new(), Some(Vec::new()));
        let (header, node) =
            self.run(declared, &query, None, &mut scratch, &mut Unobserved, |run, _, _| {
                let found = self.graph.nodes(declared.to).find(target);
                let context = &run.explain.context;
                let visible = found.filter(|node| run.allowed.is_visible(*node));
                (self.header(&query, declared, context), visible.map(|node| (node, context.target(node))))
            })?;
        let (node, target) = node.ok_or_else(|| QueryError::UnknownNode {
            kind: self.schema().kinds()[declared.to.index()].name.clone(),
            key: target.clone(),
        })?;
        for round in 1.. {
            let verdict = self.run(&matcher, &query, None, &mut scratch, &mut Unobserved, |run, _, _| {
                verdict(&run, node, query.limit.unwrap_or(matcher.limit))
            })?;
            match verdict {
                Verdict::Shown { rank: found } => {
                    rank = reasons.is_empty().then_some(found);
                    break;
                }
                Verdict::Out { reasons: more, changes: next } => {
                    reasons.extend(more);
                    if next.is_empty() || round == ROUNDS_MAX {
                        changes = None;
                        break;
                    }
                    next.iter().for_each(|change| apply(change, &target.id, &mut matcher, &mut query));
                    changes.iter_mut().for_each(|changes: &mut Vec<Remedy>| changes.extend(next.clone()));
                }
            }
        }
        Ok(WhyNot { header, target, rank, reasons, changes, degraded: self.degraded() })
    }
}

fn apply(change: &Remedy, target: &Key, matcher: &mut Matcher, query: &mut Query) {
    match change {
        Remedy::Include => query.excluded.retain(|key| key != target),
        Remedy::DropFilter { of: FilterOf::Matcher, condition } => {
            matcher.filters.retain(|filter| filter != condition);
        }
        Remedy::DropFilter { of: FilterOf::Query, condition } => {
            query.filters.retain(|filter| filter != condition);
        }
        Remedy::DropExclusion { rule } => matcher.exclusions.retain(|exclusion| exclusion.rule != *rule),
        Remedy::RaiseCap { source, cap } => {
            let named = matcher.candidates.iter_mut().filter(|known| known.name == *source);
            named.for_each(|known| known.cap = known.cap.max(*cap));
        }
        Remedy::RaiseLimit { limit } => query.limit = Some(*limit),
        Remedy::RaiseWeight { signal, weight } => {
            query.weights.insert(signal.clone(), *weight);
        }
    }
}

fn verdict(run: &Run<'_>, node: NodeId, limit: usize) -> Verdict {
    let (chosen, _) = run.choose(limit);
    if let Some(place) = chosen.iter().position(|(shown, _)| *shown == node) {
        return Verdict::Shown { rank: place + 1 };
    }
    let rejections: Vec<(WhyNotReason, Option<Remedy>)> =
        run.allowed.rejections(node).map(|rejection| rejected(run, node, &rejection)).collect();
    if !rejections.is_empty() {
        let is_final = rejections.iter().any(|(_, change)| change.is_none());
        let (reasons, changes): (Vec<_>, Vec<_>) = rejections.into_iter().unzip();
        let changes = if is_final { Vec::new() } else { changes.into_iter().flatten().collect() };
        return Verdict::Out { reasons, changes };
    }
    let out = |reason, change: Option<Remedy>| Verdict::Out {
        reasons: vec![reason],
        changes: change.into_iter().collect(),
    };
    let Ok(position) = run.ranking.candidates.binary_search(&node) else {
        let sources = missed_sources(run, node);
        let raised = sources.iter().filter_map(|missed| Some((missed.cap_needed? - missed.cap, missed)));
        let least = raised.min_by_key(|(more, _)| *more).and_then(|(_, missed)| {
            Some(Remedy::RaiseCap { source: missed.source.clone(), cap: missed.cap_needed? })
        });
        return out(WhyNotReason::NotCandidate { sources }, least);
    };
    match run.ranking.order.iter().position(|(_, other, _)| *other == node) {
        Some(place) => ranked_out(run, place, limit),
        None => out(unranked(run, node, position), None),
    }
}

/// What a filter, an exclusion or the query has against the node, and what would have to go; `None` if nothing can.
fn rejected(run: &Run<'_>, node: NodeId, rejection: &Rejection<'_>) -> (WhyNotReason, Option<Remedy>) {
    match rejection {
        Rejection::Source => (WhyNotReason::Source, None),
        Rejection::Query => (WhyNotReason::Query, Some(Remedy::Include)),
        Rejection::Filter { position, condition } => {
            let is_own = *position < run.explain.matcher.filters.len();
            let of = if is_own { FilterOf::Matcher } else { FilterOf::Query };
            let (context, condition) = (&run.explain.context, (*condition).clone());
            let reason = WhyNotReason::Filter {
                of,
                found: context.target_value(node, &condition.attribute),
                source_value: condition.matches_source.as_ref().and_then(|name| context.source_value(name)),
                condition: condition.clone(),
            };
            (reason, Some(Remedy::DropFilter { of, condition }))
        }
        Rejection::Exclusion { rule } => {
            let rule = rule.to_string();
            (WhyNotReason::Exclusion { rule: rule.clone() }, Some(Remedy::DropExclusion { rule }))
        }
    }
}

/// How far the node is from the list of each source of candidates.
fn missed_sources(run: &Run<'_>, node: NodeId) -> Vec<MissedSource> {
    let explain = &run.explain;
    let missed = explain.matcher.candidates.iter().map(|source| {
        let expand = |cap: usize| -> Expansion {
            match source.signal {
                Some(signal) => explain.readings[signal].expand(cap, &|node| run.allowed.allows(node)),
                None => every_node(explain.engine, explain.matcher, run.allowed, cap),
            }
        };
        let lists = |cap: usize| expand(cap).candidates.contains(&node);
        let cap_needed = lists(CAP_MAX).then(|| {
            // A longer list holds the shorter one.
            let (mut too_low, mut enough) = (source.cap, CAP_MAX);
            while enough - too_low > 1 {
                let middle = too_low.midpoint(enough);
                if lists(middle) { enough = middle } else { too_low = middle }
            }
            enough
        });
        let values = |nodes: &[NodeId]| -> Vec<Option<f64>> {
            let Some(signal) = source.signal else { return vec![None; nodes.len()] };
            let (signals, readings) = (&explain.matcher.signals, explain.readings);
            let one = signal..=signal;
            let features = FeatureMatrix::measure(&signals[one.clone()], &readings[one], nodes);
            (0..nodes.len()).map(|position| features.value(0, position)).collect()
        };
        let listed = values(&expand(source.cap).candidates);
        MissedSource {
            source: source.name.clone(),
            cap: source.cap,
            value: values(&[node]).first().copied().flatten(),
            floor: listed.into_iter().flatten().min_by(f64::total_cmp),
            cap_needed,
        }
    });
    missed.collect()
}

/// Why a candidate has no place in the order.
fn unranked(run: &Run<'_>, node: NodeId, position: usize) -> WhyNotReason {
    let values = (0..run.explain.weights.len()).map(|signal| run.ranking.features.value(signal, position));
    let score: f64 =
        values.zip(run.explain.weights).map(|(value, weight)| value.unwrap_or(0.0) * weight).sum();
    let Some(way_back) = run.way_back.filter(|_| score > 0.0) else { return WhyNotReason::NoScore };
    match way_back.dropped(node) {
        Some(Dropped::WayBack { reason }) => WhyNotReason::WayBack { reason: *reason },
        Some(reason) => WhyNotReason::WayBack { reason },
        None if run.ranking.cuts.iter().any(|cut| cut.source == "reciprocal") => WhyNotReason::Window,
        None => WhyNotReason::NoScore,
    }
}

/// What a candidate lacks whose place in the order is behind the limit or given to another for variety.
fn ranked_out(run: &Run<'_>, place: usize, limit: usize) -> Verdict {
    let Run { explain, ranking, way_back, .. } = run;
    let matcher = explain.matcher;
    let (_, node, score) = ranking.order[place];
    let is_diverse = matcher.diversity.is_some();
    let limits = place.max(limit) + 1..=matcher.limit_max.min(ranking.order.len());
    let raised = if is_diverse {
        let shows = |limit: &usize| run.choose(*limit).0.iter().any(|(shown, _)| *shown == node);
        (limit + 1..=*limits.end()).find(shows)
    } else {
        limits.contains(&(place + 1)).then_some(place + 1)
    };
    let rank = place + 1;
    if is_diverse && place < limit {
        return Verdict::Out {
            reasons: vec![WhyNotReason::Diversity { rank, score }],
            changes: raised.map(|limit| Remedy::RaiseLimit { limit }).into_iter().collect(),
        };
    }
    let is_plain = !is_diverse && way_back.is_none();
    let signals = if is_plain { shortfalls(run, place, limit) } else { Vec::new() };
    let keys = explain.engine.graph.nodes(matcher.to);
    let last = run.choose(limit).0.last().map(|(last, last_score)| {
        let unit = crate::exact::score_of(u64::from(keys.key(node) > keys.key(*last)));
        LastShown {
            id: keys.key(*last).clone(),
            score: *last_score,
            missing: (last_score - score + unit).max(0.0),
        }
    });
    let heavier = || {
        let needs = signals.iter().filter_map(|signal| Some((signal, signal.weight_needed?)));
        let least = needs
            .min_by(|(a, a_weight), (b, b_weight)| (a_weight - a.weight).total_cmp(&(b_weight - b.weight)));
        least.map(|(signal, weight)| Remedy::RaiseWeight { signal: signal.signal.clone(), weight })
    };
    let change = raised.map(|limit| Remedy::RaiseLimit { limit }).or_else(heavier);
    Verdict::Out {
        reasons: vec![WhyNotReason::Rank { rank, score, limit, last, signals }],
        changes: change.into_iter().collect(),
    }
}
