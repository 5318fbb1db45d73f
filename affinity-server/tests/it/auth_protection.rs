//! Limits by address and member, cookies where others reach the server, and what every answer carries.

use affinity_server::auth::{AuthoritySettings, LimitSettings, Reach};
use serde_json::json;

use crate::auth_world::{PASSWORD, World, settings};

#[tokio::test]
async fn address_and_member_are_limited_and_told_so() {
    let limits = LimitSettings { member_per_hour: 3, address_per_hour: 50, sign_in_per_hour: 6 };
    let proxies = vec!["127.0.0.1".parse().unwrap()];
    let world = World::with("limits", AuthoritySettings { limits, proxies, ..settings() }).await;
    world.signed_up("anna@example.org").await;
    let bearer = world.signed_in("anna@example.org").await;
    let me = async |address: &str| {
        let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", address)];
        world.send("GET", "me", &headers, serde_json::Value::Null).await
    };
    let left = [me("10.0.0.1").await, me("10.0.0.1").await, me("10.0.0.2").await];
    let left = left.map(|answer| answer.headers["ratelimit"].to_str().unwrap().to_owned());
    assert_eq!(left, ["\"member\";r=2;t=1200", "\"member\";r=1;t=1200", "\"member\";r=0;t=1200"]);
    let refused = me("10.0.0.3").await;
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("too_many_requests")));

    // Whoever guesses is stopped by where he comes from.
    let guess = json!({ "email": "berta@example.org", "password": PASSWORD });
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let headers = [("x-forwarded-for", "10.0.0.9")];
        statuses.push(world.send("POST", "login", &headers, guess.clone()).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429, 429]);
}

#[tokio::test]
async fn cookie_insists_on_tls_where_others_reach_the_server() {
    let world = World::with("secure_cookie", AuthoritySettings { reach: Reach::Others, ..settings() }).await;
    world.signed_up("anna@example.org").await;
    let body = json!({ "email": "anna@example.org", "password": PASSWORD, "cookie": true });
    let begun = world.send("POST", "login", &[], body).await;
    let cookie = begun.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-affinity_teraffi=afs_") && cookie.ends_with("; Secure"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let me = world.send("GET", "me", &[("cookie", pair)], serde_json::Value::Null).await;
    assert_eq!(me.body["standing"], "member");
}
