//! What `access.md` says to attack, by its names, through the transaction that every request runs in.

use std::time::Duration;

use affinity_server::auth::{Access, Caller, RequestSettings, RolePrefix, Standing, begin_as};
use serde_json::{Map, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::cluster;

const ROWS: &str = include_str!("../../../fixtures/teraffi/rows.sql");

/// In partnership b1, active, a1 may all and a2 view and edit; a3 left it. Of its workspaces a2 collaborates in e1 and
/// is not in e9. a4 is a stranger to all.
const SCENE: &str = "
update teraffi.members set email_verified = true;
update teraffi.partnerships set status = 'active' where id::text like '%b1';
update teraffi.partnership_members set permissions = enum_range(null::teraffi.partnership_permission_enum)
    where partnership_id::text like '%b1' and member_id::text like '%a1';
update teraffi.partnership_members set permissions = '{view_details,edit_content}'
    where partnership_id::text like '%b1' and member_id::text like '%a2';
insert into teraffi.partnership_members (partnership_id, member_id, role, permissions, is_active, left_at)
    values ('00000000-0000-0000-0000-0000000000b1', '00000000-0000-0000-0000-0000000000a3', 'distributor',
        enum_range(null::teraffi.partnership_permission_enum), false, now());
update teraffi.workspace_members set role = 'owner' where member_id::text like '%a1';
insert into teraffi.workspace_members (workspace_id, member_id)
    values ('00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-0000000000a3');
insert into teraffi.collaboration_workspaces (id, partnership_id, name, created_by)
    values ('00000000-0000-0000-0000-0000000000e9', '00000000-0000-0000-0000-0000000000b1', 'Vault', '00000000-0000-0000-0000-0000000000a1');
insert into teraffi.workspace_members (workspace_id, member_id, role)
    values ('00000000-0000-0000-0000-0000000000e9', '00000000-0000-0000-0000-0000000000a1', 'owner');
insert into teraffi.creative_assets (id, workspace_id, title, file_name, file_size, file_type, mime_type, file_url, asset_type, uploaded_by)
    values ('00000000-0000-0000-0000-000000000169', '00000000-0000-0000-0000-0000000000e9', 'Secret', 's.mp4', 1, 'mp4', 'video/mp4', 's3://s', 'video',
        '00000000-0000-0000-0000-0000000000a1');
insert into teraffi.member_verifications (id, member_id, verification_type)
    values ('00000000-0000-0000-0000-000000000112', '00000000-0000-0000-0000-0000000000a2', 'business');
";

/// A world with the scene set.
pub(crate) async fn scene(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
    sqlx::raw_sql(SCENE).execute(&pool).await.unwrap();
    pool
}

/// The caller whose id ends in `tail`; `staff a1` has standing staff, `anonymous` no id.
pub(crate) fn caller(who: &str) -> Caller {
    let (standing, tail) = who.split_once(' ').unwrap_or((who, who));
    let standing =
        Standing::ALL.into_iter().find(|known| known.name() == standing).unwrap_or(Standing::Member);
    let mut claims = Map::new();
    if tail.len() == 2 {
        claims.insert("sub".into(), json!(format!("00000000-0000-0000-0000-0000000000{tail}")));
    }
    Caller::new(standing, Some(RolePrefix::default().role(standing)), claims)
}

/// `:a1` stands for the id that ends in it.
pub(crate) fn with_ids(statement: &str) -> String {
    let mut parts = statement.split(':');
    let mut sql = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (digits, rest) =
            part.split_at(part.find(|at: char| !at.is_ascii_hexdigit()).unwrap_or(part.len()));
        if digits.is_empty() {
            sql += &format!(":{rest}");
        } else {
            sql += &format!("'00000000-0000-0000-0000-{digits:0>12}'{rest}");
        }
    }
    sql
}

