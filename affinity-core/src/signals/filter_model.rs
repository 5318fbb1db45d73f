//! Filter models: fitted to the relations of a graph, kept by external key, bound to the nodes of an engine.
//!
//! Source: the models are those of `filtering/`, each with its paper.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::models::{ANY_MEMBER, FitInput, Models, is_public, node_ids};
use super::neighbors::PropagationParams;
use crate::filtering::{
    Correspondence, Factors, Interactions, InteractionsBuilder, InteractionsChange, ItemRows,
    LocalEaseParams, LowPassParams, Rp3Params,
};
use crate::graph::{Graph, Hop, Key, KindId, NodeId, RelationId, Sight};

/// Items of a user at most: one with more would cost its square and says little about any of them, so no fit counts it.
pub const FILTER_USER_ITEMS_MAX: usize = 10_000;

/// What a filter model is fitted to, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilterRequest {
    pub(crate) relation: RelationId,
    /// Whether users are the relation's targets.
    pub(crate) reversed: bool,
    /// Whether an interaction counts the weight of its edge instead of 1.
    pub(crate) weighted: bool,
    pub(crate) params: FilterParams,
}

/// Which model, and its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FilterParams {
    LocalEase(LocalEaseParams),
    Rp3(Rp3Params),
    LowPass(LowPassParams),
    Propagation(PropagationParams),
}

impl FilterParams {
    pub(crate) fn model(&self) -> &'static str {
        match self {
            Self::LocalEase(_) => "local_ease",
            Self::Rp3(_) => "rp3",
            Self::LowPass(_) => "low_pass",
            Self::Propagation(_) => "propagation",
        }
    }
}

impl FilterRequest {
    /// Names the model by the schema's names and all parameters.
    pub(crate) fn name(&self, graph: &Graph) -> String {
        let relation = &graph.schema().relations()[self.relation.index()].name;
        let users = if self.reversed { "targets" } else { "sources" };
        let values = if self.weighted { "weights" } else { "ones" };
        let params = match self.params {
            FilterParams::LocalEase(LocalEaseParams {
                neighbors,
                ridge,
                relative_ridge,
                user_power,
                item_power,
            }) => format!(
                "neighbors {neighbors} ridge {ridge} relative {relative_ridge} user {user_power} item {item_power}"
            ),
            FilterParams::Rp3(Rp3Params { neighbors, alpha, beta, rows }) => {
                format!("neighbors {neighbors} alpha {alpha} beta {beta} rows {rows:?}")
            }
            FilterParams::Propagation(params) => params.name(graph),
            FilterParams::LowPass(LowPassParams { neighbors, rank, linear, ideal, exponent, sharpening }) => {
                format!(
                    "neighbors {neighbors} rank {rank} linear {linear} ideal {ideal} exponent {exponent} \
                     sharpening {sharpening}"
                )
            }
        };
        format!("{relation} of {users} in {values}: {} {params}", self.params.model())
    }

    pub(super) fn item_kind(&self, graph: &Graph) -> KindId {
        let declared = &graph.schema().relations()[self.relation.index()];
        if self.reversed { declared.from } else { declared.to }
    }

    pub(crate) fn fit(&self, input: FitInput<'_>) -> FilterModel {
        let table = || Table::read(input.graph, self);
        let (items, rows, factors) = match &self.params {
            FilterParams::LocalEase(params) => {
                let table = table();
                (table.items, params.fit(&table.interactions), None)
            }
            FilterParams::Rp3(params) => {
                let table = table();
                (table.items, params.fit(&table.interactions), None)
            }
            FilterParams::LowPass(params) => {
                let table = table();
                let (rows, factors) = params.fit(&table.interactions);
                (table.items, rows, Some(factors))
            }
            FilterParams::Propagation(params) => {
                let (items, rows) = params.fit(self, input);
                (items, rows, None)
            }
        };
        FilterModel::new(items.into(), rows, factors)
    }

