//! The tidy test: what "How we write code here" asks for and no lint checks.
//!
//! It reads the sources as text, formatted by rustfmt, and lists every finding with its place.

use std::path::{Path, PathBuf};

const CRATES: [&str; 4] = ["affinity-core", "affinity-embedding", "affinity-server", "benches"];

/// Files of `signals/` and `ranking/` that hold no formula, so no `Source:` line is due.
const WITHOUT_FORMULA: &[&str] = &[
    "signals/signal.rs",
    "signals/filter_toml.rs",
    "signals/context.rs",
    "signals/source.rs",
    "signals/evidence.rs",
    "signals/resolve.rs",
    "signals/accumulator.rs",
    "signals/shortlist.rs",
    "signals/terrain.rs",
    "signals/decay.rs", // the formula of `fresh`, which names it
    "signals/values.rs",
    "signals/mod.rs",
    "ranking/mod.rs",
    "ranking/assignment/mod.rs",
    "ranking/assignment/error.rs",
    "ranking/assignment/problem.rs",
    "evaluation/mod.rs",
    "evaluation/splits/mod.rs",
    "evaluation/report/mod.rs",
    "evaluation/report/content.rs",
    "evaluation/report/summary.rs",
    "evaluation/report/markup.rs",
    "evaluation/report/svg.rs",
    "evaluation/report/html.rs",
    "evaluation/report/markdown.rs",
];

/// Names that say nothing about what a file holds.
const BANNED_NAMES: [&str; 10] =
    ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "types", "stuff"];

struct Source {
    /// From the root of the repository, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Whether it is compiled for tests only.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }

    fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Lines outside `#[cfg(test)]` modules, with their numbers.
    fn shipped_lines(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut rest = self.text.lines().enumerate().peekable();
        while let Some((number, line)) = rest.next() {
            let opens_tests = line.trim() == "#[cfg(test)]"
                && rest
                    .peek()
                    .is_some_and(|(_, next)| next.trim().starts_with("mod ") && next.ends_with('{'));
            if opens_tests {
                let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
                rest.by_ref().find(|(_, line)| *line == end);
            } else {
                lines.push((number + 1, line));
            }
        }
        lines
    }

    fn at(&self, number: usize, what: &str) -> String {
        format!("{}:{number}: {what}", self.path)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn collect(folder: &Path, name: &str, sources: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let path_name = format!("{name}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            collect(&path, &path_name, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(Source { path: path_name, text: std::fs::read_to_string(&path).unwrap() });
        }
    }
}

/// All Rust sources of the workspace.
fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for name in CRATES {
        for folder in ["src", "tests", "examples", "benches"] {
            collect(&root().join(name).join(folder), &format!("{name}/{folder}"), &mut sources);
        }
    }
    assert!(sources.len() > 50, "found only {} sources", sources.len());
    sources
}

#[track_caller]
fn check_none(findings: Vec<String>) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// A finding for each shipped line of the chosen files on which `is_wrong` holds; comments do not count.
#[track_caller]
fn check_lines(chosen: impl Fn(&Source) -> bool, what: &str, is_wrong: impl Fn(&str) -> bool) {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| chosen(source)) {
        for (number, line) in source.shipped_lines() {
            if !line.trim_start().starts_with("//") && is_wrong(line) {
                findings.push(source.at(number, what));
            }
        }
    }
    check_none(findings);
}

fn is_core(source: &Source) -> bool {
    source.is_in("affinity-core/src") && !source.is_test()
}

