//! Seeded worlds of members and trends, the same on every machine.

use std::collections::BTreeMap;

use affinity_core::{
    Audience, Change, EdgeKey, EdgeRecord, Engine, EngineBuilder, EngineError, Key, Matcher, NodeRecord,
    Schema, Timestamp, Value,
};

/// The time that queries are about.
pub const AS_OF: Timestamp = Timestamp::from_seconds(1_760_000_000);

const SECONDS_PER_YEAR: u64 = 31_536_000;
/// Components of a vector.
const DIMENSION: usize = 256;
/// Members whose edges are applied together: bounds the memory of building.
const BATCH_MEMBERS: usize = 20_000;

const SCHEMA: &str = r#"
name = "world"
title = "Generated members and trends"
[kinds.Member]
label = "name"
attributes = { name = "text", industry = "category", tier = "category", partnership_types = "tags", reputation = "number", last_active = "time" }
[kinds.Trend]
label = "name"
attributes = { name = "text", momentum = "number" }
[kinds.Demographic]
[kinds.Brand]
attributes = { industry = "category", reputation = "number" }
[kinds.Content]
attributes = { format = "category" }
[relations.HAS_AFFINITY_WITH]
from = "Member"
to = "Trend"
weighted = true
timed = true
compact = true
[relations.POPULAR_WITH]
from = "Trend"
to = "Demographic"
weighted = true
[relations.TARGETS]
from = "Brand"
to = "Demographic"
[relations.CREATED]
from = "Member"
to = "Content"
[relations.PARTNERS_WITH]
from = "Member"
to = "Member"
symmetric = true
parallel = "apart"
attributes = { status = "category", success_score = "number" }
[spaces.profile]
kind = "Member"
dimension = 256
"#;

/// Graph evidence only: what the target of 1 ms at the 99th percentile is about.
const PARTNERS: &str = r#"
name = "partners"
from = "Member"
to = "Member"
limit = 10
candidates = [{ signal = "affinities", cap = 250 }, { signal = "network", cap = 100 }]
[[exclusions]]
rule = "already partners"
steps = [{ relation = "PARTNERS_WITH" }]
[[signals]]
name = "affinities"
phrase = "you both follow {names}"
weight = 0.4
half = 1.0
shared = { relation = "HAS_AFFINITY_WITH", formula = "adamic_adar" }
[[signals]]
name = "network"
phrase = "linked through {names}"
weight = 0.2
half = 0.05
path = { steps = [{ relation = "PARTNERS_WITH" }, { relation = "PARTNERS_WITH" }] }
[[signals]]
name = "success"
phrase = "{names} went well before"
weight = 0.15
pattern = { relation = "HAS_AFFINITY_WITH", outcome = "PARTNERS_WITH", value = "success_score", scale = 5.0 }
[[signals]]
name = "types"
phrase = "both want {names}"
weight = 0.1
overlap = { attribute = "partnership_types" }
[[signals]]
name = "tier"
weight = 0.05
close = { attribute = "tier", scale = 1.0, order = ["bronze", "silver", "gold", "platinum"] }
[[signals]]
name = "reputation"
weight = 0.1
prior = { attribute = "reputation", strength = 5.0, scale = 5.0 }
"#;

/// Both ways: how each of the best 100 would rank the source counts too.
const PARTNERS_BOTH_WAYS: &str = "[reciprocal]\ncombine = \"harmonic\"\n";

/// The same with texts.
const PARTNERS_NEAR: &str = r#"
[[signals]]
name = "profile"
weight = 0.1
near = { space = "profile" }
"#;

/// Brands through trends and demographics.
const OPPORTUNITIES: &str = r#"
name = "opportunities"
from = "Member"
to = "Brand"
limit = 10
candidates = [{ signal = "audience", cap = 500 }]
[[signals]]
name = "audience"
phrase = "reaches people who follow {names}"
weight = 0.8
half = 0.001
[signals.path]
steps = [
    { relation = "HAS_AFFINITY_WITH", factor = "momentum", half_life_days = 180.0 },
    { relation = "POPULAR_WITH" },
    { relation = "TARGETS", reversed = true },
]
[[signals]]
name = "reputation"
weight = 0.2
prior = { attribute = "reputation", strength = 5.0, scale = 5.0 }
"#;

