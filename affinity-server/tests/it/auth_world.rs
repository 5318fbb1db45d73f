//! A platform with people, and a server that says who is asking, for the tests of signing in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use affinity_server::auth::{
    Authority, AuthoritySettings, Caller, LimitSettings, Reach, RolePrefix, ServerSecret, Visit, identify,
    routes,
};
use affinity_server::problem::{explain_errors, not_found};
use axum::routing::any;
use axum::{Extension, Json, Router, middleware};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::cluster;

/// Signs the tokens of these tests.
pub(crate) const SECRET: &str = "reallyreallyreallyreallyverysafe";

/// The password of everybody who signs up in these tests.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A server over a database of its own.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

/// Everything that a test may want otherwise.
pub(crate) fn settings() -> AuthoritySettings {
    AuthoritySettings {
        prefix: RolePrefix::default(),
        secret: ServerSecret::new(SECRET).unwrap(),
        keys: None,
        audience: None,
        reach: Reach::ThisMachine,
        public_url: "http://localhost:8080".to_owned(),
        trusted_origins: Vec::new(),
        proxies: Vec::new(),
        limits: LimitSettings::NONE,
        providers: Vec::new(),
        anonymous: BTreeMap::from([("bare".to_owned(), None)]),
        activity_age_max: Duration::ZERO,
    }
}

/// Says who asks, as the layers below know it.
async fn who(Extension(caller): Extension<Caller>, Extension(visit): Extension<Visit>) -> Json<Value> {
    Json(json!({
        "standing": caller.standing().name(),
        "role": caller.role(),
        "claims": caller.claims(),
        "access": format!("{:?}", caller.access()),
        "settings": visit.settings().into_iter().collect::<BTreeMap<_, _>>(),
    }))
}

impl World {
    pub(crate) async fn new(name: &str) -> Self {
        Self::with(name, settings()).await
    }

    pub(crate) async fn with(name: &str, settings: AuthoritySettings) -> Self {
        Self::over(cluster::database(name).await, settings).await
    }

    /// A server over a database that there is.
    pub(crate) async fn over(pool: PgPool, settings: AuthoritySettings) -> Self {
        let authority = Arc::new(Authority::start(pool.clone(), settings).await.unwrap());
        let router = Router::new()
            .route("/rest/{platform}/who", any(who))
            .merge(routes(Arc::clone(&authority)))
            .fallback(not_found)
            .layer(middleware::from_fn_with_state(authority, identify))
            .layer(middleware::from_fn(explain_errors));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            pool,
            url,
            client: reqwest::Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }

    /// An active member of teraffi.
    pub(crate) async fn member(&self, email: &str) -> Uuid {
        sqlx::query_scalar(
            "INSERT INTO teraffi.members (email, password_hash, email_verified, status)
             VALUES ($1, 'x', true, 'active') RETURNING id",
        )
        .bind(email)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// A session of his, by the token of this text.
    pub(crate) async fn session(&self, member: Uuid, token: &str) -> Uuid {
        sqlx::query_scalar(
            "INSERT INTO teraffi.user_sessions (member_id, session_token, expires_at)
             VALUES ($1, encode(sha256(convert_to($2, 'UTF8')), 'hex'), now() + interval '1 hour') RETURNING id",
        )
        .bind(member)
        .bind(token)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Who asks `platform` with these headers, or the problem and its challenge.
    pub(crate) async fn who(&self, platform: &str, headers: &[(&str, &str)]) -> (u16, Value, Option<String>) {
        let mut request = self.client.get(format!("{}/rest/{platform}/who", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().into());
        (answer.status().as_u16(), answer.json().await.unwrap(), challenge)
    }
}

/// An answer, as far as these tests look at it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl World {
    /// Sends `method /auth/teraffi/<path>` with these headers and a body, unless that is null.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let method = method.parse().unwrap();
        let mut request = self.client.request(method, format!("{}/auth/teraffi/{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// The token in the last letter to `recipient`.
    pub(crate) async fn mailed_token(&self, recipient: &str) -> String {
        let body: String = sqlx::query_scalar(
            "SELECT body FROM affinity.outbox WHERE recipient = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(recipient)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let (_, rest) = body.split_once("?token=").unwrap_or_else(|| panic!("{body}"));
        rest.split_whitespace().next().unwrap().to_owned()
    }

    /// Somebody who has signed up and verified his address.
    pub(crate) async fn signed_up(&self, email: &str) {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Anna" });
        assert_eq!(self.send("POST", "signup", &[], body).await.status, 202);
        let token = self.mailed_token(email).await;
        assert_eq!(self.send("POST", "verify", &[], json!({ "token": token })).await.status, 204);
    }

    /// `Authorization` of a new session of his.
    pub(crate) async fn signed_in(&self, email: &str) -> String {
        let answer = self.send("POST", "login", &[], json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        format!("Bearer {}", answer.body["token"].as_str().unwrap())
    }
}

/// A token of `claims` that the server takes.
pub(crate) fn jwt(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    format!("Bearer {}", encode(&Header::default(), claims, &key).unwrap())
}

/// Makes a database role, which all tests share.
pub(crate) async fn ensure_role(pool: &PgPool, role: &str) {
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(20251121)").execute(&mut *tx).await.unwrap();
    let is_there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(role)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    if !is_there {
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE ROLE {role}"))).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}
