#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::cast_precision_loss)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{HEADER_BYTES, Section};
use super::{SnapshotError, Verification};
use crate::{
    Audience, Change, Condition, EdgeKey, EdgeRecord, Engine, Key, Matcher, NodeRecord, Query, Schema,
    Timestamp, Value, Viewer,
};

const SCHEMA: &str = r#"
name = "tiny"
title = "A network with one of everything"
[kinds.Member]
label = "name"
attributes = { name = "text", industry = "category", skills = "tags", reputation = "number", seen = "time" }
[kinds.Trend]
label = "name"
attributes = { name = "text", momentum = "number" }
[relations.LIKES]
from = "Member"
to = "Trend"
weighted = true
timed = true
[relations.FOLLOWS]
from = "Member"
to = "Member"
[relations.PARTNERS_WITH]
from = "Member"
to = "Member"
symmetric = true
weighted = true
timed = true
parallel = "apart"
attributes = { status = "category", success = "number", topics = "tags", since = "time", note = "text" }
[spaces.profile]
kind = "Member"
dimension = 16
exact_max = 20
[spaces.goals]
kind = "Member"
dimension = 4
"#;

const MATCHER: &str = r#"
name = "partners"
from = "Member"
to = "Member"
candidates = [{ signal = "taste", cap = 300 }, { signal = "profile", cap = 50 }, { signal = "network", cap = 50 }]
[[signals]]
name = "taste"
weight = 0.15
half = 1.0
shared = { relation = "LIKES", formula = "adamic_adar", half_life_days = 90.0 }
[[signals]]
name = "routes"
weight = 0.1
half = 1.0
[signals.path]
steps = [{ relation = "LIKES", factor = "momentum" }, { relation = "LIKES", reversed = true }]
[[signals]]
name = "success"
weight = 0.1
pattern = { relation = "LIKES", outcome = "PARTNERS_WITH", where = [{ attribute = "status", in = ["completed"] }], value = "success", scale = 5.0, prior_strength = 2.0, support_min = 1 }
[[signals]]
name = "network"
weight = 0.1
half = 0.01
walk = { relations = ["LIKES", "PARTNERS_WITH", "FOLLOWS"], precision = 0.001 }
[[signals]]
name = "circle"
weight = 0.05
filter = { relation = "FOLLOWS", model = "low_pass", rank = 4 }
[[signals]]
name = "profile"
weight = 0.2
near = { space = "profile" }
[[signals]]
name = "goals"
weight = 0.1
matching_only = true
near = { space = "goals" }
[[signals]]
name = "skills"
weight = 0.05
overlap = { attribute = "skills" }
[[signals]]
name = "industry"
weight = 0.05
close = { attribute = "industry", scale = 1.0, order = ["film", "music", "sports"] }
[[signals]]
name = "reputation"
weight = 0.05
prior = { attribute = "reputation", strength = 3.0, scale = 5.0 }
[[signals]]
name = "recent"
weight = 0.05
fresh = { attribute = "seen", half_life_days = 30.0 }
"#;

/// Members with all of their data; those behind only like the first trend, and make it a hub.
const RICH_COUNT: usize = 70;
const MEMBER_COUNT: usize = 1_030;
const DAY_SECONDS: i64 = 86_400;

fn schema() -> Schema {
    Schema::from_toml(SCHEMA).unwrap()
}

fn matcher() -> Matcher {
    Matcher::from_toml(MATCHER, "partners.toml", &schema()).unwrap()
}

/// A seeded source of numbers, the same on every machine.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 11) as usize % limit
    }
}

fn member(index: usize) -> Key {
    if index.is_multiple_of(7) {
        Key::from(format!("0190f5ae-7c3b-7000-8000-{index:012}"))
    } else {
        Key::from(format!("m{index}"))
    }
}

fn only(name: String) -> Audience {
    Audience::Principals(BTreeSet::from([name]))
}

fn audience(index: usize) -> Audience {
    match index % 9 {
        7 => Audience::Members,
        8 => only(format!("member:m{index}")),
        _ => Audience::Everyone,
    }
}

fn put_edge(relation: &str, source: Key, target: Key, origin: Option<Key>, record: EdgeRecord) -> Change {
    Change::PutEdge { edge: EdgeKey { relation: relation.into(), source, target, origin }, record }
}

