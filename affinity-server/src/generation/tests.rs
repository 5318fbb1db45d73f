#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use super::{GenerationError, Problem, World};

const HEAD: &str = "schema = \"s\"\nepoch = \"2026-01-01T00:00:00Z\"\npopulation_min = 1\n[words]\nkind = [{ name = \"a\", weight = 3 }, { name = \"b\", weight = 1 }]\n";

#[track_caller]
fn csv(world: &str, table: &str, population: u64, seed: u64) -> Vec<Vec<String>> {
    let world = World::load(&format!("{HEAD}{world}")).unwrap();
    let mut out = Vec::new();
    world.write_csv(table, population, seed, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[track_caller]
fn check_cell(expression: &str, expected: &str) {
    let world =
        format!("[[table]]\nname = \"t\"\ncount = \"population\"\ncolumns = {{ c = \"{expression}\" }}");
    assert_eq!(csv(&world, "t", 1, 1), [[expected]], "{expression}");
}

#[track_caller]
fn load_error(world: &str) -> GenerationError {
    World::load(&format!("{HEAD}{world}")).unwrap_err()
}

#[test]
fn cells_follow_arithmetic_logic_and_lists() {
    check_cell("1 + 2 * 3", "7");
    check_cell("7 / 2", "3.5");
    check_cell("if(1 > 2 or not (2 == 2), 'no', 'yes {1 + 1}')", "yes 2");
    check_cell("sum(each(where(range(5), it > 2), it * it))", "25");
    check_cell("mean([])", "");
    check_cell("null + 1", "");
    check_cell("overlap([1, 2, 3], [3, 4, 1])", "2");
    check_cell("min(epoch, epoch + day)", "2026-01-01 00:00:00+00");
    check_cell("date(epoch - day)", "2025-12-31");
    check_cell("kind[1].name", "b");
}

#[test]
fn children_see_their_parent_and_each_other() {
    let world = r#"
[[table]]
name = "parents"
count = "population"
let = { sizes = "sum(each(range(2), children[index, it].weight))" }
columns = { id = "index", total = "sizes" }
[[table]]
name = "children"
of = "parents"
each = "2"
when = "parent.index != 1"
let = { weight = "parent.index * 10 + item" }
columns = { parent = "parent.id", size = "weight" }
"#;
    assert_eq!(csv(world, "parents", 3, 1), [["0", "1"], ["1", "21"], ["2", "41"]]);
    assert_eq!(csv(world, "children", 3, 1), [["0", "0"], ["0", "1"], ["2", "20"], ["2", "21"]]);
}

#[test]
fn fixed_values_replace_only_what_they_name() {
    let world = r#"
[[table]]
name = "t"
count = "population"
columns = { a = "index", b = "a + 1" }
[[table.fixed]]
at = [1]
set = { a = "=40 + 1" }
"#;
    assert_eq!(csv(world, "t", 3, 1), [["0", "1"], ["41", "42"], ["2", "3"]]);
}

#[test]
fn a_cell_does_not_change_when_columns_or_rows_are_added() {
    let table =
        |columns: &str| format!("[[table]]\nname = \"t\"\ncount = \"population\"\ncolumns = {{ {columns} }}");
    let alone = csv(&table("m = \"uuid()\""), "t", 3, 9);
    let among = csv(&table("a = \"uuid()\", m = \"uuid()\""), "t", 5, 9);
    let middle: Vec<&String> = among.iter().map(|row| &row[1]).take(3).collect();
    assert_eq!(alone.iter().flatten().collect::<Vec<_>>(), middle);
    assert_ne!(alone, csv(&table("m = \"uuid()\""), "t", 3, 10), "another seed, another world");
}

#[test]
fn pick_follows_weights() {
    let world = "[[table]]\nname = \"t\"\ncount = \"population\"\ncolumns = { k = \"pick(kind).name\" }";
    let share = csv(world, "t", 4000, 1).iter().filter(|row| row[0] == "a").count();
    assert!((2900..3100).contains(&share), "{share} of 4000, expected about 3000");
}

#[test]
fn mirror_meets_everyone_once_per_round_in_both_directions() {
    let world = r#"
[[table]]
name = "t"
count = "population"
columns = { there = "mirror(index, 3, rows(t))", back = "mirror(mirror(index, 3, rows(t)), 3, rows(t))" }
"#;
    let rows = csv(world, "t", 37, 1);
    let there: std::collections::BTreeSet<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(there.len(), 37);
    assert!(rows.iter().enumerate().all(|(index, row)| row[0] == index.to_string()));
}

#[test]
fn links_are_distinct_and_popular_by_one_over_rank_plus_ten() {
    let world = r#"
[[table]]
name = "things"
count = "500"
let = { traits = "noise(1, 4)" }
columns = { id = "index" }
[[table]]
name = "people"
count = "population"
let = { traits = "noise(1, 4)", liked = "links(things, 5, 0)" }
columns = { id = "index" }
[[table]]
name = "likes"
of = "people"
each = "liked"
columns = { person = "parent.id", thing = "item" }
"#;
    let rows = csv(world, "likes", 8000, 1);
    let mut counts: HashMap<usize, f64> = HashMap::new();
    for row in &rows {
        *counts.entry(row[1].parse().unwrap()).or_default() += 1.0;
    }
    let distinct: std::collections::BTreeSet<&Vec<String>> = rows.iter().collect();
    assert_eq!((rows.len(), distinct.len()), (40_000, 40_000));
    // Rank r gets a share of about 1 / (r + 10); drawing without repetition flattens the head a little.
    let share = |ranks: std::ops::Range<usize>| {
        ranks.map(|rank| counts.get(&rank).copied().unwrap_or(0.0)).sum::<f64>()
    };
    let expected = |ranks: std::ops::Range<usize>| ranks.map(|rank| 1.0 / (rank as f64 + 11.0)).sum::<f64>();
    for (near, far) in [(0..10, 100..110), (20..40, 300..320)] {
        let (got, wanted) = (share(near.clone()) / share(far.clone()), expected(near) / expected(far));
        assert!((got / wanted - 1.0).abs() < 0.15, "got {got}, expected {wanted}");
    }
}

#[test]
fn links_with_pull_prefer_similar_traits() {
    let world = |pull: u32| {
        format!(
            r#"
[[table]]
name = "things"
count = "200"
let = {{ traits = "noise(1, 4)" }}
[[table]]
name = "people"
count = "population"
let = {{ traits = "noise(1, 4)", liked = "links(things, 5, {pull})" }}
columns = {{ closeness = "mean(each(liked, cosine(traits, things[it].traits)))" }}
"#
        )
    };
    let mean = |pull| {
        let rows = csv(&world(pull), "people", 500, 1);
        rows.iter().map(|row| row[0].parse::<f64>().unwrap()).sum::<f64>() / 500.0
    };
    assert!(mean(3) > mean(0) + 0.15, "{} against {}", mean(3), mean(0));
}

#[test]
fn unknown_names_fail_when_the_world_is_read() {
    let table =
        |text: &str| format!("[[table]]\nname = \"t\"\ncount = \"1\"\ncolumns = {{ c = \"{text}\" }}");
    let error = load_error(&table("colour"));
    assert!(
        matches!(error, GenerationError::UnknownName { place, name } if place == "t.c" && name == "colour")
    );
    let error = load_error(&table("round(1)"));
    assert!(
        matches!(error, GenerationError::WrongArgumentCount { function, got: 1, .. } if function == "round")
    );
    let error = load_error("[[table]]\nname = \"t; drop\"\ncount = \"1\"");
    assert!(matches!(error, GenerationError::InvalidIdentifier { name } if name == "t; drop"));
    let error = load_error(
        "[[table]]\nname = \"t\"\nof = \"u\"\neach = \"1\"\n[[table]]\nname = \"u\"\ncount = \"1\"",
    );
    assert!(matches!(error, GenerationError::InvalidTable { table, .. } if table == "t"));
}

#[test]
fn a_cell_that_needs_itself_or_a_wrong_type_is_named() {
    let error = |columns: &str| {
        let table = format!("[[table]]\nname = \"t\"\ncount = \"population\"\ncolumns = {{ {columns} }}");
        let world = World::load(&format!("{HEAD}{table}")).unwrap();
        world.write_csv("t", 1, 1, &mut Vec::new()).unwrap_err()
    };
    let cycle = error("a = \"b\", b = \"a\"");
    assert!(matches!(cycle, GenerationError::Evaluate { problem: Problem::Cycle, .. }));
    let wrong = error("a = \"1 + 'x'\"");
    let GenerationError::Evaluate { column, problem, .. } = wrong else { unreachable!("{wrong}") };
    assert_eq!(column, "a");
    assert!(matches!(problem, Problem::WrongType { found: "a text", .. }));
}

#[test]
fn too_small_a_population_is_refused() {
    let world = World::load(&HEAD.replace("population_min = 1", "population_min = 9")).unwrap_err();
    assert!(matches!(world, GenerationError::Format { .. }), "a world without tables is no world");
    let text = HEAD.replace("population_min = 1", "population_min = 9")
        + "[[table]]\nname = \"t\"\ncount = \"1\"\ncolumns = { c = \"1\" }";
    let error = World::load(&text).unwrap().write_csv("t", 8, 1, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, GenerationError::TooFew { population_min: 9, got: 8 }));
}
