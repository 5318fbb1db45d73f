//! Odd input and odd graphs: a typed error or a correct answer, never a panic, never unbounded work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use affinity_core::vector::VectorError;
use affinity_core::{
    AdHocSource, AttributeType, Change, Condition, ConditionError, EdgeKey, EdgeRecord, Engine, EngineError,
    GraphError, Key, Link, Models, NodeRecord, Query, QueryError, Timestamp, Value,
};

use crate::worlds::{bytes, days, engine_of, matcher, schema};

fn node(kind: &str, key: &str) -> Change {
    Change::PutNode { kind: kind.to_string(), key: key.into(), record: NodeRecord::default() }
}

fn edge_key(relation: &str, source: &str, target: &str) -> EdgeKey {
    EdgeKey { relation: relation.to_string(), source: source.into(), target: target.into(), origin: None }
}

fn edge(relation: &str, source: &str, target: &str, weight: f32) -> Change {
    Change::PutEdge {
        edge: edge_key(relation, source, target),
        record: EdgeRecord { weight, ..EdgeRecord::default() },
    }
}

fn vector(space: &str, key: &str, vector: Vec<f32>) -> Change {
    Change::PutVector { space: space.to_string(), key: key.into(), vector, audience: Default::default() }
}

fn refused(change: Change) -> EngineError {
    engine_of(vec![node("Member", "m1")], None).update([change]).unwrap_err()
}

#[test]
fn unknown_source_names_kind_and_key() {
    let engine = engine_of(vec![node("Member", "m1")], None);
    let error = engine.recommend(&Query::new("people", "nobody")).unwrap_err();
    assert_eq!(error, QueryError::UnknownNode { kind: "Member".to_string(), key: Key::from("nobody") });
    let error = engine.recommend(&Query::new("poeple", "m1")).unwrap_err();
    let QueryError::UnknownName { what: "matcher", got, allowed } = error else { panic!("{error:?}") };
    assert_eq!(
        (got.as_str(), allowed),
        (
            "poeple",
            vec!["companies", "goals", "mutual", "people", "varied"].into_iter().map(String::from).collect()
        )
    );
}

#[test]
fn removed_source_is_unknown_even_with_edges_left() {
    let engine =
        engine_of(vec![node("Member", "m1"), node("Trend", "jazz"), edge("LIKES", "m1", "jazz", 1.0)], None);
    let without =
        engine.update([Change::RemoveNode { kind: "Member".to_string(), key: "m1".into() }]).unwrap();
    assert!(matches!(without.recommend(&Query::new("people", "m1")), Err(QueryError::UnknownNode { .. })));
}

#[test]
fn wrong_dimension_in_change_and_query_is_refused() {
    let expected = VectorError::WrongDimension { space: "profile".to_string(), expected: 4, got: 3 };
    assert_eq!(refused(vector("profile", "m1", vec![1.0; 3])), EngineError::Vector(expected.clone()));
    let source = AdHocSource {
        vectors: BTreeMap::from([("profile".to_string(), vec![1.0; 3])]),
        ..AdHocSource::default()
    };
    let error = engine_of(Vec::new(), None).recommend(&Query::ad_hoc("people", source)).unwrap_err();
    assert_eq!(error, QueryError::Vector(expected));
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for weight in [f32::NAN, f32::INFINITY, -1.0] {
        let error = refused(edge("LIKES", "m1", "jazz", weight));
        let EngineError::Graph(GraphError::BadWeight { edge, got }) = error else { panic!("{error:?}") };
        assert_eq!((edge, got.to_bits()), (edge_key("LIKES", "m1", "jazz"), weight.to_bits()));
    }
    let expected = VectorError::NotFinite { space: "profile".to_string(), component: 1 };
    assert_eq!(
        refused(vector("profile", "m1", vec![1.0, f32::NAN, 0.0, 0.0])),
        EngineError::Vector(expected)
    );
    assert_eq!(
        refused(vector("profile", "m1", vec![0.0; 4])),
        EngineError::Vector(VectorError::ZeroNorm { space: "profile".to_string() })
    );
    let attributes = BTreeMap::from([("reputation".to_string(), Value::Number(f64::NAN))]);
    let record = NodeRecord { attributes, ..NodeRecord::default() };
    assert_eq!(
        refused(Change::PutNode { kind: "Member".to_string(), key: "m2".into(), record }),
        EngineError::Graph(GraphError::NotFinite {
            attribute: "reputation".to_string(),
            key: Key::from("m2")
        })
    );
}

