//! Time-based codes and backup codes.

use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::auth_world::{Answer, PASSWORD, World};

#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
}

fn totp(enrolled: &Value) -> Totp {
    let secret = Secret::try_from_base32(enrolled["secret"].as_str().unwrap()).unwrap();
    Builder::new().with_secret(secret).build().unwrap()
}

/// The code of so many half minutes from now.
fn code(totp: &Totp, steps: i64) -> String {
    let now = chrono::Utc::now().timestamp() + 30 * steps;
    totp.generate(u64::try_from(now).unwrap()).to_string()
}

async fn sign_in(world: &World, code: Option<&str>) -> Answer {
    let body = json!({ "email": "anna@example.org", "password": PASSWORD, "code": code });
    world.send("POST", "login", &[], body).await
}

#[tokio::test]
async fn second_factor_is_asked_for_once_confirmed_and_takes_each_code_once() {
    let world = World::new("second_factor").await;
    world.signed_up("anna@example.org").await;
    let bearer = world.signed_in("anna@example.org").await;
    let session = [("authorization", bearer.as_str())];
    let wrong = world.send("POST", "totp/enroll", &session, json!({ "password": "wrong password" })).await;
    check_problem(&wrong, 403, "wrong_password");
    let enrolled = world.send("POST", "totp/enroll", &session, json!({ "password": PASSWORD })).await.body;
    let uri = enrolled["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/teraffi:anna%40example.org?secret="), "{uri}");
    // Not before it is confirmed.
    assert_eq!(sign_in(&world, None).await.status, 200);

    let totp = totp(&enrolled);
    let refused = world.send("POST", "totp/confirm", &session, json!({ "code": code(&totp, 40) })).await;
    check_problem(&refused, 403, "wrong_code");
    // A code of the step before is still taken, and uses that step up.
    let used = code(&totp, -1);
    let confirmed = world.send("POST", "totp/confirm", &session, json!({ "code": used })).await;
    let backup: Vec<String> = serde_json::from_value(confirmed.body["backup_codes"].clone()).unwrap();
    assert_eq!(backup.len(), 10);
    let me = world.send("GET", "me", &session, Value::Null).await.body;
    assert_eq!(me["account"]["has_second_factor"], json!(true));

    check_problem(&sign_in(&world, None).await, 401, "second_factor_required");
    check_problem(&sign_in(&world, Some(&used)).await, 401, "wrong_code");
    let next = code(&totp, 1);
    assert_eq!(sign_in(&world, Some(&next)).await.status, 200);
    check_problem(&sign_in(&world, Some(&next)).await, 401, "wrong_code");
    assert_eq!(sign_in(&world, Some(&backup[3])).await.status, 200);
    check_problem(&sign_in(&world, Some(&backup[3])).await, 401, "wrong_code");

    let again = world.send("POST", "totp/enroll", &session, json!({ "password": PASSWORD })).await;
    check_problem(&again, 409, "second_factor_enabled");
    let disabled = world.send("POST", "totp/disable", &session, json!({ "password": PASSWORD })).await;
    assert_eq!(disabled.status, 204);
    assert_eq!(sign_in(&world, None).await.status, 200);
}

#[tokio::test]
async fn secret_is_sealed_in_the_database() {
    let world = World::new("second_factor_sealed").await;
    world.signed_up("anna@example.org").await;
    let bearer = world.signed_in("anna@example.org").await;
    let body = json!({ "password": PASSWORD });
    let enrolled = world.send("POST", "totp/enroll", &[("authorization", &bearer)], body).await.body;
    let kept: Vec<u8> = sqlx::query_scalar("SELECT sealed_secret FROM affinity.second_factors")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let totp = totp(&enrolled);
    let secret = totp.secret().as_bytes();
    assert_eq!(kept.len(), 12 + secret.len() + 16);
    assert!(!kept.windows(secret.len()).any(|window| window == secret));
}
