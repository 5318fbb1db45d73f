//! What a person types, and what the program answers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use affinity_server::catalog::{PlatformSettings, TransactionEndPolicy};
use affinity_server::config::{
    Config, ConfigError, Invocation, InvocationError, LogFormat, Origin, PostgresPrograms, SETTINGS, Task,
};

use crate::cluster::SERVER;

/// Reads a command line, variables and a configuration file in its default place.
fn read(
    flags: &[&str],
    variables: &[(&str, &str)],
    file: &str,
) -> (Result<Invocation, InvocationError>, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("affinity.toml");
    std::fs::write(&path, file).unwrap();
    let command_line = ["affinity-server"].iter().chain(flags).map(Into::into);
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    (Invocation::parse(command_line, &variables, directory.path()), path)
}

fn config(flags: &[&str], variables: &[(&str, &str)], file: &str) -> Config {
    read(flags, variables, file).0.unwrap().config
}

/// The setting, value and origin of the error, with the file's line in place of its path.
#[track_caller]
fn check_wrong(flags: &[&str], variables: &[(&str, &str)], file: &str, expected: (&str, Option<&str>, &str)) {
    let (outcome, path) = read(flags, variables, file);
    match outcome.unwrap_err() {
        InvocationError::Config { source: ConfigError::WrongValue { setting, value, origin, allowed } } => {
            let origin = origin.to_string().replace(&path.display().to_string(), "file");
            assert_eq!((setting, value.as_deref(), origin.as_str()), expected);
            assert!(!allowed.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_given_takes_the_defaults() {
    let config = config(&[], &[], "");
    assert_eq!(config.addr.to_string(), "127.0.0.1:8080");
    assert!(config.data_dir.ends_with(".affinity"));
    assert_eq!(config.database.programs, PostgresPrograms::Search);
    assert!(config.database.url.is_none());
    assert!(config.embeddings.url.is_none());
    assert_eq!(config.demo_members, 2_000);
    assert_eq!(config.matching.deadline, Duration::from_millis(2_000));
    assert!(config.matching.workers >= 1);
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn flag_wins_over_environment_over_file_over_default() {
    let file = "addr = '127.0.0.1:1'\ndemo_members = 1\nmatch_queue = 1\nlog_format = 'json'";
    let variables = [("AFFINITY_ADDR", "127.0.0.1:2"), ("AFFINITY_DEMO_MEMBERS", "2")];
    let config = config(&["--addr", "127.0.0.1:3"], &variables, file);
    assert_eq!(config.addr.port(), 3);
    assert_eq!(config.demo_members, 2);
    assert_eq!(config.matching.queue_length, 1);
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn every_setting_can_be_given_in_each_of_the_three_ways() {
    for setting in SETTINGS {
        // A value that most settings refuse and the others take: either way it must have been read.
        let noticed =
            |flags: &[&str], variables: &[(&str, &str)], file: &str| match read(flags, variables, file).0 {
                Ok(read) => format!("{:?}", read.config) != format!("{:?}", config(&[], &[], "")),
                Err(InvocationError::Config { source: ConfigError::WrongValue { setting: named, .. } }) => {
                    named == setting.name
                }
                Err(other) => panic!("{other:?}"),
            };
        let value = if setting.name == "embeddings-key" { "k" } else { "odd=[" };
        assert!(noticed(&[&format!("--{}", setting.name), value], &[], ""), "flag {}", setting.name);
        assert!(noticed(&[], &[(setting.variable, value)], ""), "variable {}", setting.variable);
        assert!(noticed(&[], &[], &format!("{} = '{value}'", setting.key())), "key {}", setting.key());
    }
}

#[test]
fn wrong_value_is_named_with_its_origin() {
    check_wrong(&["--addr", "localhost"], &[], "", ("addr", Some("localhost"), "flag --addr"));
    let variables = [("AFFINITY_MATCH_QUEUE", "0")];
    check_wrong(&[], &variables, "", ("match-queue", Some("0"), "environment variable AFFINITY_MATCH_QUEUE"));
    let file = "# people\n\ndemo_members = -4\n";
    check_wrong(&[], &[], file, ("demo-members", Some("-4"), "file:3"));
    check_wrong(&[], &[], "log_format = ['json']", ("log-format", Some("['json']"), "file:1"));
    check_wrong(
        &["--embeddings-url", "ftp://x"],
        &[],
        "",
        ("embeddings-url", Some("ftp://x"), "flag --embeddings-url"),
    );
    check_wrong(&["--log", "a=b=c"], &[], "", ("log", Some("a=b=c"), "flag --log"));
}

#[test]
fn wrong_value_below_one_that_wins_is_not_read() {
    assert_eq!(config(&["--demo-members", "5"], &[("AFFINITY_DEMO_MEMBERS", "many")], "").demo_members, 5);
}

#[test]
fn secret_is_in_no_message() {
    check_wrong(
        &[],
        &[("DATABASE_URL", "mysql://me:hunter2@db")],
        "",
        ("database-url", None, "environment variable DATABASE_URL"),
    );
    let variables =
        [("DATABASE_URL", "postgres://me:hunter2@db/affinity"), ("AFFINITY_EMBEDDINGS_KEY", "sk-hunter2")];
    let config = config(&[], &variables, "");
    assert_eq!(config.embeddings.key.as_ref().unwrap().expose(), "sk-hunter2");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
}

#[test]
fn unknown_key_of_the_file_is_named_with_the_allowed_ones() {
    let (outcome, path) = read(&[], &[], "addr = '127.0.0.1:1'\nadress = 'x'\n");
    match outcome.unwrap_err() {
        InvocationError::Config { source: ConfigError::UnknownKey { key, origin, allowed } } => {
            assert_eq!(key, "adress");
            assert_eq!(origin, Origin::File { path, line: 2 });
            assert!(allowed.contains(&"data_dir".to_string()));
            assert_eq!(allowed.len(), SETTINGS.len() + 2); // and [platforms.NAME], [caps]
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_that_is_not_toml_is_named_with_the_line() {
    let (outcome, path) = read(&[], &[], "addr = '127.0.0.1:1'\n\ndata_dir /srv\n");
    match outcome.unwrap_err() {
        InvocationError::Config { source: ConfigError::Syntax { origin, .. } } => {
            assert_eq!(origin, Origin::File { path, line: 3 });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn file_that_was_asked_for_must_exist() {
    let (outcome, _) = read(&[], &[("AFFINITY_CONFIG", "missing.toml")], "");
    match outcome.unwrap_err() {
        InvocationError::Config { source: ConfigError::Unreadable { path, origin, .. } } => {
            assert!(path.ends_with("missing.toml"));
            assert_eq!(origin, Some(Origin::Environment("AFFINITY_CONFIG".to_string())));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn mistyped_variable_is_noticed() {
    let variables = [("AFFINITY_ADRESS", "x"), ("AFFINITY_CONFIG", "affinity.toml"), ("PATH", "/bin")];
    assert_eq!(config(&[], &variables, "").ignored_variables, ["AFFINITY_ADRESS"]);
}

#[test]
fn empty_variable_counts_as_unset() {
    assert!(config(&[], &[("AFFINITY_EMBEDDINGS_URL", "")], "").embeddings.url.is_none());
}

#[test]
fn relative_directory_starts_at_the_current_one() {
    let (outcome, file) = read(&["--data-dir", "./data", "database-url"], &[], "");
    let invocation = outcome.unwrap();
    assert_eq!(invocation.task, Task::DatabaseUrl);
    assert_eq!(invocation.config.data_dir, file.with_file_name("data"));
    let (outcome, file) = read(&["database-url", "--data-dir", "data"], &[], "");
    assert_eq!(outcome.unwrap().config.data_dir, file.with_file_name("data"));
}

/// Exit code, standard output and standard error of the program in an empty directory.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(SERVER)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_teaches_every_setting_with_variable_and_examples() {
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for setting in SETTINGS {
        assert!(help.contains(&format!("--{} ", setting.name)), "{}", setting.name);
        assert!(help.contains(&format!("[env: {}]", setting.variable)), "{}", setting.variable);
    }
    assert!(help.contains("psql \"$(affinity-server database-url)\""), "{help}");
}

#[test]
fn wrong_value_ends_the_program_with_one_message() {
    let (code, out, error) = run(&["--match-workers", "none"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        error,
        "error: setting \"match-workers\" is \"none\", from flag --match-workers; \
         expected a whole number from 1 to 1024\n"
    );
}

#[test]
fn unknown_flag_and_unknown_command_are_refused() {
    assert_eq!(run(&["--adress", "x"]).0, Some(2));
    assert_eq!(run(&["databse-url"]).0, Some(2));
}

#[test]
fn database_url_without_a_running_database_says_how_to_start_one() {
    let (code, out, error) = run(&["database-url"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains("no database runs in"), "{error}");
    assert!(error.contains("affinity-server --data-dir"), "{error}");
}

#[test]
fn database_url_of_a_foreign_database_is_given_back() {
    let url = "postgresql://me@db.example/affinity";
    assert_eq!(run(&["database-url", "--database-url", url]), (Some(0), format!("{url}\n"), String::new()));
    assert!(Path::new(SERVER).is_file());
}

#[test]
fn platforms_are_tables_of_the_file() {
    let file = "match_queue = 7\n[platforms.v1]\nschemas = ['public', 'personal']\nallow_unguarded = true\n\
                strict = false\nanonymous_role = 'web'\nmax_rows = 1000\nplan_enabled = true\n\
                aggregates_enabled = true\ntx_end = 'commit-allow-override'\nextra_search_path = ['ext']\n\
                [platforms.a]\n";
    let config = config(&[], &[], file);
    assert_eq!(config.matching.queue_length, 7);
    let v1 = PlatformSettings {
        schemas: vec!["public".to_owned(), "personal".to_owned()],
        allow_unguarded: true,
        is_strict: false,
        anonymous_role: Some("web".to_owned()),
        rows_max: Some(1000),
        plan_enabled: true,
        aggregates_enabled: true,
        transaction_end: TransactionEndPolicy { commits: true, may_override: true },
        extra_search_path: vec!["ext".to_owned()],
    };
    let expected = [("a".to_owned(), PlatformSettings::standard()), ("v1".to_owned(), v1)];
    assert_eq!(config.platforms, expected);
}

#[test]
fn caps_are_a_table_of_the_file() {
    let file = "[caps]\nrows_max = 50\nbody_bytes_max = 4096\nembedding_depth_max = 3\nlist_length_max = 10\n\
                filter_terms_max = 20\nstatement_timeout_ms = 1500\nrequests_at_once_max = 2\n";
    let rest = config(&[], &[], file).rest;
    assert_eq!((rest.rows_max, rest.body_bytes_max, rest.requests_at_once_max), (50, 4096, 2));
    assert_eq!(rest.statement_timeout.as_millis(), 1500);
    let limits = rest.limits;
    assert_eq!((limits.embedding_depth_max, limits.list_length_max, limits.filter_terms_max), (3, 10, 20));
    assert_eq!(limits.order_terms_max, config(&[], &[], "").rest.limits.order_terms_max);
    check_wrong(&[], &[], "[caps]\nrows_max = 0\n", ("rows_max", Some("0"), "file:2"));
    check_wrong(&[], &[], "caps = 1\n", ("caps", Some("1"), "file:1"));
    match read(&[], &[], "[caps]\nmax_rows = 5").0.unwrap_err() {
        InvocationError::Config { source: ConfigError::UnknownKey { key, allowed, .. } } => {
            assert!(key == "max_rows" && allowed.contains(&"rows_max".to_owned()), "{allowed:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn wrong_platform_setting_is_named_with_its_line() {
    let check = |line: &str, setting, value| {
        check_wrong(&[], &[], &format!("[platforms.v1]\n{line}\n"), (setting, Some(value), "file:2"));
    };
    check("schemas = 'public'", "schemas", "'public'");
    check("schemas = []", "schemas", "[]");
    check("allow_unguarded = 'yes'", "allow_unguarded", "'yes'");
    check("max_rows = 0", "max_rows", "0");
    check("tx_end = \"roll\"", "tx_end", "roll");
    check_wrong(&[], &[], "\nplatforms = 1", ("platforms", Some("1"), "file:2"));
    check_wrong(&[], &[], "[platforms.'a/b']", ("platforms", Some("a/b"), "file:1"));
    match read(&[], &[], "[platforms.v1]\n\nschema = ['x']").0.unwrap_err() {
        InvocationError::Config { source: ConfigError::UnknownKey { key, origin, allowed } } => {
            assert_eq!((key.as_str(), allowed.len()), ("schema", 9));
            assert!(matches!(origin, Origin::File { line: 3, .. }), "{origin}");
        }
        other => panic!("{other:?}"),
    }
}
