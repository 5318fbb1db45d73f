//! Learning from outcomes: known weights are found again, noise teaches nothing, and the result is a matcher.

use std::collections::BTreeMap;

use affinity_core::learning::{
    Candidate, Decision, Fit, FitParams, LearningError, OutcomeCounts, Verdict, fit_weights,
};
use affinity_core::{
    Change, EdgeKey, EdgeRecord, Engine, Key, Matcher, MatcherError, NodeRecord, Query, Schema, Timestamp,
};
use proptest::prelude::{ProptestConfig, any, proptest};

/// A seeded source of numbers in [0, 1).
struct Xorshift(u64);

impl Xorshift {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f64 / 16_777_216.0
    }
}

/// Decisions of `candidate_count` random candidates; the three with the best noisy score succeed, the worst is rejected.
///
/// The noise is logistic with this spread; one value in ten is absent.
fn decisions(seed: u64, count: usize, truth: &[f64], spread: f64) -> Vec<Decision> {
    let mut random = Xorshift(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let decision = |number: usize| {
        let mut candidates: Vec<(f64, Candidate)> = (0..20)
            .map(|candidate| {
                let values: Vec<f64> = truth
                    .iter()
                    .map(|_| if random.unit() < 0.1 { f64::NAN } else { random.unit() })
                    .collect();
                let score: f64 =
                    values.iter().zip(truth).filter(|(v, _)| !v.is_nan()).map(|(v, w)| v * w).sum();
                let luck = random.unit().clamp(1e-6, 1.0 - 1e-6);
                let id = format!("c{candidate}").as_str().into();
                (score + spread * (luck / (1.0 - luck)).ln(), Candidate { id, values, label: None })
            })
            .collect();
        candidates.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let last = candidates.len() - 1;
        let labelled = candidates.into_iter().enumerate().map(|(place, (_, candidate))| {
            let label = if place < 3 { Some(1.0) } else { (place == last).then_some(0.0) };
            Candidate { label, ..candidate }
        });
        Decision {
            source: format!("s{number}").as_str().into(),
            as_of: Timestamp::from_seconds(i64::try_from(number).unwrap() * 3_600),
            candidates: labelled.collect(),
        }
    };
    (0..count).map(decision).collect()
}

fn named(weights: &[f64]) -> Vec<(String, f64)> {
    weights.iter().enumerate().map(|(signal, weight)| (format!("signal {signal}"), *weight)).collect()
}

fn fitted(decisions: Vec<Decision>, before: &[f64]) -> Fit {
    fit_weights(decisions, &named(before), &FitParams::STANDARD).unwrap()
}

#[track_caller]
fn check_weights(fit: &Fit, sum: f64) {
    for change in &fit.weights {
        assert!(change.after >= 0.0, "{change:?}");
        assert_eq!((change.after * 65_536.0).fract(), 0.0, "{change:?}");
    }
    let total: f64 = fit.weights.iter().map(|change| change.after).sum();
    assert!(total <= sum + 1e-12 && total <= 1.0, "{total} of {sum}");
}

#[test]
fn known_weights_are_found_again() {
    let truth = [0.6, 0.0, 0.3, 0.1];
    let fit = fitted(decisions(3, 400, &truth, 0.03), &[0.25; 4]);
    assert_eq!(fit.verdict, Verdict::Learned);
    check_weights(&fit, 1.0);
    for (change, truth) in fit.weights.iter().zip(truth) {
        assert!((change.after - truth).abs() < 0.04, "{:?}", fit.weights);
    }
    let [learned, before, single] = fit.quality.systems.as_slice() else { panic!("three systems") };
    assert_eq!((before.name.as_str(), single.name.as_str()), ("weights before", "only signal 0"));
    assert!(before.lead.low > 0.0 && single.lead.low > 0.0 && fit.gain.low > 0.0, "{:?}", fit.quality);
    assert!(learned.ndcg.estimate > before.ndcg.estimate);
}

#[test]
fn noise_teaches_nothing() {
    // Of twenty worlds in which outcomes have nothing to do with the values, the weights change in at most one.
    let before = [0.5, 0.25, 0.125, 0.125];
    let verdicts: Vec<Verdict> =
        (0..20).map(|seed| fitted(decisions(100 + seed, 60, &before, 1e6), &before).verdict).collect();
    let learned = verdicts.iter().filter(|verdict| **verdict == Verdict::Learned).count();
    assert!(learned <= 1, "{verdicts:?}");
}

#[test]
fn right_weights_stay() {
    let truth = [0.5, 0.25, 0.25];
    let fit = fitted(decisions(5, 100, &truth, 0.05), &truth);
    assert_eq!(fit.verdict, Verdict::NoGain);
    assert!(fit.weights.iter().all(|change| change.before == change.after), "{:?}", fit.weights);
}

#[test]
fn a_single_good_signal_takes_over() {
    let fit = fitted(decisions(7, 200, &[1.0, 0.0, 0.0], 0.01), &[0.2, 0.4, 0.4]);
    assert_eq!(fit.verdict, Verdict::Learned);
    assert!(fit.weights[0].after > 0.9, "{:?}", fit.weights);
}

#[test]
fn too_few_outcomes_are_refused_with_the_numbers() {
    let refused =
        |count| fit_weights(decisions(1, count, &[0.5, 0.5], 0.1), &named(&[0.5, 0.5]), &FitParams::STANDARD);
    let LearningError::TooFewOutcomes { got, needed } = refused(16).unwrap_err() else { panic!("too few") };
    assert_eq!(got, OutcomeCounts { decisions: 16, positives: 48 });
    assert_eq!(needed, OutcomeCounts { decisions: 20, positives: 50 });
    assert!(refused(20).is_ok());
    let wrong = fit_weights(decisions(1, 20, &[0.5, 0.5], 0.1), &named(&[0.5]), &FitParams::STANDARD);
    assert!(matches!(wrong, Err(LearningError::WrongValueCount { got: 2, expected: 1, .. })));
}

#[test]
fn probabilities_follow_the_outcomes() {
    let fit = fitted(decisions(11, 300, &[0.7, 0.3], 0.1), &[0.5, 0.5]);
    let curve = fit.probability.unwrap();
    assert!(curve.at(0.9) > 0.8 && curve.at(0.1) < 0.5, "{curve:?}");
    let error = fit.reliability.unwrap().expected_calibration_error;
    assert!(error.estimate < 0.1, "{error:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_gives_the_same_weights_and_they_are_weights(seed in any::<u64>(), turn in 0_usize..60) {
        let mut decided = decisions(seed, 60, &[0.5, 0.0, 0.5], 0.05);
        let before = [0.25, 0.5, 0.125];
        let fit = fitted(decided.clone(), &before);
        check_weights(&fit, 0.875);
        decided.rotate_left(turn);
        decided.iter_mut().for_each(|decision| decision.candidates.reverse());
        assert_eq!(fit, fitted(decided, &before));
    }
}

const SCHEMA: &str = "name = 'tiny'\n[kinds.Member]\nattributes = { town = 'category', stars = 'number' }\n[kinds.Trend]\n\
    [relations.LIKES]\nfrom = 'Member'\nto = 'Trend'\n[relations.MET]\nfrom = 'Member'\nto = 'Member'";
const MATCHER: &str = r#"# What people come for.
name = "partners"
from = "Member"
to = "Member"
candidates = [{ signal = "taste", cap = 9 }]
[[signals]]
name = "taste"
weight = 0.75 # a guess
half = 1.0
shared = { relation = "LIKES", formula = "count" }
[[signals]]
name = "stars"
weight = 0.25
prior = { attribute = "stars", strength = 1.0, scale = 5.0 }
[[exclusions]]
rule = "met"
steps = [{ relation = "MET" }]
"#;

fn engine(matcher: &str) -> Engine {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let matcher = Matcher::from_toml(matcher, "partners.toml", &schema).unwrap();
    let node = |kind: &str, key: &str| Change::PutNode {
        kind: kind.into(),
        key: key.into(),
        record: NodeRecord::default(),
    };
    let edge = |relation: &str, source: &str, target: &str| Change::PutEdge {
        edge: EdgeKey {
            relation: relation.into(),
            source: source.into(),
            target: target.into(),
            origin: None,
        },
        record: EdgeRecord::default(),
    };
    let mut changes: Vec<Change> =
        ["ann", "bob", "eve", "kim", "lea"].map(|key| node("Member", key)).to_vec();
    changes.push(node("Trend", "jazz"));
    changes.extend(["ann", "bob", "kim"].map(|member| edge("LIKES", member, "jazz")));
    changes.push(edge("MET", "ann", "kim"));
    Engine::builder(schema).matcher(matcher).apply(changes).unwrap().build().unwrap()
}

#[test]
fn features_are_the_values_behind_the_scores() {
    let engine = engine(MATCHER);
    let query = Query::new("partners", "ann").limit(1);
    let targets: [Key; 4] = ["kim".into(), "lea".into(), "nobody".into(), "ann".into()];
    let table = engine.features(&query, &targets).unwrap();
    let found: Vec<_> = table.rows.iter().map(|row| (row.id.to_string(), row.is_candidate)).collect();
    // `kim` is excluded and `lea` shares nothing: they are there because they were asked about; `ann` is the source.
    assert_eq!(found, [("bob".into(), true), ("kim".into(), false), ("lea".into(), false)]);
    assert_eq!((table.signals, table.weights), (vec!["taste".into(), "stars".into()], vec![0.75, 0.25]));
    for row in &table.rows {
        let explained = engine.explain(&query, &row.id).unwrap().target;
        for (value, part) in row.values.iter().zip(&explained.contributions) {
            assert!(if part.absent { value.is_nan() } else { *value == part.value }, "{} {part:?}", row.id);
        }
    }
    let labels = BTreeMap::from([("lea".into(), 1.0), ("bob".into(), 0.0)]);
    let decision = Decision::from_features(engine.features(&query, &targets).unwrap(), &labels);
    let kept: Vec<_> = decision.candidates.iter().map(|of| (of.id.to_string(), of.label)).collect();
    assert_eq!(kept, [("bob".to_string(), Some(0.0)), ("lea".to_string(), Some(1.0))]);
    assert_eq!(decision.ranked(&[1.0, 0.0]), ["bob".into()]);
}

#[test]
fn a_fit_becomes_a_matcher_with_everything_else_as_it_was() {
    let signals = [("taste".to_string(), 0.75), ("stars".to_string(), 0.25)];
    let fit = fit_weights(decisions(2, 300, &[0.25, 0.75], 0.03), &signals, &FitParams::STANDARD).unwrap();
    assert_eq!(fit.verdict, Verdict::Learned);
    let text = fit.to_toml(MATCHER, "partners.toml").unwrap();
    assert!(text.contains("# a guess\n") && text.starts_with("# What people come for."), "{text}");
    let (before, after) = (engine(MATCHER), engine(&text));
    let of = |engine: &Engine| engine.matchers()["partners"].clone();
    assert_ne!(of(&before).version(), of(&after).version());
    let weights: Vec<f64> = of(&after).signals().iter().map(|signal| signal.weight).collect();
    assert_eq!(weights, fit.weights.iter().map(|change| change.after).collect::<Vec<_>>());
    let without = |text: &str| -> Vec<String> {
        let head = text.split("\n# [score, probability").next().unwrap();
        head.lines().filter(|line| !line.starts_with("weight")).map(str::to_string).collect()
    };
    assert_eq!(without(&text), without(MATCHER));

    let query = Query::new("partners", "ann");
    assert_eq!(before.recommend(&query).unwrap().matches[0].probability, None);
    let best = after.recommend(&query).unwrap().matches[0].clone();
    assert_eq!(best.probability, Some(fit.probability.clone().unwrap().at(best.score)));
    assert_eq!(best.score, best.contributions.iter().map(|part| part.contribution).sum::<f64>());
    let bent = after.recommend(&query.clone().weight("stars", 0.0)).unwrap();
    assert_eq!(bent.matches[0].probability, None, "the curve is for the matcher's own weights");

    // Once more on the new text: its curve is replaced, not repeated; without a curve it is emptied.
    let again = Fit { probability: None, ..fit.clone() }.to_toml(&text, "partners.toml").unwrap();
    assert!(again.contains("points = []") && again.matches("[probability]").count() == 1, "{again}");
    assert_eq!(engine(&again).recommend(&query).unwrap().matches[0].probability, None);
    let kept = Fit { verdict: Verdict::NoGain, probability: None, ..fit };
    assert_eq!(kept.to_toml(&text, "partners.toml").unwrap(), text, "kept weights keep their curve");
}

#[test]
fn a_rewrite_of_unknown_signals_or_of_no_matcher_is_refused() {
    let weights = BTreeMap::from([("tastes".to_string(), 0.5)]);
    match Matcher::rewrite(MATCHER, "partners.toml", &weights, None).unwrap_err() {
        MatcherError::Unknown { got, allowed, .. } => {
            assert_eq!((got.as_str(), allowed), ("tastes", vec!["taste".to_string(), "stars".to_string()]));
        }
        other => panic!("{other:?}"),
    }
    let broken = Matcher::rewrite("name = ", "partners.toml", &BTreeMap::new(), None);
    assert!(matches!(broken, Err(MatcherError::Syntax { line: 1, .. })), "{broken:?}");
}

#[test]
fn a_probability_curve_that_falls_is_refused_with_its_line() {
    let schema = Schema::from_toml(SCHEMA).unwrap();
    let with = |points: &str| {
        Matcher::from_toml(&format!("{MATCHER}[probability]\npoints = {points}"), "partners.toml", &schema)
    };
    assert!(with("[[0.1, 0.2], [0.5, 0.9]]").is_ok() && with("[]").is_ok());
    for wrong in ["[[0.1, 0.5], [0.5, 0.4]]", "[[0.5, 0.1], [0.5, 0.4]]", "[[0.1, 1.5]]", "[[nan, 0.5]]"] {
        match with(wrong).unwrap_err() {
            MatcherError::OutOfRange { line, field, .. } => {
                assert_eq!((line, field), (19, "points"), "{wrong}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_report_says_before_and_after() {
    let fit = fitted(decisions(3, 100, &[0.9, 0.1], 0.02), &[0.1, 0.9]);
    let html = fit.report("partners <before & after>").to_html();
    for part in ["partners &lt;before &amp; after&gt;", "weights before", "signal 1", "beyond noise", "<svg"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(fit.report("x"), fit.report("x"));
}