/// Rows touched, or the SQLSTATE met; committed when `keeps`.
pub(crate) async fn outcome(pool: &PgPool, who: &str, statement: &str, keeps: Keeps) -> Result<u64, String> {
    let settings = RequestSettings {
        access: Access::Write,
        statement_timeout: Duration::from_secs(60),
        local: Vec::new(),
    };
    let mut transaction = begin_as(pool, &caller(who), &settings).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(with_ids(statement))).execute(&mut *transaction).await;
    let done = match (done, keeps) {
        (Ok(done), Keeps::Yes) => transaction.commit().await.map(|()| done),
        (done, _) => done,
    };
    done.map(|done| done.rows_affected()).map_err(|error| match error.as_database_error() {
        Some(error) => error.code().unwrap_or_default().into_owned(),
        None => panic!("{statement}: {error}"),
    })
}

/// Whether what was done stays.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Yes,
    No,
}

type Case<'a> = (&'a str, &'a str, Result<u64, &'a str>);
const DENIED: Result<u64, &str> = Err("42501");

async fn check_cases(pool: &PgPool, cases: &[Case<'_>]) {
    for (who, statement, expected) in cases {
        let found = outcome(pool, who, statement, Keeps::No).await;
        assert_eq!(found, expected.map_err(str::to_string), "{who}: {statement}");
    }
}

#[tokio::test]
async fn ter_a1_member_does_not_raise_himself() {
    let pool = scene("ter_a1").await;
    check_cases(
        &pool,
        &[
            ("a1", "update teraffi.members set subscription_tier = 'enterprise' where id = :a1 ", DENIED),
            ("a1", "update teraffi.members set status = 'inactive' where id = :a1 ", DENIED),
            ("a1", "select id from teraffi.members", Ok(1)),
            ("staff a1", "update teraffi.members set subscription_tier = 'pro' where id = :a2 ", Ok(1)),
            ("staff a1", "update teraffi.members set subscription_tier = 'pro' where id = :a1 ", Ok(0)),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a2_secrets_are_selected_by_nobody() {
    let pool = scene("ter_a2").await;
    for who in ["anonymous", "a1", "staff a1", "service"] {
        for secret in [
            "select password_hash from teraffi.members",
            "select session_token from teraffi.user_sessions",
            "select access_token from teraffi.auth_providers",
            "select refresh_token from teraffi.auth_providers",
            "select id from teraffi.members where password_hash = 'hash'",
            "select id from teraffi.members order by password_hash",
            "select count(password_hash) from teraffi.members",
            "select to_jsonb(m) from teraffi.members m",
        ] {
            check_cases(&pool, &[(who, secret, DENIED)]).await;
        }
    }
}

#[tokio::test]
async fn ter_a3_profiles_are_hidden_from_strangers() {
    let pool = scene("ter_a3").await;
    check_cases(
        &pool,
        &[
            ("a4", "select id from teraffi.member_profiles where member_id = :a3 ", Ok(0)),
            ("a4", "select id from teraffi.member_profiles where member_id = :a2 ", Ok(0)),
            ("anonymous", "select id from teraffi.member_profiles where member_id = :a4 ", Ok(0)),
            ("anonymous", "select id from teraffi.member_profiles", Ok(1)),
            ("anonymous", "select annual_revenue from teraffi.member_profiles", DENIED),
            ("a2", "select phone from teraffi.member_profiles", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_06_visibility_opens_a_profile_to_whom_it_names() {
    let pool = scene("ter_06").await;
    // a1 shows himself to: anonymous, a stranger, a partner, himself, staff.
    for (visibility, expected) in [
        ("public", [1, 1, 1, 1, 1]),
        ("network", [0, 1, 1, 1, 1]),
        ("partnership", [0, 0, 1, 1, 1]),
        ("private", [0, 0, 0, 1, 1]),
    ] {
        sqlx::query(
            "update teraffi.member_profiles set profile_visibility = $1::text::teraffi.visibility_enum where member_id::text like '%a1'",
        )
        .bind(visibility)
        .execute(&pool)
        .await
        .unwrap();
        for (who, rows) in ["anonymous", "a4", "a2", "a1", "staff a4"].into_iter().zip(expected) {
            check_cases(
                &pool,
                &[(who, "select id from teraffi.member_profiles where member_id = :a1 ", Ok(rows))],
            )
            .await;
        }
    }
    // An account that is not active shows nothing to others.
    sqlx::raw_sql("update teraffi.member_profiles set profile_visibility = 'public'; update teraffi.members set status = 'suspended' where id::text like '%a1'")
        .execute(&pool)
        .await
        .unwrap();
    for (who, rows) in [("anonymous", 0), ("a4", 0), ("a1", 1), ("staff a4", 1)] {
        check_cases(
            &pool,
            &[(who, "select id from teraffi.member_profiles where member_id = :a1 ", Ok(rows))],
        )
        .await;
    }
}

#[tokio::test]
async fn ter_a4_strangers_are_invited_and_not_added() {
    let pool = scene("ter_a4").await;
    let add = "insert into teraffi.partnership_members (partnership_id, member_id, role, is_active) values (:b1, :a4, 'distributor',";
    check_cases(
        &pool,
        &[
            ("a1", &format!("{add} true)"), DENIED),
            ("a1", &format!("{add} false)"), Ok(1)),
            ("a2", &format!("{add} false)"), DENIED), // he may not manage members
            ("a4", &format!("{add} false)"), DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a5_nobody_gives_what_he_does_not_have() {
    let pool = scene("ter_a5").await;
    sqlx::raw_sql("update teraffi.partnership_members set permissions = '{view_details,manage_members}' where member_id::text like '%a2'")
        .execute(&pool)
        .await
        .unwrap();
    let invite = "insert into teraffi.partnership_members (partnership_id, member_id, role, is_active, permissions) values (:b1, :a4, 'distributor', false,";
    check_cases(
        &pool,
        &[
            ("a2", "update teraffi.partnership_members set permissions = '{approve_payments}' where member_id = :a2 ", DENIED),
            ("a2", &format!("{invite} '{{approve_payments}}')"), DENIED),
            ("a2", &format!("{invite} '{{view_details}}')"), Ok(1)),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a6_editor_does_not_settle_milestones() {
    let pool = scene("ter_a6").await;
    let add = "insert into teraffi.partnership_milestones (partnership_id, title, created_by, approval_required) values (:b1, 'Next', :a2,";
    check_cases(
        &pool,
        &[
            ("a2", &format!("{add} false)"), DENIED),
            ("a2", &format!("{add} true)"), Ok(1)),
            (
                "a2",
                "update teraffi.partnership_milestones set approval_required = false where id = :141 ",
                DENIED,
            ),
            ("a2", "update teraffi.partnership_milestones set status = 'completed' where id = :141 ", DENIED),
            ("a2", "update teraffi.partnership_milestones set title = 'Better' where id = :141 ", Ok(1)),
            (
                "a1",
                "update teraffi.partnership_milestones set approval_required = false where id = :141 ",
                Ok(1),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a7_who_left_reads_nothing_more() {
    let pool = scene("ter_a7").await;
    for (table, of_partner) in
        [("partnership_milestones", 1), ("transactions", 1), ("creative_assets", 2), ("partnerships", 1)]
    {
        let of_b1 = if table == "partnerships" { "where id = :b1 " } else { "" };
        let select = format!("select id from teraffi.{table} {of_b1}");
        check_cases(&pool, &[("a3", &select, Ok(0)), ("a1", &select, Ok(of_partner))]).await;
    }
}

#[tokio::test]
async fn ter_a8_money_is_not_written_by_hand() {
    let pool = scene("ter_a8").await;
    let pay = "insert into teraffi.transactions (partnership_id, type, amount, payer_id, payee_id) values (:b1, 'bonus', 5, :a1, :a2)";
    check_cases(
        &pool,
        &[
            ("a1", pay, DENIED),
            ("staff a1", pay, DENIED),
            ("staff a1", "update teraffi.transactions set amount = 1", DENIED),
            ("service", "update teraffi.transactions set amount = 1", Err("23514")),
            ("service", "update teraffi.transactions set status = 'processing'", Ok(1)),
            ("service", "delete from teraffi.transactions", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a9_assets_stay_in_their_workspace() {
    let pool = scene("ter_a9").await;
    check_cases(
        &pool,
        &[
            ("a2", "update teraffi.creative_assets set workspace_id = :e9 where id = :161 ", DENIED),
            ("a2", "select id from teraffi.creative_assets", Ok(1)),
            ("a2", "update teraffi.creative_assets set title = 'Mine' where id = :169 ", Ok(0)),
            ("a2", "update teraffi.creative_assets set title = 'Ours' where id = :161 ", Ok(1)),
            ("staff a4", "select id from teraffi.creative_assets", Ok(0)), // no dispute
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a10_uploader_does_not_approve_himself() {
    let pool = scene("ter_a10").await;
    sqlx::raw_sql("update teraffi.asset_approvals set status = 'rejected'").execute(&pool).await.unwrap();
    check_cases(
        &pool,
        &[
            ("a2", "insert into teraffi.asset_approvals (asset_id, approver_id) values (:161, :a2)", DENIED),
            ("a2", "delete from teraffi.asset_approvals", DENIED),
            ("a1", "insert into teraffi.asset_approvals (asset_id, approver_id) values (:169, :a1)", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a11_staff_do_not_verify_themselves() {
    let pool = scene("ter_a11").await;
    let approve = "update teraffi.member_verifications set status = 'approved' where id =";
    check_cases(
        &pool,
        &[
            ("staff a1", &format!("{approve} :111 "), Ok(0)),
            ("staff a1", &format!("{approve} :112 "), Ok(1)),
            ("a2", &format!("{approve} :112 "), DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_a12_audit_is_changed_by_nobody() {
    let pool = scene("ter_a12").await;
    for who in ["anonymous", "a1", "staff a1", "service"] {
        check_cases(
            &pool,
            &[
                (who, "update teraffi.audit_logs set reason = 'none'", DENIED),
                (who, "delete from teraffi.audit_logs", DENIED),
                (who, "truncate teraffi.audit_logs", DENIED),
            ],
        )
        .await;
    }
    let by_owner = sqlx::query("delete from teraffi.audit_logs").execute(&pool).await.unwrap_err();
    assert_eq!(by_owner.as_database_error().unwrap().code().as_deref(), Some("23001"));
    let rows: i64 =
        sqlx::query_scalar("select count(*) from teraffi.audit_logs").fetch_one(&pool).await.unwrap();
    check_cases(
        &pool,
        &[
            ("staff a1", "select id from teraffi.audit_logs", Ok(u64::try_from(rows).unwrap())),
            ("a1", "select id from teraffi.audit_logs", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn ter_15_permission_counts_and_not_the_role() {
    let pool = scene("ter_15").await;
    for (permission, statement) in [
        ("view_details", "select id from teraffi.partnership_milestones"),
        (
            "edit_content",
            "insert into teraffi.partnership_milestones (partnership_id, title, created_by) values (:b1, 'Next', :a2)",
        ),
        (
            "approve_payments",
            "select id from teraffi.transactions where payer_id <> :a2 and payee_id <> :a2 ",
        ),
        (
            "view_analytics",
            "select id from teraffi.partnership_analytics where measurement_date = '2024-10-01'",
        ),
        (
            "manage_members",
            "insert into teraffi.partnership_members (partnership_id, member_id, role, is_active) values (:b1, :a4, 'distributor', false)",
        ),
    ] {
        sqlx::query(
            "update teraffi.partnership_members set role = 'platform_owner', permissions = enum_range(null::teraffi.partnership_permission_enum)
             where member_id::text like '%a2' and partnership_id::text like '%b1'",
        )
        .execute(&pool)
        .await
        .unwrap();
        // A payment between others, which only this permission shows.
        sqlx::raw_sql("set session_replication_role = replica; update teraffi.transactions set payee_id = (select id from teraffi.members where id::text like '%a4'); reset session_replication_role")
            .execute(&pool)
            .await
            .unwrap();
        check_cases(&pool, &[("a2", statement, Ok(1))]).await;
        sqlx::query(
            "update teraffi.partnership_members set permissions = array_remove(permissions, $1::text::teraffi.partnership_permission_enum)
             where member_id::text like '%a2'",
        )
        .bind(permission)
        .execute(&pool)
        .await
        .unwrap();
        let refused = if statement.starts_with("select") { Ok(0) } else { DENIED };
        check_cases(&pool, &[("a2", statement, refused)]).await;
    }
}

#[tokio::test]
async fn ter_27_archived_workspace_is_read_only() {
    let pool = scene("ter_27").await;
    let upload = "insert into teraffi.creative_assets (workspace_id, title, file_name, file_size, file_type, mime_type, file_url, asset_type, uploaded_by)
        values (:e1, 'New', 'n', 1, 'n', 'n', 'n', 'image', :a1)";
    let writes = [
        ("a1", "update teraffi.collaboration_workspaces set name = 'Renamed' where id = :e1 ", Ok(1), Ok(0)),
        ("a1", upload, Ok(1), DENIED),
        ("a1", "update teraffi.creative_assets set title = 'Renamed' where id = :161 ", Ok(1), Ok(0)),
        (
            "a1",
            "insert into teraffi.workspace_members (workspace_id, member_id) values (:e9, :a2)",
            Ok(1),
            DENIED,
        ),
    ];
    for (who, statement, open, _) in writes {
        check_cases(&pool, &[(who, statement, open)]).await;
    }
    let archive = "update teraffi.collaboration_workspaces set is_active = false, archived_at = now()";
    assert_eq!(outcome(&pool, "a1", archive, Keeps::Yes).await, Ok(2));
    for (who, statement, _, archived) in writes {
        check_cases(&pool, &[(who, statement, archived)]).await;
    }
    check_cases(&pool, &[("a1", "select id from teraffi.creative_assets", Ok(2))]).await;
}

#[tokio::test]
async fn ter_28_workspace_needs_an_active_partner() {
    let pool = scene("ter_28").await;
    check_cases(
        &pool,
        &[
            ("a3", "select id from teraffi.creative_assets", Ok(0)), // a member of e1 who left the partnership
            ("a3", "select id from teraffi.collaboration_workspaces", Ok(0)),
            (
                "a1",
                "insert into teraffi.workspace_members (workspace_id, member_id) values (:e9, :a4)",
                DENIED,
            ),
            (
                "a1",
                "insert into teraffi.workspace_members (workspace_id, member_id) values (:e9, :a2)",
                Ok(1),
            ),
            ("a2", "select id from teraffi.creative_assets where workspace_id = :e1 ", Ok(1)),
        ],
    )
    .await;
    let only_view =
        "update teraffi.workspace_members set role = 'viewer' where workspace_id = :e1 and member_id = :a2 ";
    assert_eq!(outcome(&pool, "a1", only_view, Keeps::Yes).await, Ok(1));
    check_cases(
        &pool,
        &[
            ("a2", "select id from teraffi.creative_assets", Ok(1)),
            ("a2", "update teraffi.creative_assets set title = 'Ours' where id = :161 ", Ok(0)),
            ("a2", "update teraffi.workspace_members set role = 'owner' where member_id = :a2 ", Ok(0)),
        ],
    )
    .await;
}