fn put_member(index: usize, random: &mut Xorshift) -> Change {
    let mut attributes = BTreeMap::new();
    if index < RICH_COUNT {
        let skills = ["câmera", "edit", "light", "sound"].map(str::to_string);
        let industry = ["film", "music", "sports"][random.below(3)].to_string();
        attributes.insert("name".to_string(), Value::Text(format!("Member {index}")));
        attributes.insert("industry".to_string(), Value::Category(industry));
        attributes.insert("skills".to_string(), Value::Tags(skills[random.below(3)..].to_vec()));
        attributes.insert("reputation".to_string(), Value::Number(random.below(50) as f64 / 10.0));
        let seen = Timestamp::from_seconds(DAY_SECONDS * random.below(1_000) as i64);
        attributes.insert("seen".to_string(), Value::Time(seen));
    }
    let principals = if index < RICH_COUNT { vec![format!("member:{}", member(index))] } else { Vec::new() };
    let record = NodeRecord { attributes, audience: audience(index), principals };
    Change::PutNode { kind: "Member".into(), key: member(index), record }
}

fn partnership(source: usize, target: usize, origin: usize, random: &mut Xorshift) -> Change {
    let days = Timestamp::from_seconds(DAY_SECONDS * random.below(900) as i64);
    let attributes = [
        ("status", Value::Category(["active", "completed"][origin % 2].into())),
        ("success", Value::Number(random.below(6) as f64)),
        ("topics", Value::Tags(vec!["reach".into(), format!("topic {}", origin % 3)])),
        ("since", Value::Time(days)),
        ("note", Value::Text(format!("note {origin}"))),
    ];
    let attributes = attributes.into_iter().skip(origin % 3).map(|(name, value)| (name.to_string(), value));
    let record = EdgeRecord {
        weight: 1.0 + origin as f32,
        at: Some(days),
        attributes: attributes.collect(),
        audience: if origin % 4 == 3 { only(format!("partnership:{origin}")) } else { Audience::Everyone },
    };
    put_edge("PARTNERS_WITH", member(source), member(target), Some(format!("p{origin}").into()), record)
}

/// A network of everything that a snapshot holds, with this many members.
fn changes(member_count: usize) -> Vec<Change> {
    let mut random = Xorshift(5);
    let mut changes = Vec::new();
    for index in 0..12 {
        let attributes = BTreeMap::from([
            ("name".to_string(), Value::Text(format!("Trend {index}"))),
            ("momentum".to_string(), Value::Number(f64::from(index) / 12.0)),
        ]);
        let record = NodeRecord { attributes, ..NodeRecord::default() };
        changes.push(Change::PutNode { kind: "Trend".into(), key: format!("t{index}").into(), record });
    }
    for index in 0..member_count {
        changes.push(put_member(index, &mut random));
        let mut like = |trend: usize| {
            let edge_audience = if index < RICH_COUNT { audience(index / 2) } else { Audience::Everyone };
            let at = Some(Timestamp::from_seconds(DAY_SECONDS * random.below(1_000) as i64));
            let weight = 0.1 + random.below(90) as f32 / 100.0;
            let record = EdgeRecord { weight, at, audience: edge_audience, ..EdgeRecord::default() };
            changes.push(put_edge("LIKES", member(index), format!("t{trend}").into(), None, record));
        };
        like(0);
        if index >= RICH_COUNT {
            continue;
        }
        (0..4).for_each(|turn| like((index * 5 + turn * 3) % 12));
        for (space, dimension) in [("profile", 16), ("goals", 4)] {
            let vector = (0..dimension).map(|_| random.below(1_000) as f32 - 500.5).collect();
            let audience = audience(index + dimension);
            changes.push(Change::PutVector { space: space.into(), key: member(index), vector, audience });
        }
        let other = (index * 11 + 3) % RICH_COUNT;
        changes.push(put_edge("FOLLOWS", member(index), member(other), None, EdgeRecord::default()));
        if index % 3 == 0 {
            (0..1 + index % 2).for_each(|turn| {
                changes.push(partnership(index, (index + 7) % RICH_COUNT, index * 2 + turn, &mut random));
            });
        }
    }
    // Things that are gone, and an edge to a node that never came.
    changes.push(Change::RemoveNode { kind: "Member".into(), key: member(41) });
    changes.push(Change::RemoveVector { space: "profile".into(), key: member(12) });
    changes.push(put_edge("FOLLOWS", member(1), "nobody".into(), None, EdgeRecord::default()));
    changes
}

