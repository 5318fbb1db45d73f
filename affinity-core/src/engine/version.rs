//! One immutable version of an engine, and how the next one is made.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use serde::Serialize;

use crate::graph::{Change, Graph, Key, KindId, NodeId, Schema, SpaceId, VectorEdit};
use crate::matcher::Matcher;
use crate::signals::{BoundFilters, ModelRequest, Models, NodeRef, SuccessPattern, TermWeights};
use crate::snapshot::{Unverified, Verification};
use crate::vector::{Kernel, Space, VectorChange};

use super::error::EngineError;
use super::reciprocal::check_ways_back;

/// An immutable version of the data with its matchers. A clone is cheap and shares everything.
///
/// ```
/// use affinity_core::{Change, EdgeKey, EdgeRecord, Engine, Matcher, NodeRecord, Query, Schema};
/// let schema = Schema::from_toml(r#"
///     name = "tiny"
///     [kinds.Member]
///     [kinds.Trend]
///     [relations.LIKES]
///     from = "Member"
///     to = "Trend"
/// "#)?;
/// let matcher = Matcher::from_toml(r#"
///     name = "partners"
///     from = "Member"
///     to = "Member"
///     candidates = [{ signal = "taste", cap = 100 }]
///     [[signals]]
///     name = "taste"
///     weight = 1.0
///     half = 1.0
///     shared = { relation = "LIKES", formula = "count" }
/// "#, "partners.toml", &schema)?;
/// let mut changes = Vec::new();
/// for member in ["ann", "bob"] {
///     changes.push(Change::PutNode { kind: "Member".into(), key: member.into(), record: NodeRecord::default() });
///     changes.push(Change::PutEdge {
///         edge: EdgeKey { relation: "LIKES".into(), source: member.into(), target: "jazz".into(), origin: None },
///         record: EdgeRecord::default(),
///     });
/// }
/// changes.push(Change::PutNode { kind: "Trend".into(), key: "jazz".into(), record: NodeRecord::default() });
/// let engine = Engine::builder(schema).matcher(matcher).apply(changes)?.build()?;
/// let answer = engine.recommend(&Query::new("partners", "ann"))?;
/// assert_eq!(answer.matches[0].name, "bob");
/// assert_eq!(answer.matches[0].score, 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) graph: Arc<Graph>,
    pub(crate) spaces: Arc<[Space]>,
    pub(crate) matchers: Arc<BTreeMap<String, Matcher>>,
    pub(crate) models: Arc<Models>,
    pub(crate) models_version: Arc<str>,
    pub(crate) term_weights: TermWeights,
    /// The filter models, bound to the nodes of the graph.
    pub(crate) filters: Arc<BoundFilters>,
    pub(crate) version: Arc<str>,
    /// Said in every answer, besides what [`Engine::degraded`] adds.
    pub(crate) degraded: Arc<[String]>,
    /// For an engine from a snapshot: the checksums left for later.
    pub(crate) unverified: Option<Arc<Unverified>>,
}

/// How much an engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Nodes that are there.
    pub nodes: usize,
    /// Edges, symmetric ones once.
    pub edges: usize,
    /// Vectors.
    pub vectors: usize,
}

/// Collects the first data of an engine.
#[derive(Debug)]
pub struct EngineBuilder {
    graph: Graph,
    vectors: Vec<VectorEdit>,
    matchers: Vec<Matcher>,
    models: Option<Models>,
    version: String,
}

impl EngineBuilder {
    /// Adds a matcher.
    #[must_use]
    pub fn matcher(mut self, matcher: Matcher) -> Self {
        self.matchers.push(matcher);
        self
    }

    /// Adds matchers.
    #[must_use]
    pub fn matchers(mut self, matchers: impl IntoIterator<Item = Matcher>) -> Self {
        self.matchers.extend(matchers);
        self
    }

