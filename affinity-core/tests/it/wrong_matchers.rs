//! A wrong matcher is refused with file, line, field, what was found and what is allowed.

use affinity_core::{ConditionError, Matcher, MatcherError};

use crate::worlds::schema;

/// A matcher that is right, as lines, so that a case replaces one of them.
const RIGHT: [&str; 16] = [
    r#"name = "right""#,
    r#"from = "Member""#,
    r#"to = "Member""#,
    r#"candidates = [{ signal = "likes", cap = 10 }]"#,
    r#"filters = [{ attribute = "reputation", min = 1.0 }]"#,
    r#"[[signals]]"#,
    r#"name = "likes""#,
    r#"weight = 0.5"#,
    r#"shared = { relation = "LIKES" }"#,
    r#"[[signals]]"#,
    r#"name = "second""#,
    r#"weight = 0.5"#,
    r#"prior = { attribute = "reputation", strength = 1.0, scale = 5.0 }"#,
    r#"[[exclusions]]"#,
    r#"rule = "partners""#,
    r#"steps = [{ relation = "PARTNERS" }]"#,
];

fn with(line: usize, text: &str) -> Result<Matcher, MatcherError> {
    let mut lines = RIGHT;
    lines[line - 1] = text;
    Matcher::from_toml(&lines.join("\n"), "matchers/right.toml", &schema())
}

