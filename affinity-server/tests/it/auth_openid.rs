//! Signing in by an OpenID provider, against a small one that says what each test wants.
//!
//! `.ci/openid` runs the same against a provider that others wrote.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use affinity_server::auth::{AuthoritySettings, ProviderSettings};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::auth_world::{Answer, PASSWORD, World, settings};

/// What the provider gives for a code, once.
#[derive(Clone)]
struct Grant {
    challenge: String,
    claims: Value,
}

struct Provider {
    url: String,
    pair: EcdsaKeyPair,
    grants: Mutex<HashMap<String, Grant>>,
}

impl Provider {
    async fn start() -> Arc<Self> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Arc::new(Self { url, pair, grants: Mutex::default() });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .route("/token", post(redeem))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn settings(&self) -> ProviderSettings {
        ProviderSettings {
            platform: "teraffi".into(),
            name: "google".into(),
            issuer: Url::parse(&self.url).unwrap(),
            client_id: "affinity".into(),
            client_secret: None,
            scopes: vec!["email".into()],
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k"}"#);
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn describe(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let url = &provider.url;
    Json(json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn keys(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let point = provider.pair.public_key().as_ref();
    let [x, y] = [&point[1..33], &point[33..65]].map(|part| URL_SAFE_NO_PAD.encode(part));
    let key =
        json!({ "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256", "x": x, "y": y });
    Json(json!({ "keys": [key] }))
}

async fn redeem(State(provider): State<Arc<Provider>>, body: String) -> (StatusCode, Json<Value>) {
    let sent = pairs(&format!("http://form/?{body}"));
    let grant = provider.grants.lock().unwrap().remove(&sent["code"]);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(sent["code_verifier"].as_bytes()));
    match grant.filter(|grant| grant.challenge == challenge) {
        Some(grant) => {
            let token = provider.sign(&grant.claims);
            (StatusCode::OK, Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": token })))
        }
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))),
    }
}

fn pairs(url: &str) -> HashMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

struct Play {
    world: World,
    provider: Arc<Provider>,
}

impl Play {
    async fn new(name: &str) -> Self {
        let provider = Provider::start().await;
        let providers = vec![provider.settings()];
        Self { world: World::with(name, AuthoritySettings { providers, ..settings() }).await, provider }
    }

    /// Goes to the provider: the state cookie, and what the provider was asked.
    async fn depart(&self) -> (String, HashMap<String, String>) {
        let answer = self.world.send("GET", "openid/google?return_to=/docs", &[], Value::Null).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
        let location = answer.headers["location"].to_str().unwrap();
        assert!(location.starts_with(&format!("{}/authorize?", self.provider.url)), "{location}");
        (cookie.split(';').next().unwrap().to_owned(), pairs(location))
    }

    /// What the provider says of somebody, when it is asked like this.
    fn claims(&self, asked: &HashMap<String, String>, email: &str) -> Value {
        let now = chrono::Utc::now().timestamp();
        json!({
            "iss": self.provider.url, "aud": "affinity", "sub": format!("subject of {email}"), "nonce": asked["nonce"],
            "iat": now, "exp": now + 60, "email": email, "email_verified": true, "name": "Anna from Afar",
        })
    }

    /// Comes back with a code for `claims`.
    async fn arrive(&self, cookie: &str, asked: &HashMap<String, String>, claims: Value) -> Answer {
        let code = format!("code-{}", uuid::Uuid::new_v4());
        let grant = Grant { challenge: asked["code_challenge"].clone(), claims };
        self.provider.grants.lock().unwrap().insert(code.clone(), grant);
        let path = format!("openid/google/return?code={code}&state={}", asked["state"]);
        self.world.send("GET", &path, &[("cookie", cookie)], Value::Null).await
    }

    async fn sign_in(&self, email: &str) -> Answer {
        let (cookie, asked) = self.depart().await;
        let claims = self.claims(&asked, email);
        self.arrive(&cookie, &asked, claims).await
    }
}

/// The account that the answer's cookie is a session of.
async fn account(play: &Play, answer: &Answer) -> Value {
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (303, &"/docs".parse().unwrap()),
        "{}",
        answer.body
    );
    let mut cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let session = cookies.find(|cookie| cookie.starts_with("affinity_teraffi=afs_")).unwrap();
    let cookie = session.split(';').next().unwrap();
    play.world.send("GET", "me", &[("cookie", cookie)], Value::Null).await.body["account"].clone()
}

#[track_caller]
fn check_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{}", answer.body);
    let cookies = answer.headers.get_all("set-cookie").iter().filter(|cookie| !cookie.is_empty());
    assert_eq!(cookies.count(), 0, "nobody was signed in");
}