fn engine_with(member_count: usize) -> Engine {
    let builder = Engine::builder(schema()).matcher(matcher()).apply(changes(member_count)).unwrap();
    builder.version("100:104:101").build().unwrap()
}

fn engine() -> Engine {
    engine_with(MEMBER_COUNT)
}

fn queries() -> Vec<Query> {
    let as_of = Timestamp::from_seconds(DAY_SECONDS * 1_001);
    let viewers = [
        Viewer::Operator,
        Viewer::Anonymous,
        Viewer::Member(BTreeSet::from(["member:m3".to_string(), "partnership:7".to_string()])),
    ];
    let sources = [3, 7, 20, 65, RICH_COUNT + 1];
    let query = |(source, viewer): (usize, Viewer)| Query {
        viewer,
        as_of,
        with_attributes: true,
        ..Query::new("partners", member(source))
    };
    let mut queries: Vec<Query> = sources
        .iter()
        .flat_map(|source| viewers.clone().map(|viewer| (*source, viewer)))
        .map(query)
        .collect();
    let filter = r#"{ "attribute": "industry", "in": ["film", "music"] }"#;
    let filters = vec![serde_json::from_str::<Condition>(filter).unwrap()];
    queries.push(Query { filters, ..queries[0].clone() });
    queries
}

/// Everything that the engine says, as text: answers in one form and, for errors, the error.
fn answers(engine: &Engine) -> String {
    let mut lines = vec![format!("{} {:?} {}", engine.version(), engine.counts(), engine.models().version())];
    for query in &queries() {
        lines.push(match engine.recommend(query) {
            Ok(answer) => serde_json::to_string(&answer).unwrap(),
            Err(error) => error.to_string(),
        });
        lines.push(match engine.explain(query, &member(22)) {
            Ok(explanation) => serde_json::to_string(&explanation).unwrap(),
            Err(error) => error.to_string(),
        });
    }
    lines.join("\n")
}

fn open(path: &Path) -> Result<Engine, SnapshotError> {
    Engine::open(path, schema(), [matcher()])
}

/// A folder of its own with a saved engine.
struct Saved {
    folder: tempfile::TempDir,
}

impl Saved {
    fn new(engine: &Engine) -> Self {
        let saved = Self { folder: tempfile::tempdir().unwrap() };
        engine.save(saved.path()).unwrap();
        saved
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("engine.affinity")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// The engine of other bytes: a new file each time, because maps may still hold the one before.
    fn open_bytes(&self, bytes: &[u8]) -> Result<Engine, SnapshotError> {
        let path = self.folder.path().join("other.affinity");
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        open(&path)
    }
}

fn u64_at(bytes: &[u8], position: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[position..position + 8].try_into().unwrap())).unwrap()
}

/// Where the section with this name is.
fn section(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let place = Section::all(&schema()).iter().position(|section| section.name(&schema()) == name).unwrap();
    let entry = u64_at(bytes, 24) + 32 * place;
    let offset = u64_at(bytes, entry + 8);
    offset..offset + u64_at(bytes, entry + 16)
}