/// The functions of a file as rustfmt writes them: the line before `fn`, its number and the text to its closing brace.
fn functions(text: &str) -> Vec<(usize, Vec<&str>, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (position, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let starts = [
            "fn ",
            "pub fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) async fn ",
        ];
        if !starts.iter().any(|start| trimmed.starts_with(start)) {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let is_end =
            |line: &&str| **line == end || (line.starts_with(&end) && line.trim_start().starts_with('}'));
        let length = if trimmed.ends_with('}') {
            1
        } else {
            lines[position..].iter().position(is_end).map_or(1, |length| length + 1)
        };
        let marks: Vec<&str> = lines[..position]
            .iter()
            .rev()
            .map(|line| line.trim())
            .take_while(|line| {
                line.starts_with("//")
                    || line.starts_with("#[")
                    || line.starts_with(')')
                    || line.ends_with(',')
            })
            .collect();
        functions.push((position + 1, marks, lines[position..position + length].join("\n")));
    }
    functions
}

#[test]
fn crate_roots_teach_with_a_program_within_30_lines() {
    let roots = sources().into_iter().filter(|source| source.path == "affinity-core/src/lib.rs");
    let lacks = |source: &Source| !source.text.lines().take(30).any(|line| line.starts_with("//! ```"));
    check_none(roots.filter(lacks).map(|source| source.at(1, "no program in the first 30 lines")).collect());
}

#[test]
fn ids_are_types() {
    check_lines(
        |_| true,
        "an id is a type of its own",
        |line| {
            let alias = line.trim().strip_prefix("pub type ").and_then(|rest| rest.split_once(" = "));
            alias.is_some_and(|(name, of)| {
                name.ends_with("Id") && ["u16;", "u32;", "u64;", "usize;"].contains(&of)
            })
        },
    );
}

#[test]
fn formulas_name_their_source() {
    let has_formula = |source: &&Source| {
        ["signals/", "ranking/", "evaluation/"]
            .iter()
            .any(|folder| source.is_in(&format!("affinity-core/src/{folder}")))
            && !source.is_test()
            && !WITHOUT_FORMULA.iter().any(|known| source.path.ends_with(known))
    };
    let all = sources();
    let chosen: Vec<&Source> = all.iter().filter(has_formula).collect();
    assert!(chosen.len() >= 12, "{} files with a formula", chosen.len());
    let lacking = chosen.iter().filter(|source| !source.text.contains("Source: "));
    check_none(lacking.map(|source| source.at(1, "no `Source:` line")).collect());
}

#[test]
fn errors_of_core_carry_facts() {
    check_lines(is_core, "an error variant that is only a sentence", |line| {
        let line = line.trim();
        line.ends_with("(String),")
            && line.chars().next().is_some_and(char::is_uppercase)
            && !line.contains(' ')
            && !["Category", "Text"].iter().any(|value| line.starts_with(value))
    });
}

#[test]
fn hot_functions_do_not_allocate() {
    let (mut findings, mut hot_count) = (Vec::new(), 0);
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (number, marks, body) in functions(&source.text) {
            if !marks.contains(&"// hot") {
                continue;
            }
            hot_count += 1;
            for word in ["Vec::new", "vec![", ".collect", "format!", ".clone()", ".to_vec()", ".to_string()"]
            {
                if body.contains(word) {
                    findings.push(source.at(number, &format!("`{word}` in a hot function")));
                }
            }
        }
    }
    assert!(hot_count >= 10, "{hot_count} hot functions");
    check_none(findings);
}

#[test]
fn scores_have_a_total_order() {
    check_lines(is_core, "`partial_cmp`: use `total_cmp` and the key", |line| line.contains(".partial_cmp("));
}

#[test]
fn core_has_no_locks_no_clock_and_no_prints() {
    for word in [
        "Mutex",
        "RwLock",
        "Instant::now",
        "SystemTime",
        "println!",
        "eprintln!",
        "thread_local!",
        "static mut",
    ] {
        check_lines(is_core, &format!("`{word}` in core"), |line| line.contains(word));
    }
}

#[test]
fn unsafe_is_allowed_in_kernels_and_snapshot_only() {
    let may = |source: &Source| {
        ["affinity-core/src/vector/kernels/", "affinity-core/src/snapshot/", "affinity-core/src/storage.rs"]
            .iter()
            .any(|folder| source.is_in(folder))
    };
    check_lines(
        |source| is_core(source) && !may(source),
        "unsafe outside the two places for it",
        |line| {
            line.contains("unsafe_code") && line.contains("allow") || line.trim_start().starts_with("unsafe ")
        },
    );
}

#[test]
fn todos_have_an_issue() {
    let mut findings = Vec::new();
    for source in sources().iter().filter(|source| !source.path.ends_with("/tidy.rs")) {
        for (number, line) in source.text.lines().enumerate() {
            let mark = ["TODO", "FIXME", "XXX"].iter().find_map(|mark| line.split_once(mark));
            if mark.is_some_and(|(_, rest)| !rest.contains('#')) {
                findings.push(source.at(number + 1, "a to-do without an issue number"));
            }
        }
    }
    check_none(findings);
}

#[test]
fn paths_in_architecture_exist() {
    let Ok(text) = std::fs::read_to_string(root().join("ARCHITECTURE.md")) else { return };
    let mut findings = Vec::new();
    // The last part teaches with examples, whose paths are made up.
    let own = text.lines().take_while(|line| !line.to_lowercase().contains("# how we write code here"));
    for (number, line) in own.enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let is_path = quoted.contains('/')
                && !quoted.starts_with(['/', '<', '$'])
                && quoted.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
            let places = ["", "affinity-core/src", "affinity-server/src"];
            if is_path && !places.iter().any(|place| root().join(place).join(quoted).exists()) {
                findings.push(format!("ARCHITECTURE.md:{}: no {quoted}", number + 1));
            }
        }
    }
    check_none(findings);
}