#[test]
fn weights_of_a_query_are_checked() {
    let engine = engine_of(vec![node("Member", "m1")], None);
    let ask =
        |signal: &str, weight: f64| engine.recommend(&Query::new("people", "m1").weight(signal, weight));
    for weight in [f64::NAN, -0.5, 1.5, f64::INFINITY] {
        let error = ask("likes", weight).unwrap_err();
        let QueryError::OutOfRange { field, got, .. } = error else { panic!("{error:?}") };
        assert_eq!((field.as_str(), got.to_bits()), ("weights.likes", weight.to_bits()));
    }
    let error = ask("likes", 1.0).unwrap_err();
    assert!(
        matches!(&error, QueryError::OutOfRange { field, got, .. } if field == "weights" && *got > 1.0),
        "{error:?}"
    );
    let error = ask("lykes", 0.1).unwrap_err();
    assert!(
        matches!(&error, QueryError::UnknownName { what: "signal", got, .. } if got == "lykes"),
        "{error:?}"
    );
}

#[test]
fn query_values_of_the_wrong_sort_are_refused() {
    let engine = engine_of(vec![node("Member", "m1"), node("Trend", "jazz")], None);
    let described = |attribute: &str, value: Value| {
        let attributes = BTreeMap::from([(attribute.to_string(), value)]);
        engine.recommend(&Query::ad_hoc("people", AdHocSource { attributes, ..AdHocSource::default() }))
    };
    assert_eq!(
        described("reputation", Value::Category("high".to_string())).unwrap_err(),
        QueryError::WrongType {
            attribute: "reputation".to_string(),
            expected: AttributeType::Number,
            got: AttributeType::Category
        }
    );
    let error = described("shoe_size", Value::Number(42.0)).unwrap_err();
    assert!(
        matches!(&error, QueryError::UnknownName { what: "attribute", got, .. } if got == "shoe_size"),
        "{error:?}"
    );
    let linked = |weight: f32, at: Option<Timestamp>| {
        let link = Link { relation: "LIKES".to_string(), reversed: false, key: "jazz".into(), weight, at };
        engine
            .recommend(&Query::ad_hoc("people", AdHocSource { links: vec![link], ..AdHocSource::default() }))
    };
    let field = |error: QueryError| match error {
        QueryError::OutOfRange { field, .. } => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(linked(f32::NAN, None).unwrap_err()), "links.weight");
    assert_eq!(field(linked(1.0, Some(Timestamp::from_seconds(-1))).unwrap_err()), "links.at");
    assert!(linked(1.0, Some(days(1))).is_ok());
    let filter =
        Condition { attribute: "reputation".to_string(), min: Some(f64::NAN), ..Condition::default() };
    assert_eq!(
        engine.recommend(&Query::new("people", "m1").filter(filter)).unwrap_err(),
        QueryError::Condition(ConditionError::NotFinite { attribute: "reputation".to_string() })
    );
}

#[test]
fn limits_out_of_range_are_refused_and_limit_0_is_empty() {
    let changes = vec![
        node("Member", "m1"),
        node("Member", "m2"),
        vector("profile", "m1", vec![1.0; 4]),
        vector("profile", "m2", vec![1.0; 4]),
    ];
    let engine = engine_of(changes, None);
    for name in ["people", "varied"] {
        let answer = engine.recommend(&Query::new(name, "m1").limit(0)).unwrap();
        assert_eq!((answer.matches.len(), answer.funnel["after_limit"]), (0, 0));
        assert_eq!(answer.funnel["after_scoring"], 1);
        assert_eq!(
            engine.recommend(&Query::new(name, "m1").limit(101)).unwrap_err(),
            QueryError::TooMany { what: "matches asked for", got: 101, max: 100 }
        );
    }
    let too_much = Query { evidence_max: 101, ..Query::new("people", "m1") };
    assert!(matches!(engine.recommend(&too_much), Err(QueryError::TooMany { got: 101, max: 100, .. })));
    let filters = vec![Condition::default(); 33];
    let too_many = Query { filters, ..Query::new("people", "m1") };
    assert!(matches!(
        engine.recommend(&too_many),
        Err(QueryError::TooMany { what: "filters", got: 33, max: 32 })
    ));
}

#[test]
fn empty_graph_answers_a_described_source_with_nothing() {
    let engine = engine_of(Vec::new(), None);
    for name in ["people", "varied", "companies", "goals"] {
        let answer = engine.recommend(&Query::ad_hoc(name, AdHocSource::default())).unwrap();
        assert_eq!((answer.matches.len(), answer.funnel["candidates"], answer.truncated), (0, 0, false));
    }
    assert_eq!(engine.counts(), affinity_core::Counts::default());
}

