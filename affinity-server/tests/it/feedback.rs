//! What people say of matches: the next answer knows it, restarts keep it, and evaluation can learn from it.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::matching::{SARAH, ask, ids, partners};
use crate::server_process::{Server, command_with_demo};

const PATH: &str = "/match/teraffi/partners/feedback";

fn start(folder: &tempfile::TempDir) -> Server {
    Server::try_start(command_with_demo(folder.path(), 200), folder.path()).unwrap()
}

#[track_caller]
fn say(server: &Server, body: &Value) -> Value {
    let (status, answer) = server.ask(PATH, &body.to_string());
    assert_eq!(status, 201, "{body}: {answer}");
    answer
}

#[track_caller]
fn check_refused(server: &Server, body: &Value, status: u16, code: &str) {
    let (got, problem) = server.ask(PATH, &body.to_string());
    assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{body}: {problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_answer_knows_what_was_said_of_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(&folder);
    let first = ask(&server, &partners());
    let (answer_id, top) = (first["id"].as_str().unwrap().to_string(), ids(&first));

    // Dismissed: gone from the next answer of this matcher, with the rule named, and nowhere else.
    let said = say(&server, &json!({ "answer_id": answer_id, "target": top[0], "action": "dismiss" }));
    assert_eq!((said["source"].as_str(), said["target"].as_str()), (Some(SARAH), Some(top[0].as_str())));
    let next = ask(&server, &partners());
    assert!(!ids(&next).contains(&top[0]), "dismissed and still there");
    assert_eq!(next["engine_version"], said["engine_version"]);
    let why = ask(&server, &format!("/match/teraffi/partners/{SARAH}/explain/{}", top[0]));
    assert_eq!(why["dropped"], json!({ "stage": "exclusion", "rule": "dismissed before" }));
    let theirs = ask(&server, &format!("/match/teraffi/partners/{}?limit=100", top[0]));
    let before = ask(&server, &format!("/match/teraffi/similar/{SARAH}?limit=100"));
    assert!(theirs["matches"].as_array().is_some_and(|matches| !matches.is_empty()));
    assert!(before["matches"].as_array().is_some_and(|matches| !matches.is_empty()));

    // A low rating keeps out, a good one does not, and the last word counts.
    say(&server, &json!({ "source": SARAH, "target": top[1], "action": "rate", "rating": 1 }));
    say(&server, &json!({ "source": SARAH, "target": top[2], "action": "rate", "rating": 5 }));
    say(&server, &json!({ "source": SARAH, "target": top[3], "action": "accept" }));
    let next = ids(&ask(&server, &partners()));
    assert_eq!([1, 2, 3].map(|place: usize| next.contains(&top[place])), [false, true, false]);
    say(&server, &json!({ "source": SARAH, "target": top[1], "action": "rate", "rating": 4 }));
    say(&server, &json!({ "source": SARAH, "target": top[3], "action": "withdraw" }));
    let next = ids(&ask(&server, &partners()));
    assert!(next.contains(&top[1]) && next.contains(&top[3]));

    // Labels: dismissed 0, rated (r - 1) / 4.
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    let labels: Vec<(String, f64)> = sqlx::query_as(
        "select target, label from affinity.feedback_outcomes where platform = 'teraffi' and matcher = 'partners'
         order by label",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert_eq!(labels, [(top[0].clone(), 0.0), (top[1].clone(), 0.75), (top[2].clone(), 1.0)]);
    drop(database);

    let unknown = "00000000-0000-4000-8000-00000000dead";
    check_refused(
        &server,
        &json!({ "source": SARAH, "target": unknown, "action": "accept" }),
        404,
        "unknown_node",
    );
    check_refused(&server, &json!({ "target": top[0], "action": "accept" }), 400, "bad_source");
    check_refused(
        &server,
        &json!({ "answer_id": SARAH, "target": top[0], "action": "accept" }),
        400,
        "bad_source",
    );
    let other = json!({ "answer_id": answer_id, "source": top[0], "target": top[1], "action": "accept" });
    check_refused(&server, &other, 400, "bad_source");
    check_refused(
        &server,
        &json!({ "source": SARAH, "target": top[0], "action": "rate" }),
        400,
        "bad_rating",
    );
    let rated = |action: &str, rating: i32| json!({ "source": SARAH, "target": top[0], "action": action, "rating": rating });
    check_refused(&server, &rated("rate", 6), 400, "bad_rating");
    check_refused(&server, &rated("accept", 3), 400, "bad_rating");

    let (status, log) = server.end(Signal::SIGTERM);
    assert!(status.success(), "{log}");
    let server = start(&folder);
    let after = ids(&ask(&server, &partners()));
    assert!(!after.contains(&top[0]) && after.contains(&top[1]));
}
