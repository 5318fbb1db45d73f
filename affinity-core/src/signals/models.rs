//! Statistics that are fitted once and named in every answer, so that an answer does not move with every change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::filter_model::{FilterModel, FilterModels, FilterRequest};
use super::latent_model::{LatentModel, LatentRequest};
use crate::exact::{count_of, units, value_of};
use crate::graph::{
    AttributeId, Cell, Condition, EVERYONE, Graph, Hop, Key, KindId, MEMBERS, NodeId, RelationId, Sight,
    TermSpaceId, Timestamp, Viewer,
};

use crate::vector::Space;

use super::term_weights::TermCounts;

/// A statistic that a signal wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModelRequest {
    /// How many neighbors each node has over a relation, seen from the sources or, reversed, from the targets.
    Degree { relation: RelationId, reversed: bool },
    /// The mean of a number over the nodes of a kind.
    Mean { kind: KindId, attribute: AttributeId },
    /// How pairs fared that shared a neighbor.
    Pattern(PatternRequest),
    /// Who likes whom.
    Latent(LatentRequest),
    /// How many nodes have each term of a space.
    Terms { space: TermSpaceId },
    /// What nodes with the same past did.
    Filter(FilterRequest),
}

/// What a pattern model looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatternRequest {
    /// Relation to the shared neighbors.
    pub(crate) relation: RelationId,
    /// Relation between the pairs whose success is known.
    pub(crate) outcome: RelationId,
    /// Which of its edges count.
    pub(crate) conditions: Vec<Condition>,
    /// The edge attribute that holds the success.
    pub(crate) value: AttributeId,
    /// The value that is full success.
    pub(crate) scale: f64,
}

/// Sum of successes in units of 2^-24 and the number of pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) sum_units: u64,
    pub(crate) count: u64,
}

impl Tally {
    /// Mean, drawn to `mean` as if `strength` pairs had been seen with it; in [0, 1].
    ///
    /// Source: Bayesian average; e.g. Efron & Morris, "Stein's Paradox in Statistics", Scientific American 236(5), 1977.
    pub(crate) fn shrunken(self, mean: f64, strength: f64) -> f64 {
        (value_of(self.sum_units) + strength * mean) / (value_of(self.count << 24) + strength)
    }

    fn mean(self) -> f64 {
        if self.count == 0 { 0.0 } else { value_of(self.sum_units) / value_of(self.count << 24) }
    }
}

/// How pairs fared, by neighbor that they shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PatternModel {
    pub(crate) overall: Tally,
    pub(crate) by_neighbor: BTreeMap<Key, Tally>,
}

impl PatternModel {
    pub(crate) fn mean(&self) -> f64 {
        self.overall.mean()
    }
}

/// The fitted statistics of an engine.
///
/// They are counted over what members may read, and patterns over all pairs: what an answer shows of them is an
/// aggregate, never a row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Models {
    degrees: BTreeMap<String, Arc<BTreeMap<Key, u32>>>,
    means: BTreeMap<String, f64>,
    patterns: BTreeMap<String, Arc<PatternModel>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    latents: BTreeMap<String, Arc<LatentModel>>,
    terms: BTreeMap<String, Arc<TermCounts>>,
    /// Too large for JSON: snapshots hold them in sections of their own, and only their digests count here.
    #[serde(skip)]
    pub(crate) filters: FilterModels,
}

/// What models are fitted to.
#[derive(Clone, Copy)]
pub(crate) struct FitInput<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) spaces: &'a [Space],
    /// Term counts by space, those that were asked for before.
    pub(crate) terms: &'a BTreeMap<String, Arc<TermCounts>>,
}

/// The degree of a node that the model has not seen: the least that can connect two others.
const DEGREE_DEFAULT: u32 = 2;