    /// Adds data; may be called many times.
    ///
    /// # Errors
    /// [`EngineError::Graph`] when a change does not fit the schema.
    pub fn apply(mut self, changes: impl IntoIterator<Item = Change>) -> Result<Self, EngineError> {
        self.vectors.extend(self.graph.apply(changes)?);
        Ok(self)
    }

    /// Uses fitted statistics instead of fitting them to the data.
    #[must_use]
    pub fn models(self, models: Models) -> Self {
        Self { models: Some(models), ..self }
    }

    /// Names the data; the default is empty.
    #[must_use]
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: version.into(), ..self }
    }

    /// The engine.
    ///
    /// # Errors
    /// [`EngineError`] when a vector does not fit its space, two matchers share a name or one has no way back.
    pub fn build(self) -> Result<Engine, EngineError> {
        let matchers = by_name(self.matchers)?;
        let kernel = Kernel::detect();
        let empty = |spec: &crate::graph::SpaceSpec| Space::empty(spec.params(), kernel);
        let spaces: Vec<Space> = self.graph.schema().spaces().iter().map(empty).collect();
        let spaces = with_vectors(&self.graph, &spaces, self.vectors)?;
        let models = self.models.unwrap_or_else(|| fit(&self.graph, &spaces, &matchers));
        Ok(Engine {
            term_weights: TermWeights::default().extended(&self.graph, &models),
            filters: bind(&self.graph, &matchers, &models),
            graph: Arc::new(self.graph),
            spaces,
            matchers: Arc::new(matchers),
            models_version: models.version().into(),
            models: Arc::new(models),
            version: self.version.into(),
            degraded: Arc::default(),
            unverified: None,
        })
    }
}

fn by_name(matchers: Vec<Matcher>) -> Result<BTreeMap<String, Matcher>, EngineError> {
    let mut named = BTreeMap::new();
    for matcher in matchers {
        if let Some(before) = named.insert(matcher.name().to_string(), matcher) {
            return Err(EngineError::RepeatedMatcher { name: before.name().to_string() });
        }
    }
    check_ways_back(&named)?;
    Ok(named)
}

fn fit(graph: &Graph, spaces: &[Space], matchers: &BTreeMap<String, Matcher>) -> Models {
    Models::fit(graph, spaces, &requests(matchers))
}

fn requests(matchers: &BTreeMap<String, Matcher>) -> Vec<ModelRequest> {
    matchers.values().flat_map(Matcher::requests).cloned().collect()
}

/// The filter models that the matchers want, bound to the nodes of a graph.
pub(crate) fn bind(
    graph: &Graph,
    matchers: &BTreeMap<String, Matcher>,
    models: &Models,
) -> Arc<BoundFilters> {
    let filters = matchers.values().flat_map(Matcher::requests).filter_map(|request| match request {
        ModelRequest::Filter(filter) => Some(filter),
        _ => None,
    });
    BoundFilters::bind(graph, filters, models)
}

fn with_vectors(
    graph: &Graph,
    spaces: &[Space],
    edits: Vec<VectorEdit>,
) -> Result<Arc<[Space]>, EngineError> {
    let mut by_space: BTreeMap<SpaceId, Vec<VectorChange>> = BTreeMap::new();
    for edit in edits {
        by_space.entry(edit.space).or_default().push(edit.change);
    }
    let next = |(position, space): (usize, &Space)| match SpaceId::from_index(position)
        .and_then(|id| by_space.remove(&id))
    {
        Some(changes) => {
            let nodes = graph.nodes(graph.schema().spaces()[position].kind);
            space.with_changes(changes, &|node| nodes.key_hash(node))
        }
        None => Ok(space.clone()),
    };
    Ok(spaces.iter().enumerate().map(next).collect::<Result<Vec<_>, _>>()?.into())
}

