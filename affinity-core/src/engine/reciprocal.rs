//! Two-sided matches: the way back from each candidate to the source, and one score out of both.

use std::collections::{BTreeMap, HashSet};

use super::error::{EngineError, QueryError};
use super::explain::Explain;
use super::query::{Query, TwoSidedQuery};
use super::recommend::{Ranking, rank, read};
use super::version::Engine;
use crate::graph::{NodeId, Sight};
use crate::matcher::{Matcher, TwoSided};
use crate::ranking::{Allowed, Dropped, Reciprocal, scaled};
use crate::scoring::{Contribution, Cut, Direction, FeatureMatrix, Match, MutualRanks, way_back_sentence};
use crate::signals::{Context, Reading, Scratch, Source};

/// Whether each two-sided matcher has its way back.
///
/// The way back has the same two kinds the other way around. It may be two-sided itself when it names this one.
pub(crate) fn check_ways_back(matchers: &BTreeMap<String, Matcher>) -> Result<(), EngineError> {
    for (name, matcher) in matchers {
        let Some(two_sided) = &matcher.two_sided else { continue };
        let leads_back = |other: &&Matcher| (other.from, other.to) == (matcher.to, matcher.from);
        let returns = |other: &&Matcher| other.two_sided.as_ref().is_none_or(|back| back.matcher == *name);
        let known = matchers.get(&two_sided.matcher);
        if known.filter(leads_back).filter(returns).is_none() {
            let fitting = matchers.values().filter(leads_back).filter(returns);
            return Err(EngineError::NoWayBack {
                matcher: name.clone(),
                got: two_sided.matcher.clone(),
                allowed: fitting.map(|other| other.name().to_string()).collect(),
            });
        }
    }
    Ok(())
}

/// The other direction of a two-sided query.
pub(super) struct WayBack<'a> {
    engine: &'a Engine,
    query: &'a Query,
    two_sided: TwoSided,
    /// From the candidates to the source.
    matcher: &'a Matcher,
    weights: Vec<f64>,
    source: NodeId,
    cancelled: &'a dyn Fn() -> bool,
}

impl Engine {
    /// The way back of a two-sided matcher; `None` for a matcher with one side.
    pub(super) fn way_back<'a>(
        &'a self,
        query: &'a Query,
        matcher: &'a Matcher,
        source: &Source,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Option<WayBack<'a>>, QueryError> {
        let asked_for = |asked: &TwoSidedQuery| {
            let back = asked.way_back.clone().unwrap_or_else(|| matcher.name().to_string());
            TwoSided::asked_for(back, asked.combine, query.limit.unwrap_or(matcher.limit))
        };
        let asked_for = query.two_sided.as_ref().map(asked_for);
        let Some(two_sided) = asked_for.or_else(|| matcher.two_sided.clone()) else { return Ok(None) };
        let source =
            source.node.ok_or_else(|| QueryError::NotInGraph { matcher: matcher.name().to_string() })?;
        let back = self.matcher(&two_sided.matcher)?;
        if (back.from, back.to) != (matcher.to, matcher.from) {
            let leads_back = |other: &&Matcher| (other.from, other.to) == (matcher.to, matcher.from);
            let allowed = self.matchers.values().filter(leads_back).map(|other| other.name().to_string());
            return Err(QueryError::UnknownName {
                what: "way back",
                got: two_sided.matcher,
                allowed: allowed.collect(),
            });
        }
        let weights = if back.name() == matcher.name() {
            self.weights(query, back)? // the query bends both ways alike
        } else {
            back.signals.iter().map(|signal| signal.weight).collect()
        };
        Ok(Some(WayBack { engine: self, query, two_sided, matcher: back, weights, source, cancelled }))
    }
}

