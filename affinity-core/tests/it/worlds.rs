//! Small random worlds with everything in them: what the invariants are checked on.
//!
//! A [`World`] is the final data as plain maps, so that any history of changes has an obvious result.

use std::collections::{BTreeMap, BTreeSet};

use affinity_core::{
    AdHocSource, Audience, Change, EdgeKey, EdgeRecord, Engine, Key, Link, Matcher, Models, NodeRecord,
    Query, Schema, Timestamp, Value, Viewer,
};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

/// Kinds, relations of every sort of parallel edges, directed and symmetric, and spaces.
pub(crate) const SCHEMA: &str = r#"
name = "small"
[kinds.Member]
label = "name"
[kinds.Member.attributes]
name = "text"
industry = "category"
rank = "category"
tags = "tags"
reputation = "number"
reputation_count = "number"
active = "time"
[kinds.Trend]
label = "name"
attributes = { name = "text", momentum = "number", area = "category" }
[kinds.Company]
attributes = { size = "number", industry = "category", tags = "tags" }
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
timed = true
[relations.SUPPORTS]
from = "Member"
to = "Trend"
weighted = true
timed = true
parallel = "apart"
[relations.RATES]
from = "Member"
to = "Trend"
weighted = true
timed = true
parallel = "max"
[relations.VISITS]
from = "Member"
to = "Company"
weighted = true
timed = true
parallel = "newest"
attributes = { mood = "category" }
[relations.KNOWS]
from = "Member"
to = "Member"
weighted = true
symmetric = true
[relations.MEETS]
from = "Member"
to = "Member"
weighted = true
timed = true
symmetric = true
parallel = "sum"
[relations.PARTNERS]
from = "Member"
to = "Member"
weighted = true
timed = true
symmetric = true
parallel = "apart"
attributes = { status = "category", success = "number" }
[relations.WORKS]
from = "Member"
to = "Company"
[relations.COVERS]
from = "Trend"
to = "Company"
weighted = true
[spaces.profile]
kind = "Member"
dimension = 4
[spaces.goals]
kind = "Member"
dimension = 4
[spaces.pitch]
kind = "Company"
dimension = 4
[spaces.story]
kind = "Company"
form = "terms"
[spaces.words]
kind = "Member"
form = "terms"
"#;

