//! The three graph queries of the teraffi source, TER-40, TER-41 and TER-42, without its defects TER-D02 to TER-D05.

use std::collections::BTreeMap;

use affinity_core::{
    Answer, Change, EdgeKey, EdgeRecord, Engine, Evidence, Matcher, NodeRecord, Query, Schema, Value,
};

const SCHEMA: &str = r#"
name = "teraffi"
[kinds.Member]
[kinds.Trend]
attributes = { momentum_score = "number" }
[kinds.Demographic]
[kinds.Brand]
[relations.HAS_AFFINITY_WITH]
from = "Member"
to = "Trend"
weighted = true
[relations.INFLUENCES]
from = "Trend"
to = "Demographic"
[relations.TARGETS]
from = "Brand"
to = "Demographic"
[relations.WORKS_FOR]
from = "Member"
to = "Brand"
[relations.PARTNERS_WITH]
from = "Member"
to = "Member"
symmetric = true
parallel = "apart"
attributes = { status = "category", success_score = "number" }
"#;

const SHARED_AFFINITIES: &str = r#"
name = "shared-affinities"
from = "Member"
to = "Member"
limit = 20
candidates = [{ signal = "trends", cap = 1000 }]
[[signals]]
name = "trends"
weight = 1.0
full = 64.0
shared = { relation = "HAS_AFFINITY_WITH", formula = "count", min_count = 3 }
"#;

const OPPORTUNITIES: &str = r#"
name = "opportunities"
from = "Member"
to = "Brand"
limit = 20
candidates = [{ signal = "momentum", cap = 500 }]
[[signals]]
name = "momentum"
weight = 1.0
[signals.path]
combine = "max"
normalize = "none"
[[signals.path.steps]]
relation = "HAS_AFFINITY_WITH"
factor = "momentum_score"
nodes = [{ attribute = "momentum_score", above = 0.7 }]
[[signals.path.steps]]
relation = "INFLUENCES"
[[signals.path.steps]]
relation = "TARGETS"
reversed = true
[[exclusions]]
rule = "own brand"
steps = [{ relation = "WORKS_FOR" }]
[[exclusions]]
rule = "already partners"
steps = [{ relation = "PARTNERS_WITH" }, { relation = "WORKS_FOR" }]
"#;

const PATTERNS: &str = r#"
name = "patterns"
from = "Member"
to = "Member"
candidates = [{ signal = "all", cap = 100 }]
[[signals]]
name = "success"
weight = 1.0
[signals.pattern]
relation = "HAS_AFFINITY_WITH"
outcome = "PARTNERS_WITH"
where = [{ attribute = "status", in = ["completed"] }, { attribute = "success_score", above = 4.0 }]
value = "success_score"
scale = 5.0
"#;

/// A graph made by hand; nodes come with the edges that mention them.
#[derive(Default)]
struct Graph(Vec<Change>);

impl Graph {
    fn node(&mut self, kind: &str, key: &str) {
        self.0.push(Change::PutNode { kind: kind.to_string(), key: key.into(), record: NodeRecord::default() });
    }

    fn trend(&mut self, key: &str, momentum: f64) {
        let attributes = BTreeMap::from([("momentum_score".to_string(), Value::Number(momentum))]);
        let record = NodeRecord { attributes, ..NodeRecord::default() };
        self.0.push(Change::PutNode { kind: "Trend".to_string(), key: key.into(), record });
    }

    fn edge(&mut self, relation: &str, source: &str, target: &str) {
        let (relation, source, target) = (relation.to_string(), source.into(), target.into());
        let edge = EdgeKey { relation, source, target, origin: None };
        self.0.push(Change::PutEdge { edge, record: EdgeRecord::default() });
    }

    fn likes(&mut self, member: &str, trends: &[&str]) {
        self.node("Member", member);
        trends.iter().for_each(|trend| self.edge("HAS_AFFINITY_WITH", member, trend));
    }

    fn partnership(&mut self, origin: &str, ends: (&str, &str), status: &str, success: f64) {
        let attributes = BTreeMap::from([
            ("status".to_string(), Value::Category(status.to_string())),
            ("success_score".to_string(), Value::Number(success)),
        ]);
        let edge = EdgeKey {
            relation: "PARTNERS_WITH".to_string(),
            source: ends.0.into(),
            target: ends.1.into(),
            origin: Some(origin.into()),
        };
        self.0.push(Change::PutEdge { edge, record: EdgeRecord { attributes, ..EdgeRecord::default() } });
    }

