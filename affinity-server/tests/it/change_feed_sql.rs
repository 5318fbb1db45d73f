//! The change feed in the database: positions, what a row keeps, trimming, and the anchors that a change touches.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgListener, PgPool};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::cluster;

const ROWS: &str = include_str!("../../../fixtures/teraffi/rows.sql");

async fn world(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
    pool
}

async fn run(connection: &mut PgConnection, statement: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{statement}: {error}"));
}

async fn position(connection: &mut PgConnection) -> String {
    sqlx::query_scalar("select affinity.feed_position()::text").fetch_one(connection).await.unwrap()
}

/// `operation table` of the changes from one position to another, sorted.
async fn changes(connection: &mut PgConnection, from: &str, to: &str) -> Vec<String> {
    sqlx::query_scalar(
        "select operation || ' ' || table_name from affinity.changes_between('teraffi', $1::pg_snapshot, $2::pg_snapshot) order by 1",
    )
    .bind(from)
    .bind(to)
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn writer_that_began_first_and_commits_last_is_neither_lost_nor_waited_for() {
    let pool = world("writers").await;
    let mut reader = pool.acquire().await.unwrap();
    let (mut first, mut second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let start = position(&mut reader).await;
    run(&mut first, "begin; insert into teraffi.trends (name) values ('slow writer')").await;
    let during = position(&mut reader).await;
    run(&mut second, "insert into teraffi.brands (name) values ('quick writer')").await;
    let middle = position(&mut reader).await;
    assert_eq!(changes(&mut reader, &start, &middle).await, ["I brands"]);
    run(&mut first, "insert into teraffi.regions (name) values ('slow writer'); commit").await;
    let end = position(&mut reader).await;
    assert_eq!(changes(&mut reader, &middle, &end).await, ["I regions", "I trends"]);
    assert_eq!(changes(&mut reader, &during, &end).await, ["I brands", "I regions", "I trends"]);
    assert_eq!(changes(&mut reader, &end, &end).await, Vec::<String>::new());
    // What was rolled back never happened.
    run(&mut first, "begin; insert into teraffi.trends (name) values ('regretted'); rollback").await;
    let after = position(&mut reader).await;
    assert_eq!(changes(&mut reader, &end, &after).await, Vec::<String>::new());
}

#[tokio::test]
async fn open_transaction_costs_a_reader_no_scan() {
    let pool = world("open").await;
    let (mut open, mut reader) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    run(&mut open, "begin; insert into teraffi.trends (name) values ('for hours')").await;
    run(
        &mut reader,
        "insert into teraffi.brands (name) select 'brand ' || n from generate_series(1, 20000) n",
    )
    .await;
    run(&mut reader, "analyze affinity.changes").await;
    let start = position(&mut reader).await;
    run(&mut reader, "insert into teraffi.regions (name) values ('new')").await;
    // The open transaction holds xmin back; the rows after it that were read already must not be read again.
    let end = position(&mut reader).await;
    let before = rows_read(&mut reader).await;
    assert_eq!(changes(&mut reader, &start, &end).await, ["I regions"]);
    let read_count = rows_read(&mut reader).await - before;
    assert!((1..100).contains(&read_count), "{read_count} rows read for one change");
}

/// Rows of the feed that were read so far, by anyone.
async fn rows_read(connection: &mut PgConnection) -> i64 {
    // The count of a session is shown once it is flushed, which happens when a statement ends.
    sqlx::query("select pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
    let read = "select (coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint from pg_stat_user_tables where relname = 'changes'";
    sqlx::query_scalar(read).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn changes_tell_keys_before_and_after_and_truncation() {
    let pool = world("keys_told").await;
    let mut connection = pool.acquire().await.unwrap();
    run(&mut connection, "truncate affinity.changes").await;
    run(
        &mut connection,
        "update teraffi.member_types set type = 'agency';
         update teraffi.brands set id = '00000000-0000-0000-0000-0000000000c9' where name = 'Lone';
         insert into teraffi.brands (id, name) values ('00000000-0000-0000-0000-0000000000c8', 'Lone');
         update teraffi.brands set id = '00000000-0000-0000-0000-0000000000c9' where name = 'Lone';
         update teraffi.partnership_members set role = 'distributor' where role = 'brand_sponsor';
         truncate teraffi.member_similarities;
         delete from teraffi.trends where name = 'sustainable_consumption'",
    )
    .await;
    let found: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', operation, table_name, key::text, case when table_name = 'partnership_members' then old_row - 'id' end)
         from affinity.changes where table_name <> 'audit_logs' order by id",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let found: Vec<String> =
        found.into_iter().map(|line| line.replace("00000000-0000-0000-0000-0000000000", "")).collect();
    let membership = found.iter().position(|line| line.starts_with("U partnership_members")).unwrap();
    assert!(
        found[membership].ends_with(r#"{"member_id": "a1", "partnership_id": "b1"}"#),
        "{}",
        found[membership]
    );
    assert_eq!(found[0], r#"U member_types {"member_id": "a1"}"#);
    assert_eq!(found[1], r#"I brands {"id": "c8"}"#);
    // A changed key: the old one gone, the new one come.
    let moved: BTreeSet<_> = found[2..4].iter().map(String::as_str).collect();
    assert_eq!(moved, BTreeSet::from([r#"D brands {"id": "c8"}"#, r#"I brands {"id": "c9"}"#]));
    assert!(found.contains(&"T member_similarities".to_owned()));
    // What a foreign key deletes along is told too.
    assert!(
        found.contains(&r#"D member_trend_affinities {"trend_id": "f1", "member_id": "a1"}"#.to_owned()),
        "{found:#?}"
    );
    assert!(
        found.contains(
            &r#"D trend_regions {"trend_id": "f1", "region_id": "201"}"#
                .replace("201", "00000000-0000-0000-0000-000000000201")
        ),
        "{found:#?}"
    );
}

#[tokio::test]
async fn transaction_notifies_once_with_its_platform() {
    let pool = world("notified").await;
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("affinity_changes").await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    run(
        &mut connection,
        "begin; insert into teraffi.trends (name) values ('one'), ('two'); insert into teraffi.brands (name) values ('three'); commit;
         notify affinity_changes, 'the end'",
    )
    .await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|payload| payload != "the end") {
        let notification = tokio::time::timeout(Duration::from_secs(10), listener.recv())
            .await
            .expect("a notification")
            .unwrap();
        heard.push(notification.payload().to_owned());
    }
    assert_eq!(heard, ["teraffi", "the end"]);
}

#[tokio::test]
async fn trimmed_feed_sends_late_readers_to_rebuild_and_nobody_else() {
    let pool = world("trimmed").await;
    let mut connection = pool.acquire().await.unwrap();
    let mut open = pool.acquire().await.unwrap();
    let old = position(&mut connection).await;
    run(&mut open, "begin; insert into teraffi.trends (name) values ('still open')").await;
    // Transactions are numbered for the whole cluster: when another test committed between the position and the
    // trim, the reader is rightly sent to rebuild, and the two are tried again.
    let mut current = String::new();
    let mut reaches = false;
    for _ in 0..100 {
        run(&mut connection, "insert into teraffi.trends (name) values ('trimmed')").await;
        current = position(&mut connection).await;
        let trim = "select affinity.trim_changes(interval '0')";
        let trimmed: i64 = sqlx::query_scalar(trim).fetch_one(&mut *connection).await.unwrap();
        assert!(trimmed > 0);
        let asked = "select affinity.feed_reaches($1::pg_snapshot)";
        reaches = sqlx::query_scalar(asked).bind(&current).fetch_one(&mut *connection).await.unwrap();
        if reaches {
            break;
        }
    }
    assert!(reaches, "no trim of a hundred left the position before it valid");
    let kept: i64 = sqlx::query_scalar("select affinity.trim_changes(interval '1 hour')")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(kept, 0);
    run(&mut open, "commit").await;
    // The reader at `current` misses only what was open when it looked, and that is still there.
    let end = position(&mut connection).await;
    assert_eq!(changes(&mut connection, &current, &end).await, ["I trends"]);
    for lost in [old.as_str(), "9000000000:9000000000:"] {
        let error =
            sqlx::query("select affinity.changes_between('teraffi', $1::pg_snapshot, $2::pg_snapshot)")
                .bind(lost)
                .bind(&end)
                .execute(&mut *connection)
                .await
                .unwrap_err()
                .into_database_error()
                .unwrap();
        assert_eq!(error.downcast_ref::<PgDatabaseError>().code(), "AF001", "{lost}");
        let reaches: bool = sqlx::query_scalar("select affinity.feed_reaches($1::pg_snapshot)")
            .bind(lost)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert!(!reaches, "{lost}");
    }
}

#[tokio::test]
async fn snapshots_compare_by_what_they_have_seen() {
    let pool = cluster::database("snapshots").await;
    for (later, earlier, expected) in [
        ("10:10:", "10:10:", true),
        ("10:12:10", "10:11:10", true),
        ("10:11:10", "10:12:10", false),
        // 10 was running for the later one and done for the earlier one: they come from different histories.
        ("10:20:10", "15:15:", false),
        ("16:20:16", "15:15:", true),
        ("11:20:", "10:20:10", true),
    ] {
        let includes: bool =
            sqlx::query_scalar("select affinity.snapshot_includes($1::pg_snapshot, $2::pg_snapshot)")
                .bind(later)
                .bind(earlier)
                .fetch_one(&pool)
                .await
                .unwrap();
        assert_eq!(includes, expected, "{later} includes {earlier}");
    }
}

/// Every entry of the three views with its anchor, as text.
const PROJECTION: &str =
    "select concat_ws('|', 'node', anchor_table, anchor_id), n::text from teraffi.affinity_nodes n
    union all select concat_ws('|', 'edge', anchor_table, anchor_id), e::text from teraffi.affinity_edges e
    union all select concat_ws('|', 'text', anchor_table, anchor_id), t::text from teraffi.affinity_texts t";

async fn projection(connection: &mut PgConnection) -> BTreeSet<(String, String)> {
    let entries: Vec<(String, String)> = sqlx::query_as(PROJECTION).fetch_all(connection).await.unwrap();
    entries.into_iter().collect()
}

#[tokio::test]
async fn every_entry_that_a_change_alters_belongs_to_a_touched_anchor() {
    let pool = world("touched").await;
    let mut connection = pool.acquire().await.unwrap();
    let statements = [
        "update teraffi.members set subscription_tier = 'pro' where email like 'sarah%'",
        "update teraffi.members set email_verified = true where email like 'unverified%'",
        "update teraffi.member_profiles set bio = 'New', profile_visibility = 'partnership' where name = 'Sarah Bennett'",
        "update teraffi.member_goals set title = 'Enter Asia' where member_id::text like '%a1'",
        "update teraffi.member_goals set member_id = '00000000-0000-0000-0000-0000000000a3' where member_id::text like '%a1'",
        "update teraffi.member_verifications set status = 'approved', verified_by = '00000000-0000-0000-0000-0000000000a2', verified_at = now()",
        "update teraffi.user_sessions set is_active = false",
        "update teraffi.user_sessions set member_id = '00000000-0000-0000-0000-0000000000a2'",
        "update teraffi.member_reputation set overall_score = 2",
        "update teraffi.member_types set type = 'agency'",
        "update teraffi.feature_flags set member_blacklist = '{00000000-0000-0000-0000-0000000000a1}'",
        "update teraffi.feature_flags set flag_name = 'another'",
        "update teraffi.feature_flags set flag_name = 'affinity_recommendations', member_blacklist = null",
        "update teraffi.feature_flags set member_blacklist = '{00000000-0000-0000-0000-0000000000a2}'",
        "update teraffi.partnerships set total_value = 300000 where title = 'A series'",
        "update teraffi.partnerships set status = 'active'",
        "insert into teraffi.partnership_analytics (partnership_id, performance_score, measurement_date) select id, 4.9, '2025-01-01' from teraffi.partnerships",
        "delete from teraffi.partnership_analytics where measurement_date = '2025-01-01'",
        "insert into teraffi.partnership_members (partnership_id, member_id, role) values ('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000a3', 'distributor')",
        "update teraffi.partnership_members set is_active = false, left_at = now() where member_id::text like '%a2' and partnership_id::text like '%b1'",
        "update teraffi.partnership_members set partnership_id = '00000000-0000-0000-0000-0000000000b2' where member_id::text like '%a1'",
        "update teraffi.collaboration_workspaces set partnership_id = '00000000-0000-0000-0000-0000000000b2'",
        "update teraffi.workspace_members set member_id = '00000000-0000-0000-0000-0000000000a3' where member_id::text like '%a2'",
        "update teraffi.brands set name = 'Renamed' where name = 'Plain Goods'",
        "update teraffi.contents set genre = 'comedy'",
        "update teraffi.trends set momentum_score = 0.1",
        "update teraffi.regions set name = 'Northern America'",
        "update teraffi.demographics set size = 1",
        "update teraffi.member_trend_affinities set strength = 0.1 where member_id::text like '%a1'",
        "update teraffi.member_trend_affinities set member_id = '00000000-0000-0000-0000-0000000000a3' where member_id::text like '%a1'",
        "update teraffi.brand_trend_alignments set alignment_score = 0.1",
        "update teraffi.content_demographic_appeals set engagement_rate = 0.2",
        "update teraffi.brand_content_sponsorships set amount = 10",
        "update teraffi.brand_regions set brand_id = '00000000-0000-0000-0000-0000000000c2'",
        "update teraffi.member_similarities set similarity_score = 0.1",
        "update teraffi.brand_competitors set market_overlap = 0.1",
        "update teraffi.content_similarities set content_similarity = 0.1",
        "delete from teraffi.member_contents",
        "delete from teraffi.member_brands",
        "delete from teraffi.content_trends; delete from teraffi.trend_regions; delete from teraffi.brand_trend_capitalizations",
        "delete from teraffi.brand_demographic_targets; delete from teraffi.trend_demographic_influences",
        "truncate teraffi.member_trend_affinities",
        "delete from teraffi.regions",
        "delete from teraffi.brands where name = 'Renamed'",
        "begin; delete from teraffi.workspace_members where member_id::text like '%a3'; delete from teraffi.partnership_members where member_id::text like '%a3'; commit",
        "delete from teraffi.collaboration_workspaces",
        "delete from teraffi.members where email like 'mei%'",
        "delete from teraffi.transactions; delete from teraffi.partnerships where title = 'A series'",
    ];
    let mut altered_count = 0;
    for statement in statements {
        let (start, before) = (position(&mut connection).await, projection(&mut connection).await);
        run(&mut connection, statement).await;
        let (end, after) = (position(&mut connection).await, projection(&mut connection).await);
        let touched: Vec<(String, Option<String>)> = sqlx::query_as(
            "select anchor_table, anchor_id::text from affinity.touched_anchors('teraffi', $1::pg_snapshot, $2::pg_snapshot)",
        )
        .bind(&start)
        .bind(&end)
        .fetch_all(&mut *connection)
        .await
        .unwrap();
        let touched: BTreeSet<(String, Option<String>)> = touched.into_iter().collect();
        for (anchor, entry) in before.symmetric_difference(&after) {
            altered_count += 1;
            let mut parts = anchor.split('|').skip(1);
            let (table, id) = (parts.next().unwrap().to_owned(), parts.next().unwrap().to_owned());
            let known = touched.contains(&(table.clone(), Some(id))) || touched.contains(&(table, None));
            assert!(known, "{statement}: {entry} of {anchor} changed, touched were {touched:?}");
        }
        // Small changes stay small: TER-43, one affinity projects one member's affinities again.
        if statement.contains("set strength") {
            let expected = (
                "member_trend_affinities".to_owned(),
                Some("00000000-0000-0000-0000-0000000000a1".to_owned()),
            );
            assert_eq!(touched, BTreeSet::from([expected]));
        }
    }
    assert!(altered_count > 100, "{altered_count}");
}