/// Every kind of evidence, caps that cut, filters and exclusions.
const PEOPLE: &str = r#"
name = "people"
from = "Member"
to = "Member"
limit = 5
candidates = [
    { signal = "likes", cap = 3 }, { signal = "profile", cap = 2 }, { signal = "momentum", cap = 3 },
    { signal = "circle", cap = 2 }, { signal = "supports", cap = 2 }, { signal = "words", cap = 2 },
]
filters = [{ attribute = "reputation", min = 1.0, or_absent = true }]
[[signals]]
name = "likes"
phrase = "you share {count}: {names}"
weight = 0.1
half = 1.0
shared = { relation = "LIKES", half_life_days = 30.0 }
[[signals]]
name = "cosine"
weight = 0.025
shared = { relation = "LIKES", formula = "cosine", where = [{ attribute = "weight", above = 0.2 }] }
[[signals]]
name = "supports"
weight = 0.05
full = 4.0
shared = { relation = "SUPPORTS", formula = "count", min_count = 2 }
[[signals]]
name = "backing"
weight = 0.05
half = 1.0
shared = { relation = "SUPPORTS", formula = "resource_allocation" }
[[signals]]
name = "rates"
weight = 0.05
half = 1.0
shared = { relation = "RATES", formula = "resource_allocation", half_life_days = 10.0 }
[[signals]]
name = "visits"
weight = 0.05
half = 1.0
shared = { relation = "VISITS", target_relation = "WORKS" }
[[signals]]
name = "momentum"
phrase = "through {names}"
weight = 0.1
half = 0.1
[signals.path]
steps = [
    { relation = "LIKES", factor = "momentum", half_life_days = 40.0, nodes = [{ attribute = "momentum", min = 0.25, or_absent = true }] },
    { relation = "LIKES", reversed = true, where = [{ attribute = "weight", min = 0.1 }] },
]
[[signals]]
name = "backers"
weight = 0.05
[signals.path]
combine = "max"
normalize = "none"
steps = [{ relation = "SUPPORTS" }, { relation = "SUPPORTS", reversed = true }]
[[signals]]
name = "market"
weight = 0.05
half = 0.1
[signals.path]
steps = [{ relation = "RATES" }, { relation = "COVERS" }, { relation = "VISITS", reversed = true }]
[[signals]]
name = "success"
weight = 0.05
[signals.pattern]
relation = "LIKES"
outcome = "PARTNERS"
where = [{ attribute = "status", in = ["completed"] }]
value = "success"
scale = 5.0
support_min = 1
[[signals]]
name = "circle"
weight = 0.1
half = 0.1
walk = { relations = ["KNOWS", "MEETS", "LIKES", "PARTNERS", "SUPPORTS"], precision = 0.0001 }
[[signals]]
name = "profile"
weight = 0.1
near = { space = "profile" }
[[signals]]
name = "words"
phrase = "both say {names}"
weight = 0.05
terms = { space = "words" }
[[signals]]
name = "tags"
weight = 0.025
overlap = { attribute = "tags" }
[[signals]]
name = "level"
weight = 0.03125
close = { attribute = "rank", scale = 1.0, order = ["junior", "senior", "lead"] }
[[signals]]
name = "peers"
weight = 0.03125
close = { attribute = "reputation", scale = 2.0 }
[[signals]]
name = "roles"
weight = 0.03125
[signals.complement]
attribute = "rank"
table = { junior = { lead = 1.0, senior = 0.5 }, lead = { junior = 0.75 } }
[[signals]]
name = "reputation"
weight = 0.03125
prior = { attribute = "reputation", count_attribute = "reputation_count", strength = 4.0, scale = 5.0 }
[[signals]]
name = "fresh"
weight = 0.025
fresh = { attribute = "active", half_life_days = 20.0 }
[[exclusions]]
rule = "partners"
steps = [{ relation = "PARTNERS", where = [{ attribute = "status", in = ["active"] }] }]
[[exclusions]]
rule = "colleagues"
steps = [{ relation = "WORKS" }, { relation = "WORKS", reversed = true }]
"#;

/// Everyone is a candidate, and matches are spread out.
const VARIED: &str = r#"
name = "varied"
from = "Member"
to = "Member"
limit = 4
candidates = [{ signal = "all", cap = 6 }]
[[signals]]
name = "profile"
weight = 0.4
near = { space = "profile" }
[[signals]]
name = "reputation"
weight = 0.3
prior = { attribute = "reputation", strength = 2.0, scale = 5.0 }
[[signals]]
name = "meets"
weight = 0.3
half = 0.5
path = { steps = [{ relation = "MEETS" }], normalize = "none" }
[[exclusions]]
rule = "same industry"
same = "industry"
[diversity]
space = "profile"
strength = 0.4
window = 3
"#;

/// Another kind of matches, over two relations that meet and two spaces.
const COMPANIES: &str = r#"
name = "companies"
from = "Member"
to = "Company"
limit = 3
candidates = [
    { signal = "covers", cap = 2 }, { signal = "pitch", cap = 2 }, { signal = "reach", cap = 9 },
    { signal = "story", cap = 2 },
]
filters = [{ attribute = "tags", matches_source = "tags", or_absent = true }]
[[signals]]
name = "covers"
weight = 0.4
half = 1.0
shared = { relation = "LIKES", target_relation = "COVERS", target_reversed = true, half_life_days = 50.0 }
[[signals]]
name = "pitch"
weight = 0.3
near = { space = "profile", target_space = "pitch" }
[[signals]]
name = "reach"
weight = 0.2
half = 0.2
walk = { relations = ["LIKES", "COVERS", "WORKS", "VISITS"], restart = 0.2, precision = 0.01, settled = true }
[[signals]]
name = "story"
weight = 0.1
terms = { space = "story", relation = "VISITS", where = [{ attribute = "weight", above = 0.0 }] }
[diversity]
attribute = "industry"
strength = 0.3
"#;