impl Engine {
    /// Starts an engine from data.
    #[must_use]
    pub fn builder(schema: Schema) -> EngineBuilder {
        EngineBuilder {
            graph: Graph::new(Arc::new(schema)),
            vectors: Vec::new(),
            matchers: Vec::new(),
            models: None,
            version: String::new(),
        }
    }

    /// The version after `changes`; this one stays as it is and shares what did not change.
    ///
    /// Fitted statistics stay the same: see [`Engine::refit`].
    ///
    /// # Errors
    /// [`EngineError`] when a change does not fit; then there is no new version at all.
    pub fn update(&self, changes: impl IntoIterator<Item = Change>) -> Result<Self, EngineError> {
        let (graph, vectors) = self.graph.with_changes(changes)?;
        let spaces = if vectors.is_empty() {
            Arc::clone(&self.spaces)
        } else {
            with_vectors(&graph, &self.spaces, vectors)?
        };
        let filters = self.filters.rebind(&graph);
        let term_weights = self.term_weights.extended(&graph, &self.models);
        Ok(Self { graph: Arc::new(graph), spaces, filters, term_weights, ..self.clone() })
    }

    /// The same data with other matchers; statistics are fitted anew only when these ask for some that the former
    /// ones did not.
    ///
    /// # Errors
    /// [`EngineError`] when two share a name or one has no way back.
    pub fn with_matchers(&self, matchers: Vec<Matcher>) -> Result<Self, EngineError> {
        let (known, matchers) = (requests(&self.matchers), by_name(matchers)?);
        let is_covered = requests(&matchers).iter().all(|request| known.contains(request));
        let filters = bind(&self.graph, &matchers, &self.models);
        let next = Self { matchers: Arc::new(matchers), filters, ..self.clone() };
        Ok(if is_covered { next } else { next.refit() })
    }

    /// The same data with statistics fitted to it.
    #[must_use]
    pub fn refit(&self) -> Self {
        self.with_models(fit(&self.graph, &self.spaces, &self.matchers))
    }

    /// As [`Engine::refit`], from the models of `since`, fitted to its data: of local EASE and RP3 models only what
    /// differs is fitted again. The same models to the last bit, sooner when little has changed.
    ///
    /// `since` must be an engine whose models were fitted to its own data, such as the last one that was built or
    /// refitted.
    #[must_use]
    pub fn refit_changed(&self, since: &Self) -> Self {
        self.with_models(since.models.refit(
            &since.graph,
            &self.graph,
            &self.spaces,
            &requests(&self.matchers),
        ))
    }

    fn with_models(&self, models: Models) -> Self {
        Self {
            term_weights: TermWeights::default().extended(&self.graph, &models),
            filters: bind(&self.graph, &self.matchers, &models),
            models_version: models.version().into(),
            models: Arc::new(models),
            ..self.clone()
        }
    }

    /// The same data under another name.
    #[must_use]
    pub fn with_version(self, version: impl Into<String>) -> Self {
        Self { version: version.into().into(), ..self }
    }

    /// The same data with something said in every answer.
    #[must_use]
    pub fn with_degraded(self, degraded: Vec<String>) -> Self {
        Self { degraded: degraded.into(), ..self }
    }

    /// What every answer of this version says that it could not use.
    #[must_use]
    pub fn degraded(&self) -> Vec<String> {
        let snapshot = match self.verification() {
            Verification::Done => None,
            Verification::Pending => Some("snapshot checksums not yet verified"),
            Verification::Damaged => Some("snapshot is damaged, rebuild the engine"),
        };
        self.degraded.iter().cloned().chain(snapshot.map(str::to_string)).collect()
    }