/// Makes all checksums right again, so that damage reaches the checks behind them.
fn reseal(bytes: &mut [u8]) {
    let directory = u64_at(bytes, 24);
    for entry in (directory..bytes.len()).step_by(32) {
        let range = u64_at(bytes, entry + 8)..u64_at(bytes, entry + 8) + u64_at(bytes, entry + 16);
        let crc = crc32fast::hash(&bytes[range]);
        bytes[entry + 24..entry + 28].copy_from_slice(&crc.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[directory..]);
    bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn opened_engine_gives_the_same_bytes_of_answers() {
    let engine = engine();
    let forward = &engine.graph.adjacency(schema().relation("LIKES").unwrap(), true);
    assert!(
        forward.pages().next().flatten().is_some_and(|page| !page.hubs.is_empty()),
        "a hub is part of the test"
    );
    let opened = open(&Saved::new(&engine).path()).unwrap();
    assert_eq!(opened.models(), engine.models());
    opened.verify().unwrap();
    let expected = answers(&engine);
    assert!(expected.contains("\"matches\":[{") && expected.contains("\"relations\":[\"LIKES\""));
    assert_eq!(answers(&opened), expected);
}

#[test]
fn opened_engine_says_that_checksums_are_pending_until_verified() {
    let saved = Saved::new(&engine());
    let opened = open(&saved.path()).unwrap();
    let later = opened.update([]).unwrap().with_degraded(vec!["embedder is away".into()]);
    assert_eq!(opened.verification(), Verification::Pending);
    let pending = "snapshot checksums not yet verified".to_string();
    assert_eq!(opened.recommend(&queries()[0]).unwrap().degraded, std::slice::from_ref(&pending));
    assert_eq!(later.degraded(), ["embedder is away".to_string(), pending]);
    opened.verify().unwrap();
    assert_eq!((opened.verification(), later.verification()), (Verification::Done, Verification::Done));
    assert_eq!(later.degraded(), ["embedder is away"]);
    let at_once = Engine::open_verified(saved.path(), schema(), [matcher()]).unwrap();
    assert_eq!(at_once.verification(), Verification::Done);
}

#[test]
fn update_after_open_equals_update_before_save_and_shares_pages() {
    // Enough members for a hub of two chunks, one of which the update leaves alone.
    let (engine, mut random) = (engine_with(2_300), Xorshift(9));
    let changes = vec![
        put_member(500, &mut random),
        put_member(5_000, &mut random),
        put_edge("LIKES", member(5_000), "t0".into(), None, EdgeRecord::default()),
        put_edge("LIKES", member(3), "t11".into(), None, EdgeRecord::default()),
        partnership(3, 20, 1_000, &mut random),
        Change::PutVector {
            space: "profile".into(),
            key: member(3),
            vector: vec![1.0; 16],
            audience: only("a new principal".into()),
        },
    ];
    let opened = open(&Saved::new(&engine).path()).unwrap();
    opened.verify().unwrap();
    let updated = opened.update(changes.clone()).unwrap();
    let expected = answers(&engine.update(changes).unwrap());
    assert_eq!(answers(&updated), expected);
    assert_ne!(expected, answers(&engine));
    let likes = |engine: &Engine, reversed: bool, page: usize| {
        let relation = engine.schema().relation("LIKES").unwrap();
        Arc::clone(engine.graph.adjacency(relation, reversed).pages().nth(page).flatten().unwrap())
    };
    assert!(
        Arc::ptr_eq(&likes(&opened, false, 5), &likes(&updated, false, 5)),
        "an untouched page was copied"
    );
    let (before, after) = (likes(&opened, true, 0), likes(&updated, true, 0));
    assert!(Arc::ptr_eq(&before.hubs[0][0], &after.hubs[0][0]), "an untouched chunk was copied");
    // The file may go: whoever uses it keeps it open.
    assert_eq!(answers(&opened), answers(&engine));
}

#[test]
fn saved_again_is_the_same_file() {
    let first = Saved::new(&engine());
    let second = Saved::new(&open(&first.path()).unwrap());
    assert!(first.bytes() == second.bytes());
    open(&second.path()).unwrap().save(second.path()).unwrap(); // over a file that is mapped
    assert!(first.bytes() == second.bytes());
    let names: Vec<_> =
        fs::read_dir(second.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names, ["engine.affinity"], "nothing else is left behind");
}

#[test]
fn empty_engine_survives() {
    let empty = Engine::builder(schema()).matcher(matcher()).build().unwrap();
    let opened = open(&Saved::new(&empty).path()).unwrap();
    opened.verify().unwrap();
    assert_eq!(answers(&opened), answers(&empty));
}

#[test]
fn save_into_a_missing_folder_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = engine().save(folder.path().join("missing/engine.affinity")).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Io { action: "create", ref path, .. } if path.starts_with(folder.path()))
    );
    let error = open(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, SnapshotError::Io { action: "open", .. }));
}

#[test]
fn another_schema_names_the_line_that_differs() {
    let saved = Saved::new(&engine());
    let other = Schema::from_toml(&SCHEMA.replace("dimension = 4", "dimension = 5")).unwrap();
    let error = Engine::open(saved.path(), other, []).unwrap_err();
    let SnapshotError::SchemaDiffers { line, expected, got } = error else { panic!("{error:?}") };
    assert_eq!(line, 7);
    assert_eq!(expected, "space \"goals\" of \"Member\" dimension 5");
    assert_eq!(got, "space \"goals\" of \"Member\" dimension 4");
    let error = Engine::open(saved.path(), schema(), [matcher(), matcher()]).unwrap_err();
    assert!(matches!(error, SnapshotError::RepeatedMatcher { name } if name == "partners"));
}