/// As `companies` and `people`, but goals count whoever is looking.
const MATCHING_ONLY: &str = r#"
name = "goals"
from = "Member"
to = "Member"
candidates = [{ signal = "goals", cap = 20 }]
[[signals]]
name = "goals"
weight = 0.5
matching_only = true
near = { space = "goals" }
[[signals]]
name = "profile"
weight = 0.5
near = { space = "profile" }
"#;

/// Both ways count: asymmetric evidence, rules that the way back has to obey too, a window that cuts, variety after it.
pub(crate) const MUTUAL: &str = r#"
name = "mutual"
from = "Member"
to = "Member"
limit = 4
candidates = [{ signal = "all", cap = 7 }]
filters = [
    { attribute = "reputation", min = 0.5, or_absent = true },
    { attribute = "tags", matches_source = "tags", or_absent = true },
]
[[signals]]
name = "likes"
phrase = "you share {names}"
weight = 0.2
half = 1.0
shared = { relation = "LIKES", half_life_days = 30.0 }
[[signals]]
name = "momentum"
weight = 0.1
half = 0.1
[signals.path]
steps = [{ relation = "LIKES", factor = "momentum" }, { relation = "LIKES", reversed = true }]
[[signals]]
name = "far"
weight = 0.1
half = 0.01
path = { steps = [{ relation = "MEETS" }, { relation = "MEETS" }, { relation = "MEETS" }] }
[[signals]]
name = "circle"
weight = 0.1
half = 0.1
walk = { relations = ["KNOWS", "MEETS", "LIKES"], precision = 0.0001 }
[[signals]]
name = "profile"
weight = 0.1
near = { space = "profile" }
[[signals]]
name = "roles"
weight = 0.1
[signals.complement]
attribute = "rank"
table = { junior = { lead = 1.0, senior = 0.5 }, lead = { junior = 0.75 } }
[[signals]]
name = "yes"
weight = 0.1
[signals.latent]
relation = "PARTNERS"
value = "success"
scale = 5.0
terms = [
    { difference = "reputation" }, { same = "industry" }, { overlap = "tags" },
    { source = "reputation", target = "reputation_count" },
]
[[signals]]
name = "reputation"
weight = 0.1
prior = { attribute = "reputation", count_attribute = "reputation_count", strength = 4.0, scale = 5.0 }
[[exclusions]]
rule = "partners"
steps = [{ relation = "PARTNERS", where = [{ attribute = "status", in = ["active"] }] }]
[[exclusions]]
rule = "colleagues"
steps = [{ relation = "WORKS" }, { relation = "WORKS", reversed = true }]
[reciprocal]
combine = "harmonic"
window = 5
[diversity]
attribute = "industry"
strength = 0.3
"#;