#[tokio::test]
async fn newcomer_gets_an_account_and_comes_back_to_it() {
    let play = Play::new("openid_newcomer").await;
    let (_, asked) = play.depart().await;
    assert_eq!(
        [
            &asked["client_id"],
            &asked["response_type"],
            &asked["code_challenge_method"],
            &asked["redirect_uri"]
        ],
        ["affinity", "code", "S256", "http://localhost:8080/auth/teraffi/openid/google/return"]
    );
    assert_eq!(asked["scope"], "openid email");
    let first = account(&play, &play.sign_in("anna@example.org").await).await;
    assert_eq!((&first["email"], &first["verified"]), (&json!("anna@example.org"), &json!(true)));
    let again = account(&play, &play.sign_in("anna@example.org").await).await;
    assert_eq!(first["id"], again["id"]);
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM teraffi.member_profiles")
        .fetch_all(&play.world.pool)
        .await
        .unwrap();
    assert_eq!(names, ["Anna from Afar"]);
    assert_eq!(
        play.world.send("GET", "openid", &[], Value::Null).await.body,
        json!({ "providers": ["google"] })
    );
}

#[tokio::test]
async fn account_of_the_same_verified_address_is_his_and_an_unverified_ones_password_is_void() {
    let play = Play::new("openid_known").await;
    play.world.signed_up("anna@example.org").await;
    let known: uuid::Uuid =
        sqlx::query_scalar("SELECT id FROM teraffi.members WHERE email = 'anna@example.org'")
            .fetch_one(&play.world.pool)
            .await
            .unwrap();
    let found = account(&play, &play.sign_in("anna@example.org").await).await;
    assert_eq!(found["id"], json!(known));
    play.world.signed_in("anna@example.org").await;

    // Somebody else signed up with Berta's address and waits.
    let sign_up = json!({ "email": "berta@example.org", "password": PASSWORD, "name": "Not Berta" });
    play.world.send("POST", "signup", &[], sign_up).await;
    account(&play, &play.sign_in("berta@example.org").await).await;
    let sign_in = json!({ "email": "berta@example.org", "password": PASSWORD });
    check_problem(&play.world.send("POST", "login", &[], sign_in).await, 401, "bad_credentials");
}

#[tokio::test]
async fn what_the_provider_did_not_say_so_is_not_believed() {
    let play = Play::new("openid_refused").await;
    let changed: [(&str, Value, u16, &str); 6] = [
        ("nonce", json!("another"), 502, "provider_failed"),
        ("aud", json!("somebody else"), 502, "provider_failed"),
        ("iss", json!("https://evil.example"), 502, "provider_failed"),
        ("exp", json!(1), 502, "provider_failed"),
        ("email_verified", json!(false), 403, "no_verified_address"),
        ("email", json!(null), 403, "no_verified_address"),
    ];
    for (claim, value, status, code) in changed {
        let (cookie, asked) = play.depart().await;
        let mut claims = play.claims(&asked, "anna@example.org");
        claims[claim] = value;
        check_problem(&play.arrive(&cookie, &asked, claims).await, status, code);
    }
    // Another verifier than the challenge was made from.
    let (cookie, mut asked) = play.depart().await;
    let claims = play.claims(&asked, "anna@example.org");
    asked.insert("code_challenge".into(), "another".into());
    check_problem(&play.arrive(&cookie, &asked, claims).await, 502, "provider_failed");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM teraffi.user_sessions")
        .fetch_one(&play.world.pool)
        .await
        .unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn only_the_browser_that_departed_arrives_and_only_once() {
    let play = Play::new("openid_state").await;
    let (cookie, asked) = play.depart().await;
    let (other_cookie, _) = play.depart().await;
    let claims = play.claims(&asked, "anna@example.org");
    check_problem(&play.arrive(&other_cookie, &asked, claims.clone()).await, 400, "bad_state");
    check_problem(&play.arrive("", &asked, claims.clone()).await, 400, "bad_state");
    assert_eq!(play.arrive(&cookie, &asked, claims.clone()).await.status, 303);
    check_problem(&play.arrive(&cookie, &asked, claims).await, 400, "bad_state");

    let (cookie, asked) = play.depart().await;
    let path = format!("openid/google/return?error=access_denied&state={}", asked["state"]);
    let refused = play.world.send("GET", &path, &[("cookie", &cookie)], Value::Null).await;
    check_problem(&refused, 403, "provider_refused");
    let elsewhere = play.world.send("GET", "openid/google?return_to=//evil.example", &[], Value::Null).await;
    check_problem(&elsewhere, 400, "bad_return");
    check_problem(&play.world.send("GET", "openid/yahoo", &[], Value::Null).await, 404, "unknown_provider");
}

#[tokio::test]
async fn member_who_may_not_sign_in_may_not_by_a_provider() {
    let play = Play::new("openid_suspended").await;
    account(&play, &play.sign_in("anna@example.org").await).await;
    sqlx::query("UPDATE teraffi.members SET status = 'suspended'").execute(&play.world.pool).await.unwrap();
    check_problem(&play.sign_in("anna@example.org").await, 403, "account_inactive");
}
