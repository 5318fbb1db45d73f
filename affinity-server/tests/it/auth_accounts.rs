//! Signing up and in, recovery, sessions and keys.

use affinity_server::auth::{MailSettings, Mailer, deliver};
use serde_json::{Value, json};

use crate::auth_world::{Answer, PASSWORD, World};

#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn member_signs_up_verifies_and_signs_in() {
    let world = World::new("accounts_sign_up").await;
    let sign_up = json!({ "email": "Anna@Example.org", "password": PASSWORD, "name": "Anna" });
    assert_eq!(world.send("POST", "signup", &[], sign_up).await.status, 202);
    let sign_in = json!({ "email": "anna@example.org", "password": PASSWORD });
    check_problem(&world.send("POST", "login", &[], sign_in.clone()).await, 403, "unverified");

    let token = world.mailed_token("Anna@Example.org").await;
    let verify = json!({ "token": token });
    assert_eq!(world.send("POST", "verify", &[], verify.clone()).await.status, 204);
    check_problem(&world.send("POST", "verify", &[], verify).await, 400, "bad_token");

    let begun = world.send("POST", "login", &[("user-agent", "test/1")], sign_in).await;
    assert_eq!((begun.status, &begun.headers["cache-control"]), (200, &"no-store".parse().unwrap()));
    assert!(begun.headers.get("set-cookie").is_none());
    let bearer = format!("Bearer {}", begun.body["token"].as_str().unwrap());
    let me = world.send("GET", "me", &[("authorization", &bearer)], Value::Null).await.body;
    assert_eq!(
        (&me["standing"], &me["account"]["email"], &me["account"]["verified"]),
        (&json!("member"), &json!("Anna@Example.org"), &json!(true))
    );
    assert_eq!(me["session_id"], begun.body["session_id"]);
    // What is kept lets nobody in, and says from where.
    let kept: (String, String, String) = sqlx::query_as(
        "SELECT s.session_token, host(s.ip_address), s.user_agent FROM teraffi.user_sessions s",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!((kept.1.as_str(), kept.2.as_str()), ("127.0.0.1", "test/1"));
    assert!(!bearer.contains(&kept.0) && kept.0.len() == 64);
    assert_eq!(count(&world, "SELECT count(*) FROM teraffi.member_profiles WHERE name = 'Anna'").await, 1);
    let hash: String =
        sqlx::query_scalar("SELECT password_hash FROM teraffi.members WHERE email = 'Anna@Example.org'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    assert!(hash.starts_with("$argon2id$"), "{hash}");
}

#[tokio::test]
async fn answers_do_not_tell_whether_an_address_has_an_account() {
    let world = World::new("accounts_silence").await;
    world.signed_up("anna@example.org").await;
    let same = async |path: &str, body: fn(&str) -> Value| {
        let known = world.send("POST", path, &[], body("anna@example.org")).await;
        let unknown = world.send("POST", path, &[], body("nobody@example.org")).await;
        let without_instance = |answer: Answer| {
            (
                answer.status,
                answer.body["code"].clone(),
                answer.body["detail"].clone(),
                answer.body["next"].clone(),
            )
        };
        assert_eq!(without_instance(known), without_instance(unknown), "{path}");
    };
    same("signup", |email| json!({ "email": email, "password": PASSWORD, "name": "A" })).await;
    same("login", |email| json!({ "email": email, "password": "wrong password" })).await;
    same("password/forgot", |email| json!({ "email": email })).await;
    // The owner learns of it.
    let told = "SELECT count(*) FROM affinity.outbox WHERE recipient = 'anna@example.org' AND subject = 'You have an account already'";
    assert_eq!(count(&world, told).await, 1);
    assert_eq!(
        count(&world, "SELECT count(*) FROM teraffi.members WHERE email = 'anna@example.org'").await,
        1
    );
}

#[tokio::test]
async fn signing_up_again_before_verifying_voids_what_was_before() {
    let world = World::new("accounts_again").await;
    let sign_up =
        |password: &str| json!({ "email": "anna@example.org", "password": password, "name": "Anna" });
    world.send("POST", "signup", &[], sign_up("somebody else's")).await;
    let first = world.mailed_token("anna@example.org").await;
    world.send("POST", "signup", &[], sign_up(PASSWORD)).await;
    check_problem(&world.send("POST", "verify", &[], json!({ "token": first })).await, 400, "bad_token");
    let token = world.mailed_token("anna@example.org").await;
    assert_eq!(world.send("POST", "verify", &[], json!({ "token": token })).await.status, 204);
    let wrong = json!({ "email": "anna@example.org", "password": "somebody else's" });
    check_problem(&world.send("POST", "login", &[], wrong).await, 401, "bad_credentials");
    world.signed_in("anna@example.org").await;
}

#[tokio::test]
async fn wrong_sign_up_names_what_is_wrong() {
    let world = World::new("accounts_wrong").await;
    let check = async |body: Value, status, code| {
        check_problem(&world.send("POST", "signup", &[], body).await, status, code);
    };
    check(json!({ "email": "nonsense", "password": PASSWORD, "name": "A" }), 422, "bad_address").await;
    check(json!({ "email": "a@example.org", "password": "short", "name": "A" }), 422, "weak_password").await;
    check(json!({ "email": "a@example.org", "password": PASSWORD }), 422, "bad_field").await;
    let escalation =
        json!({ "email": "a@example.org", "password": PASSWORD, "name": "A", "status": "active" });
    check(escalation, 422, "bad_field").await;
    assert_eq!(count(&world, "SELECT count(*) FROM affinity.outbox").await, 0);
}

#[tokio::test]
async fn eleventh_attempt_in_a_row_waits_also_with_the_right_password() {
    let world = World::new("accounts_lockout").await;
    world.signed_up("anna@example.org").await;
    for address in ["Anna@example.org", "nobody@example.org"] {
        let wrong = json!({ "email": address, "password": "wrong password" });
        for _ in 0..10 {
            check_problem(&world.send("POST", "login", &[], wrong.clone()).await, 401, "bad_credentials");
        }
        let right = json!({ "email": address, "password": PASSWORD });
        let locked = world.send("POST", "login", &[], right).await;
        check_problem(&locked, 429, "locked_out");
        let seconds: u64 = locked.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((890..=901).contains(&seconds), "{seconds}");
    }
    // A reset is a way back in.
    world.send("POST", "password/forgot", &[], json!({ "email": "anna@example.org" })).await;
    let token = world.mailed_token("anna@example.org").await;
    let reset = json!({ "token": token, "password": PASSWORD });
    assert_eq!(world.send("POST", "password/reset", &[], reset).await.status, 204);
    world.signed_in("anna@example.org").await;
    // Success starts the count again.
    assert_eq!(count(&world, "SELECT count(*) FROM affinity.failed_sign_ins").await, 1);
}

#[tokio::test]
async fn attempts_at_once_do_not_outrun_the_count() {
    let world = World::new("accounts_race").await;
    world.signed_up("anna@example.org").await;
    let wrong = json!({ "email": "anna@example.org", "password": "wrong password" });
    let attempts = (0..20).map(|_| world.send("POST", "login", &[], wrong.clone()));
    let answers = futures::future::join_all(attempts).await;
    let refused = answers.iter().filter(|answer| answer.status == 429).count();
    assert_eq!(refused, 10);
}

#[tokio::test]
async fn reset_sets_the_password_once_and_ends_every_session() {
    let world = World::new("accounts_reset").await;
    world.signed_up("anna@example.org").await;
    let bearer = world.signed_in("anna@example.org").await;
    world.send("POST", "password/forgot", &[], json!({ "email": "ANNA@example.org" })).await;
    let token = world.mailed_token("anna@example.org").await;
    let reset = |password: &str| json!({ "token": token, "password": password });
    check_problem(&world.send("POST", "password/reset", &[], reset("short")).await, 422, "weak_password");
    assert_eq!(world.send("POST", "password/reset", &[], reset("another password")).await.status, 204);
    check_problem(&world.send("POST", "password/reset", &[], reset(PASSWORD)).await, 400, "bad_token");
    let old = world.send("GET", "me", &[("authorization", &bearer)], Value::Null).await;
    check_problem(&old, 401, "session_ended");
    let sign_in = |password: &str| json!({ "email": "anna@example.org", "password": password });
    check_problem(&world.send("POST", "login", &[], sign_in(PASSWORD)).await, 401, "bad_credentials");
    assert_eq!(world.send("POST", "login", &[], sign_in("another password")).await.status, 200);

    // A token for verifying is none for a reset, and an old one is none at all.
    world.send("POST", "password/forgot", &[], json!({ "email": "anna@example.org" })).await;
    let token = world.mailed_token("anna@example.org").await;
    check_problem(&world.send("POST", "verify", &[], json!({ "token": token })).await, 400, "bad_token");
    sqlx::query("UPDATE affinity.mailed_tokens SET expires_at = now()").execute(&world.pool).await.unwrap();
    let late = json!({ "token": token, "password": PASSWORD });
    check_problem(&world.send("POST", "password/reset", &[], late).await, 400, "bad_token");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let world = World::new("accounts_sessions").await;
    world.signed_up("anna@example.org").await;
    world.signed_up("berta@example.org").await;
    let [first, second, third] = [
        world.signed_in("anna@example.org").await,
        world.signed_in("anna@example.org").await,
        world.signed_in("anna@example.org").await,
    ];
    let berta = world.signed_in("berta@example.org").await;
    let sessions = async |bearer: &str| {
        let answer = world.send("GET", "sessions", &[("authorization", bearer)], Value::Null).await;
        answer.body["sessions"].as_array().cloned().unwrap_or_default()
    };
    let listed = sessions(&first).await;
    assert_eq!(listed.len(), 3);
    let current = |is_current: bool| {
        listed.iter().find(|session| session["is_current"] == json!(is_current)).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // Somebody else's is none.
    let path = format!("sessions/{}", current(true));
    let refused = world.send("DELETE", &path, &[("authorization", &berta)], Value::Null).await;
    check_problem(&refused, 404, "unknown_session");
    let path = format!("sessions/{}", current(false));
    assert_eq!(world.send("DELETE", &path, &[("authorization", &first)], Value::Null).await.status, 204);
    assert_eq!(sessions(&first).await.len(), 2);

    assert_eq!(world.send("POST", "logout", &[("authorization", &first)], Value::Null).await.status, 204);
    let left = if sessions(&second).await.is_empty() { &third } else { &second };
    let ended = world.send("POST", "logout-everywhere", &[("authorization", left)], Value::Null).await;
    assert_eq!(ended.body["ended"], 1);
    for bearer in [&first, &second, &third] {
        let answer = world.send("GET", "sessions", &[("authorization", bearer)], Value::Null).await;
        check_problem(&answer, 401, "session_ended");
    }
    assert_eq!(sessions(&berta).await.len(), 1);
    check_problem(&world.send("GET", "sessions", &[], Value::Null).await, 401, "not_signed_in");
}

#[tokio::test]
async fn cookie_session_stays_out_of_scripts_and_goes_at_logout() {
    let world = World::new("accounts_cookie").await;
    world.signed_up("anna@example.org").await;
    let body = json!({ "email": "anna@example.org", "password": PASSWORD, "cookie": true });
    let begun = world.send("POST", "login", &[], body).await;
    assert_eq!(begun.body.get("token"), None);
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert!(pair.starts_with("affinity_teraffi=afs_"), "{cookie}");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000");
    let me = world.send("GET", "me", &[("cookie", pair)], Value::Null).await;
    assert_eq!(me.body["standing"], "member");
    // Another site's page cannot use it.
    let foreign = [("cookie", pair), ("origin", "https://evil.example")];
    let refused = world.send("POST", "logout", &foreign, Value::Null).await;
    check_problem(&refused, 403, "cross_site_request");
    let out = world.send("POST", "logout", &[("cookie", pair)], Value::Null).await;
    assert_eq!(out.status, 204);
    assert!(out.headers["set-cookie"].to_str().unwrap().starts_with("affinity_teraffi=; "));
    let me = world.send("GET", "me", &[("cookie", pair)], Value::Null).await;
    assert_eq!((me.status, &me.body["standing"]), (200, &json!("anonymous")));
}

#[tokio::test]
async fn key_is_shown_once_limited_and_revoked() {
    let world = World::new("accounts_keys").await;
    world.signed_up("anna@example.org").await;
    let bearer = world.signed_in("anna@example.org").await;
    let session = [("authorization", bearer.as_str())];
    let body = json!({ "name": "import", "permissions": ["read", "write:brands"], "requests_per_minute": 3 });
    let made = world.send("POST", "keys", &session, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let key = made.body["key"].as_str().unwrap().to_owned();
    let listed = world.send("GET", "keys", &session, Value::Null).await.body;
    let mut expected = made.body.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(listed["keys"], json!([expected]));
    assert!(
        !listed.to_string().contains(&key)
            && key.starts_with(&format!("afk_{}", expected["prefix"].as_str().unwrap()))
    );

    let shown = [("apikey", key.as_str())];
    let me = world.send("GET", "me", &shown, Value::Null).await;
    assert_eq!((&me.body["standing"], &me.body["key_id"]), (&json!("member"), &expected["id"]));
    assert_eq!(me.headers["ratelimit"], "\"key\";r=2;t=20");
    // A key cannot make another.
    check_problem(&world.send("GET", "keys", &shown, Value::Null).await, 403, "session_required");
    assert_eq!(world.send("GET", "me", &shown, Value::Null).await.status, 200);
    let refused = world.send("GET", "me", &shown, Value::Null).await;
    check_problem(&refused, 429, "too_many_requests");
    assert!(refused.headers.contains_key("retry-after"));

    for (field, value) in [
        ("permissions", json!(["admin"])),
        ("permissions", json!([])),
        ("requests_per_minute", json!(0)),
        ("name", json!(" ")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let mut body = json!({ "name": "import", "permissions": ["read"] });
        body[field] = value;
        check_problem(&world.send("POST", "keys", &session, body).await, 422, "bad_key");
    }
    let path = format!("keys/{}", expected["id"].as_str().unwrap());
    assert_eq!(world.send("DELETE", &path, &session, Value::Null).await.status, 204);
    check_problem(&world.send("DELETE", &path, &session, Value::Null).await, 404, "unknown_key");
    check_problem(&world.send("GET", "me", &shown, Value::Null).await, 401, "unknown_key");
}

#[tokio::test]
async fn letters_become_files_for_the_server_only() {
    use std::os::unix::fs::PermissionsExt;
    let (world, folder) = (World::new("accounts_mail").await, tempfile::tempdir().unwrap());
    let body = json!({ "email": "anna@example.org", "password": PASSWORD, "name": "Anna" });
    world.send("POST", "signup", &[], body).await;
    let token = world.mailed_token("anna@example.org").await;
    let outbox = folder.path().join("outbox");
    let settings = MailSettings { server: None, from: MailSettings::nobody(), folder: outbox.clone() };
    let delivery = tokio::spawn(deliver(world.pool.clone(), Mailer::new(settings).unwrap()));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while count(&world, "SELECT count(*) FROM affinity.outbox").await > 0 {
        assert!(std::time::Instant::now() < deadline, "not delivered");
        tokio::task::yield_now().await;
    }
    delivery.abort();
    let file = std::fs::read_dir(&outbox).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0);
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert!(
        text.contains("To: anna@example.org") && text.contains("Subject: Confirm your address"),
        "{text}"
    );
    // Long lines are folded.
    assert!(text.replace("=\r\n", "").contains(&token), "{text}");
}
