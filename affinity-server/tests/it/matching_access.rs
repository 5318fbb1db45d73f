//! Matches obey the policies: who may ask for whom, and that what a caller may not read changes nothing in his answer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use affinity_core::Engine;
use affinity_server::auth::{Caller, RolePrefix, Standing};
use affinity_server::config::MatchingConfig;
use affinity_server::generation::World;
use affinity_server::hosting::live_parts;
use affinity_server::matching::{Hosted, Matching, Platforms, ScoringPool, routes};
use affinity_server::projection::LiveEngine;
use axum::Extension;
use serde_json::{Map, Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::cluster;
use crate::matching::SARAH;
use crate::projection::{builtin, platform};

const MEMBERS: u64 = 150;

/// What a member may read of these tables decides what his matches say. Not `members`, of which he reads one row and
/// is shown the others through their profiles.
const TABLES: [&str; 10] = [
    "member_profiles",
    "partnership_members",
    "partnership_analytics",
    "partnership_milestones",
    "workspace_members",
    "collaboration_workspaces",
    "member_trend_affinities",
    "member_brands",
    "member_contents",
    "member_similarities",
];

async fn demo(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    let world = Arc::new(World::load(platform().demo().unwrap()).unwrap());
    world.load_into(&mut pool.acquire().await.unwrap(), MEMBERS, 1, |_| {}).await.unwrap();
    // Some of each visibility, and partners who may not all know the same.
    sqlx::raw_sql(
        "begin; set local session_replication_role = replica; select setseed(0.5);
         update teraffi.member_profiles set profile_visibility =
            (array['public', 'network', 'network', 'partnership', 'private'])[1 + floor(random() * 5)]::teraffi.visibility_enum
            where member_id <> '5a000000-0000-4000-8000-000000000001';
         update teraffi.partnership_members set permissions = array_remove(permissions, 'view_details') where random() < 0.3;
         update teraffi.partnership_members set permissions = array_remove(permissions, 'view_analytics') where random() < 0.3;
         commit",
    )
    .execute(&pool)
    .await
    .unwrap();
    pool
}

async fn engine(pool: &PgPool) -> Arc<Engine> {
    let parts = live_parts(&platform(), pool, &Arc::new(builtin()), Path::new("/nowhere")).await.unwrap();
    LiveEngine::read_once(parts).await.unwrap()
}

fn caller(standing: Standing, id: &str) -> Caller {
    let claims = if id.is_empty() { Map::new() } else { Map::from_iter([("sub".to_string(), json!(id))]) };
    Caller::new(standing, Some(RolePrefix::default().role(standing)), claims)
}

/// Status and body of a request by this caller.
async fn ask(engine: &Arc<Engine>, caller: Caller, path: &str, body: Option<Value>) -> (u16, Value) {
    let platforms = Platforms::from([("teraffi".to_string(), Hosted::Fixed(Arc::clone(engine)))]);
    let config = MatchingConfig { workers: 1, queue_length: 8, deadline: Duration::from_secs(60) };
    let matching = Matching::new(platforms, ScoringPool::new(&config), Arc::new(builtin()));
    let router = routes().layer(Extension(caller)).with_state(Arc::new(matching));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = match body {
        Some(body) => client.post(url).header("content-type", "application/json").body(body.to_string()),
        None => client.get(url),
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null);
    serving.abort();
    (status, body)
}

/// Keys of the rows of a table that a member reads.
async fn read_by(pool: &PgPool, member: &str, table: &str, key: &str) -> Vec<String> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(
        "select set_config('request.jwt.claims', $1, true), set_config('role', 'affinity_member', true)",
    )
    .bind(json!({ "sub": member }).to_string())
    .execute(&mut *transaction)
    .await
    .unwrap();
    let select = format!("select {key} from teraffi.{table} t");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(&mut *transaction).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn member_asks_for_himself_and_what_he_manages() {
    let pool = demo("who_asks").await;
    let engine = engine(&pool).await;
    let (member, brand, content, other): (String, String, String, String) = sqlx::query_as(
        "select b.member_id::text, b.brand_id::text,
            (select brand_id::text from teraffi.brand_content_sponsorships where brand_id <> b.brand_id limit 1),
            (select id::text from teraffi.members where id <> b.member_id and status = 'active' limit 1)
         from teraffi.member_brands b join teraffi.members m on m.id = b.member_id
         where m.status = 'active' and m.email_verified order by 1, 2 limit 1",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let foreign_brand = content;
    let himself = || caller(Standing::Member, &member);
    let staff = || caller(Standing::Staff, "");
    let anonymous = || caller(Standing::Anonymous, "");
    let partners = |id: &str| format!("/match/teraffi/partners/{id}");
    let sponsorships = |id: &str| format!("/match/teraffi/sponsorships/{id}");
    for (who, path, expected) in [
        (himself(), partners(&member), 200),
        (himself(), partners(&other), 403),
        (himself(), partners("00000000-0000-0000-0000-000000000000"), 403), // which does not exist
        (himself(), sponsorships(&brand), 200),
        (himself(), sponsorships(&foreign_brand), 403),
        (himself(), format!("/match/teraffi/partners/{other}/explain/{member}"), 403),
        (himself(), format!("/match/teraffi/partners/{other}/why-not/{member}"), 403),
        (staff(), partners(&other), 200),
        (caller(Standing::Service, ""), partners(&other), 200),
        (anonymous(), partners(&member), 401),
    ] {
        let (status, body) = ask(&engine, who.clone(), &path, None).await;
        assert_eq!(status, expected, "{who:?} {path}: {body}");
    }
    let both = |sources: [&str; 2]| Some(json!({ "sources": sources }));
    let assign = "/match/teraffi/partners/assign";
    assert_eq!(ask(&engine, himself(), assign, both([&member, &other])).await.0, 403);
    assert_eq!(ask(&engine, staff(), assign, both([&member, &other])).await.0, 200);
    // Of many sources each is answered or refused by itself.
    let (_, many) = ask(&engine, himself(), "/match/teraffi/partners", both([&member, &other])).await;
    assert_eq!(many["answers"][1]["problem"]["status"], 403, "{many}");
    assert!(many["answers"][0]["matches"].is_array());
    // Whoever comes without a name may describe a source, and meets whom everyone may know.
    let described = Some(
        json!({ "source": { "attributes": { "brand_values": ["sustainability", "innovation"] } }, "limit": 50 }),
    );
    let (status, found) = ask(&engine, anonymous(), "/match/teraffi/partners", described).await;
    assert_eq!(status, 200, "{found}");
    for named in found["matches"].as_array().unwrap() {
        let visibility: String = sqlx::query_scalar(
            "select profile_visibility::text from teraffi.member_profiles where member_id = $1::uuid",
        )
        .bind(named["id"].as_str().unwrap())
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(visibility, "public");
    }
    // Nobody is given somebody else as an example.
    let (_, listed) = ask(&engine, himself(), "/match/teraffi", None).await;
    for matcher in listed["matchers"].as_array().unwrap() {
        let tried = &matcher["try"];
        assert!(tried.is_null() || tried == member.as_str() || matcher["from"] == "Brand", "{matcher}");
    }
}

/// What went well among at least three partnerships is a statistic that all members are told (TER-42).
const STATISTIC: &str = "success";

/// The text of an answer without that, and without what names the data it was made from.
fn told(mut answer: Value) -> String {
    let object = answer.as_object_mut().unwrap();
    for name in ["id", "timings_us", "engine_version", "models_version"] {
        object.remove(name);
    }
    for found in object["matches"].as_array_mut().unwrap() {
        found["contributions"].as_array_mut().unwrap().retain(|part| part["signal"] != STATISTIC);
    }
    serde_json::to_string_pretty(&answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_a_database_that_holds_what_the_caller_reads() {
    let pool = demo("same_as_policies").await;
    let whole = engine(&pool).await;
    let viewers: Vec<String> = sqlx::query_scalar(
        "select m.id::text from teraffi.members m
         where m.status = 'active' and m.email_verified
            and exists (select from teraffi.partnership_members p where p.member_id = m.id and p.is_active)
         order by m.id = $1::uuid desc, m.id limit 2",
    )
    .bind(SARAH)
    .fetch_all(&pool)
    .await
    .unwrap();
    for viewer in &viewers {
        let copy = cluster::copy_of_pool(&pool, "read_by").await;
        let mut deleted = 0;
        let mut visible = Vec::new();
        for table in TABLES {
            let key: String = sqlx::query_scalar(
                "select string_agg('t.' || quote_ident(k) || '::text', ' || ' order by k) from unnest(affinity.primary_key(('teraffi.' || $1)::regclass)) k",
            )
            .bind(table)
            .fetch_one(&copy)
            .await
            .unwrap();
            visible.push((table, read_by(&copy, viewer, table, &key).await, key));
        }
        let profiles = &visible[0].1;
        let members: Vec<String> = sqlx::query_scalar(
            "select member_id::text from teraffi.member_profiles where id::text = any ($1)",
        )
        .bind(profiles)
        .fetch_all(&copy)
        .await
        .unwrap();
        let mut transaction = copy.begin().await.unwrap();
        sqlx::raw_sql("set local session_replication_role = replica")
            .execute(&mut *transaction)
            .await
            .unwrap();
        for (table, keys, key) in &visible {
            let delete = format!("delete from teraffi.{table} t where not {key} = any ($1)");
            deleted += sqlx::query(AssertSqlSafe(delete))
                .bind(keys)
                .execute(&mut *transaction)
                .await
                .unwrap()
                .rows_affected();
        }
        // Others' rows of which only staff read these say something else.
        sqlx::raw_sql(
            "update teraffi.members set created_at = '2001-01-01',
                subscription_tier = case subscription_tier when 'basic' then 'pro' else 'basic' end::teraffi.subscription_tier_enum;
             delete from teraffi.member_verifications",
        )
        .execute(&mut *transaction)
        .await
        .unwrap();
        transaction.commit().await.unwrap();
        assert!(deleted > 100, "{viewer} reads nearly everything");
        let pruned = engine(&copy).await;
        for matcher in ["partners", "opportunities"] {
            let weights = if matcher == "partners" { json!({ STATISTIC: 0.0 }) } else { json!({}) };
            let body = json!({ "source": { "id": viewer }, "as_of": "2026-11-01T00:00:00Z", "limit": 50, "weights": weights, "include": "attributes" });
            let path = format!("/match/teraffi/{matcher}");
            let himself = || caller(Standing::Member, viewer);
            let (status, of_whole) = ask(&whole, himself(), &path, Some(body.clone())).await;
            assert_eq!(status, 200, "{of_whole}");
            let (_, of_pruned) = ask(&pruned, himself(), &path, Some(body)).await;
            for found in of_whole["matches"].as_array().unwrap().iter().filter(|_| matcher == "partners") {
                assert!(members.iter().any(|member| *member == found["id"]), "{viewer} is shown {found}");
            }
            let (of_whole, of_pruned) = (told(of_whole), told(of_pruned));
            let lines = of_whole.lines().zip(of_pruned.lines()).enumerate();
            let differing: Vec<_> = lines.filter(|(_, (left, right))| left != right).take(12).collect();
            assert!(
                differing.is_empty() && of_whole.len() == of_pruned.len(),
                "{viewer} {matcher}: {differing:#?}"
            );
        }
    }
}
