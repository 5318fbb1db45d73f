//! From a ranking to matches with their reasons.

use std::collections::BTreeMap;

use super::query::Query;
use super::reciprocal::WayBack;
use super::recommend::Ranking;
use super::version::Engine;
use crate::graph::{NodeId, Value};
use crate::matcher::Matcher;
use crate::ranking::{Allowed, DiversityCost, diversify};
use crate::scoring::{Contribution, Match, sentence};
use crate::signals::{Context, Reading, Scratch};

/// What a query came to, before anything is cut to its limit and explained.
pub(super) struct Run<'a> {
    pub(super) explain: Explain<'a>,
    pub(super) allowed: &'a Allowed<'a>,
    pub(super) way_back: Option<&'a WayBack<'a>>,
    pub(super) ranking: Ranking,
}

impl Run<'_> {
    /// The nodes to show with their scores, in order, and what variety cost.
    pub(super) fn choose(&self, limit: usize) -> (Vec<(NodeId, f64)>, Option<DiversityCost>) {
        let ranked = self.ranking.order.iter().map(|(_, node, score)| (*node, *score));
        match &self.explain.matcher.diversity {
            Some(diversity) => {
                let head: Vec<(NodeId, f64)> = ranked.collect();
                let (chosen, cost) = diversify(&self.explain.context, diversity, &head, limit);
                (chosen, Some(cost))
            }
            None => (ranked.take(limit).collect(), None),
        }
    }

    /// Candidates with their ranks as matches, with their reasons.
    pub(super) fn found(&self, ranked: &[(usize, NodeId)], scratch: &mut Scratch) -> Vec<Match> {
        let nodes: Vec<NodeId> = ranked.iter().map(|(_, node)| *node).collect();
        let position = |node| self.ranking.candidates.binary_search(node).unwrap_or(usize::MAX);
        let positions: Vec<usize> = nodes.iter().map(position).collect();
        let value = |signal, place: usize| self.ranking.features.value(signal, positions[place]);
        let contributions = self.explain.contributions(&nodes, &value);
        let complete = |((rank, node), contributions): (&(usize, NodeId), _)| {
            let mut found = self.explain.one(Some(*rank), *node, contributions);
            if let Some(way_back) = self.way_back {
                found = way_back.complete(found, *node, scratch);
            }
            found.probability = self.explain.probability(found.score);
            found
        };
        ranked.iter().zip(contributions).map(complete).collect()
    }
}

/// What explaining a match needs.
pub(super) struct Explain<'a> {
    pub(super) engine: &'a Engine,
    pub(super) query: &'a Query,
    pub(super) matcher: &'a Matcher,
    pub(super) context: Context<'a>,
    pub(super) readings: &'a [Box<dyn Reading + 'a>],
    pub(super) weights: &'a [f64],
}

impl Explain<'_> {
    /// What each signal adds for each node; `value` gives that of a signal for the node at a place.
    pub(super) fn contributions(
        &self,
        nodes: &[NodeId],
        value: &dyn Fn(usize, usize) -> Option<f64>,
    ) -> Vec<Vec<Contribution>> {
        let signal_count = self.readings.len();
        let mut contributions: Vec<_> = nodes.iter().map(|_| Vec::with_capacity(signal_count)).collect();
        let signals = self.matcher.signals.iter().zip(self.readings).zip(self.weights);
        for (position, ((signal, reading), weight)) in signals.enumerate() {
            let values: Vec<Option<f64>> = (0..nodes.len()).map(|place| value(position, place)).collect();
            let known = nodes.iter().zip(&values).filter(|(_, value)| value.is_some());
            let known: Vec<NodeId> = known.map(|(node, _)| *node).collect();
            let mut lists = reading.evidence_of_each(&known, self.query.evidence_max).into_iter();
            for (contributions, known) in contributions.iter_mut().zip(values) {
                let list = known.and_then(|_| lists.next()).unwrap_or_default();
                contributions.push(Contribution {
                    signal: signal.name.as_str().into(),
                    label: signal.label.as_str().into(),
                    value: known.unwrap_or(0.0),
                    weight: *weight,
                    contribution: known.unwrap_or(0.0) * weight,
                    direction: None,
                    absent: known.is_none(),
                    evidence: list.items,
                    evidence_left_out: list.left_out,
                });
            }
        }
        contributions
    }

    /// How likely a score means success; unknown where the query brings weights or another side, since the curve was
    /// fitted to what the matcher says by itself.
    pub(super) fn probability(&self, score: f64) -> Option<f64> {
        let is_bent = !self.query.weights.is_empty() || self.query.two_sided.is_some();
        let curve = self.matcher.probability.as_ref().filter(|_| !is_bent);
        curve.map(|curve| curve.at(score))
    }

    pub(super) fn one(&self, rank: Option<usize>, node: NodeId, contributions: Vec<Contribution>) -> Match {
        let target = self.context.target(node);
        let score = contributions.iter().map(|part| part.contribution).sum();
        Match {
            rank,
            score,
            probability: None,
            sentence: sentence(&target.name, &self.matcher.signals, &contributions),
            reciprocal: None,
            attributes: self.query.with_attributes.then(|| self.attributes(node)),
            id: target.id,
            kind: target.kind,
            name: target.name,
            contributions,
        }
    }

    fn attributes(&self, node: NodeId) -> BTreeMap<String, Value> {
        let shown = self.engine.schema().kinds()[self.matcher.to.index()].shown_to(&self.query.viewer);
        let value = |(name, _): &(String, _)| Some((name.clone(), self.context.target_value(node, name)?));
        shown.filter_map(value).collect()
    }
}