    /// What [`FilterRequest::fit`] gives for `after`, from the model fitted to `before`.
    pub(crate) fn refit(&self, before: &Graph, model: &FilterModel, after: FitInput<'_>) -> FilterModel {
        if !matches!(self.params, FilterParams::LocalEase(_) | FilterParams::Rp3(_)) {
            return self.fit(after);
        }
        let (old, new) = (Table::read(before, self), Table::read(after.graph, self));
        let users = Correspondence::new(&old.users, &new.users);
        let items = Correspondence::new(&old.items, &new.items);
        let change = InteractionsChange {
            before: &old.interactions,
            after: &new.interactions,
            users: &users,
            items: &items,
        };
        let is_fitted_to_it = *model.keys == *old.items;
        let rows = match &self.params {
            FilterParams::LocalEase(params) if is_fitted_to_it => params.refit(&change, &model.rows),
            FilterParams::Rp3(params) if is_fitted_to_it => params.refit(&change, &model.rows),
            _ => return self.fit(after),
        };
        FilterModel::new(new.items.into(), rows, None)
    }
}

/// What members may read of a relation, users and items in the order of their keys.
struct Table {
    users: Vec<Key>,
    items: Vec<Key>,
    interactions: Interactions,
}

impl Table {
    fn read(graph: &Graph, request: &FilterRequest) -> Self {
        let declared = &graph.schema().relations()[request.relation.index()];
        let user_kind = if request.reversed { declared.to } else { declared.from };
        let sight = Sight::new(&ANY_MEMBER, graph.audiences());
        let hop = Hop::new(graph, request.relation, request.reversed, Vec::new(), sight, false).merged();
        let (user_nodes, item_nodes) = (graph.nodes(user_kind), graph.nodes(hop.to()));
        let mut rows: Vec<(NodeId, Vec<(NodeId, f32)>)> = Vec::new();
        for node in node_ids(graph, user_kind).filter(|node| is_public(user_nodes.audience(*node))) {
            let mut row = Vec::new();
            hop.visit(node.index(), &mut |step| {
                let value = if request.weighted { step.weight } else { 1.0 };
                if value > 0.0 {
                    row.push((step.target, value));
                }
            });
            if !row.is_empty() && row.len() <= FILTER_USER_ITEMS_MAX {
                row.shrink_to_fit();
                rows.push((node, row));
            }
        }
        rows.sort_unstable_by(|a, b| user_nodes.key(a.0).cmp(user_nodes.key(b.0)));
        let mut place_of = vec![NO_ROW; item_nodes.node_count()];
        rows.iter().flat_map(|(_, row)| row).for_each(|(item, _)| place_of[item.index()] = 0);
        let mut items: Vec<NodeId> =
            node_ids(graph, hop.to()).filter(|node| place_of[node.index()] != NO_ROW).collect();
        items.sort_unstable_by(|a, b| item_nodes.key(*a).cmp(item_nodes.key(*b)));
        for (item, place) in items.iter().zip(0_u32..) {
            place_of[item.index()] = place;
        }
        let mut builder = InteractionsBuilder::new(items.len());
        let mut sorted: Vec<(u32, f32)> = Vec::new();
        for (_, row) in &mut rows {
            sorted.clear();
            sorted.extend(row.iter().map(|(item, value)| (place_of[item.index()], *value)));
            sorted.sort_unstable_by_key(|(item, _)| *item);
            builder.push_user(&sorted);
            *row = Vec::new(); // the matrix has it now
        }
        Self {
            users: rows.iter().map(|(node, _)| user_nodes.key(*node).clone()).collect(),
            items: items.iter().map(|node| item_nodes.key(*node).clone()).collect(),
            interactions: builder.build(),
        }
    }
}

/// A fitted model. Row `r` belongs to the item `keys[r]`; keys rise.
#[derive(Clone, Debug)]
pub(crate) struct FilterModel {
    pub(crate) keys: Arc<[Key]>,
    pub(crate) rows: ItemRows,
    pub(crate) factors: Option<Factors>,
    /// 12 hexadecimal digits that name the content.
    pub(crate) digest: Arc<str>,
}

impl PartialEq for FilterModel {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.keys == other.keys
            && self.rows == other.rows
            && self.factors == other.factors
    }
}