/// Seconds that all times lie around.
const DAY_ZERO: i64 = 1_700_000_000;
const MEMBERS: [&str; 9] = [
    "m1",
    "0190f5ae-7c3b-7000-8000-000000000002",
    "m3",
    "m4",
    "0190f5ae-7c3b-7000-8000-000000000001",
    "m6",
    "m7",
    "m8",
    "m9",
];
const TRENDS: [&str; 5] = ["jazz", "t2", "t3", "vegan", "t5"];
const COMPANY_KEYS: [&str; 4] = ["c1", "c2", "c3", "c4"];
/// Name, keys at the ends, whether symmetric and whether parallel edges are told apart.
type RelationCase = (&'static str, &'static [&'static str], &'static [&'static str], bool, bool);
const RELATIONS: [RelationCase; 9] = [
    ("LIKES", &MEMBERS, &TRENDS, false, false),
    ("SUPPORTS", &MEMBERS, &TRENDS, false, true),
    ("RATES", &MEMBERS, &TRENDS, false, true),
    ("VISITS", &MEMBERS, &COMPANY_KEYS, false, true),
    ("KNOWS", &MEMBERS, &MEMBERS, true, false),
    ("MEETS", &MEMBERS, &MEMBERS, true, true),
    ("PARTNERS", &MEMBERS, &MEMBERS, true, true),
    ("WORKS", &MEMBERS, &COMPANY_KEYS, false, false),
    ("COVERS", &TRENDS, &COMPANY_KEYS, false, false),
];

pub(crate) fn schema() -> Schema {
    Schema::from_toml(SCHEMA).unwrap()
}

pub(crate) fn matcher(text: &str) -> Matcher {
    Matcher::from_toml(text, "test.toml", &schema()).unwrap()
}

/// The text of one of [`matchers`].
pub(crate) fn matcher_text(name: &str) -> String {
    match name {
        "people" => PEOPLE,
        "varied" => VARIED,
        _ => COMPANIES,
    }
    .to_string()
}

/// Matchers whose answers depend on nothing that the viewer may not read.
pub(crate) fn matchers() -> Vec<Matcher> {
    [PEOPLE, VARIED, COMPANIES, MUTUAL].map(matcher).into()
}

/// Their names.
pub(crate) const OPEN: [&str; 4] = ["people", "varied", "companies", "mutual"];

/// The matcher that uses goals given for matching only.
pub(crate) fn matching_only() -> Matcher {
    matcher(MATCHING_ONLY)
}

pub(crate) fn days(days: i64) -> Timestamp {
    Timestamp::from_seconds(DAY_ZERO + days * 86_400)
}

pub(crate) fn viewers() -> Vec<Viewer> {
    let member = |principals: &[&str]| Viewer::Member(principals.iter().map(ToString::to_string).collect());
    vec![
        Viewer::Operator,
        Viewer::Anonymous,
        member(&[]),
        member(&["member:1", "partnership:1"]),
        member(&["member:2"]),
    ]
}

/// The final data.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) nodes: BTreeMap<(String, Key), NodeRecord>,
    pub(crate) edges: BTreeMap<EdgeKey, EdgeRecord>,
    pub(crate) vectors: BTreeMap<(String, Key), (Vec<f32>, Audience)>,
    pub(crate) terms: BTreeMap<(String, Key), (BTreeMap<String, f32>, Audience)>,
}

/// One key per edge: symmetric ones have one order of ends, relations with one edge per pair no origin.
fn canonical(edge: &EdgeKey) -> EdgeKey {
    let mut edge = edge.clone();
    let (_, _, _, symmetric, told_apart) =
        *RELATIONS.iter().find(|(name, ..)| *name == edge.relation).unwrap();
    if symmetric && edge.target < edge.source {
        std::mem::swap(&mut edge.source, &mut edge.target);
    }
    if !told_apart {
        edge.origin = None;
    }
    edge
}

pub(crate) fn sees(viewer: &Viewer, audience: &Audience) -> bool {
    match (viewer, audience) {
        (Viewer::Operator, Audience::Principals(wanted)) => !wanted.is_empty(),
        (Viewer::Operator, _) | (_, Audience::Everyone) | (Viewer::Member(_), Audience::Members) => true,
        (Viewer::Member(held), Audience::Principals(wanted)) => !held.is_disjoint(wanted),
        (Viewer::Anonymous, _) => false,
    }
}

impl World {
    pub(crate) fn of(changes: &[Change]) -> Self {
        let mut world = Self::default();
        changes.iter().for_each(|change| world.apply(change));
        world
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::PutNode { kind, key, record } => {
                self.nodes.insert((kind, key), record);
            }
            Change::RemoveNode { kind, key } => {
                self.nodes.remove(&(kind, key));
            }
            Change::PutEdge { edge, record } => {
                self.edges.insert(canonical(&edge), record);
            }
            Change::RemoveEdge { edge } => {
                self.edges.remove(&canonical(&edge));
            }
            Change::PutVector { space, key, vector, audience } => {
                self.vectors.insert((space, key), (vector, audience));
            }
            Change::RemoveVector { space, key } => {
                self.vectors.remove(&(space, key));
            }
            Change::PutTerms { space, key, terms, audience } => {
                self.terms.insert((space, key), (terms, audience));
            }
        }
    }

    /// The data as changes to an empty engine.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let nodes = self.nodes.iter().map(|((kind, key), record)| Change::PutNode {
            kind: kind.clone(),
            key: key.clone(),
            record: record.clone(),
        });
        let edges = self
            .edges
            .iter()
            .map(|(edge, record)| Change::PutEdge { edge: edge.clone(), record: record.clone() });
        let vectors = self.vectors.iter().map(|((space, key), (vector, audience))| Change::PutVector {
            space: space.clone(),
            key: key.clone(),
            vector: vector.clone(),
            audience: audience.clone(),
        });
        let terms = self.terms.iter().map(|((space, key), (terms, audience))| Change::PutTerms {
            space: space.clone(),
            key: key.clone(),
            terms: terms.clone(),
            audience: audience.clone(),
        });
        nodes.chain(edges).chain(vectors).chain(terms).collect()
    }

    /// What is left when all that the viewer may not read is gone.
    pub(crate) fn seen_by(&self, viewer: &Viewer) -> Self {
        let mut seen = self.clone();
        seen.nodes.retain(|_, record| sees(viewer, &record.audience));
        let is_there = |key: &Key| seen.nodes.keys().any(|(_, known)| known == key);
        seen.edges.retain(|edge, record| {
            sees(viewer, &record.audience) && is_there(&edge.source) && is_there(&edge.target)
        });
        seen.vectors.retain(|(_, key), (_, audience)| sees(viewer, audience) && is_there(key));
        seen.terms.retain(|(_, key), (_, audience)| sees(viewer, audience) && is_there(key));
        seen
    }

    pub(crate) fn engine(&self, models: Option<&Models>) -> Engine {
        engine_of(self.changes(), models)
    }

    /// Keys of a kind that are there.
    pub(crate) fn keys(&self, kind: &str) -> Vec<Key> {
        self.nodes.keys().filter(|(known, _)| known == kind).map(|(_, key)| key.clone()).collect()
    }
}