#[test]
fn file_that_is_no_snapshot_or_of_another_version_says_so() {
    let saved = Saved::new(&engine());
    let bytes = saved.bytes();
    let error = saved.open_bytes(b"").unwrap_err();
    assert!(matches!(error, SnapshotError::NotASnapshot { got } if got.is_empty()));
    let error = saved.open_bytes(b"PK\x03\x04 something else").unwrap_err();
    assert!(matches!(error, SnapshotError::NotASnapshot { got } if got == b"PK\x03\x04 som"));
    let mut newer = bytes.clone();
    newer[8] = 5;
    let error = saved.open_bytes(&newer).unwrap_err();
    assert!(matches!(error, SnapshotError::UnsupportedVersion { expected: 4, got: 5 }));
    for length in [bytes.len() - 1, bytes.len() / 2, HEADER_BYTES] {
        let error = saved.open_bytes(&bytes[..length]).unwrap_err();
        let SnapshotError::WrongLength { expected, got } = error else { panic!("{error:?}") };
        assert_eq!((expected, got), (bytes.len() as u64, length as u64));
    }
}

#[test]
fn damaged_weight_is_caught_by_verify_and_never_saved() {
    let saved = Saved::new(&engine());
    for name in ["edge numbers of LIKES", "node data of Trend", "vector components of goals"] {
        let mut bytes = saved.bytes();
        bytes[section(&saved.bytes(), name).end - 3] ^= 4;
        let opened = saved.open_bytes(&bytes).unwrap();
        let error = opened.save(saved.folder.path().join("copy")).unwrap_err();
        assert!(
            matches!(error, SnapshotError::WrongChecksum { ref section, .. } if section == name),
            "{error:?}"
        );
        assert_eq!(opened.verification(), Verification::Damaged);
        assert_eq!(opened.degraded(), ["snapshot is damaged, rebuild the engine"]);
        assert!(opened.verify().is_err(), "damage stays");
    }
}

/// Writes `value` at a byte of a section, makes the checksums right, and expects to be told which value is wrong.
#[track_caller]
fn check_resealed(saved: &Saved, (name, position): (&str, usize), value: &[u8], expected: (&str, &str)) {
    let mut bytes = saved.bytes();
    let first = section(&bytes, name).start + position;
    bytes[first..first + value.len()].copy_from_slice(value);
    reseal(&mut bytes);
    let error = saved.open_bytes(&bytes).and_then(|engine| engine.verify()).unwrap_err();
    let SnapshotError::Invalid { section, what, .. } = &error else { panic!("{error:?}") };
    assert_eq!((section.as_str(), *what), expected, "{error}");
}

#[test]
fn values_that_lead_nowhere_are_refused_even_with_right_checksums() {
    let saved = Saved::new(&engine());
    let check = |name: &str, position: usize, value: &[u8], wrong: &str| {
        check_resealed(&saved, (name, position), value, (name, wrong));
    };
    let huge = u32::MAX.to_le_bytes();
    check("edge numbers of LIKES", 0, &huge, "lists before here out of order");
    check("edge numbers of FOLLOWS", 0, &huge, "an id before here: below");
    check("edge offsets of LIKES", 0, &[1], "offsets before here: rising from 0");
    check("edge offsets of LIKES", 126, &huge[..2], "offsets before here: rising from 0");
    check("edge pages of FOLLOWS", 0, &[100], "page count");
    check("vector audiences of goals", 0, &huge, "an id before here: below");
    check("vector components of goals", 0, &f32::NAN.to_le_bytes(), "number");
    check("node data of Member", 0, &huge, "an id before here");
    check("node index of Member", 4, &huge, "an id before here");
    check("term data", 0, &huge, "ends of lists before here");
    check("audiences", 2, &[1], "audiences"); // behind a count of two bytes: everyone becomes members
    let numbers = ("edge numbers of LIKES", "elements left");
    check_resealed(&saved, ("edge offsets of LIKES", 128), &huge[..2], numbers);
}

#[test]
fn vectors_of_nodes_that_are_not_there_are_refused() {
    let saved = Saved::new(&engine_with(RICH_COUNT));
    let name = "vector pages of goals";
    // After the count and the first page: the six slots of members 64 to 69, of which the last moves to slot 63.
    let moved = (0b01_1111_u64 | 1 << 63).to_le_bytes();
    check_resealed(&saved, (name, 9), &moved, (name, "slots with a vector"));
    check_resealed(&saved, (name, 9), &[0x7f], ("vector audiences of goals", "elements left"));
}