    /// What the data is called.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The declaration that all data fits.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        self.graph.schema()
    }

    /// The fitted statistics.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.models
    }

    /// The matchers, by name.
    #[must_use]
    pub fn matchers(&self) -> &BTreeMap<String, Matcher> {
        &self.matchers
    }

    /// How much there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let schema = self.graph.schema();
        let kinds = (0..schema.kinds().len()).filter_map(KindId::from_index);
        let edges = |(position, declared): (usize, &crate::graph::Relation)| {
            let relation = crate::graph::RelationId::from_index(position);
            let count = relation.map_or(0, |relation| self.graph.relation(relation).forward.edge_count());
            if declared.symmetric { count.div_ceil(2) } else { count }
        };
        Counts {
            nodes: kinds.map(|kind| self.graph.nodes(kind).present_count()).sum(),
            edges: schema.relations().iter().enumerate().map(edges).sum(),
            vectors: self.spaces.iter().map(Space::count).sum(),
        }
    }

    /// A node by key, with its name.
    #[must_use]
    pub fn node(&self, kind: KindId, key: &Key) -> Option<NodeRef> {
        let node = self.graph.nodes(kind).find(key)?;
        self.graph.nodes(kind).is_present(node).then(|| self.node_ref(kind, node))
    }

    /// What a viewer who is this node holds; empty when there is no such node.
    #[must_use]
    pub fn principals(&self, kind: KindId, key: &Key) -> Vec<String> {
        let nodes = self.graph.nodes(kind);
        nodes.find(key).map_or_else(Vec::new, |node| nodes.principals(node).to_vec())
    }

    /// Up to `limit` nodes that everyone signed in may read and whose name contains `text`, by name.
    ///
    /// Letters match in either case. O(nodes of the kind).
    #[must_use]
    pub fn find_by_name(&self, kind: KindId, text: &str, limit: usize) -> Vec<NodeRef> {
        let wanted = text.to_lowercase();
        let mut found: Vec<(CompactString, NodeRef)> = self
            .readable(kind)
            .into_iter()
            .map(|node| (self.graph.name(kind, node).to_lowercase(), node))
            .filter(|(name, _)| name.contains(&wanted))
            .map(|(name, node)| (name, self.node_ref(kind, node)))
            .collect();
        found.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.id.cmp(&right.id)));
        found.truncate(limit);
        found.into_iter().map(|(_, node)| node).collect()
    }

    /// The nodes with the smallest keys that everyone signed in may read. O(nodes of the kind).
    #[must_use]
    pub fn first_by_key(&self, kind: KindId, limit: usize) -> Vec<NodeRef> {
        let mut readable = self.readable(kind);
        let nodes = self.graph.nodes(kind);
        readable.sort_unstable_by(|a, b| nodes.key(*a).cmp(nodes.key(*b)));
        readable.into_iter().take(limit).map(|node| self.node_ref(kind, node)).collect()
    }

    /// The nodes that everyone signed in may read.
    fn readable(&self, kind: KindId) -> Vec<NodeId> {
        let nodes = self.graph.nodes(kind);
        let is_readable =
            |node: &NodeId| matches!(nodes.audience(*node), crate::graph::EVERYONE | crate::graph::MEMBERS);
        (0..nodes.node_count()).filter_map(NodeId::from_index).filter(is_readable).collect()
    }

    /// Which shared neighbors went with success, for a `pattern` signal of a matcher.
    ///
    /// Best mean first, then most pairs, then key. Empty when the matcher has no such signal.
    #[must_use]
    pub fn success_patterns(&self, matcher: &str, signal: &str) -> Vec<SuccessPattern> {
        let signals = self.matchers.get(matcher).map_or(&[][..], |matcher| &matcher.signals);
        let pattern =
            signals.iter().find(|known| known.name == signal).and_then(|known| known.pattern.as_ref());
        pattern.map_or_else(Vec::new, |pattern| pattern.list(&self.graph, &self.models))
    }

    fn node_ref(&self, kind: KindId, node: NodeId) -> NodeRef {
        NodeRef {
            id: self.graph.nodes(kind).key(node).clone(),
            kind: self.graph.schema().kinds()[kind.index()].name.as_str().into(),
            name: self.graph.name(kind, node),
        }
    }
}
