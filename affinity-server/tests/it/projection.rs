//! The views as an engine: read whole, followed change by change, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use affinity_core::{Engine, Key, Matcher, Query, Schema, Timestamp, Viewer};
use affinity_server::catalog::ProjectionStatements;
use affinity_server::embedding::{BuiltinEmbedder, Embedder, HttpEmbedder, HttpEmbedderParams};
use affinity_server::platform::Platform;
use affinity_server::projection::{Projection, ProjectionError, Projector, Retry};
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::cluster;
use crate::random_writes::RandomWriter;

/// One row of every table that the projection reads.
pub(crate) const ROWS: &str = include_str!("../../../fixtures/teraffi/rows.sql");
pub(crate) const SARAH: &str = "00000000-0000-0000-0000-0000000000a1";
pub(crate) const OMAR: &str = "00000000-0000-0000-0000-0000000000a2";

/// Reads edges, attributes and vectors, so that a difference in any of them shows in an answer.
const MATCHER: &str = r#"
name = "alike"
from = "Member"
to = "Member"
candidates = [{ signal = "trends", cap = 1000 }, { signal = "profile", cap = 1000 }]
limit = 100
[[signals]]
name = "trends"
weight = 0.5
half = 1.0
shared = { relation = "HAS_AFFINITY_WITH", formula = "count" }
[[signals]]
name = "profile"
weight = 0.5
near = { space = "member_profile" }
"#;

pub(crate) fn builtin() -> Embedder {
    Embedder::Builtin(BuiltinEmbedder::default())
}

pub(crate) fn platform() -> Platform {
    let mut platforms = Platform::embedded().unwrap().into_iter();
    platforms.find(|platform| platform.name() == "teraffi").unwrap()
}

pub(crate) fn matchers(schema: &Schema) -> Vec<Matcher> {
    vec![Matcher::from_toml(MATCHER, "alike.toml", schema).unwrap()]
}

/// A database with the small world.
pub(crate) async fn world(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
    pool
}

pub(crate) async fn projector_with(pool: &PgPool, schema: Schema, embedder: Embedder) -> Projector {
    let mut connection = pool.acquire().await.unwrap();
    Projector {
        pool: pool.clone(),
        platform: "teraffi".to_string(),
        statements: ProjectionStatements::prepare(&mut connection, "teraffi").await.unwrap(),
        matchers: matchers(&schema),
        schema,
        embedder: Arc::new(embedder),
    }
}

pub(crate) async fn projector(pool: &PgPool) -> Projector {
    let embedder = builtin();
    let schema = platform().schema(embedder.dimension()).unwrap();
    projector_with(pool, schema, embedder).await
}

/// All that can be asked of an engine about members, as bytes, whatever its version is called.
pub(crate) fn answers(engine: &Engine, sources: &BTreeSet<String>) -> String {
    let engine = engine.refit().with_version("");
    let mut all = format!("{:?}\n", engine.counts());
    for source in sources {
        for viewer in [Viewer::Operator, Viewer::Anonymous] {
            let query = Query::new("alike", source.as_str())
                .as_of(Timestamp::from_seconds(1_800_000_000))
                .viewer(viewer);
            let answer = engine.recommend(&query).map(|mut answer| {
                answer.timings_us.clear();
                serde_json::to_string(&answer).unwrap()
            });
            all += &format!("{source}: {answer:?}\n");
        }
    }
    all
}

pub(crate) async fn member_ids(pool: &PgPool) -> BTreeSet<String> {
    let ids: Vec<String> =
        sqlx::query_scalar("select id::text from teraffi.members").fetch_all(pool).await.unwrap();
    ids.into_iter().collect()
}

/// That following the feed came to the same as reading everything.
#[track_caller]
pub(crate) fn check_equal_projections(
    followed: &Projection,
    whole: &Projection,
    members: &BTreeSet<String>,
    context: &str,
) {
    let tables = |projection: &Projection| format!("{:?}", projection.ledger);
    assert!(
        followed.ledger == whole.ledger,
        "ledgers differ: followed {} whole {}\nafter: {context}",
        tables(followed),
        tables(whole)
    );
    assert_eq!(answers(&followed.engine, members), answers(&whole.engine, members), "after: {context}");
}