pub(crate) fn engine_of(changes: Vec<Change>, models: Option<&Models>) -> Engine {
    let builder = Engine::builder(schema()).matchers(matchers()).matcher(matching_only());
    let builder = match models {
        Some(models) => builder.models(models.clone()),
        None => builder,
    };
    builder.apply(changes).unwrap().build().unwrap()
}

/// A source described on the spot, with words and links that the world may or may not have.
pub(crate) fn described() -> AdHocSource {
    let link = |relation: &str, reversed: bool, key: &str, weight: f32| Link {
        relation: relation.to_string(),
        reversed,
        key: key.into(),
        weight,
        at: Some(days(80)),
    };
    AdHocSource {
        name: "A visitor".to_string(),
        attributes: BTreeMap::from([
            ("industry".to_string(), Value::Category("film".to_string())),
            ("rank".to_string(), Value::Category("lead".to_string())),
            ("tags".to_string(), Value::Tags(["a", "d", "unheard", "unheard"].map(String::from).into())),
            ("reputation".to_string(), Value::Number(3.5)),
        ]),
        vectors: BTreeMap::from([("profile".to_string(), vec![1.0, 0.5, 0.0, -0.25])]),
        links: vec![
            link("LIKES", false, "jazz", 0.5),
            link("LIKES", false, "t2", 1.0),
            link("SUPPORTS", false, "t3", 0.3),
            link("KNOWS", false, "m3", 1.0),
            link("WORKS", false, "c1", 1.0),
        ],
    }
}

/// The questions put to a world: every member and matcher, and a source described on the spot.
pub(crate) fn queries(matchers: &[&str]) -> Vec<Query> {
    let mut queries = Vec::new();
    for matcher in matchers {
        for member in MEMBERS {
            queries.push(Query::new(*matcher, member).as_of(days(100)));
        }
        // Links one by one: a single one that the viewer may not read refuses the whole query.
        for position in 0..=described().links.len() {
            let mut source = described();
            source.links = source.links.get(position).cloned().into_iter().collect();
            queries.push(Query::ad_hoc(*matcher, source).as_of(days(100)));
        }
    }
    queries
}

/// The answer as bytes; the error as text.
pub(crate) fn bytes(engine: &Engine, query: &Query) -> String {
    match engine.recommend(query) {
        Ok(answer) => serde_json::to_string(&answer).unwrap(),
        Err(error) => format!("{error:?}"),
    }
}

fn key(keys: &'static [&'static str]) -> impl Strategy<Value = Key> {
    select(keys).prop_map(Key::from)
}