impl FilterModel {
    /// Memory in use.
    pub(crate) fn size_bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| size_of::<Key>() + key.heap_bytes()).sum();
        let rows = [
            &self.rows.targets.size_bytes(),
            &self.rows.offsets.size_bytes(),
            &self.rows.weights.size_bytes(),
        ];
        let factors =
            self.factors.as_ref().map_or(0, |factors| factors.left.size_bytes() + factors.right.size_bytes());
        keys + rows.into_iter().sum::<usize>() + factors
    }

    fn new(keys: Arc<[Key]>, rows: ItemRows, factors: Option<Factors>) -> Self {
        let mut hash = Sha256::new();
        for key in keys.iter() {
            hash.update(key.to_string());
            hash.update([0]);
        }
        hash.update(bytemuck::cast_slice(&rows.offsets));
        hash.update(bytemuck::cast_slice(&rows.targets));
        hash.update(bytemuck::cast_slice(&rows.weights));
        if let Some(factors) = &factors {
            hash.update(factors.left_bits.to_le_bytes());
            hash.update(bytemuck::cast_slice(&factors.left));
            hash.update(bytemuck::cast_slice(&factors.right_bits));
            hash.update(bytemuck::cast_slice(&factors.right));
        }
        let digest: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { keys, rows, factors, digest: digest.into() }
    }
}

/// No row for a node, or no node for a row.
const NO_ROW: u32 = u32::MAX;

/// A model and the nodes of an engine that its rows belong to.
#[derive(Clone, Debug)]
pub(crate) struct BoundFilter {
    pub(crate) model: Arc<FilterModel>,
    kind: KindId,
    /// By node; newer nodes have none.
    row_of: Vec<u32>,
    /// By row.
    node_of: Vec<u32>,
    /// Rows whose item the graph does not know.
    unbound_count: usize,
}

impl BoundFilter {
    fn new(graph: &Graph, kind: KindId, model: &Arc<FilterModel>) -> Self {
        let nodes = graph.nodes(kind);
        let mut row_of = vec![NO_ROW; nodes.node_count()];
        let find = |(key, row): (&Key, u32)| {
            let node = nodes.find(key)?;
            row_of[node.index()] = row;
            Some(node.raw())
        };
        let node_of: Vec<u32> =
            model.keys.iter().zip(0_u32..).map(find).map(|node| node.unwrap_or(NO_ROW)).collect();
        let unbound_count = node_of.iter().filter(|node| **node == NO_ROW).count();
        Self { model: Arc::clone(model), kind, row_of, node_of, unbound_count }
    }

    #[inline]
    pub(crate) fn row(&self, node: NodeId) -> Option<u32> {
        self.row_of.get(node.index()).copied().filter(|row| *row != NO_ROW)
    }

    #[inline]
    pub(crate) fn node(&self, row: usize) -> Option<NodeId> {
        self.node_of.get(row).copied().filter(|node| *node != NO_ROW).map(NodeId::from_raw)
    }

    pub(crate) fn row_count(&self) -> usize {
        self.node_of.len()
    }
}

/// The filter models of an engine by name, bound to its nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct BoundFilters(HashMap<String, BoundFilter>);

impl BoundFilters {
    pub(crate) fn bind<'a>(
        graph: &Graph,
        requests: impl Iterator<Item = &'a FilterRequest>,
        models: &Models,
    ) -> Arc<Self> {
        let mut bound = HashMap::new();
        for request in requests {
            let name = request.name(graph);
            if let Some(model) = models.filters.get(&name).filter(|_| !bound.contains_key(&name)) {
                bound.insert(name, BoundFilter::new(graph, request.item_kind(graph), model));
            }
        }
        Arc::new(Self(bound))
    }

    /// The same models bound to a later version of the graph, whose nodes are those of before and newer ones.
    /// How many models there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Memory in use besides the models.
    pub(crate) fn size_bytes(&self) -> usize {
        let bytes =
            |bound: &BoundFilter| (bound.row_of.capacity() + bound.node_of.capacity()) * size_of::<u32>();
        self.0.values().map(bytes).sum()
    }

    pub(crate) fn rebind(self: &Arc<Self>, graph: &Graph) -> Arc<Self> {
        let misses = |bound: &BoundFilter| {
            bound.unbound_count > 0 && graph.nodes(bound.kind).node_count() > bound.row_of.len()
        };
        if !self.0.values().any(misses) {
            return Arc::clone(self);
        }
        let rebind = |(name, bound): (&String, &BoundFilter)| {
            (name.clone(), BoundFilter::new(graph, bound.kind, &bound.model))
        };
        Arc::new(Self(self.0.iter().map(rebind).collect()))
    }

    pub(crate) fn get(&self, graph: &Graph, request: &FilterRequest) -> Option<&BoundFilter> {
        self.0.get(&request.name(graph))
    }
}

/// Filter models by name, as [`Models`] holds them.
pub(crate) type FilterModels = BTreeMap<String, Arc<FilterModel>>;
