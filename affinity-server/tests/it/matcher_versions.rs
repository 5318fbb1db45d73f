//! Versions of matchers: kept in the database, served once activated, gone back from.

use affinity_server::matchers::{FittedVersion, MatcherName, MatchersError, Versions};
use affinity_server::platform::Platform;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;

use crate::matching::{ask, partners};
use crate::server_process::{Server, command, command_with_demo, poll};

fn partners_matcher() -> MatcherName {
    "teraffi/partners".parse().unwrap()
}

/// The text of the partners matcher with the weights of two signals exchanged, and its version.
fn fitted() -> (String, String) {
    let platforms = Platform::embedded().unwrap();
    let platform = platforms.iter().find(|platform| platform.name() == "teraffi").unwrap();
    let file = platform.matchers().iter().find(|matcher| matcher.file.ends_with("/partners.toml")).unwrap();
    let text = file.text.replacen("weight = 0.24", "weight = 0.2", 1);
    assert_ne!(text, file.text);
    let schema = platform.schema(256).unwrap();
    let version = affinity_core::Matcher::from_toml(&text, "fitted", &schema).unwrap().version().to_string();
    (text, version)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn version_is_served_once_activated_and_until_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::try_start(command_with_demo(folder.path(), 100), folder.path()).unwrap();
    let served = || ask(&server, &partners())["matcher_version"].as_str().unwrap().to_string();
    let run = |arguments: &[&str]| {
        let output = command(folder.path()).args(arguments).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let file = served();
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.database_url()).await.unwrap();
    let versions = Versions::new(pool);
    let (toml, version) = fitted();
    let report = json!({ "note": "made by a test" });
    let fit = FittedVersion { version: &version, toml: &toml, fitted_from: &file, report: &report };
    versions.add(&partners_matcher(), fit).await.unwrap();
    assert_eq!(served(), file, "a fit must change nothing by itself");

    let (done, said) = run(&["activate", "teraffi/partners", &version]);
    assert!(done, "{said}");
    poll("the activated version is served", || (served() == version).then_some(()));
    let (_, listed) = run(&["versions", "teraffi/partners"]);
    assert!(listed.contains(&format!("* {version}")) && listed.contains(&format!("  {file}")), "{listed}");

    let (done, said) = run(&["rollback", "teraffi/partners"]);
    assert!(done, "{said}");
    poll("the file's version is served again", || (served() == file).then_some(()));

    let wrong = versions.activate(&partners_matcher(), "no such").await;
    assert!(matches!(wrong, Err(MatchersError::UnknownVersion { allowed, .. }) if allowed.len() == 2));
    let first = versions.roll_back(&"teraffi/similar".parse().unwrap()).await;
    assert!(matches!(first, Err(MatchersError::NothingBefore { .. })));
    let (done, said) = run(&["activate", "teraffi/nobody", "x"]);
    assert!(!done && said.contains("expected one of:") && said.contains("partners"), "{said}");
}