impl Models {
    /// 12 hexadecimal digits that name the content.
    #[must_use]
    pub fn version(&self) -> String {
        // Maps are sorted and doubles print in shortest form: the same content gives the same text.
        let mut hash = Sha256::new_with_prefix(serde_json::to_vec(self).unwrap_or_default());
        for (name, model) in &self.filters {
            hash.update(format!("{name}\n{}\n", model.digest));
        }
        hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn fit(graph: &Graph, spaces: &[Space], requests: &[ModelRequest]) -> Self {
        Self::fit_with(graph, spaces, requests, &FilterRequest::fit)
    }

    /// As [`Models::fit`], where filter models start from those fitted to an earlier version of the graph.
    pub(crate) fn refit(
        &self,
        before: &Graph,
        graph: &Graph,
        spaces: &[Space],
        requests: &[ModelRequest],
    ) -> Self {
        Self::fit_with(graph, spaces, requests, &|request, input| match self
            .filters
            .get(&request.name(before))
        {
            Some(model) => request.refit(before, model, input),
            None => request.fit(input),
        })
    }

    fn fit_with(
        graph: &Graph,
        spaces: &[Space],
        requests: &[ModelRequest],
        fit_filter: &dyn Fn(&FilterRequest, FitInput<'_>) -> FilterModel,
    ) -> Self {
        let mut models = Self::default();
        for request in requests {
            let name = request.name(graph);
            match request {
                ModelRequest::Filter(filter) => {
                    let input = FitInput { graph, spaces, terms: &models.terms };
                    let fit = || Arc::new(fit_filter(filter, input));
                    models.filters.entry(name).or_insert_with(fit);
                }
                ModelRequest::Degree { relation, reversed } => {
                    models
                        .degrees
                        .entry(name)
                        .or_insert_with(|| Arc::new(fit_degrees(graph, *relation, *reversed)));
                }
                ModelRequest::Mean { kind, attribute } => {
                    models.means.entry(name).or_insert_with(|| fit_mean(graph, *kind, *attribute));
                }
                ModelRequest::Pattern(pattern) => {
                    models.patterns.entry(name).or_insert_with(|| Arc::new(fit_pattern(graph, pattern)));
                }
                ModelRequest::Latent(latent) => {
                    let sight = Sight::new(&ANY_MEMBER, graph.audiences());
                    let fit = || Arc::new(LatentModel::fit(graph, latent, sight));
                    models.latents.entry(name).or_insert_with(fit);
                }
                ModelRequest::Terms { space } => {
                    models.terms.entry(name).or_insert_with(|| Arc::new(fit_terms(graph, *space)));
                }
            }
        }
        models
    }

    /// How many statistics there are besides filters, and about how much memory they take.
    pub(crate) fn statistics_size(&self) -> (usize, usize) {
        // Trees are two thirds full on average.
        fn tree<V>(tree: &BTreeMap<Key, V>) -> usize {
            let heap: usize = tree.keys().map(Key::heap_bytes).sum();
            tree.len() * (size_of::<Key>() + size_of::<V>()) * 3 / 2 + heap
        }
        let degrees = self.degrees.values().map(|degrees| tree(degrees));
        let patterns = self.patterns.values().map(|pattern| tree(&pattern.by_neighbor));
        let terms = self.terms.values().flat_map(|counts| counts.by_term.keys());
        let terms = terms.map(|term| (size_of::<String>() + size_of::<u32>()) * 3 / 2 + term.len());
        let count = self.degrees.len() + self.means.len() + self.patterns.len() + self.terms.len();
        (count + self.latents.len(), degrees.chain(patterns).chain(terms).sum())
    }

    /// How many neighbors nodes had over a relation when the model was fitted.
    pub(crate) fn degrees(&self, graph: &Graph, relation: RelationId, reversed: bool) -> Degrees<'_> {
        let name = ModelRequest::Degree { relation, reversed }.name(graph);
        Degrees(self.degrees.get(&name).map(Arc::as_ref))
    }

    pub(crate) fn mean(&self, graph: &Graph, kind: KindId, attribute: AttributeId) -> Option<f64> {
        self.means.get(&ModelRequest::Mean { kind, attribute }.name(graph)).copied()
    }

    pub(crate) fn latent(&self, request: &LatentRequest) -> Option<&LatentModel> {
        self.latents.get(&request.name).map(Arc::as_ref)
    }

    pub(crate) fn pattern(&self, graph: &Graph, request: &PatternRequest) -> Option<&PatternModel> {
        self.patterns.get(&ModelRequest::Pattern(request.clone()).name(graph)).map(Arc::as_ref)
    }

    pub(crate) fn terms(&self, space: &str) -> Option<&TermCounts> {
        self.terms.get(space).map(Arc::as_ref)
    }
}

/// Degrees by key, as far as they were fitted.
#[derive(Clone, Copy)]
pub(crate) struct Degrees<'a>(Option<&'a BTreeMap<Key, u32>>);

impl Degrees<'_> {
    /// Neighbors of a node when the model was fitted, at least 2.
    pub(crate) fn get(self, key: &Key) -> u32 {
        let known = self.0.and_then(|degrees| degrees.get(key)).copied();
        known.unwrap_or(DEGREE_DEFAULT).max(DEGREE_DEFAULT)
    }
}

impl ModelRequest {
    /// Names the statistic by the schema's names, so that it survives a change of ids.
    fn name(&self, graph: &Graph) -> String {
        let schema = graph.schema();
        let relation = |id: RelationId| &schema.relations()[id.index()];
        match self {
            Self::Degree { relation: id, reversed } => {
                format!("{} of {}", relation(*id).name, if *reversed { "targets" } else { "sources" })
            }
            Self::Mean { kind, attribute } => {
                let kind = &schema.kinds()[kind.index()];
                format!("{}.{}", kind.name, kind.attributes.name(*attribute))
            }
            Self::Terms { space } => schema.term_spaces()[space.index()].name.clone(),
            Self::Filter(filter) => filter.name(graph),
            Self::Pattern(pattern) => {
                let outcome = relation(pattern.outcome);
                let conditions = serde_json::to_string(&pattern.conditions).unwrap_or_default();
                let value = outcome.attributes.name(pattern.value);
                format!(
                    "{} by {}.{value}/{} where {conditions}",
                    relation(pattern.relation).name,
                    outcome.name,
                    pattern.scale
                )
            }
            Self::Latent(latent) => latent.name.clone(),
        }
    }
}

