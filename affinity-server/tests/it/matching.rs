//! Matching over HTTP against the real program with its demo world.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, Row};

use crate::server_process::{Server, command_with_demo, poll};

/// The source's example member, in every demo world.
pub(crate) const SARAH: &str = "5a000000-0000-4000-8000-000000000001";

fn start(folder: &tempfile::TempDir) -> Server {
    let data_dir = folder.path().join("data");
    Server::try_start(command_with_demo(&data_dir, 300), &data_dir).unwrap()
}

pub(crate) fn ask(server: &Server, path: &str) -> Value {
    let (status, body) = server.ask(path, "");
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Every score is the sum of its contributions, in either order, and lies in [0, 1].
#[track_caller]
fn check_sums(answer: &Value) {
    let matches = answer["matches"].as_array().unwrap();
    assert!(!matches.is_empty(), "no matches: {answer}");
    for found in matches {
        let parts: Vec<f64> = found["contributions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["contribution"].as_f64().unwrap())
            .collect();
        let score = found["score"].as_f64().unwrap();
        assert_eq!(parts.iter().sum::<f64>().to_bits(), score.to_bits());
        assert_eq!(parts.iter().rev().sum::<f64>().to_bits(), score.to_bits());
        assert!((0.0..=1.0).contains(&score));
        assert!(found["sentence"].as_str().unwrap().starts_with(found["name"].as_str().unwrap()));
    }
}

pub(crate) fn ids(answer: &Value) -> Vec<String> {
    answer["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["id"].as_str().unwrap().to_string())
        .collect()
}

pub(crate) fn partners() -> String {
    format!("/match/teraffi/partners/{SARAH}?limit=20")
}

#[tokio::test(flavor = "multi_thread")]
async fn demo_world_answers_live_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);

    // Every matcher names a source that has matches.
    let listed = ask(&server, "/match/teraffi");
    for matcher in listed["matchers"].as_array().unwrap() {
        let (name, id) = (matcher["name"].as_str().unwrap(), matcher["try"].as_str().unwrap());
        check_sums(&ask(&server, &format!("/match/teraffi/{name}/{id}")));
    }

    // The same question about the same time gets the same bytes, timings aside.
    let at = format!("{}&as_of=2026-11-01T00:00:00Z", partners());
    let untimed = || {
        let mut answer = ask(&server, &at);
        assert!(answer["timings_us"].as_object_mut().unwrap().remove("signals").is_some());
        answer["timings_us"] = Value::Null;
        answer.to_string()
    };
    assert_eq!(untimed(), untimed());

    // Goals count, and are never shown (access.md: goals are private).
    let answer = ask(&server, &partners());
    let goals = answer["matches"][0]["contributions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["signal"] == "goals");
    assert_eq!(goals.unwrap()["evidence"], json!([{ "withheld": "given for matching only" }]));

    // A new partnership removes the partner within a second, and explain says why.
    let top = ids(&answer)[0].clone();
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let partnership: sqlx::types::Uuid = sqlx::query(
        "INSERT INTO teraffi.partnerships (title, partnership_type, created_by) \
         VALUES ('New', 'co_marketing', $1::uuid) RETURNING id",
    )
    .bind(SARAH)
    .fetch_one(&mut database)
    .await
    .unwrap()
    .get(0);
    sqlx::query(
        "INSERT INTO teraffi.partnership_members (partnership_id, member_id, role) \
         VALUES ($1, $2::uuid, 'brand_sponsor'), ($1, $3::uuid, 'content_creator')",
    )
    .bind(partnership)
    .bind(SARAH)
    .bind(&top)
    .execute(&mut database)
    .await
    .unwrap();
    let committed = Instant::now();
    poll("the new partner disappears", || (!ids(&ask(&server, &partners())).contains(&top)).then_some(()));
    assert!(committed.elapsed() < Duration::from_secs(5), "took {:?}", committed.elapsed());
    let explained = ask(&server, &format!("/match/teraffi/partners/{SARAH}/explain/{top}"));
    assert_eq!(explained["dropped"], json!({ "stage": "exclusion", "rule": "already partners" }));

    // The next start takes the data as it is, from its snapshot, and answers the same.
    let before = ids(&ask(&server, &at));
    drop(database);
    let (status, log) = server.end(Signal::SIGTERM);
    assert!(status.success(), "{log}");
    let server = start(&folder);
    assert!(!server.log.contains("Loaded"), "{}", server.log);
    assert!(!server.log.contains("Reading teraffi"), "started without its snapshot: {}", server.log);
    assert_eq!(ids(&ask(&server, &at)), before);
    check_requests(&server);
}

/// Requests that bring their own source, and requests that are wrong.
fn check_requests(server: &Server) {
    let (status, known) = server.ask(&partners(), "");
    assert_eq!(status, 200);
    let trend = known["matches"].as_array().unwrap().iter().find_map(|found| {
        found["contributions"].as_array()?.iter().find(|part| part["signal"] == "trends")?["evidence"][0]
                ["path"][1]["id"]
                .as_str()
    });
    let newcomer = json!({
        "source": {
            "name": "Newcomer",
            "attributes": { "type": "brand_professional", "brand_values": ["sustainability"] },
            "texts": { "member_profile": "sustainable fashion brand manager" },
            "links": [{ "relation": "HAS_AFFINITY_WITH", "id": trend.unwrap(), "weight": 0.9 }],
        },
        "filters": [{ "attribute": "type", "in": ["agency", "brand_professional"] }],
        "limit": 3,
        "include": "attributes",
    });
    let (status, answer) = server.ask("/match/teraffi/partners", &newcomer.to_string());
    assert_eq!(status, 200, "{answer}");
    check_sums(&answer);
    for found in answer["matches"].as_array().unwrap() {
        let kind = found["attributes"]["type"].as_str().unwrap();
        assert!(["agency", "brand_professional"].contains(&kind), "{kind} passed the filter");
        assert!(found["attributes"]["subscription_tier"].is_null(), "only operators may see it");
    }

    let cases = [
        ("/match/nowhere/partners/x", "", 404, "unknown_platform"),
        ("/match/teraffi/partnerz/x", "", 404, "unknown_matcher"),
        ("/match/teraffi/partners/x", "", 404, "unknown_node"),
        ("/match/teraffi/partners/x?limt=1", "", 400, "bad_query"),
        ("/match/teraffi/partners/x?as_of=yesterday", "", 400, "bad_time"),
        ("/match/teraffi/partners", "{", 400, "json_syntax"),
        ("/match/teraffi/partners", r#"{"source":{"attributes":{"size":1}}}"#, 400, "unknown_name"),
        ("/match/teraffi/partners", r#"{"source":{"attributes":{"type":1}}}"#, 400, "wrong_type"),
        ("/match/teraffi/partners", r#"{"source":{"vectors":{"member_profile":[1.0]}}}"#, 400, "bad_vector"),
        ("/match/teraffi/partners", r#"{"source":{},"weights":{"trends":-1}}"#, 400, "out_of_range"),
        (
            "/match/teraffi/partners",
            r#"{"source":{},"filters":[{"attribute":"industry"}]}"#,
            400,
            "bad_condition",
        ),
    ];
    for (path, body, status, code) in cases {
        let (got, problem) = server.ask(path, body);
        assert_eq!((got, problem["code"].as_str().unwrap()), (status, code), "{path} {body}: {problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
    assert!(server.get("/metrics").contains("affinity_match_stage_seconds_bucket"));
    assert_eq!(ask(server, "/readyz")["ready"], json!(true));
    assert!(ask(server, "/openapi.json")["paths"]["/match/{platform}/{matcher}/{id}"].is_object());
}