#[test]
fn node_without_edges_has_no_matches_and_no_error() {
    let changes = vec![
        node("Member", "m1"),
        node("Member", "m2"),
        node("Trend", "jazz"),
        edge("LIKES", "m2", "jazz", 1.0),
        edge("LIKES", "m2", "unborn", 1.0),
        edge("KNOWS", "m2", "m2", 1.0),
    ];
    let engine = engine_of(changes, None);
    for (source, expected) in [("m1", 0), ("m2", 0)] {
        let answer = engine.recommend(&Query::new("people", source)).unwrap();
        assert_eq!(answer.matches.len(), expected, "{answer:?}");
    }
}

#[test]
fn described_words_that_nobody_else_uses_are_shown_and_compared() {
    let record = NodeRecord {
        attributes: BTreeMap::from([
            ("rank".to_string(), Value::Category("junior".to_string())),
            ("tags".to_string(), Value::Tags(vec!["a".to_string()])),
        ]),
        ..NodeRecord::default()
    };
    let changes = vec![Change::PutNode { kind: "Member".to_string(), key: "m1".into(), record }];
    let text = r#"
        name = "words"
        from = "Member"
        to = "Member"
        candidates = [{ signal = "all", cap = 10 }]
        [[signals]]
        name = "roles"
        weight = 0.25
        complement = { attribute = "rank", table = { lead = { junior = 0.75 } } }
        [[signals]]
        name = "level"
        weight = 0.25
        close = { attribute = "rank", scale = 2.0, order = ["junior", "senior", "lead"] }
        [[signals]]
        name = "tags"
        weight = 0.5
        overlap = { attribute = "tags" }
    "#;
    let engine = Engine::builder(schema()).matcher(matcher(text)).apply(changes).unwrap().build().unwrap();
    let tags = ["a", "zz", "zz"].map(String::from).to_vec();
    let attributes = BTreeMap::from([
        ("rank".to_string(), Value::Category("lead".to_string())),
        ("tags".to_string(), Value::Tags(tags)),
    ]);
    let query = Query::ad_hoc("words", AdHocSource { attributes, ..AdHocSource::default() });
    let answer = engine.recommend(&query).unwrap();
    let parts = &answer.matches[0].contributions;
    let unit = |value: f64| (value * 16_777_216.0).round() / 16_777_216.0;
    assert_eq!(parts[0].value, 0.75);
    assert_eq!(parts[1].value, unit((-1.0_f64).exp())); // two places apart, on a scale of two
    assert_eq!(parts[2].value, 0.5); // one of two different tags
    let shown = serde_json::to_string(&parts[0].evidence).unwrap();
    assert_eq!(shown, r#"[{"attribute":"rank","source":"lead","target":"junior"}]"#);
}

#[test]
fn weights_far_from_1_keep_shares_and_answers_in_range() {
    for weight in [f32::MAX, 1e6, 40_000.0, 8.9e-8, 1e-30, f32::MIN_POSITIVE] {
        let mut changes = vec![node("Trend", "jazz"), node("Trend", "t2"), node("Company", "c1")];
        for member in ["m1", "m2", "m3"] {
            changes.push(node("Member", member));
            for relation in ["LIKES", "SUPPORTS", "RATES"] {
                changes.push(edge(relation, member, "jazz", weight));
                changes.push(edge(relation, member, "t2", weight));
            }
            changes.push(edge("MEETS", member, "m1", weight));
            changes.push(edge("KNOWS", member, "m3", weight));
            changes.push(edge("PARTNERS", member, "m2", weight));
        }
        changes.push(edge("COVERS", "jazz", "c1", weight));
        let engine = engine_of(changes, None);
        for name in ["people", "varied", "companies", "goals"] {
            for source in ["m1", "m2", "m3"] {
                let answer = engine.recommend(&Query::new(name, source)).unwrap();
                let parts = answer.matches.iter().flat_map(|found| &found.contributions);
                for part in
                    parts.filter(|part| ["momentum", "circle", "reach"].contains(&part.signal.as_str()))
                {
                    let text = serde_json::to_string(&part.evidence).unwrap();
                    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
                    for piece in listed.as_array().unwrap() {
                        let strength =
                            piece.get("strength").or(piece.get("probability")).unwrap().as_f64().unwrap();
                        assert!(
                            (0.0..=1.0).contains(&strength),
                            "{strength} at weight {weight} in {}",
                            part.signal
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn edge_weight_condition_includes_its_own_bound() {
    // 0.7 as a single is a little less than 0.7 as a double; the bound must be read the way weights are kept.
    let text = |test: &str| {
        format!(
            r#"
            name = "bound"
            from = "Member"
            to = "Trend"
            candidates = [{{ signal = "likes", cap = 10 }}]
            [[signals]]
            name = "likes"
            weight = 1.0
            path = {{ steps = [{{ relation = "LIKES", where = [{{ attribute = "weight", {test} }}] }}] }}
            "#
        )
    };
    let changes = vec![node("Member", "m1"), node("Trend", "jazz"), edge("LIKES", "m1", "jazz", 0.7)];
    for (test, expected) in [("min = 0.7", 1), ("above = 0.7", 0), ("max = 0.7", 1), ("below = 0.7", 0)] {
        let builder = Engine::builder(schema()).matcher(matcher(&text(test)));
        let engine = builder.apply(changes.clone()).unwrap().build().unwrap();
        assert_eq!(engine.recommend(&Query::new("bound", "m1")).unwrap().matches.len(), expected, "{test}");
    }
}

/// A trend that 100,000 members like, one of whom knows 100,000 people, and a private half of them.
fn hub() -> Vec<Change> {
    let mut changes = vec![node("Trend", "jazz"), node("Trend", "t2")];
    for number in 0..100_000 {
        let member = format!("m{number}");
        let mut record = NodeRecord::default();
        if number % 2 == 1 {
            record.audience = affinity_core::Audience::from_names(["member:1"]);
        }
        changes.push(Change::PutNode { kind: "Member".to_string(), key: member.as_str().into(), record });
        changes.push(edge("LIKES", &member, "jazz", 0.5));
        changes.push(edge("SUPPORTS", &member, "jazz", 0.5));
        changes.push(edge("KNOWS", "m0", &member, 0.5));
    }
    changes.push(edge("LIKES", "m2", "t2", 1.0));
    changes.push(edge("LIKES", "m4", "t2", 1.0));
    changes
}

#[test]
fn hub_with_100_000_neighbors_is_answered_in_bounded_time() {
    let engine = engine_of(hub(), Some(&Models::default()));
    let anyone = affinity_core::Viewer::Member(Default::default());
    for source in ["m0", "m2", "m6"] {
        for viewer in [affinity_core::Viewer::Operator, anyone.clone()] {
            let query = Query::new("people", source).viewer(viewer);
            let start = Instant::now();
            let answer = engine.recommend(&query).unwrap();
            // Some 500,000 edges; a rescan of the hub in each of 256 rounds would be 50 million.
            assert!(start.elapsed() < Duration::from_secs(3), "{source}: {:?}", start.elapsed());
            assert!(!answer.matches.is_empty() && answer.truncated);
            assert!(answer.funnel["candidates"] <= 12, "{:?}", answer.funnel);
        }
    }
    let answer = engine.recommend(&Query::new("people", "m2")).unwrap();
    assert_eq!(answer.matches[0].id, Key::from("m4")); // the other friend of the rare trend
}

#[test]
fn hub_updates_equal_a_rebuild() {
    let mut world = crate::worlds::World::of(&hub()[..15_000]);
    let mut live = world.engine(Some(&Models::default()));
    let mut seed = 7_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..20 {
        let mut batch = Vec::new();
        for _ in 0..200 {
            let member = format!("m{}", next(5_000));
            let change = edge("LIKES", &member, "jazz", 0.25);
            let Change::PutEdge { edge, .. } = &change else { unreachable!() };
            let removed = Change::RemoveEdge { edge: edge.clone() };
            batch.push(if next(3) == 0 { change } else { removed });
        }
        batch.iter().for_each(|change| world.apply(change));
        live = live.update(batch).unwrap();
    }
    let rebuilt = world.engine(Some(&Models::default()));
    assert_eq!(live.counts(), rebuilt.counts());
    for source in ["m0", "m2", "m77"] {
        let query = Query::new("people", source);
        assert_eq!(bytes(&live, &query), bytes(&rebuilt, &query));
    }
}

#[test]
fn refused_batch_changes_nothing() {
    let engine = engine_of(vec![node("Member", "m1")], None);
    let batch = vec![node("Member", "m2"), edge("LIKES", "m1", "jazz", f32::NAN)];
    assert!(engine.update(batch).is_err());
    assert_eq!(engine.counts().nodes, 1);
    assert!(matches!(engine.recommend(&Query::new("people", "m2")), Err(QueryError::UnknownNode { .. })));
}

#[test]
fn cancelled_query_says_so() {
    let engine = engine_of(vec![node("Member", "m1")], None);
    let cancel = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let query = Query { cancel: Some(cancel), ..Query::new("people", "m1") };
    assert_eq!(engine.recommend(&query).unwrap_err(), QueryError::Cancelled);
}