/// A viewer that is signed in and holds nothing: what statistics may count.
pub(super) static ANY_MEMBER: Viewer = Viewer::Member(std::collections::BTreeSet::new());

pub(super) fn is_public(audience: u32) -> bool {
    audience == EVERYONE || audience == MEMBERS
}

pub(super) fn node_ids(graph: &Graph, kind: KindId) -> impl Iterator<Item = NodeId> + '_ {
    (0..graph.nodes(kind).node_count()).filter_map(NodeId::from_index)
}

fn fit_degrees(graph: &Graph, relation: RelationId, reversed: bool) -> BTreeMap<Key, u32> {
    let declared = &graph.schema().relations()[relation.index()];
    let kind = if reversed { declared.to } else { declared.from };
    let hop =
        Hop::new(graph, relation, reversed, Vec::new(), Sight::new(&ANY_MEMBER, graph.audiences()), false)
            .merged();
    let mut degrees = BTreeMap::new();
    for node in node_ids(graph, kind).filter(|node| is_public(graph.nodes(kind).audience(*node))) {
        let degree = u32::try_from(hop.visible_degree(node.index())).unwrap_or(u32::MAX);
        if degree > DEGREE_DEFAULT {
            degrees.insert(graph.nodes(kind).key(node).clone(), degree);
        }
    }
    degrees
}

fn fit_mean(graph: &Graph, kind: KindId, attribute: AttributeId) -> f64 {
    // The mean of a sorted list: the sum has a fixed order whatever the ids are.
    let mut numbers: Vec<f64> = node_ids(graph, kind)
        .filter(|node| is_public(graph.nodes(kind).audience(*node)))
        .filter_map(|node| match graph.nodes(kind).cell(node, attribute) {
            Cell::Number(number) => Some(number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable_by(f64::total_cmp);
    if numbers.is_empty() { 0.0 } else { numbers.iter().sum::<f64>() / count_of(numbers.len()) }
}

fn fit_terms(graph: &Graph, space: TermSpaceId) -> TermCounts {
    let (table, kind) = (graph.term_table(space), graph.schema().term_spaces()[space.index()].kind);
    let nodes = graph.nodes(kind);
    let (mut node_count, mut by_id) = (0, vec![0_u32; graph.terms().count()]);
    for node in node_ids(graph, kind).filter(|node| is_public(nodes.audience(*node))) {
        if table.audience(node).is_some_and(is_public) {
            node_count += 1;
            table.terms(node).for_each(|(term, _)| by_id[term as usize] += 1);
        }
    }
    let counted = graph.terms().values().zip(by_id).filter(|(_, count)| *count > 0);
    TermCounts { node_count, by_term: counted.map(|(term, count)| (term.to_string(), count)).collect() }
}

fn fit_pattern(graph: &Graph, request: &PatternRequest) -> PatternModel {
    let everything = Sight::new(&Viewer::Operator, graph.audiences());
    let outcome = &graph.schema().relations()[request.outcome.index()];
    let neighbors = &graph.schema().relations()[request.relation.index()];
    let tests: Vec<_> = request
        .conditions
        .iter()
        .map(|condition| {
            condition.compile(graph, &outcome.attributes, &|_| Cell::Absent, Timestamp::default())
        })
        .collect();
    let hop = Hop::new(graph, request.relation, false, Vec::new(), everything, true);
    let list = |node: usize| {
        let mut list = Vec::new();
        hop.visit(node, &mut |step| list.push(step.target));
        list.dedup();
        list
    };
    let mut model = PatternModel::default();
    let mut by_node: BTreeMap<NodeId, Tally> = BTreeMap::new();
    let adjacency = graph.adjacency(request.outcome, false);
    for node in node_ids(graph, outcome.from).filter(|node| graph.nodes(outcome.from).is_present(*node)) {
        let mut own: Option<Vec<NodeId>> = None;
        for run in adjacency.runs(node.index()) {
            for (position, target) in run.targets().iter().enumerate() {
                let target = NodeId::from_raw(*target);
                let is_listed_once = !outcome.symmetric || node < target;
                let passes = tests.iter().all(|test| test.accepts(&run.test_cell(position, test)));
                let success = match run.cell(position, request.value.index()) {
                    Cell::Number(number) => units((number / request.scale).clamp(0.0, 1.0)),
                    _ => continue,
                };
                if !is_listed_once || !passes || !graph.nodes(outcome.to).is_present(target) {
                    continue;
                }
                model.overall =
                    Tally { sum_units: model.overall.sum_units + success, count: model.overall.count + 1 };
                let own = own.get_or_insert_with(|| list(node.index()));
                let other = list(target.index());
                for shared in own.iter().filter(|shared| other.binary_search(shared).is_ok()) {
                    let tally = by_node.entry(*shared).or_default();
                    *tally = Tally { sum_units: tally.sum_units + success, count: tally.count + 1 };
                }
            }
        }
    }
    let keys = graph.nodes(neighbors.to);
    model.by_neighbor = by_node.into_iter().map(|(node, tally)| (keys.key(node).clone(), tally)).collect();
    model
}