fn audience() -> BoxedStrategy<Audience> {
    let principals = |names: &[&str]| {
        Just(Audience::Principals(names.iter().map(ToString::to_string).collect::<BTreeSet<_>>()))
    };
    prop_oneof![
        5 => Just(Audience::Everyone),
        2 => Just(Audience::Members),
        1 => principals(&["member:1"]),
        1 => principals(&["member:2", "partnership:1"]),
        1 => principals(&[]),
    ]
    .boxed()
}

fn weight() -> impl Strategy<Value = f32> {
    prop_oneof![3 => select(&[0.0_f32, 0.1, 0.25, 0.7, 1.0, 3.0][..]), 1 => 0.01_f32..1.0]
}

fn category(names: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(0.8, select(names).prop_map(|name| Value::Category(name.to_string())))
}

fn number(most: u8) -> impl Strategy<Value = Option<Value>> {
    proptest::option::weighted(0.8, (0..=most).prop_map(|quarters| Value::Number(f64::from(quarters) / 4.0)))
}

fn record(
    values: impl Strategy<Value = Vec<(&'static str, Option<Value>)>> + 'static,
) -> BoxedStrategy<NodeRecord> {
    (values, audience())
        .prop_map(|(values, audience)| NodeRecord {
            attributes: values
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_string(), value?)))
                .collect(),
            audience,
            principals: Vec::new(),
        })
        .boxed()
}

fn tags() -> impl Strategy<Value = Option<Value>> {
    let some = subsequence(vec!["a", "b", "c", "d"], 0..=4)
        .prop_map(|tags| Value::Tags(tags.into_iter().map(String::from).collect()));
    proptest::option::weighted(0.8, some)
}

fn put_member(key: Key) -> impl Strategy<Value = Change> {
    let values = (
        category(&["media", "music", "film"]),
        category(&["junior", "senior", "lead"]),
        tags(),
        number(20),
        number(40),
        proptest::option::weighted(0.8, (0..120_i64).prop_map(|day| Value::Time(days(day)))),
        any::<bool>(),
    );
    let name = key.to_string();
    let values = values.prop_map(move |(industry, rank, tags, reputation, count, active, is_named)| {
        vec![
            ("name", is_named.then(|| Value::Text(format!("The {name}")))),
            ("industry", industry),
            ("rank", rank),
            ("tags", tags),
            ("reputation", reputation),
            ("reputation_count", count),
            ("active", active),
        ]
    });
    record(values).prop_map(move |record| Change::PutNode {
        kind: "Member".to_string(),
        key: key.clone(),
        record,
    })
}

fn put_trend(key: Key) -> impl Strategy<Value = Change> {
    let values = (number(5), category(&["food", "sound"]))
        .prop_map(|(momentum, area)| vec![("momentum", momentum), ("area", area)]);
    record(values).prop_map(move |record| Change::PutNode {
        kind: "Trend".to_string(),
        key: key.clone(),
        record,
    })
}

fn put_company(key: Key) -> impl Strategy<Value = Change> {
    let values = (number(40), category(&["media", "music"]), tags())
        .prop_map(|(size, industry, tags)| vec![("size", size), ("industry", industry), ("tags", tags)]);
    record(values).prop_map(move |record| Change::PutNode {
        kind: "Company".to_string(),
        key: key.clone(),
        record,
    })
}

fn put_node() -> BoxedStrategy<Change> {
    prop_oneof![
        2 => key(&MEMBERS).prop_flat_map(put_member),
        1 => key(&TRENDS).prop_flat_map(put_trend),
        1 => key(&COMPANY_KEYS).prop_flat_map(put_company),
    ]
    .boxed()
}

fn remove_node() -> BoxedStrategy<Change> {
    let remove = |kind: &'static str| move |key| Change::RemoveNode { kind: kind.to_string(), key };
    prop_oneof![
        2 => key(&MEMBERS).prop_map(remove("Member")),
        1 => key(&TRENDS).prop_map(remove("Trend")),
        1 => key(&COMPANY_KEYS).prop_map(remove("Company")),
    ]
    .boxed()
}