#[track_caller]
fn check_unknown(line: usize, text: &str, field: &str, got: &str, one_allowed: &str) {
    match with(line, text).unwrap_err() {
        MatcherError::Unknown { file, line: at, field: found_in, got: found, allowed } => {
            assert_eq!(
                (file.as_str(), at, found_in, found.as_str()),
                ("matchers/right.toml", line, field, got)
            );
            assert!(allowed.iter().any(|name| name == one_allowed), "{allowed:?} lacks {one_allowed}");
            assert!(!allowed.contains(&found), "{found} is refused and allowed");
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_range(line: usize, text: &str, at_line: usize, field: &str, got: &str, expected: &str) {
    match with(line, text).unwrap_err() {
        MatcherError::OutOfRange { file, line: at, field: found_in, got: found, expected: wanted } => {
            assert_eq!((file.as_str(), at, found_in), ("matchers/right.toml", at_line, field), "{wanted}");
            assert!(found.contains(got), "got {found}, not {got}");
            assert!(wanted.contains(expected), "expected {wanted}, not {expected}");
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check_syntax(line: usize, text: &str, at_line: usize, reason: &str) {
    match with(line, text).unwrap_err() {
        MatcherError::Syntax { file, line: at, reason: found } => {
            assert_eq!((file.as_str(), at), ("matchers/right.toml", at_line), "{found}");
            assert!(found.contains(reason), "{found}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn right_matcher_is_accepted() {
    assert_eq!(with(1, RIGHT[0]).unwrap().name(), "right");
}

#[test]
fn unknown_names_are_refused_with_those_that_would_do() {
    check_unknown(2, r#"from = "Membre""#, "from", "Membre", "Member");
    check_unknown(3, r#"to = "Brand""#, "to", "Brand", "Company");
    check_unknown(
        4,
        r#"candidates = [{ signal = "lykes", cap = 1 }]"#,
        "candidates.signal",
        "lykes",
        "likes",
    );
    check_unknown(
        4,
        r#"candidates = [{ signal = "second", cap = 1 }]"#,
        "candidates.signal",
        "second",
        "all",
    );
    check_unknown(9, r#"shared = { relation = "LOVES" }"#, "relation", "LOVES", "LIKES");
    check_unknown(9, r#"walk = { relations = ["LIKES", "LOVES"] }"#, "relations", "LOVES", "LIKES");
    check_unknown(9, r#"near = { space = "pitch" }"#, "space", "pitch", "profile");
    check_unknown(
        9,
        r#"near = { space = "profile", target_space = "pitch" }"#,
        "target_space",
        "pitch",
        "goals",
    );
    let error = with(9, r#"custom = "mine""#).unwrap_err();
    assert!(
        matches!(&error, MatcherError::Unknown { field: "custom", allowed, .. } if allowed.is_empty()),
        "{error:?}"
    );
}

#[test]
fn attributes_of_the_wrong_kind_or_type_are_refused() {
    check_unknown(9, r#"overlap = { attribute = "industry" }"#, "attribute", "industry", "tags");
    check_unknown(
        9,
        r#"fresh = { attribute = "reputation", half_life_days = 1.0 }"#,
        "attribute",
        "reputation",
        "active",
    );
    check_unknown(
        9,
        r#"close = { attribute = "momentum", scale = 1.0 }"#,
        "attribute",
        "momentum",
        "reputation",
    );
    check_unknown(
        13,
        r#"prior = { attribute = "reputation", count_attribute = "rank", strength = 1.0, scale = 5.0 }"#,
        "count_attribute",
        "rank",
        "reputation_count",
    );
    check_unknown(
        9,
        r#"pattern = { relation = "LIKES", outcome = "PARTNERS", value = "status", scale = 1.0 }"#,
        "value",
        "status",
        "success",
    );
}

#[test]
fn chains_that_break_are_refused() {
    // The second step of a path starts where the first one ends.
    check_unknown(
        9,
        r#"path = { steps = [{ relation = "LIKES" }, { relation = "WORKS", reversed = true }] }"#,
        "relation",
        "WORKS",
        "LIKES",
    );
    check_unknown(9, r#"shared = { relation = "COVERS" }"#, "relation", "COVERS", "WORKS");
    check_range(
        9,
        r#"path = { steps = [{ relation = "LIKES" }] }"#,
        9,
        "relation",
        "LIKES",
        "leads to Member",
    );
    check_range(
        9,
        r#"shared = { relation = "LIKES", target_relation = "WORKS" }"#,
        9,
        "target_relation",
        "WORKS",
        "also leads to Trend",
    );
    check_range(16, r#"steps = [{ relation = "LIKES" }]"#, 14, "steps", "partners", "lead to Member");
}

#[test]
fn numbers_out_of_range_are_refused() {
    check_range(8, "weight = 1.5", 8, "weight", "1.5", "from 0 to 1");
    check_range(8, "weight = nan", 8, "weight", "NaN", "from 0 to 1");
    check_range(8, "weight = 0.75", 6, "weight", "1.25", "at most 1");
    check_range(8, "weight = 0.5\nhalf = 0.0", 9, "half", "0.0", "above 0");
    check_range(8, "weight = 0.5\nhalf = inf", 9, "half", "inf", "above 0");
    check_range(8, "weight = 0.5\nhalf = 1.0\nfull = 1.0", 9, "half", "1.0", "not both");
    check_range(9, r#"shared = { relation = "LIKES", min_count = 0 }"#, 9, "min_count", "0", "at least 1");
    check_range(
        9,
        r#"shared = { relation = "LIKES", half_life_days = -1.0 }"#,
        9,
        "half_life_days",
        "-1",
        "above 0",
    );
    check_range(9, r#"path = { steps = [] }"#, 9, "steps", "[]", "1 to 6");
    check_range(9, r#"walk = { relations = [] }"#, 9, "relations", "[]", "at least one");
    check_range(9, r#"walk = { relations = ["LIKES"], restart = 1.0 }"#, 9, "restart", "1.0", "at most 0.99");
    check_range(
        9,
        r#"complement = { attribute = "rank", table = { a = { b = 2.0 } } }"#,
        9,
        "table",
        "2.0",
        "from 0 to 1",
    );
    check_range(4, r#"candidates = [{ signal = "likes", cap = 0 }]"#, 4, "cap", "0", "1 to 100000");
    check_range(4, r#"candidates = []"#, 4, "candidates", "0", "at least one");
    check_range(1, "name = \"right\"\nlimit = 0", 2, "limit", "0", "1 to 100");
    check_range(1, "name = \"right\"\nlimit_max = 1001", 2, "limit_max", "1001", "1 to 1000");
    check_range(1, "name = \"right\"\nlimit = 11\nlimit_max = 10", 2, "limit", "11", "1 to 10");
}

#[test]
fn walks_and_propagation_take_only_what_they_use() {
    let walk = |fields: &str| format!("walk = {{ relations = [\"LIKES\"], {fields} }}");
    let one_each = "one number above 0, at most 1024, for each relation";
    check_range(9, &walk("weights = [1.0, 2.0]"), 9, "weights", "2.0", one_each);
    check_range(9, &walk("weights = [0.0]"), 9, "weights", "0.0", one_each);
    check_range(9, &walk("steps = [0.5, 1.5]"), 9, "steps", "1.5", "numbers from 0 to 1");
    check_range(9, &walk("steps = [1.0, 0.0]"), 9, "steps", "0.0", "the last one above 0");
    check_range(9, &walk("steps = [1.0], restart = 0.5"), 9, "restart", "0.5", "none beside");
    check_range(9, &walk("steps = [1.0], settled = true"), 9, "settled", "true", "none beside");
    check_range(9, &walk("degree_power = 0.5"), 9, "degree_power", "0.5", "none without");
    check_range(9, &walk("steps = [1.0], degree_power = 1.5"), 9, "degree_power", "1.5", "from 0 to 1");
    let filter = |fields: &str| format!("filter = {{ relation = \"KNOWS\", {fields} }}");
    let either = "either a `space` or `along` beside it";
    check_range(9, &filter("model = \"propagation\""), 9, "model", "propagation", either);
    let both = filter("model = \"propagation\", space = \"words\", along = \"KNOWS\"");
    check_range(9, &both, 9, "model", "propagation", either);
    let along = |fields: &str| filter(&format!("model = \"propagation\", along = \"KNOWS\", {fields}"));
    check_range(9, &along("centered = true"), 9, "centered", "true", "none beside `along`");
    check_range(9, &along("steps = [1.0, 0.0]"), 9, "steps", "0.0", "the last one above 0");
    check_range(9, &along("steps = [1.0, 1.0, 1.0, 1.0, 1.0]"), 9, "steps", "1.0", "1 to 4 numbers");
    check_range(9, &filter("model = \"rp3\", along = \"KNOWS\""), 9, "along", "KNOWS", "the signal's model");
    check_range(9, &filter("model = \"rp3\", steps = [1.0]"), 9, "steps", "1.0", "none without `along`");
    check_range(9, &filter("model = \"rp3\", space = \"words\""), 9, "space", "words", "the signal's model");
    let centered = filter("model = \"propagation\", space = \"words\", centered = true");
    check_range(9, &centered, 9, "centered", "true", "false for a space of terms");
    check_unknown(9, &filter("model = \"propagation\", space = \"pitch\""), "space", "pitch", "profile");
    check_unknown(9, "terms = { space = \"story\" }", "space", "story", "words");
}

#[test]
fn a_signal_has_exactly_one_kind_of_evidence() {
    let expected = "exactly one of: shared, path, pattern, latent, walk";
    check_range(9, "", 6, "signals", "likes", expected);
    let two = "shared = { relation = \"LIKES\" }\noverlap = { attribute = \"tags\" }";
    check_range(9, two, 6, "signals", "likes", expected);
    check_range(7, r#"name = "second""#, 10, "name", "second", "no other signal");
    check_range(
        9,
        "matching_only = true\noverlap = { attribute = \"tags\" }",
        6,
        "matching_only",
        "likes",
        "shared, path, near and terms",
    );
}

#[test]
fn exclusions_and_diversity_have_exactly_one_rule() {
    check_range(16, "", 14, "exclusions", "partners", "exactly one of: steps, same");
    check_range(
        16,
        "same = \"rank\"\nsteps = [{ relation = \"PARTNERS\" }]",
        14,
        "exclusions",
        "partners",
        "exactly one",
    );
    let diversity = |text: &str| format!("{}\n[diversity]\n{text}", RIGHT[15]);
    check_range(16, &diversity("strength = 0.5"), 17, "diversity", "", "exactly one of: attribute, space");
    check_range(16, &diversity("space = \"profile\"\nstrength = 2.0"), 19, "strength", "2.0", "at most 1");
}

#[test]
fn unknown_keys_and_wrong_types_are_refused_at_their_line() {
    check_syntax(8, "wieght = 0.5", 8, "wieght");
    check_syntax(9, r#"shared = { relation = "LIKES", formla = "count" }"#, 9, "formla");
    check_syntax(9, r#"shared = { relation = "LIKES", formula = "jaccard" }"#, 9, "jaccard");
    check_syntax(8, r#"weight = "half""#, 8, "string");
    check_syntax(8, "weight = ", 8, "");
    check_syntax(1, "description = 'nameless'", 1, "name");
}

#[test]
fn wrong_conditions_say_what_is_wrong() {
    let refused = |line: usize, text: &str| match with(line, text).unwrap_err() {
        MatcherError::Condition { file, line: at, error } => {
            assert_eq!((file.as_str(), at), ("matchers/right.toml", line));
            error
        }
        other => panic!("{other:?}"),
    };
    let filter = |text: &str| refused(5, &format!("filters = [{{ {text} }}]"));
    let unknown = filter(r#"attribute = "momentum", min = 1.0"#);
    assert!(
        matches!(&unknown, ConditionError::UnknownAttribute { got, allowed } if got == "momentum" && allowed.len() == 7),
        "{unknown:?}"
    );
    assert_eq!(
        filter(r#"attribute = "reputation""#),
        ConditionError::TestCount { attribute: "reputation".to_string(), got: 0 }
    );
    assert_eq!(
        filter(r#"attribute = "reputation", min = 1.0, max = 2.0"#),
        ConditionError::TestCount { attribute: "reputation".to_string(), got: 2 }
    );
    let wrong = filter(r#"attribute = "industry", above = 1.0"#);
    assert!(matches!(&wrong, ConditionError::WrongType { test: "above", .. }), "{wrong:?}");
    let wrong = filter(r#"attribute = "tags", matches_source = "reputation""#);
    assert!(
        matches!(&wrong, ConditionError::WrongType { attribute, .. } if attribute == "reputation"),
        "{wrong:?}"
    );
    assert_eq!(
        filter(r#"attribute = "reputation", min = inf"#),
        ConditionError::NotFinite { attribute: "reputation".to_string() }
    );
    let edge = refused(
        16,
        r#"steps = [{ relation = "PARTNERS", where = [{ attribute = "mood", in = ["good"] }] }]"#,
    );
    assert!(matches!(&edge, ConditionError::UnknownAttribute { got, .. } if got == "mood"), "{edge:?}");
}
