//! The page as a person reads it: a pure function of its model.

use affinity_core::{Answer, Contribution, Evidence, Header, Key, Match, NodeRef, Timestamp};
use affinity_server::matching::{MatcherOffer, PlatformOffer};
use affinity_server::problem::Problem;
use affinity_server::ui::{PageModel, Search, page};
use axum::http::StatusCode;
use std::collections::BTreeMap;

fn node(kind: &str, id: &str, name: &str) -> NodeRef {
    NodeRef { id: Key::from(id), kind: kind.into(), name: name.into() }
}

fn matcher(name: &str, from: &str, to: &str) -> MatcherOffer {
    MatcherOffer { name: name.into(), description: format!("Finds a {to}"), from: from.into(), to: to.into() }
}

fn part(label: &str, value: f64, weight: f64, evidence: Vec<Evidence>) -> Contribution {
    Contribution {
        signal: label.to_lowercase().into(),
        label: label.into(),
        value,
        weight,
        contribution: value * weight,
        direction: None,
        absent: evidence.is_empty(),
        evidence,
        evidence_left_out: 0,
    }
}

fn shared_trend() -> Evidence {
    let trend = node("Trend", "t1", "sustainable_consumption");
    Evidence::Path {
        path: vec![node("Member", "m1", "Sarah"), trend, node("Member", "m2", "Maria")],
        relations: vec!["HAS_AFFINITY_WITH".into(), "<HAS_AFFINITY_WITH".into()],
        strength: 0.5,
    }
}

fn found(to: &NodeRef, contributions: Vec<Contribution>) -> Match {
    Match {
        rank: Some(1),
        id: to.id.clone(),
        kind: to.kind.clone(),
        name: to.name.clone(),
        score: contributions.iter().map(|part| part.contribution).sum(),
        sentence: format!("{}: you share a trend.", to.name),
        contributions,
        attributes: None,
        probability: None,
        reciprocal: None,
    }
}

fn answer(matches: Vec<Match>) -> Answer {
    let header = Header {
        platform: "net".into(),
        matcher: "partners".into(),
        matcher_version: "7c1f".into(),
        engine_version: "12:12:".into(),
        models_version: "m".into(),
        as_of: Timestamp::from_micros(0),
        source: node("Member", "m 1&x", "Sarah"),
    };
    let funnel = [("after_filters", 9), ("candidates", 12)].map(|(stage, count)| (stage.into(), count));
    Answer {
        id: "0123456789abcdef.m 1&x".into(),
        header,
        matches,
        funnel: funnel.into(),
        timings_us: BTreeMap::new(),
        truncated: false,
        cuts: Vec::new(),
        approximate: Vec::new(),
        degraded: Vec::new(),
        diversity: None,
    }
}

fn model() -> PageModel {
    let matchers = vec![
        matcher("opportunities", "Member", "Brand"),
        matcher("partners", "Member", "Member"),
        matcher("sponsorships", "Brand", "Content"),
    ];
    PageModel {
        platforms: vec![PlatformOffer { name: "net".into(), title: "The network".into(), matchers }],
        platform: "net".into(),
        matcher: "partners".into(),
        search: Search { text: String::new(), hits: Vec::new(), is_cut: false },
        answer: None,
        problem: None,
    }
}

/// Renders, and checks what holds for every page.
fn html(model: &PageModel) -> String {
    let html = page(model).into_string();
    for forbidden in ["<script", "style=", "http://", "https://", "javascript:", "onclick"] {
        assert!(!html.contains(forbidden), "{forbidden} in {html}");
    }
    html
}

/// The text without its markup, as it is read.
fn text(html: &str) -> String {
    let body = html.split_once("<body>").map_or(html, |(_, body)| body);
    let mut is_tag = false;
    let visible = body.chars().filter(|letter| {
        let keep = !is_tag && *letter != '<';
        is_tag = (is_tag || *letter == '<') && *letter != '>';
        keep
    });
    visible.collect()
}

