//! Attributes of which operators know and members are told nothing.

use std::collections::BTreeMap;

use affinity_core::{
    Change, Condition, ConditionError, EdgeKey, EdgeRecord, Engine, Matcher, NodeRecord, Query, QueryError,
    Schema, SchemaError, Value, Viewer,
};

const SCHEMA: &str = r#"
    name = "tiny"
    [kinds.Member]
    attributes = { town = "category", tier = "category" }
    operators_only = ["tier"]
    [kinds.Trend]
    [relations.LIKES]
    from = "Member"
    to = "Trend"
"#;

/// Finds gold members alone: what a matcher asks for is the platform's decision.
const MATCHER: &str = r#"
    name = "people"
    from = "Member"
    to = "Member"
    limit = 5
    candidates = [{ signal = "taste", cap = 5 }]
    [[signals]]
    name = "taste"
    weight = 1.0
    half = 1.0
    shared = { relation = "LIKES", formula = "count" }
    [[filters]]
    attribute = "tier"
    in = ["gold"]
"#;

fn engine() -> Engine {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let matcher = Matcher::from_toml(MATCHER, "people.toml", &schema).unwrap();
    let category = |text: &str| Value::Category(text.to_string());
    let members = [("ann", "gold"), ("ben", "gold"), ("cyd", "basic")].into_iter().flat_map(|(key, tier)| {
        let attributes =
            BTreeMap::from([("town".to_string(), category("Rome")), ("tier".to_string(), category(tier))]);
        let record = NodeRecord { attributes, ..NodeRecord::default() };
        let edge = EdgeKey {
            relation: "LIKES".to_string(),
            source: key.into(),
            target: "jazz".into(),
            origin: None,
        };
        [
            Change::PutNode { kind: "Member".to_string(), key: key.into(), record },
            Change::PutEdge { edge, record: EdgeRecord::default() },
        ]
    });
    let jazz =
        Change::PutNode { kind: "Trend".to_string(), key: "jazz".into(), record: NodeRecord::default() };
    Engine::builder(schema).matcher(matcher).apply(members.chain([jazz])).unwrap().build().unwrap()
}

#[test]
fn attributes_for_operators_are_not_shown_to_members() {
    let shown = |viewer: Viewer| {
        let mut query = Query::new("people", "ann").viewer(viewer);
        query.with_attributes = true;
        let answer = engine().recommend(&query).unwrap();
        let found = answer.matches.iter().map(|found| {
            let names = found.attributes.as_ref().unwrap().keys().cloned().collect::<Vec<_>>();
            (found.id.to_string(), names)
        });
        found.collect::<Vec<_>>()
    };
    let of = |names: &[&str]| vec![("ben".to_string(), names.iter().map(ToString::to_string).collect())];
    assert_eq!(shown(Viewer::Operator), of(&["tier", "town"]));
    for viewer in [Viewer::Member([].into()), Viewer::Anonymous] {
        assert_eq!(shown(viewer), of(&["town"]));
    }
}

#[test]
fn attributes_for_operators_are_unknown_to_the_filters_of_members() {
    let filtered = |viewer: Viewer| {
        let gold = Condition {
            attribute: "tier".to_string(),
            is_in: Some(vec!["gold".to_string()]),
            ..Condition::default()
        };
        engine().recommend(&Query::new("people", "ann").viewer(viewer).filter(gold))
    };
    assert_eq!(filtered(Viewer::Operator).unwrap().matches.len(), 1);
    let error = filtered(Viewer::Member([].into())).unwrap_err();
    let unknown =
        ConditionError::UnknownAttribute { got: "tier".to_string(), allowed: vec!["town".to_string()] };
    assert_eq!(error, QueryError::Condition(unknown));
}

#[test]
fn attributes_for_operators_are_declared() {
    let error = Schema::from_toml(&SCHEMA.replace(r#"["tier"]"#, r#"["tear"]"#)).unwrap_err();
    let SchemaError::Unknown { field, got, allowed } = error else { panic!("{error:?}") };
    assert_eq!((field.as_str(), got.as_str(), allowed.len()), ("kinds.Member.operators_only", "tear", 2));
}
