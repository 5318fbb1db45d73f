use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use crate::PLATFORM;
use crate::server::{SECRET, Server};

/// The database role of members.
const ROLE: &str = "affinity_member";

/// An active member of the demo world, as a token says it and as the database is told.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) claims: String,
    /// The header that shows it.
    pub(crate) authorization: String,
}

impl Member {
    /// The first by id.
    pub(crate) async fn first(pool: &PgPool) -> Self {
        let id: String = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT min(id::text) FROM {PLATFORM}.members WHERE status = 'active'"
        )))
        .fetch_one(pool)
        .await
        .unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({ "role": ROLE, "sub": id, "exp": now + 86_400 }).to_string();
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(&claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        let authorization = format!("Authorization: Bearer {signed}.{signature}\r\n");
        Self { id, claims, authorization }
    }

    /// Begins a transaction as this member, in as many round trips as it takes: two.
    pub(crate) async fn begin(&self, connection: &mut PgConnection) {
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
        sqlx::query("SELECT set_config('request.jwt.claims', $1, true), set_config('role', $2, true)")
            .bind(&self.claims)
            .bind(ROLE)
            .execute(connection)
            .await
            .unwrap();
    }
}

/// The server's database, as the server connects to it.
pub(crate) async fn pool(server: &Server) -> PgPool {
    PgPoolOptions::new().connect(&server.database_url).await.unwrap()
}

/// One connection to it.
pub(crate) async fn connection(server: &Server) -> PgConnection {
    PgConnection::connect(&server.database_url).await.unwrap()
}
