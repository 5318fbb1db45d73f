//! Who is asking, by what the request shows.

use affinity_server::auth::{AuthoritySettings, Reach, Token, TokenKind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth_world::{World, ensure_role, jwt, settings};
use crate::cluster;

#[track_caller]
fn check_standing((status, who, _): &(u16, Value, Option<String>), standing: &str) {
    assert_eq!((*status, who["standing"].as_str()), (200, Some(standing)), "{who}");
    assert_eq!(who["role"], who["claims"]["role"]);
}

#[track_caller]
fn check_refused((status, problem, challenge): &(u16, Value, Option<String>), expected: (u16, &str, &str)) {
    assert_eq!(
        (*status, problem["code"].as_str(), problem["detail"].as_str()),
        (expected.0, Some(expected.1), Some(expected.2)),
        "{problem}"
    );
    assert_eq!(challenge.is_some(), *status == 401, "{challenge:?}");
}

#[tokio::test]
async fn nothing_shown_is_anonymous_and_where_the_operator_says_so_the_servers_user() {
    let world = World::new("auth_nothing").await;
    let nobody = world.who("teraffi", &[]).await;
    check_standing(&nobody, "anonymous");
    assert_eq!(nobody.1["role"], "affinity_anonymous");
    let bare = world.who("bare", &[]).await;
    assert_eq!((bare.1["standing"].as_str(), &bare.1["role"]), (Some("anonymous"), &Value::Null));
}

#[tokio::test]
async fn demo_data_is_open_to_look_at_on_loopback_only() {
    let pool = cluster::database("auth_demo").await;
    sqlx::query("INSERT INTO affinity.demo_data VALUES ('teraffi')").execute(&pool).await.unwrap();
    let here = World::over(pool.clone(), settings()).await;
    let open = here.who("teraffi", &[]).await;
    check_standing(&open, "staff");
    assert_eq!(open.1["access"], "Read");
    check_standing(&here.who("bare2", &[]).await, "anonymous");
    let reachable = AuthoritySettings { reach: Reach::Others, ..settings() };
    check_standing(&World::over(pool, reachable).await.who("teraffi", &[]).await, "anonymous");
}

#[tokio::test]
async fn session_is_its_member_by_header_and_cookie_until_it_ends() {
    let world = World::new("auth_session").await;
    let (member, token) = (world.member("m@example.org").await, Token::new(TokenKind::Session).unwrap());
    let session = world.session(member, token.expose()).await;
    let (bearer, cookie) =
        (format!("Bearer {}", token.expose()), format!("affinity_teraffi={}", token.expose()));
    for header in [("authorization", bearer.as_str()), ("cookie", cookie.as_str())] {
        let found = world.who("teraffi", &[header, ("user-agent", "test/1")]).await;
        check_standing(&found, "member");
        assert_eq!(found.1["claims"]["sub"], json!(member));
        let expected = json!({ "affinity.ip_address": "127.0.0.1", "affinity.user_agent": "test/1", "affinity.session_id": session });
        assert_eq!(found.1["settings"], expected);
    }
    // Where he has no account he is nobody.
    check_refused(
        &world.who("bare", &[("authorization", &bearer)]).await,
        (401, "session_ended", "there is no such session any more"),
    );
    sqlx::query("INSERT INTO affinity.operators (platform, account_id) VALUES ('teraffi', $1)")
        .bind(member)
        .execute(&world.pool)
        .await
        .unwrap();
    check_standing(&world.who("teraffi", &[("authorization", &bearer)]).await, "staff");

    sqlx::query("UPDATE teraffi.user_sessions SET is_active = false").execute(&world.pool).await.unwrap();
    let refused = world.who("teraffi", &[("authorization", &bearer)]).await;
    check_refused(&refused, (401, "session_ended", "there is no such session any more"));
    // A browser sends an old cookie on, also to sign in.
    check_standing(&world.who("teraffi", &[("cookie", &cookie)]).await, "anonymous");
}

#[tokio::test]
async fn session_slides_and_has_an_end() {
    let world = World::new("auth_sliding").await;
    let (member, token) = (world.member("m@example.org").await, Token::new(TokenKind::Session).unwrap());
    world.session(member, token.expose()).await;
    let bearer = format!("Bearer {}", token.expose());
    check_standing(&world.who("teraffi", &[("authorization", &bearer)]).await, "member");
    let rest = "SELECT extract(epoch FROM expires_at - now())::float8 FROM teraffi.user_sessions";
    let seconds: f64 = sqlx::query_scalar(rest).fetch_one(&world.pool).await.unwrap();
    assert!((86_000.0..=86_400.0).contains(&seconds), "{seconds}");

    let age = |days: i32| {
        let sql = "UPDATE teraffi.user_sessions SET created_at = now() - make_interval(days => $1), expires_at = now() + interval '1 minute'";
        sqlx::query(sql).bind(days).execute(&world.pool)
    };
    age(29).await.unwrap();
    check_standing(&world.who("teraffi", &[("authorization", &bearer)]).await, "member");
    age(30).await.unwrap();
    assert_eq!(world.who("teraffi", &[("authorization", &bearer)]).await.0, 401);
}

#[tokio::test]
async fn account_that_is_not_active_is_anonymous_with_a_live_token() {
    let world = World::new("auth_inactive").await;
    let (member, token) = (world.member("m@example.org").await, Token::new(TokenKind::Session).unwrap());
    world.session(member, token.expose()).await;
    let bearer = format!("Bearer {}", token.expose());
    let signed = jwt(&json!({ "role": "affinity_member", "sub": member }));
    for header in [&bearer, &signed] {
        check_standing(&world.who("teraffi", &[("authorization", header)]).await, "member");
    }
    sqlx::query("UPDATE teraffi.members SET status = 'suspended'").execute(&world.pool).await.unwrap();
    for header in [&bearer, &signed] {
        let found = world.who("teraffi", &[("authorization", header)]).await;
        check_standing(&found, "anonymous");
        assert_eq!(found.1["claims"].get("sub"), None);
    }
    let stranger = jwt(&json!({ "role": "affinity_member", "sub": Uuid::new_v4() }));
    check_standing(&world.who("teraffi", &[("authorization", &stranger)]).await, "anonymous");
}

#[tokio::test]
async fn key_is_its_owner_narrowed_until_revoked_or_expired() {
    let world = World::new("auth_key").await;
    let (member, token) = (world.member("m@example.org").await, Token::new(TokenKind::Key).unwrap());
    let insert = "INSERT INTO affinity.api_keys (platform, account_id, name, prefix, key_hash, permissions, requests_per_minute)
        VALUES ('teraffi', $1, 'test', $2, $3, '{read:who}', 10)";
    sqlx::query(insert)
        .bind(member)
        .bind(token.first_letters())
        .bind(token.hash())
        .execute(&world.pool)
        .await
        .unwrap();
    // An operator's key is a member's.
    sqlx::query("INSERT INTO affinity.operators (platform, account_id) VALUES ('teraffi', $1)")
        .bind(member)
        .execute(&world.pool)
        .await
        .unwrap();
    let bearer = format!("Bearer {}", token.expose());
    for header in [("authorization", bearer.as_str()), ("apikey", token.expose())] {
        let found = world.who("teraffi", &[header]).await;
        check_standing(&found, "member");
        assert_eq!(
            (&found.1["claims"]["sub"], &found.1["access"]),
            (&json!(member.to_string()), &json!("Read"))
        );
    }
    sqlx::query("UPDATE affinity.api_keys SET permissions = '{read:brands,match}'")
        .execute(&world.pool)
        .await
        .unwrap();
    let forbidden = world.who("teraffi", &[("authorization", &bearer)]).await;
    check_refused(&forbidden, (403, "not_permitted", "this needs the permission read:who"));
    let used = "SELECT count(*) FROM affinity.api_keys WHERE last_used_at > now() - interval '1 minute'";
    assert_eq!(sqlx::query_scalar::<_, i64>(used).fetch_one(&world.pool).await.unwrap(), 1);
    for end in ["expires_at = now()", "expires_at = null, revoked_at = now()"] {
        let sql = format!("UPDATE affinity.api_keys SET {end}");
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&world.pool).await.unwrap();
        let refused = world.who("teraffi", &[("authorization", &bearer)]).await;
        check_refused(&refused, (401, "unknown_key", "there is no such API key any more"));
    }
}