/// One signal at a time, for the benches of single kinds of evidence.
const SINGLE: [(&str, &str); 4] = [
    ("expand", r#"shared = { relation = "HAS_AFFINITY_WITH", formula = "adamic_adar" }"#),
    (
        "path",
        r#"path = { steps = [{ relation = "PARTNERS_WITH" }, { relation = "PARTNERS_WITH" }, { relation = "PARTNERS_WITH" }] }"#,
    ),
    ("walk", r#"walk = { relations = ["HAS_AFFINITY_WITH", "PARTNERS_WITH"] }"#),
    (
        "walk_steps",
        r#"walk = { relations = ["HAS_AFFINITY_WITH", "PARTNERS_WITH"], weights = [0.5, 1], steps = [0.2, 1, 1], precision = 1e-4 }"#,
    ),
];

/// How large a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorldParams {
    /// Members.
    pub member_count: usize,
    /// Trends, popular in proportion to `1 / (rank + 10)`.
    pub trend_count: usize,
    /// Trends that each member follows.
    pub affinity_count: usize,
    /// Whether members have a profile vector.
    pub has_vectors: bool,
    /// Of the random source.
    pub seed: u64,
}

impl WorldParams {
    /// 2,000 members and 2,000 trends, with vectors.
    pub const SMALL: Self =
        Self { member_count: 2_000, trend_count: 2_000, affinity_count: 20, has_vectors: true, seed: 1 };
    /// 20,000 members and 20,000 trends, with vectors.
    pub const MEDIUM: Self = Self { member_count: 20_000, trend_count: 20_000, ..Self::SMALL };
    /// 200,000 members and 20,000 trends: the median query touches 0.65 affinities per member.
    pub const LARGE: Self =
        Self { member_count: 200_000, trend_count: 20_000, has_vectors: false, ..Self::SMALL };

    /// As in bench names: `m2000`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("m{}", self.member_count)
    }
}

/// A generated world and the engine on it.
#[derive(Clone, Debug)]
pub struct World {
    /// What it was made from.
    pub params: WorldParams,
    /// Matchers `partners`, `partners_both_ways`, `partners_near` where there are vectors, `opportunities`, `expand`,
    /// `path`, `walk`, `walk_steps`.
    pub engine: Engine,
}

impl World {
    /// Generates a world and builds the engine; the same parameters give the same bytes.
    ///
    /// # Errors
    /// What the engine refuses, which the tests of this crate rule out.
    pub fn generate(params: WorldParams) -> Result<Self, Box<dyn std::error::Error>> {
        let schema = Schema::from_toml(SCHEMA)?;
        let mut texts = vec![PARTNERS.to_string(), OPPORTUNITIES.to_string()];
        texts.extend(SINGLE.map(|(name, signal)| single(name, signal)));
        let both_ways = PARTNERS.replacen("\"partners\"", "\"partners_both_ways\"", 1);
        texts.push(both_ways + PARTNERS_BOTH_WAYS);
        if params.has_vectors {
            // The weights must sum to at most 1: the affinities give a quarter of theirs to the texts.
            let renamed = PARTNERS.replacen("\"partners\"", "\"partners_near\"", 1).replacen("0.4", "0.3", 1);
            texts.push(renamed + PARTNERS_NEAR);
        }
        let matchers = texts.iter().map(|text| Matcher::from_toml(text, "world.toml", &schema));
        let matchers: Vec<Matcher> = matchers.collect::<Result<_, _>>()?;
        let builder = Engine::builder(schema).matchers(matchers).version(params.name());
        Ok(Self { params, engine: fill(builder, params)?.build()? })
    }

    /// The key of a member.
    #[must_use]
    pub fn member(index: usize) -> Key {
        key(Family::Member, index)
    }

    /// The key of a trend; 0 is the most popular.
    #[must_use]
    pub fn trend(rank: usize) -> Key {
        key(Family::Trend, rank)
    }

    /// `count` different members, spread over all.
    pub fn sources(&self, count: usize) -> impl Iterator<Item = Key> {
        let (member_count, step) = (self.params.member_count, self.params.member_count / count.max(1));
        (0..count.min(member_count)).map(move |position| Self::member(position * step.max(1)))
    }
}

fn single(name: &str, signal: &str) -> String {
    format!(
        "name = \"{name}\"\nfrom = \"Member\"\nto = \"Member\"\nlimit = 1\n\
         candidates = [{{ signal = \"{name}\", cap = 100 }}]\n\
         [[signals]]\nname = \"{name}\"\nweight = 1.0\nhalf = 1.0\n{signal}\n"
    )
}

/// Kinds of keys.
#[derive(Clone, Copy, Debug)]
enum Family {
    Member = 1,
    Trend,
    Demographic,
    Brand,
    Content,
    Partnership,
}