#[test]
fn match_shows_sum_sentence_and_path_by_name() {
    let maria = node("Member", "m2", "Maria");
    let contributions =
        vec![part("Shared trends", 0.75, 0.5, vec![shared_trend()]), part("Activity", 0.0, 0.25, vec![])];
    let html = html(&PageModel { answer: Some(answer(vec![found(&maria, contributions)])), ..model() });
    let text = text(&html);
    for expected in [
        "Matches for Sarah",
        "0.375You share a trend.",
        "you \u{2192} sustainable consumption \u{2190} Maria",
        "0.75 \u{d7} 0.50 = 0.375",
        "nothing to say",
        "12 candidates \u{2192} 9 after filters",
        "As of 1970-01-01T00:00:00",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    assert!(html.contains(r#"<a href="/?for=net/partners&amp;id=m2">Maria</a>"#), "{html}");
    assert!(html.contains(r#"href="/match/net/partners/m%201%26x""#), "{html}");
    assert!(html.contains(r#"<rect class="c0" x="0.0" height="10" width="375.0">"#), "{html}");
    assert!(html.contains(r#"<input type="hidden" name="id" value="m 1&amp;x">"#), "{html}");
    assert!(!html.contains(r#"<rect class="c1""#), "an absent signal has no segment: {html}");
}

#[test]
fn largest_contribution_comes_first_in_its_own_color() {
    let contributions = vec![
        part("Absent", 0.0, 0.25, vec![]),
        part("Small", 0.5, 0.25, vec![shared_trend()]),
        part("Large", 1.0, 0.25, vec![shared_trend()]),
    ];
    let html = html(&PageModel {
        answer: Some(answer(vec![found(&node("Member", "m2", "Maria"), contributions)])),
        ..model()
    });
    let [large, small, absent] =
        ["Large", "Small", "Absent"].map(|label| html.find(&format!(">{label}</span>")));
    assert!(large < small && small < absent && large.is_some(), "{html}");
    assert!(html.contains(r#"<rect class="c2" x="0.0" height="10" width="250.0">"#), "{html}");
    assert!(html.contains(r#"<rect class="c1" x="250.0" height="10" width="125.0">"#), "{html}");
}

#[test]
fn next_page_uses_a_matcher_that_takes_the_kind() {
    let brand = found(&node("Brand", "b1", "Eco"), vec![part("Trends", 0.5, 0.5, vec![shared_trend()])]);
    let content = found(&node("Content", "c1", "Film"), vec![part("Trends", 0.5, 0.5, vec![shared_trend()])]);
    let html = html(&PageModel {
        answer: Some(answer(vec![brand, content])),
        matcher: "opportunities".into(),
        ..model()
    });
    assert!(html.contains(r#"<a href="/?for=net/sponsorships&amp;id=b1">Eco</a>"#), "{html}");
    assert!(html.contains("<span>Film</span>"), "no matcher takes a Content: {html}");
}

#[test]
fn every_kind_of_evidence_is_worded() {
    let worded = [
        (
            Evidence::Similarity { space: "member_profile".into(), similarity: 0.8312 },
            "similarity 0.83 in member profile",
        ),
        (
            Evidence::Tags {
                attribute: "brand_values".into(),
                shared: vec!["fair_trade".into()],
                left_out: 2,
            },
            "both have brand values: fair trade and 2 more",
        ),
        (
            Evidence::Values { attribute: "industry".into(), source: "media".into(), target: "music".into() },
            "industry: you media, they music",
        ),
        (
            Evidence::Prior { attribute: "reputation".into(), observed: 4.5, count: 12.0, mean: 4.1 },
            "reputation 4.50 from 12 observations; the average is 4.10",
        ),
        (Evidence::Age { attribute: "last_active".into(), age_days: 3.4 }, "last active: 3 days ago"),
        (
            Evidence::Pattern { via: node("Trend", "t", "zero_waste"), mean_success: 0.82, observed: 1 },
            "zero waste: 82 % mean success over 1 pair that shared it",
        ),
        (Evidence::Walk { probability: 0.0012 }, "a random walk from you is here 0.12 % of the time"),
        (
            Evidence::Term { space: "titles".into(), term: "graph".into(), contribution: 0.25 },
            "both speak of graph: 0.250 of the similarity",
        ),
        (Evidence::LogOdds { term: "age".into(), log_odds: -0.5 }, "age: -0.50 in log-odds"),
        (Evidence::Missing { missing_max: 0.01 }, "up to 0.0100 more was not looked for"),
        (Evidence::Withheld { withheld: "given for matching only" }, "Not shown: given for matching only."),
    ];
    for (evidence, expected) in worded {
        let matches =
            vec![found(&node("Member", "m2", "Maria"), vec![part("Signal", 0.5, 0.5, vec![evidence])])];
        let text = text(&html(&PageModel { answer: Some(answer(matches)), ..model() }));
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn names_and_searches_are_escaped() {
    let attack = r#"<img src=x onerror="a">'&"#;
    let hits = vec![node("Member", attack, attack)];
    let search = Search { text: attack.into(), hits, is_cut: true };
    let listed = html(&PageModel { search, platform: attack.into(), ..model() });
    let matches =
        vec![found(&node("Member", attack, attack), vec![part(attack, 0.5, 0.5, vec![shared_trend()])])];
    let matched = html(&PageModel { answer: Some(answer(matches)), ..model() });
    for html in [listed, matched] {
        assert!(!html.contains("<img") && html.contains("&lt;img"), "{html}");
        assert!(!html.contains(r#""a">'"#), "{html}");
    }
}

#[test]
fn search_lists_hits_and_says_when_there_are_more_or_none() {
    let hits = vec![node("Member", "m2", "Maria"), node("Member", "m3", "Mario")];
    let search = Search { text: "mar".into(), hits, is_cut: true };
    let page = html(&PageModel { search, ..model() });
    assert!(page.contains(r#"<a href="/?for=net/partners&amp;id=m3">Mario</a>"#), "{page}");
    assert!(page.contains(r#"name="q" value="mar""#) && text(&page).contains("There are more"), "{page}");
    assert!(page.contains(r#"<option value="net/partners" selected title="Finds a Member">"#), "{page}");

    let search = Search { text: "zz".into(), hits: Vec::new(), is_cut: false };
    let text = text(&html(&PageModel { search, ..model() }));
    assert!(text.contains("Nobody is called \u{201c}zz\u{201d}"), "{text}");
}

#[test]
fn problem_shows_its_detail() {
    let problem = Problem::new(StatusCode::NOT_FOUND, "unknown_node", "there is no Member \"m9\"");
    let html = html(&PageModel { problem: Some(problem), ..model() });
    assert!(html.contains(r#"role="alert""#) && html.contains("there is no Member &quot;m9&quot;"), "{html}");
}
