//! The conformance cases in `fixtures/cases/rest`: requests and what PostgREST's documentation says of their answers.
//!
//! A file is a topic. Each case has a `request` (method, and path behind the platform), perhaps `headers` and a `body`,
//! and what is expected: a `status` (without one: any success), the whole `answer` as JSON or as `text`, keys that the
//! answer `has`, and headers that it `sends`: exactly, or holding what follows `~`, or absent when empty. Writes are
//! rolled back, so that cases do not depend on each other. `platform` is `v1` (lenient, everything allowed), `strict`
//! (as a platform is unless told otherwise) or `short` (three rows at most).

use std::collections::BTreeMap;
use std::path::Path;

use affinity_server::catalog::{PlatformSettings, TransactionEndPolicy};
use affinity_server::resource::RestSettings;
use serde::Deserialize;
use serde_json::Value;

use crate::rest_world::{Answer, World, open_platform};

const SCHEMAS: [&str; 2] = ["cases", "cases_other"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topic {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    request: String,
    #[serde(default = "v1")]
    platform: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    status: Option<u16>,
    answer: Option<String>,
    has: Option<String>,
    text: Option<String>,
    #[serde(default)]
    sends: BTreeMap<String, String>,
}

fn v1() -> String {
    "v1".to_owned()
}

impl Case {
    async fn ask(&self, world: &World) -> Answer {
        let (method, path) = self.request.split_once(' ').unwrap();
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !self.body.is_empty() && !self.headers.contains_key("Content-Type") {
            headers.push(("Content-Type", "application/json"));
        }
        world.send(method, &format!("/../{}{path}", self.platform), &headers, &self.body).await
    }

    /// What is not as expected; empty when all is.
    fn differences(&self, answer: &Answer) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, is_same: bool, expected: &str, got: &str| {
            if !is_same {
                found.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let is_expected = match self.status {
            Some(status) => answer.status == status,
            None => (200..300).contains(&answer.status),
        };
        let expected = self.status.map_or("success".to_owned(), |status| status.to_string());
        compare("status", is_expected, &expected, &format!("{} with {}", answer.status, answer.text));
        let got: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        if let Some(expected) = &self.answer {
            let is_same = !answer.text.is_empty() && got == serde_json::from_str::<Value>(expected).unwrap();
            compare("answer", is_same, expected, &answer.text);
        }
        if let Some(expected) = &self.text {
            compare("text", answer.text == *expected, expected, &answer.text);
        }
        if let Some(expected) = &self.has {
            let expected: BTreeMap<String, Value> = serde_json::from_str(expected).unwrap();
            for (key, value) in expected {
                let got = got.get(&key);
                compare(
                    &key,
                    got == Some(&value),
                    &value.to_string(),
                    &got.unwrap_or(&Value::Null).to_string(),
                );
            }
        }
        for (name, expected) in &self.sends {
            let got = answer.header(name);
            let is_same = match expected.strip_prefix('~') {
                Some(part) => got.contains(part),
                None => got == expected,
            };
            compare(name, is_same, expected, got);
        }
        found
    }
}

fn topics() -> Vec<(String, Topic)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases/rest");
    let mut topics = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            topics.push((name, toml::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))));
        }
    }
    topics.sort_by(|(left, _), (right, _)| left.cmp(right));
    topics
}

async fn world() -> World {
    let ends = TransactionEndPolicy { commits: false, may_override: true };
    let open = PlatformSettings { is_strict: false, transaction_end: ends, ..open_platform(&SCHEMAS) };
    let strict =
        PlatformSettings { is_strict: true, plan_enabled: false, aggregates_enabled: false, ..open.clone() };
    let short = PlatformSettings { rows_max: Some(3), ..open.clone() };
    let platforms = [("v1", open), ("strict", strict), ("short", short)];
    let platforms = platforms.into_iter().map(|(name, settings)| (name.to_owned(), settings)).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases/rest");
    let sql = std::fs::read_to_string(folder.join("schema.sql")).unwrap();
    World::of_platforms("rest_cases", &sql, platforms, RestSettings::standard()).await
}

#[tokio::test]
async fn cases_are_answered_as_postgrest_documents() {
    let world = world().await;
    let (mut count, mut failed) = (0, Vec::new());
    for (topic, cases) in topics() {
        for case in cases.case {
            count += 1;
            let differences = case.differences(&case.ask(&world).await);
            if !differences.is_empty() {
                failed.push(format!(
                    "{topic}: {}\n  {}\n  {}",
                    case.name,
                    case.request,
                    differences.join("\n  ")
                ));
            }
        }
    }
    assert!(count >= 300, "only {count} cases were found");
    assert!(failed.is_empty(), "{} of {count} cases failed:\n{}", failed.len(), failed.join("\n"));
}