/// A UUID that tells nothing of the order in which nodes were made.
fn key(family: Family, index: usize) -> Key {
    let first = mix(family as u64, index as u64);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first.to_be_bytes());
    bytes[8..].copy_from_slice(&mix(first, index as u64).to_be_bytes());
    Key::Uuid(bytes)
}

/// `SplitMix64`, of two numbers.
fn mix(seed: u64, value: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A random source for one subject, so that a subject does not change when others are added.
struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    fn of(params: WorldParams, family: Family, index: usize) -> Self {
        Self { seed: mix(mix(params.seed, family as u64), index as u64), drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    /// In [0, 1), a multiple of 2^-16.
    fn share(&mut self) -> f32 {
        let [high, low, ..] = self.next().to_be_bytes();
        f32::from(u16::from_be_bytes([high, low])) / 65_536.0
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.below(from.len())].to_string()
    }
}

fn fill(mut builder: EngineBuilder, params: WorldParams) -> Result<EngineBuilder, EngineError> {
    builder = builder.apply(nodes(params))?.apply(side_edges(params))?;
    let popularity = Popularity::new(params.trend_count);
    for first in (0..params.member_count).step_by(BATCH_MEMBERS) {
        let batch = first..(first + BATCH_MEMBERS).min(params.member_count);
        builder = builder.apply(batch.clone().flat_map(|member| affinities(params, &popularity, member)))?;
        builder = builder.apply(batch.clone().flat_map(|member| partnerships(params, member)))?;
        if params.has_vectors {
            builder = builder.apply(batch.map(|member| profile(params, member)))?;
        }
    }
    Ok(builder)
}

fn node(kind: &str, key: Key, attributes: Vec<(&str, Value)>) -> Change {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    Change::PutNode {
        kind: kind.to_string(),
        key,
        record: NodeRecord { attributes, ..NodeRecord::default() },
    }
}

fn edge(relation: &str, source: Key, target: Key, record: EdgeRecord) -> Change {
    Change::PutEdge { edge: EdgeKey { relation: relation.to_string(), source, target, origin: None }, record }
}

fn demographic_count(params: WorldParams) -> usize {
    (params.trend_count / 100).max(10)
}

fn brand_count(params: WorldParams) -> usize {
    (params.member_count / 20).max(10)
}

fn content_count(params: WorldParams) -> usize {
    params.member_count / 10
}

fn nodes(params: WorldParams) -> impl Iterator<Item = Change> {
    const INDUSTRIES: [&str; 8] = ["music", "film", "sport", "food", "fashion", "games", "travel", "health"];
    const TIERS: [&str; 4] = ["bronze", "silver", "gold", "platinum"];
    const TYPES: [&str; 6] = ["sponsorship", "licensing", "event", "content", "retail", "research"];
    let member = move |index: usize| {
        let mut random = Random::of(params, Family::Member, index);
        let types = (0..2 + random.below(2)).map(|_| random.pick(&TYPES)).collect();
        let attributes = vec![
            ("name", Value::Text(format!("Member {index}"))),
            ("industry", Value::Category(random.pick(&INDUSTRIES))),
            ("tier", Value::Category(random.pick(&TIERS))),
            ("partnership_types", Value::Tags(types)),
            ("reputation", Value::Number(f64::from(random.share() * 5.0))),
            ("last_active", Value::Time(before_as_of(random.next() % SECONDS_PER_YEAR))),
        ];
        node("Member", key(Family::Member, index), attributes)
    };
    let trend = move |rank: usize| {
        let momentum = Value::Number(f64::from(Random::of(params, Family::Trend, rank).share()));
        let name = Value::Text(format!("Trend {rank}"));
        node("Trend", key(Family::Trend, rank), vec![("name", name), ("momentum", momentum)])
    };
    let brand = move |index: usize| {
        let mut random = Random::of(params, Family::Brand, index);
        let industry = Value::Category(random.pick(&INDUSTRIES));
        let reputation = Value::Number(f64::from(random.share() * 5.0));
        node("Brand", key(Family::Brand, index), vec![("industry", industry), ("reputation", reputation)])
    };
    let demographic = |index: usize| node("Demographic", key(Family::Demographic, index), Vec::new());
    let content = move |index: usize| {
        let format = Random::of(params, Family::Content, index).pick(&["video", "podcast", "series"]);
        node("Content", key(Family::Content, index), vec![("format", Value::Category(format))])
    };
    (0..params.member_count)
        .map(member)
        .chain((0..params.trend_count).map(trend))
        .chain((0..brand_count(params)).map(brand))
        .chain((0..demographic_count(params)).map(demographic))
        .chain((0..content_count(params)).map(content))
}

fn before_as_of(seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
    Timestamp::from_micros(AS_OF.micros() - micros)
}

/// Everything that does not grow with the square of interest: trends, brands and contents.
fn side_edges(params: WorldParams) -> Vec<Change> {
    let mut edges = Vec::new();
    let demographic =
        move |random: &mut Random| key(Family::Demographic, random.below(demographic_count(params)));
    for rank in 0..params.trend_count {
        let mut random = Random::of(params, Family::Trend, rank);
        for _ in 0..3 {
            let (target, weight) = (demographic(&mut random), random.share());
            let record = EdgeRecord { weight, ..EdgeRecord::default() };
            edges.push(edge("POPULAR_WITH", key(Family::Trend, rank), target, record));
        }
    }
    for index in 0..brand_count(params) {
        let mut random = Random::of(params, Family::Brand, index);
        for _ in 0..2 {
            let target = demographic(&mut random);
            edges.push(edge("TARGETS", key(Family::Brand, index), target, EdgeRecord::default()));
        }
    }
    for index in 0..content_count(params) {
        let creator = Random::of(params, Family::Content, index).below(params.member_count);
        let (source, target) = (key(Family::Member, creator), key(Family::Content, index));
        edges.push(edge("CREATED", source, target, EdgeRecord::default()));
    }
    edges
}

/// Draws ranks in proportion to `1 / (rank + 10)`.
struct Popularity(Vec<f64>);

impl Popularity {
    fn new(trend_count: usize) -> Self {
        let mut total = 0.0;
        let mut place = 10.0;
        let mut sum = |_| {
            total += 1.0 / place;
            place += 1.0;
            total
        };
        Self((0..trend_count).map(&mut sum).collect())
    }

    fn draw(&self, random: &mut Random) -> usize {
        // Two shares make 32 random bits: enough to reach every rank.
        let share = f64::from(random.share()) + f64::from(random.share()) / 65_536.0;
        let at = share * self.0.last().copied().unwrap_or(0.0);
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}

fn affinities(params: WorldParams, popularity: &Popularity, member: usize) -> Vec<Change> {
    let mut random = Random::of(params, Family::Member, member);
    random.drawn = 1 << 32; // another stretch of the member's numbers than its attributes took
    let mut ranks: BTreeMap<usize, EdgeRecord> = BTreeMap::new();
    while ranks.len() < params.affinity_count.min(params.trend_count) {
        let (rank, weight) = (popularity.draw(&mut random), 0.1 + 0.9 * random.share());
        let at = Some(before_as_of(random.next() % (2 * SECONDS_PER_YEAR)));
        ranks.entry(rank).or_insert(EdgeRecord { weight, at, ..EdgeRecord::default() });
    }
    let change = |(rank, record)| {
        edge("HAS_AFFINITY_WITH", key(Family::Member, member), key(Family::Trend, rank), record)
    };
    ranks.into_iter().map(change).collect()
}

/// Two partnerships begun by each member, so four on average, each with a success.
fn partnerships(params: WorldParams, member: usize) -> Vec<Change> {
    let mut random = Random::of(params, Family::Partnership, member);
    let mut changes = Vec::new();
    for position in 0..2 {
        let other = random.below(params.member_count);
        if other == member {
            continue;
        }
        let success = Value::Number(f64::from(random.share() * 5.0));
        let status = Value::Category(random.pick(&["active", "completed"]));
        let attributes =
            [("success_score", success), ("status", status)].map(|(name, value)| (name.to_string(), value));
        let edge = EdgeKey {
            relation: "PARTNERS_WITH".to_string(),
            source: key(Family::Member, member),
            target: key(Family::Member, other),
            origin: Some(key(Family::Partnership, 2 * member + position)),
        };
        let record = EdgeRecord { attributes: attributes.into(), ..EdgeRecord::default() };
        changes.push(Change::PutEdge { edge, record });
    }
    changes
}

fn profile(params: WorldParams, member: usize) -> Change {
    let mut random = Random::of(params, Family::Member, member);
    random.drawn = 1 << 33;
    let vector = (0..DIMENSION).map(|_| random.share() - 0.5).collect();
    let (space, audience) = ("profile".to_string(), Audience::Everyone);
    Change::PutVector { space, key: key(Family::Member, member), vector, audience }
}