#[tokio::test]
async fn token_of_another_issuer_names_a_database_role() {
    let world = World::new("auth_jwt").await;
    ensure_role(&world.pool, "auth_test_author").await;
    let claims = json!({ "role": "auth_test_author", "sub": "u1", "app_metadata": { "tier": 1.5 } });
    let found = world.who("bare", &[("authorization", &jwt(&claims))]).await;
    check_standing(&found, "member");
    assert_eq!(found.1["claims"], claims);
    // As supabase-js sends it.
    let key = jwt(&claims);
    let key = key.trim_start_matches("Bearer ");
    assert_eq!(world.who("bare", &[("apikey", key)]).await.1["role"], "auth_test_author");

    let without = world.who("teraffi", &[("authorization", &jwt(&json!({ "sub": "u1" })))]).await;
    check_standing(&without, "anonymous");
    assert_eq!(without.1["claims"]["sub"], "u1");
}

#[tokio::test]
async fn token_that_does_not_hold_is_refused_in_postgrests_words() {
    let world = World::new("auth_jwt_refused").await;
    let refuse = async |header: &str, expected| {
        check_refused(&world.who("teraffi", &[("authorization", header)]).await, expected);
    };
    refuse("Bearer ", (401, "PGRST301", "Empty JWT is sent in Authorization header")).await;
    refuse("Bearer ey.x", (401, "PGRST301", "Expected 3 parts in JWT; got 2")).await;
    refuse(&jwt(&json!({ "exp": 1 })), (401, "PGRST303", "JWT expired")).await;
    let nobody = jwt(&json!({ "role": "auth_test_no_such_role" }));
    refuse(&nobody, (400, "22023", "role \"auth_test_no_such_role\" does not exist")).await;
    let superuser: String =
        sqlx::query_scalar("SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1")
            .fetch_one(&world.pool)
            .await
            .unwrap();
    let message = format!("permission denied to set role \"{superuser}\"");
    refuse(&jwt(&json!({ "role": superuser })), (403, "42501", &message)).await;
    let challenge = world.who("teraffi", &[("authorization", "Bearer a.b.c")]).await.2.unwrap();
    assert_eq!(
        challenge,
        "Bearer error=\"invalid_token\", error_description=\"Wrong or unsupported encoding algorithm\""
    );
}