fn edge_key() -> BoxedStrategy<EdgeKey> {
    let origin = proptest::option::weighted(0.7, select(&["o3", "o1", "o2"][..]).prop_map(Key::from));
    select(&RELATIONS[..])
        .prop_flat_map(move |(relation, sources, targets, _, _)| {
            (key(sources), key(targets), origin.clone()).prop_map(move |(source, target, origin)| EdgeKey {
                relation: relation.to_string(),
                source,
                target,
                origin,
            })
        })
        .boxed()
}

fn put_edge() -> BoxedStrategy<Change> {
    let time = proptest::option::weighted(0.8, (0..120_i64).prop_map(days));
    let attributes = (category(&["active", "completed"]), number(20), category(&["good", "bad"]));
    (edge_key(), weight(), time, audience(), attributes)
        .prop_map(|(edge, weight, at, audience, (status, success, mood))| {
            let values = match edge.relation.as_str() {
                "PARTNERS" => vec![("status", status), ("success", success)],
                "VISITS" => vec![("mood", mood)],
                _ => Vec::new(),
            };
            let attributes =
                values.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect();
            Change::PutEdge { edge, record: EdgeRecord { weight, at, attributes, audience } }
        })
        .boxed()
}

fn vector_place() -> BoxedStrategy<(String, Key)> {
    prop_oneof![
        key(&MEMBERS).prop_map(|key| ("profile".to_string(), key)),
        key(&MEMBERS).prop_map(|key| ("goals".to_string(), key)),
        key(&COMPANY_KEYS).prop_map(|key| ("pitch".to_string(), key)),
    ]
    .boxed()
}

fn put_vector() -> BoxedStrategy<Change> {
    (vector_place(), proptest::array::uniform4(-4_i8..=4), audience())
        .prop_map(|((space, key), quarters, audience)| {
            let mut vector = quarters.map(|quarter| f32::from(quarter) / 4.0).to_vec();
            vector[3] += if vector.iter().all(|component| *component == 0.0) { 1.0 } else { 0.0 };
            Change::PutVector { space, key, vector, audience }
        })
        .boxed()
}

fn put_terms() -> BoxedStrategy<Change> {
    let place = prop_oneof![
        key(&MEMBERS).prop_map(|key| ("words".to_string(), key)),
        key(&COMPANY_KEYS).prop_map(|key| ("story".to_string(), key)),
    ];
    // Words that are categories and tags too: all texts share one set of ids.
    let words = subsequence(vec!["media", "a", "jazz", "brave", "new", "world"], 0..=4);
    let counts = proptest::collection::vec(select(&[1.0_f32, 1.0, 2.0, 0.3][..]), 4);
    (place, words, counts, audience())
        .prop_map(|((space, key), words, counts, audience)| {
            let terms = words.into_iter().map(String::from).zip(counts).collect();
            Change::PutTerms { space, key, terms, audience }
        })
        .boxed()
}

/// Any change at all.
pub(crate) fn change() -> BoxedStrategy<Change> {
    prop_oneof![
        3 => put_node(),
        1 => remove_node(),
        9 => put_edge(),
        2 => edge_key().prop_map(|edge| Change::RemoveEdge { edge }),
        2 => put_vector(),
        1 => vector_place().prop_map(|(space, key)| Change::RemoveVector { space, key }),
        3 => put_terms(),
    ]
    .boxed()
}

/// All nodes, and then edges and vectors in any order.
pub(crate) fn history(edge_count_max: usize) -> BoxedStrategy<Vec<Change>> {
    let members: Vec<_> = MEMBERS.iter().map(|key| put_member(Key::from(*key))).collect();
    let trends: Vec<_> = TRENDS.iter().map(|key| put_trend(Key::from(*key))).collect();
    let companies: Vec<_> = COMPANY_KEYS.iter().map(|key| put_company(Key::from(*key))).collect();
    let links = proptest::collection::vec(put_edge(), edge_count_max / 2..edge_count_max);
    let vectors = proptest::collection::vec(put_vector(), 8..24);
    let terms = proptest::collection::vec(put_terms(), 8..24);
    (members, trends, companies, links, vectors, terms)
        .prop_map(|(members, trends, companies, links, vectors, terms)| {
            [members, trends, companies, links, vectors, terms].concat()
        })
        .boxed()
}