fn damage(bytes: &mut Vec<u8>, random: &mut Xorshift) {
    match random.below(8) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => (0..=random.below(80)).for_each(|_| bytes.push(random.next() as u8)),
        2 => {
            let first = random.below(bytes.len());
            let end = bytes.len().min(first + random.below(200));
            bytes[first..end].iter_mut().for_each(|byte| *byte = random.next() as u8);
        }
        3 => {
            let first = random.below(bytes.len());
            let end = bytes.len().min(first + random.below(5_000));
            bytes[first..end].fill(0);
        }
        _ => (0..=random.below(3)).for_each(|_| {
            let position = random.below(bytes.len());
            bytes[position] ^= 1 << random.below(8);
        }),
    }
}

#[test]
fn ten_thousand_random_damages_give_a_typed_error_or_the_same_answers() {
    let saved = Saved::new(&engine());
    let (original, mut random) = (saved.bytes(), Xorshift(77));
    let query = &queries()[0];
    let expected = serde_json::to_string(&engine().recommend(query).unwrap()).unwrap();
    let (mut refused, mut caught_later, mut harmless) = (0, 0, 0);
    for _ in 0..10_000 {
        let mut bytes = original.clone();
        damage(&mut bytes, &mut random);
        let Ok(opened) = saved.open_bytes(&bytes) else {
            refused += 1;
            continue;
        };
        let _ = opened.recommend(query); // no panic, whatever it says while unverified
        if opened.verify().is_err() {
            caught_later += 1;
            continue;
        }
        harmless += 1;
        assert_eq!(serde_json::to_string(&opened.recommend(query).unwrap()).unwrap(), expected);
    }
    assert!(refused > 5_000 && caught_later > 300 && harmless > 0, "{refused} {caught_later} {harmless}");
}

#[test]
fn random_damage_under_right_checksums_never_panics() {
    let saved = Saved::new(&engine());
    let (original, mut random) = (saved.bytes(), Xorshift(78));
    let (end, mut opened_count) = (u64_at(&original, 24), 0);
    let sections: Vec<_> =
        Section::all(&schema()).iter().map(|known| section(&original, &known.name(&schema()))).collect();
    for _ in 0..2_000 {
        let mut bytes = original.clone();
        // Every section in turn, or the large ones would get all the damage.
        let range = sections[random.below(sections.len())].clone();
        if range.is_empty() {
            continue;
        }
        for _ in 0..=random.below(2) {
            let position = range.start + random.below(range.len());
            bytes[position] = random.next() as u8;
        }
        assert!(range.end <= end);
        reseal(&mut bytes);
        let Ok(opened) = saved.open_bytes(&bytes) else { continue };
        opened_count += 1;
        let changes = [partnership(3, 20, 1, &mut random), put_member(3, &mut random)];
        let updated = opened.update(changes).unwrap();
        let _ =
            (updated.recommend(&queries()[0]), updated.explain(&queries()[1], &member(22)), updated.counts());
        let _ = updated.refit();
    }
    assert!(opened_count > 50, "{opened_count} of 2000 were harmless enough to open");
}

/// Who is found, with scores to three decimals: what a better formula in its last digits does not change.
fn ranking(engine: &Engine) -> String {
    let mut lines = vec![format!("{} {:?}", engine.version(), engine.counts())];
    for query in &queries()[..6] {
        let matches = engine.recommend(query).map_or_else(|_| Vec::new(), |answer| answer.matches);
        lines.extend(matches.iter().take(5).map(|found| format!("{} {:.3}", found.id, found.score)));
        lines.push("-".to_string());
    }
    lines.join("\n") + "\n"
}

#[test]
fn golden_file_opens_and_answers_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden");
    let (snapshot, recorded) = (folder.join("snapshot-v4.affinity"), folder.join("snapshot-v4.txt"));
    if std::env::var("AFFINITY_GOLDEN").is_ok_and(|value| value == "write") {
        engine().save(&snapshot).unwrap();
        fs::write(&recorded, ranking(&engine())).unwrap();
    }
    let opened = Engine::open_verified(&snapshot, schema(), [matcher()]).unwrap();
    assert_eq!(ranking(&opened), fs::read_to_string(recorded).unwrap());
    // And to the last byte what the same data gives with the statistics of the file.
    let builder = Engine::builder(schema()).matcher(matcher()).apply(changes(MEMBER_COUNT)).unwrap();
    let built = builder.models(opened.models().clone()).version("100:104:101").build().unwrap();
    assert_eq!(answers(&opened), answers(&built));
}