async fn vectors(pool: &PgPool) -> BTreeSet<(String, String, String)> {
    // The id of the writing transaction tells a row that was written again from one that was left alone.
    let rows =
        sqlx::query("select id, space, xmin::text from affinity.vectors").fetch_all(pool).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

async fn feed_length(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from affinity.changes").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn full_projection_gives_every_row_of_the_views() {
    let pool = world("full").await;
    let (projection, step) = projector(&pool).await.project_all().await.unwrap();
    let count = |view| {
        let pool = pool.clone();
        async move {
            let sql = AssertSqlSafe(format!("select count(*) from teraffi.affinity_{view}"));
            let count: i64 = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
            usize::try_from(count).unwrap()
        }
    };
    let (nodes, edges, texts) = (count("nodes").await, count("edges").await, count("texts").await);
    assert!(nodes > 0 && edges > 0 && texts > 0, "{nodes} {edges} {texts}");
    assert_eq!(step.change_count, nodes + edges + texts);
    assert_eq!(projection.engine.counts().nodes, nodes);
    let member = projection.engine.schema().kind("Member").unwrap();
    assert_eq!(projection.engine.node(member, &Key::from(SARAH)).unwrap().name, "Sarah Bennett");
    assert_eq!(projection.engine.version(), projection.position.as_str());
}

#[tokio::test]
async fn views_list_nothing_twice() {
    let pool = world("twice").await;
    let repeated: i64 = sqlx::query_scalar(
        "select (select count(*) from (select from teraffi.affinity_nodes group by kind, id having count(*) > 1) n)
            + (select count(*) from (select from teraffi.affinity_texts group by space, id having count(*) > 1) t)
            + (select count(*) from (select from teraffi.affinity_edges
                group by relation, source, target, origin having count(*) > 1) e)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(repeated, 0);
}

#[tokio::test]
async fn text_that_changes_is_embedded_alone() {
    let pool = world("one_text").await;
    let projector = projector(&pool).await;
    let (mut projection, _) = projector.project_all().await.unwrap();
    let (before, fed) = (vectors(&pool).await, feed_length(&pool).await);
    sqlx::query("update teraffi.member_profiles set bio = 'Sails alone.' where member_id = $1::uuid")
        .bind(SARAH)
        .execute(&pool)
        .await
        .unwrap();
    let step = projector.follow(&mut projection, Retry::Nothing).await.unwrap();
    let after = vectors(&pool).await;
    let rewritten: Vec<_> =
        after.difference(&before).map(|(id, space, _)| (id.as_str(), space.as_str())).collect();
    assert_eq!(rewritten, [(SARAH, "member_profile")]);
    // The node too: it holds when the profile last changed.
    assert_eq!(step.change_count, 2);
    assert_eq!(feed_length(&pool).await, fed + 1, "storing a vector must not feed the feed");
}

#[tokio::test]
async fn text_that_goes_takes_its_vector_along() {
    let pool = world("gone_text").await;
    let projector = projector(&pool).await;
    let (mut projection, _) = projector.project_all().await.unwrap();
    let (before, stored) = (projection.engine.counts().vectors, vectors(&pool).await.len());
    assert_eq!(before, stored);
    sqlx::query("update teraffi.members set email_verified = false where id = $1::uuid")
        .bind(SARAH)
        .execute(&pool)
        .await
        .unwrap();
    projector.follow(&mut projection, Retry::Nothing).await.unwrap();
    let now = projection.engine.counts().vectors;
    assert!(now < before, "{now} of {before}");
    assert_eq!(vectors(&pool).await.len(), now);
    let member = projection.engine.schema().kind("Member").unwrap();
    assert_eq!(projection.engine.node(member, &Key::from(SARAH)), None);
}

#[tokio::test]
async fn second_projection_embeds_nothing() {
    let pool = world("embed_once").await;
    let projector = projector(&pool).await;
    projector.project_all().await.unwrap();
    let before = vectors(&pool).await;
    let (projection, _) = projector.project_all().await.unwrap();
    assert_eq!(vectors(&pool).await, before);
    assert_eq!(projection.engine.counts().vectors, before.len());
}

#[tokio::test]
async fn embedder_that_is_down_holds_up_no_edges_and_is_caught_up_with() {
    let pool = world("embedder_down").await;
    let embedder = builtin();
    let schema = platform().schema(embedder.dimension()).unwrap();
    let up = projector_with(&pool, schema.clone(), embedder).await;
    let (mut projection, _) = up.project_all().await.unwrap();
    let before = projection.engine.counts();

    // The same model by name, so that only new texts are missing.
    let params = HttpEmbedderParams {
        attempts_max: 1,
        ..HttpEmbedderParams::standard("http://127.0.0.1:9/", "x", 256)
    };
    let down = projector_with(&pool, schema, Embedder::Http(HttpEmbedder::new(params).unwrap())).await;
    sqlx::raw_sql(
        "update teraffi.member_profiles set bio = 'Sails alone.' where member_id = '00000000-0000-0000-0000-0000000000a1';
         delete from teraffi.member_trend_affinities where member_id = '00000000-0000-0000-0000-0000000000a1';",
    )
    .execute(&pool)
    .await
    .unwrap();
    let step = down.follow(&mut projection, Retry::Nothing).await.unwrap();
    assert!(step.failure.is_some());
    let without = projection.engine.counts();
    assert!(without.edges < before.edges && without.vectors < before.vectors, "{without:?} of {before:?}");

    let step = up.follow(&mut projection, Retry::Owed).await.unwrap();
    assert!(step.failure.is_none());
    assert_eq!(projection.engine.counts().vectors, before.vectors);
    let (whole, _) = up.project_all().await.unwrap();
    check_equal_projections(&projection, &whole, &member_ids(&pool).await, "catching up");
}

#[tokio::test]
async fn attribute_of_another_type_is_named_with_view_and_row() {
    let pool = world("bad_row").await;
    let declaration =
        platform().declaration().replace("reputation_count = \"number\"", "reputation_count = \"tags\"");
    let schema = Schema::from_toml(&declaration).unwrap();
    let error = projector_with(&pool, schema, builtin()).await.project_all().await.unwrap_err();
    let ProjectionError::BadRow { view, row, field, expected, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        (view, field.as_str(), expected.as_str()),
        ("affinity_nodes", "reputation_count", "a list of strings")
    );
    assert!(row.starts_with("Member 00000000-"), "{row}");
}

#[tokio::test]
async fn trimmed_feed_is_told_to_the_reader_that_fell_behind() {
    let pool = world("trimmed").await;
    let projector = projector(&pool).await;
    let (mut projection, _) = projector.project_all().await.unwrap();
    let behind = projection.position.clone();
    sqlx::raw_sql("delete from teraffi.member_trend_affinities").execute(&pool).await.unwrap();
    // The first call marks what is old, the second trims up to the mark.
    for _ in 0..2 {
        sqlx::query("select affinity.trim_changes(interval '0')").execute(&pool).await.unwrap();
    }
    let error = projector.follow(&mut projection, Retry::Nothing).await.unwrap_err();
    assert!(matches!(error, ProjectionError::FellBehind { position } if position == behind));
}

/// Every table of the platform, changed at random, in transactions of one to four statements: what the feed leads
/// to is what reading everything leads to.
async fn check_random_writes(name: &str, seed: u64) -> BTreeMap<String, BTreeSet<&'static str>> {
    const TRANSACTIONS: usize = 150;
    let pool = world(name).await;
    let projector = projector(&pool).await;
    let (mut projection, _) = projector.project_all().await.unwrap();
    let mut writer = RandomWriter::new(&pool, "teraffi", ROWS, seed).await;
    let mut since_check = Vec::new();
    for transaction in 0..TRANSACTIONS {
        since_check.extend(writer.transaction(&pool).await);
        if transaction % 2 == 0 {
            projector.follow(&mut projection, Retry::Nothing).await.unwrap();
        }
        if transaction % 10 == 9 {
            projector.follow(&mut projection, Retry::Nothing).await.unwrap();
            let (whole, _) = projector.project_all().await.unwrap();
            let context = format!("seed {seed}, transactions to {transaction}:\n{}", since_check.join("\n"));
            check_equal_projections(&projection, &whole, &member_ids(&pool).await, &context);
            since_check.clear();
        }
    }
    writer.written().clone()
}

#[tokio::test]
async fn random_writes_to_every_table_leave_what_a_full_projection_gives() {
    let mut written: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for seed in 1..=4 {
        for (table, operations) in check_random_writes("random_writes", seed).await {
            written.entry(table).or_default().extend(operations);
        }
    }
    let pool = cluster::database("tables").await;
    let tables: Vec<String> =
        sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'teraffi'")
            .fetch_all(&pool)
            .await
            .unwrap();
    let untouched: Vec<&String> = tables.iter().filter(|table| !written.contains_key(*table)).collect();
    assert!(untouched.is_empty(), "never written: {untouched:?}");
    let with = |operation| written.values().filter(|operations| operations.contains(operation)).count();
    let counts = ["insert", "update", "delete", "truncate"].map(with);
    assert!(counts.iter().all(|count| *count >= 3), "tables by operation: {counts:?}, {written:?}");
}