    fn engine(self) -> Engine {
        let schema = Schema::from_toml(SCHEMA).unwrap();
        let matcher = |text: &str| Matcher::from_toml(text, "source.toml", &schema).unwrap();
        let matchers = [SHARED_AFFINITIES, OPPORTUNITIES, PATTERNS].map(matcher);
        Engine::builder(schema.clone()).matchers(matchers).apply(self.0).unwrap().build().unwrap()
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.matches.iter().map(|found| found.id.to_string()).collect()
}

fn raw(answer: &Answer, scale: f64) -> Vec<f64> {
    answer.matches.iter().map(|found| found.contributions[0].value * scale).collect()
}

#[test]
fn ter_40_lists_members_with_three_shared_trends_most_first_ties_by_id() {
    let mut graph = Graph::default();
    ["t1", "t2", "t3", "t4", "t5", "t6"].iter().for_each(|trend| graph.trend(trend, 0.5));
    graph.likes("source", &["t1", "t2", "t3", "t4", "t5"]);
    graph.likes("two", &["t1", "t2", "t6"]);
    graph.likes("three_b", &["t1", "t2", "t3"]);
    graph.likes("three_a", &["t3", "t4", "t5"]);
    graph.likes("five", &["t1", "t2", "t3", "t4", "t5", "t6"]);
    graph.likes("four", &["t2", "t3", "t4", "t5"]);
    let answer = graph.engine().recommend(&Query::new("shared-affinities", "source")).unwrap();
    assert_eq!(ids(&answer), ["five", "four", "three_a", "three_b"]);
    assert_eq!(raw(&answer, 64.0), [5.0, 4.0, 3.0, 3.0]);
    let trends: Vec<String> = answer.matches[1].contributions[0]
        .evidence
        .iter()
        .map(|piece| match piece {
            Evidence::Path { path, .. } => path[1].id.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(trends, ["t2", "t3", "t4", "t5"]);
}

#[test]
fn ter_40_counts_trends_whatever_the_strength_of_the_affinity() {
    let mut graph = Graph::default();
    ["t1", "t2", "t3"].iter().for_each(|trend| graph.trend(trend, 0.5));
    graph.likes("source", &["t1", "t2", "t3"]);
    graph.likes("faint", &[]);
    for trend in ["t1", "t2", "t3"] {
        let edge = EdgeKey {
            relation: "HAS_AFFINITY_WITH".to_string(),
            source: "faint".into(),
            target: trend.into(),
            origin: None,
        };
        graph.0.push(Change::PutEdge { edge, record: EdgeRecord { weight: 0.0, ..EdgeRecord::default() } });
    }
    let answer = graph.engine().recommend(&Query::new("shared-affinities", "source")).unwrap();
    assert_eq!((ids(&answer), raw(&answer, 64.0)), (vec!["faint".to_string()], vec![3.0]));
}

#[test]
fn ter_40_stops_at_20() {
    let mut graph = Graph::default();
    ["t1", "t2", "t3"].iter().for_each(|trend| graph.trend(trend, 0.5));
    graph.likes("source", &["t1", "t2", "t3"]);
    for number in (0..25).rev() {
        graph.likes(&format!("m{number:02}"), &["t1", "t2", "t3"]);
    }
    let answer = graph.engine().recommend(&Query::new("shared-affinities", "source")).unwrap();
    let first_20: Vec<String> = (0..20).map(|number| format!("m{number:02}")).collect();
    assert_eq!(ids(&answer), first_20);
    assert_eq!(answer.funnel["candidates"], 25);
}

fn opportunities() -> Graph {
    let mut graph = Graph::default();
    for (trend, momentum) in [("hot", 0.9), ("warm", 0.75), ("border", 0.7), ("foreign", 1.0)] {
        graph.trend(trend, momentum);
    }
    graph.likes("source", &["hot", "warm", "border"]);
    for demographic in ["young", "urban", "old"] {
        graph.node("Demographic", demographic);
    }
    for (trend, demographic) in
        [("hot", "young"), ("hot", "urban"), ("warm", "urban"), ("warm", "old"), ("border", "old"), ("foreign", "old")]
    {
        graph.edge("INFLUENCES", trend, demographic);
    }
    for (brand, demographics) in [
        ("many_ways", &["young", "urban", "old"][..]),
        ("best_too", &["urban"][..]),
        ("second", &["old"][..]),
        ("nobody", &[][..]),
    ] {
        graph.node("Brand", brand);
        demographics.iter().for_each(|demographic| graph.edge("TARGETS", brand, demographic));
    }
    graph
}

#[test]
fn ter_41_scores_brands_by_their_best_trend_above_07_once_each() {
    let answer = opportunities().engine().recommend(&Query::new("opportunities", "source")).unwrap();
    // TER-D02: TARGETS is walked from the demographic to the brand. TER-D04: one row a brand, whatever the ways to it.
    assert_eq!(ids(&answer), ["best_too", "many_ways", "second"]);
    let unit = |value: f64| (value * 16_777_216.0).round() / 16_777_216.0;
    assert_eq!(raw(&answer, 1.0), [0.9, 0.9, 0.75].map(unit));
    let ways = &answer.matches[1].contributions[0];
    // hot to young, hot to urban, warm to urban, warm to old; never through the trend at exactly 0.7.
    assert_eq!(ways.evidence.len() + ways.evidence_left_out, 4);
    let text = serde_json::to_string(&answer).unwrap();
    assert!(!text.contains("border") && !text.contains("foreign"), "{text}");
}

#[test]
fn ter_41_leaves_out_own_brand_and_brands_of_partners() {
    let mut graph = opportunities();
    graph.node("Member", "partner");
    graph.edge("WORKS_FOR", "partner", "many_ways");
    graph.edge("WORKS_FOR", "source", "second");
    // TER-D03: partners are members, so a brand is taken through the people who work for it.
    graph.partnership("p1", ("partner", "source"), "active", 0.0);
    let engine = graph.engine();
    let query = Query::new("opportunities", "source");
    assert_eq!(ids(&engine.recommend(&query).unwrap()), ["best_too"]);
    let dropped = |brand: &str| serde_json::to_value(engine.explain(&query, &brand.into()).unwrap().dropped).unwrap();
    assert_eq!(dropped("second"), serde_json::json!({ "stage": "exclusion", "rule": "own brand" }));
    assert_eq!(dropped("many_ways"), serde_json::json!({ "stage": "exclusion", "rule": "already partners" }));
}

#[test]
fn ter_41_stops_at_20() {
    let mut graph = Graph::default();
    graph.trend("hot", 0.8);
    graph.likes("source", &["hot"]);
    graph.node("Demographic", "young");
    graph.edge("INFLUENCES", "hot", "young");
    for number in 0..30 {
        let brand = format!("b{number:02}");
        graph.node("Brand", &brand);
        graph.edge("TARGETS", &brand, "young");
    }
    let answer = graph.engine().recommend(&Query::new("opportunities", "source")).unwrap();
    assert_eq!((answer.matches.len(), answer.matches[19].id.to_string()), (20, "b19".to_string()));
}

#[test]
fn ter_42_averages_success_above_4_per_shared_trend_counting_each_pair_once() {
    let mut graph = Graph::default();
    ["t1", "t2", "t3", "t4"].iter().for_each(|trend| graph.trend(trend, 0.5));
    graph.likes("a", &["t1", "t2"]);
    graph.likes("b", &["t1", "t2", "t3"]);
    graph.likes("c", &["t1", "t3", "t4"]);
    graph.likes("d", &["t2"]);
    // TER-D05: a pair is seen from both ends, and counts once; two partnerships of a pair are two.
    graph.partnership("p1", ("a", "b"), "completed", 4.5);
    graph.partnership("p2", ("b", "a"), "completed", 5.0);
    graph.partnership("p3", ("c", "b"), "completed", 4.25);
    graph.partnership("p4", ("a", "c"), "completed", 4.0); // not above 4
    graph.partnership("p5", ("a", "d"), "active", 5.0); // not completed
    let patterns = graph.engine().success_patterns("patterns", "success");
    let listed: Vec<(String, f64, u64)> = patterns
        .iter()
        .map(|pattern| (pattern.via.id.to_string(), (pattern.mean_success * 1e6).round() / 1e6, pattern.count))
        .collect();
    // t2: (4.5 + 5) / 2; t1: (4.5 + 5 + 4.25) / 3; t3: 4.25.
    assert_eq!(
        listed,
        [("t2".to_string(), 4.75, 2), ("t1".to_string(), 4.583333, 3), ("t3".to_string(), 4.25, 1)]
    );
}

#[test]
fn ter_42_orders_equal_means_by_count_and_then_id() {
    let mut graph = Graph::default();
    ["once_b", "once_a", "twice"].iter().for_each(|trend| graph.trend(trend, 0.5));
    graph.likes("a", &["once_b", "once_a", "twice"]);
    graph.likes("b", &["once_b", "once_a", "twice"]);
    graph.likes("c", &["twice"]);
    graph.partnership("p1", ("a", "b"), "completed", 4.5);
    graph.partnership("p2", ("a", "c"), "completed", 4.5);
    let patterns = graph.engine().success_patterns("patterns", "success");
    let order: Vec<String> = patterns.iter().map(|pattern| pattern.via.id.to_string()).collect();
    assert_eq!(order, ["twice", "once_a", "once_b"]);
}