impl WayBack<'_> {
    /// What a signal may look at that reads from a candidate, as the same viewer sees it.
    fn context<'c>(&'c self, candidate: &'c Source, only: Option<NodeId>) -> Context<'c> {
        Context {
            graph: &self.engine.graph,
            spaces: &self.engine.spaces,
            models: &self.engine.models,
            term_weights: &self.engine.term_weights,
            filters: &self.engine.filters,
            source: candidate,
            sight: Sight::new(&self.query.viewer, self.engine.graph.audiences()),
            as_of: self.query.as_of,
            to: self.matcher.to,
            only,
            cancelled: self.cancelled,
        }
    }

    fn candidate(&self, node: NodeId) -> Source {
        Source::of_node(&self.engine.graph, self.matcher.from, node)
    }

    /// Why the candidate's own matcher would not show it the source.
    pub(super) fn dropped(&self, candidate: NodeId) -> Option<Dropped> {
        let candidate = self.candidate(candidate);
        let context = self.context(&candidate, Some(self.source));
        let reason = Allowed::new(context, self.matcher, &[], HashSet::new()).dropped(self.source)?;
        Some(Dropped::WayBack { reason: Box::new(reason) })
    }

    /// Reads from the candidate, asks, and gives the memory back.
    fn ask<T>(
        &self,
        candidate: NodeId,
        scratch: &mut Scratch,
        ask: impl FnOnce(Context<'_>, &[Box<dyn Reading + '_>], &FeatureMatrix) -> T,
    ) -> T {
        let candidate = self.candidate(candidate);
        let context = self.context(&candidate, Some(self.source));
        let readings = read(self.matcher, context, scratch);
        let features = FeatureMatrix::measure(&self.matcher.signals, &readings, &[self.source]);
        let answer = ask(context, &readings, &features);
        for reading in readings {
            reading.release(scratch);
        }
        answer
    }

    /// The ranking by both scores: of the best one-way candidates, those whose own matcher allows the source.
    pub(super) fn rank(&self, mut ranking: Ranking, weights: &[f64], scratch: &mut Scratch) -> Ranking {
        let window = self.two_sided.window;
        if ranking.order.len() > window {
            ranking.cuts.push(Cut { source: "reciprocal".to_string(), cap: window });
            ranking.order.truncate(window);
        }
        ranking.funnel.insert("after_window".to_string(), ranking.order.len());
        ranking.order.retain(|(_, node, _)| (self.cancelled)() || self.dropped(*node).is_none());
        ranking.funnel.insert("after_way_back".to_string(), ranking.order.len());
        let own = |features: &FeatureMatrix, position: usize, weights: &[f64]| -> Vec<f64> {
            let parts = weights.iter().enumerate();
            parts.map(|(signal, weight)| features.value(signal, position).unwrap_or(0.0) * weight).collect()
        };
        for (position, node, score) in &mut ranking.order {
            if (self.cancelled)() {
                break;
            }
            let there = own(&ranking.features, *position, weights);
            let back = self.ask(*node, scratch, |_, _, features| own(features, 0, &self.weights));
            let both = self.both(there.iter().sum(), back.iter().sum());
            let (share, back_share) = both.shares();
            *score = there.iter().map(|part| scaled(*part, share)).sum::<f64>()
                + back.iter().map(|part| scaled(*part, back_share)).sum::<f64>();
        }
        ranking.order.retain(|(_, _, score)| *score > 0.0);
        let keys = self.engine.graph.nodes(self.matcher.from);
        ranking.order.sort_unstable_by(|(_, a, a_score), (_, b, b_score)| {
            b_score.total_cmp(a_score).then_with(|| keys.key(*a).cmp(keys.key(*b)))
        });
        ranking.funnel.insert("after_reciprocity".to_string(), ranking.order.len());
        ranking
    }

    fn both(&self, there: f64, back: f64) -> Reciprocal {
        Reciprocal::new(self.two_sided.combine, there, back)
    }

    /// A one-way match with the reasons of the way back, all scaled to their part of the two-sided score.
    pub(super) fn complete(&self, mut found: Match, node: NodeId, scratch: &mut Scratch) -> Match {
        let mut back = self.ask(node, scratch, |context, readings, features| {
            let explain = Explain {
                engine: self.engine,
                query: self.query,
                matcher: self.matcher,
                context,
                readings,
                weights: &self.weights,
            };
            explain.contributions(&[self.source], &|signal, _| features.value(signal, 0)).remove(0)
        });
        let sum = |parts: &[Contribution]| parts.iter().map(|part| part.contribution).sum();
        let both = self.both(sum(&found.contributions), sum(&back));
        found.sentence += &way_back_sentence(&self.matcher.signals, &back);
        let (share, back_share) = both.shares();
        let scale = |parts: &mut [Contribution], share: f64, direction: Direction| {
            for part in parts {
                part.contribution = scaled(part.contribution, share);
                part.direction = Some(direction);
            }
        };
        scale(&mut found.contributions, share, Direction::SourceToTarget);
        scale(&mut back, back_share, Direction::TargetToSource);
        found.contributions.append(&mut back);
        found.score = sum(&found.contributions);
        found.reciprocal = Some(both);
        found
    }

    /// The place of `target` in the one-way list of the source, and of the source in that of `target`.
    pub(super) fn ranks(
        &self,
        matcher: &Matcher,
        weights: &[f64],
        allowed: &Allowed<'_>,
        target: NodeId,
        scratch: &mut Scratch,
    ) -> MutualRanks {
        let mut place = |matcher: &Matcher, weights: &[f64], allowed: &Allowed<'_>, sought: NodeId| {
            let readings = read(matcher, allowed.context(), scratch);
            let order = rank(self.engine, matcher, allowed, &readings, weights).order;
            for reading in readings {
                reading.release(scratch);
            }
            order.iter().position(|(_, node, _)| *node == sought).map(|place| place + 1)
        };
        let candidate = self.candidate(target);
        let back = Allowed::new(self.context(&candidate, None), self.matcher, &[], HashSet::new());
        MutualRanks {
            target_for_source: place(matcher, weights, allowed, target),
            source_for_target: place(self.matcher, &self.weights, &back, self.source),
        }
    }
}
