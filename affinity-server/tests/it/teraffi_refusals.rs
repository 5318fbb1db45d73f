//! TER-15: who lacks a permission gets a 403, and the audit trail says who tried what.

use affinity_server::catalog::{CatalogHandle, CatalogSettings};
use affinity_server::resource::{Rest, RestSettings, routes};
use axum::Extension;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::teraffi_attacks::{caller, scene};

/// The status of a write by `who`.
async fn write(pool: &PgPool, who: &str, method: Method, path: &str, body: Value) -> u16 {
    let catalog = CatalogHandle::start(pool.clone(), CatalogSettings::default()).await.unwrap();
    let rest = Rest::new(pool.clone(), catalog, RestSettings::standard());
    let service = routes(rest).layer(Extension(caller(who)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/rest/teraffi/{path}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, service).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, url).header("content-type", "application/json");
    let status = request.body(body.to_string()).send().await.unwrap().status().as_u16();
    serving.abort();
    status
}

#[tokio::test]
async fn refused_attempts_are_in_the_audit_trail_and_what_happened_is_not_called_refused() {
    let pool = scene("refusals").await;
    let partnership = "00000000-0000-0000-0000-0000000000b1";
    let stranger = json!({
        "partnership_id": partnership, "member_id": "00000000-0000-0000-0000-0000000000a4",
        "role": "distributor", "is_active": false, "permissions": ["view_details"],
    });
    let title = json!({ "title": "Better" });
    let tier = json!({ "subscription_tier": "enterprise" });
    let milestone = "partnership_milestones?id=eq.00000000-0000-0000-0000-000000000141";

    for (who, method, path, body, expected) in [
        ("a2", Method::POST, "partnership_members", &stranger, 403), // without manage_members
        ("a2", Method::PATCH, milestone, &json!({ "status": "completed" }), 403),
        ("a2", Method::PATCH, milestone, &title, 204),
        ("a1", Method::PATCH, "members?email=eq.x", &tier, 403),
        ("anonymous", Method::PATCH, "members?email=eq.x", &tier, 401), // nobody to blame
        ("a2", Method::POST, "partnership_members", &json!({ "rule": "x" }), 400),
    ] {
        assert_eq!(write(&pool, who, method, path, body.clone()).await, expected, "{who} {path}");
    }
    let rows: Vec<(String, Value)> = sqlx::query_as(
        "select right(performed_by::text, 2), metadata from teraffi.audit_logs
         where action = 'rejected' and entity_type = 'member' and entity_id = performed_by and reason <> '' order by created_at",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let attempt =
        |method: &str, table: &str| json!({ "method": method, "path": format!("/rest/teraffi/{table}") });
    let expected = [
        ("a2".to_owned(), attempt("POST", "partnership_members")),
        ("a2".to_owned(), attempt("PATCH", "partnership_milestones")),
        ("a1".to_owned(), attempt("PATCH", "members")),
    ];
    assert_eq!(rows, expected);
}
