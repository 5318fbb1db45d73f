//! Affinity's side: an engine of the graph, asked as an application would.

use std::collections::HashMap;

use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Key, Matcher, NodeRecord, Query, Schema, Scratch, Unobserved,
};

use super::data::{AFFINITIES, Data, Found, KINDS, LIMIT, SHARED_MIN, SIDES};

const SCHEMA: &str = r#"
name = "graph"
[kinds.Member]
[kinds.Trend]
[kinds.Demographic]
[kinds.Brand]
[kinds.Content]
[relations.HAS_AFFINITY_WITH]
from = "Member"
to = "Trend"
[relations.POPULAR_WITH]
from = "Trend"
to = "Demographic"
[relations.TARGETS]
from = "Brand"
to = "Demographic"
[relations.CREATED]
from = "Member"
to = "Content"
"#;

/// Members whose edges are applied together: bounds the memory of building.
const BATCH_MEMBERS: usize = 50_000;

/// An engine of the graph.
pub(crate) struct Affinity {
    engine: Engine,
    scratch: Scratch,
}

/// A UUID that sorts like the place: ties break by number then, for everyone.
pub(crate) fn key(place: u32) -> Key {
    Key::Uuid((1_u128 << 64 | u128::from(place)).to_be_bytes())
}

pub(crate) fn place_of(key: &Key) -> usize {
    match key {
        Key::Uuid(bytes) => (u128::from_be_bytes(*bytes) & u128::from(u32::MAX)) as usize,
        Key::Text(text) => panic!("{text} is not a place"),
    }
}

fn shared() -> String {
    format!(
        "name = 'shared'\nfrom = 'Member'\nto = 'Member'\nlimit = {LIMIT}\n\
         candidates = [{{ signal = 'shared', cap = {LIMIT} }}]\n[[signals]]\nname = 'shared'\nweight = 1.0\n\
         half = 1.0\nshared = {{ relation = 'HAS_AFFINITY_WITH', formula = 'count', min_count = {SHARED_MIN} }}\n"
    )
}

/// Walks of one precision to each kind.
fn walks(precision: f64) -> Vec<String> {
    let walk = |kind: &&str| {
        format!(
            "name = 'walk_{kind}'\nfrom = 'Member'\nto = '{kind}'\nlimit = {LIMIT}\n\
             candidates = [{{ signal = 'walk', cap = {LIMIT} }}]\n[[signals]]\nname = 'walk'\nweight = 1.0\n\
             half = 0.000001\nwalk = {{ relations = ['HAS_AFFINITY_WITH', 'POPULAR_WITH', 'TARGETS', 'CREATED'], \
             precision = {precision}, settled = true }}\n"
        )
    };
    KINDS.iter().map(walk).collect()
}

/// What `half` in [`walks`] makes of a probability, undone.
fn probability(value: f64) -> f64 {
    0.000_001 * value / (1.0 - value)
}

impl Affinity {
    pub(crate) fn build(data: &Data) -> Self {
        let schema = Schema::from_toml(SCHEMA).unwrap();
        let matcher = Matcher::from_toml(&shared(), "shared.toml", &schema).unwrap();
        let mut builder = Engine::builder(schema).matcher(matcher);
        let mut place = 0;
        for (kind, count) in KINDS.iter().zip(data.counts) {
            let node = |place: u32| Change::PutNode {
                kind: (*kind).to_string(),
                key: key(place),
                record: NodeRecord::default(),
            };
            builder = builder.apply((place..place + count as u32).map(node)).unwrap();
            place += count as u32;
        }
        let edge = |relation: &str, from: u32, to: u32| Change::PutEdge {
            edge: EdgeKey {
                relation: relation.to_string(),
                source: key(from),
                target: key(to),
                origin: None,
            },
            record: EdgeRecord::default(),
        };
        let batch = BATCH_MEMBERS * AFFINITIES;
        for (position, ranks) in data.affinities.chunks(batch).enumerate() {
            let changes = ranks.iter().enumerate().map(|(offset, rank)| {
                let member = (position * batch + offset) / AFFINITIES;
                edge("HAS_AFFINITY_WITH", member as u32, data.place(1, *rank as usize))
            });
            builder = builder.apply(changes).unwrap();
        }
        for ((relation, ..), pairs) in SIDES.iter().zip(&data.sides) {
            builder = builder.apply(pairs.iter().map(|(from, to)| edge(relation, *from, *to))).unwrap();
        }
        Self { engine: builder.build().unwrap(), scratch: Scratch::default() }
    }

    /// The source's query 1; `explained` has every shared trend in it, as the query returns them.
    pub(crate) fn shared(&mut self, member: usize, explained: bool) -> Found {
        let mut query = Query::new("shared", key(member as u32));
        query.evidence_max = if explained { AFFINITIES } else { 0 };
        let answer = self.engine.recommend_with(&query, &mut self.scratch, &mut Unobserved).unwrap();
        let count = |score: f64| (score / (1.0 - score)).round() as u32;
        answer.matches.iter().map(|found| (place_of(&found.id), count(found.score))).collect()
    }

    /// Prepares [`Affinity::walk`] and [`Affinity::walked`].
    pub(crate) fn walk_with(&mut self, precision: f64) {
        let schema = self.engine.schema();
        let matchers = walks(precision).into_iter().chain([shared()]);
        let matchers = matchers.map(|text| Matcher::from_toml(&text, "walk.toml", schema).unwrap()).collect();
        self.engine = self.engine.with_matchers(matchers).unwrap();
    }

    /// The members that a walk from this one visits most.
    pub(crate) fn walk(&mut self, member: usize) -> Vec<usize> {
        let mut query = Query::new("walk_Member", key(member as u32));
        query.evidence_max = 0;
        let answer = self.engine.recommend_with(&query, &mut self.scratch, &mut Unobserved).unwrap();
        answer.matches.iter().map(|found| place_of(&found.id)).collect()
    }

    /// How often a walk is at each place; not at its source, which is no match.
    pub(crate) fn walked(&self, member: usize, data: &Data) -> HashMap<usize, f64> {
        let mut all = HashMap::new();
        for (kind, (name, count)) in KINDS.iter().zip(data.counts).enumerate() {
            let query = Query::new(format!("walk_{name}"), key(member as u32));
            let keys: Vec<Key> = (0..count).map(|index| key(data.place(kind, index))).collect();
            let table = self.engine.features(&query, &keys).unwrap();
            let rows = table.rows.iter().filter(|row| !row.values[0].is_nan());
            all.extend(rows.map(|row| (place_of(&row.id), probability(row.values[0]))));
        }
        all
    }
}