#[test]
fn every_test_can_fail() {
    let mut findings = Vec::new();
    for source in sources() {
        let functions = functions(&source.text);
        let asserts = |body: &str| {
            ["assert", "check_", "panic!", "unwrap_err", "black_box"].iter().any(|word| body.contains(word))
        };
        // A test may leave asserting to a function of the same file.
        let asserting: Vec<String> = functions
            .iter()
            .filter(|(_, _, body)| asserts(body))
            .filter_map(|(_, _, body)| {
                let name = body.split_once("fn ")?.1.split(['(', '<']).next()?;
                Some(format!("{name}("))
            })
            .collect();
        for (number, marks, body) in &functions {
            let is_test = marks.iter().any(|mark| *mark == "#[test]" || mark.starts_with("#[tokio::test"));
            let inner = body.split_once('{').map_or("", |(_, inner)| inner);
            if is_test && !asserts(body) && !asserting.iter().any(|call| inner.contains(call.as_str())) {
                findings.push(source.at(*number, "a test that asserts nothing"));
            }
            if marks.iter().any(|mark| mark.starts_with("#[ignore")) {
                findings.push(source.at(*number, "an ignored test"));
            }
        }
    }
    check_none(findings);
}

#[test]
fn files_are_named_for_what_they_hold() {
    let is_banned = |source: &Source| {
        source.path.split('/').any(|part| BANNED_NAMES.contains(&part.trim_end_matches(".rs")))
    };
    check_none(
        sources()
            .iter()
            .filter(|source| is_banned(source))
            .map(|source| source.at(1, "banned name"))
            .collect(),
    );
}

#[test]
fn mod_files_are_tables_of_contents() {
    check_lines(
        |source| source.path.ends_with("/mod.rs"),
        "logic in a table of contents",
        |line| {
            let line = line.trim();
            let words = [
                "fn ",
                "impl ",
                "impl<",
                "struct ",
                "enum ",
                "trait ",
                "const ",
                "static ",
                "let ",
                "macro_rules!",
                "type ",
            ];
            let line = ["pub ", "pub(crate) ", "pub(super) ", "async "]
                .iter()
                .fold(line, |line, before| line.trim_start_matches(before));
            words.iter().any(|word| line.starts_with(word)) || line.contains("::*")
        },
    );
}

#[test]
fn rust_names_no_platform() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("platforms"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_string())
        .collect();
    names.sort();
    assert!(names.contains(&"teraffi".to_string()), "{names:?}");
    for name in names {
        check_lines(
            |source| !source.is_test(),
            &format!("the platform \"{name}\" is data, not Rust"),
            |line| line.to_lowercase().contains(&name),
        );
    }
}

/// Statements as they begin in a string.
const SQL: [&str; 9] = [
    "\"SELECT ",
    "\"INSERT INTO ",
    "\"UPDATE ",
    "\"DELETE FROM ",
    "\"CREATE ",
    "\"DROP ",
    "\"ALTER ",
    "\"TRUNCATE ",
    "\"WITH ",
];

#[test]
fn routes_hold_no_sql() {
    check_lines(
        |source| source.path.ends_with("/routes.rs"),
        "SQL in a file of routes",
        |line| {
            let line = line.to_uppercase();
            SQL.iter().any(|start| line.contains(start))
        },
    );
}

#[test]
fn sql_is_put_together_in_one_folder() {
    let mut findings = Vec::new();
    for source in sources() {
        let is_ours = source.is_in("affinity-server/src")
            && !source.is_test()
            && !source.is_in("affinity-server/src/catalog/sql/");
        let lines = if is_ours { source.shipped_lines() } else { Vec::new() };
        for (position, (number, line)) in lines.iter().enumerate() {
            let Some((_, after)) = line.split_once("format!(") else { continue };
            // The text comes right behind the parenthesis, or on the next line.
            let next = lines.get(position + 1).map_or("", |(_, next)| next.trim());
            let text = if after.is_empty() { next } else { after }
                .trim_start_matches('r')
                .trim_start_matches('#')
                .to_uppercase();
            if SQL.iter().any(|start| text.starts_with(start)) {
                findings.push(source.at(*number, "SQL put together outside catalog/sql/"));
            }
        }
    }
    check_none(findings);
}

/// A file that no module names is not compiled, and its tests pass forever.
#[test]
fn every_integration_test_file_is_compiled() {
    let all = sources();
    let roots: Vec<&Source> =
        all.iter().filter(|source| source.path.ends_with("/tests/it/main.rs")).collect();
    assert!(roots.len() >= 3, "{} roots of integration tests", roots.len());
    let mut findings = Vec::new();
    for root in roots {
        let folder = root.path.trim_end_matches("main.rs");
        for source in all.iter().filter(|source| source.is_in(folder) && source.path != root.path) {
            let module = source.path[folder.len()..].split(['/', '.']).next().unwrap_or_default();
            if !root.text.lines().any(|line| line.trim() == format!("mod {module};")) {
                findings.push(source.at(1, "no module of main.rs"));
            }
        }
    }
    check_none(findings);
}
