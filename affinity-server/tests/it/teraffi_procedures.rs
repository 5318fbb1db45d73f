//! The procedures of `access.json`: who may call them, what they do, and that doing it again changes nothing.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::teraffi_attacks::{Keeps, outcome, scene, with_ids};

/// Calls and keeps; rows, or the SQLSTATE.
async fn call(pool: &PgPool, who: &str, what: &str) -> Result<u64, String> {
    outcome(pool, who, &format!("select teraffi.{what}"), Keeps::Yes).await
}

async fn check_calls(pool: &PgPool, calls: &[(&str, &str, Result<u64, &str>)]) {
    for (who, what, expected) in calls {
        assert_eq!(call(pool, who, what).await, expected.map_err(str::to_string), "{who}: {what}");
    }
}

/// One value, as the database's owner reads it.
async fn fact(pool: &PgPool, what: &str) -> Value {
    let sql = format!("select to_jsonb(t.v) from (select {}) as t(v)", with_ids(what));
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_optional(pool)
        .await
        .unwrap()
        .flatten()
        .unwrap_or(Value::Null)
}

const DENIED: Result<u64, &str> = Err("42501");

#[tokio::test]
async fn procedures_are_executed_by_nobody_but_whom_they_are_for() {
    let pool = scene("procedure_grants").await;
    let open: Vec<(String, String)> = sqlx::query_as(
        "select f.proname::text, r.standing from pg_proc f, affinity.roles r
         where f.pronamespace = 'teraffi'::regnamespace and has_function_privilege(r.role_name, f.oid, 'execute')
         except select procedure_name::text, standing from affinity.access_procedures where platform = 'teraffi'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(open, Vec::new());
    let owners: Vec<String> = sqlx::query_scalar(
        "select distinct f.proowner::regrole::text from pg_proc f join affinity.access_procedures c on c.procedure_name = f.proname
         where f.pronamespace = 'teraffi'::regnamespace",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(owners, ["affinity_service"]);
    // Predicates answer policies and nobody's question.
    let ask = "select teraffi_access.partner_in(:b1, :a2)";
    assert_eq!(outcome(&pool, "a4", ask, Keeps::No).await, Err("42501".into()));
    check_calls(
        &pool,
        &[
            ("anonymous", "my_profile()", DENIED),
            ("service", "my_profile()", DENIED),
            ("a1", "refund(:151)", DENIED),
            ("a1", "platform_account()", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn my_profile_shows_the_hidden_columns_of_ones_own() {
    let pool = scene("my_profile").await;
    sqlx::raw_sql("update teraffi.member_profiles set phone = '555'; update teraffi.member_reputation set average_partnership_value = 7")
        .execute(&pool)
        .await
        .unwrap();
    let shown = "my_profile() where teraffi.my_profile() @> '{\"profile\" : {\"phone\" : \"555\"}, \"reputation\" : {\"average_partnership_value\" : 7}}'";
    check_calls(&pool, &[("a1", shown, Ok(1)), ("a4", shown, Ok(0))]).await;
}

#[tokio::test]
async fn my_flags_go_by_lists_conditions_and_a_stable_share() {
    let pool = scene("my_flags").await;
    sqlx::raw_sql(
        "insert into teraffi.feature_flags (flag_name, created_by, is_enabled, rollout_percentage, target_conditions, member_whitelist, member_blacklist)
         select f.name, m.id, f.enabled, f.share, f.conditions::jsonb,
            case when f.white then array[m.id] end, case when f.black then array[m.id] end
         from teraffi.members m, (values
            ('all', true, 100, '{}', false, false), ('none', true, 0, '{}', false, false), ('off', false, 100, '{}', true, false),
            ('listed', true, 0, '{\"industry\": \"none\"}', true, false), ('barred', true, 100, '{}', true, true),
            ('basic', true, 100, '{\"subscription_tier\": [\"basic\", \"pro\"]}', false, false),
            ('media', true, 100, '{\"industry\": \"media\"}', false, false), ('half', true, 50, '{}', false, false)
         ) as f(name, enabled, share, conditions, white, black)
         where m.id::text like '%a1'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let is_in_half = async |who: &str| {
        let digest = fact(
            &pool,
            &format!("left(md5('half' || chr(58) || m.id), 8) from teraffi.members m where m.id = {who}"),
        )
        .await;
        u64::from(u32::from_str_radix(digest.as_str().unwrap(), 16).unwrap() % 100 < 50)
    };
    // a1: all, basic, listed. a2: all, basic, media, and what bars a1 alone.
    let (of_a1, of_a2) = (3 + is_in_half(":a1 ").await, 4 + is_in_half(":a2 ").await);
    check_calls(
        &pool,
        &[("a1", "my_flags()", Ok(of_a1)), ("a1", "my_flags()", Ok(of_a1)), ("a2", "my_flags()", Ok(of_a2))],
    )
    .await;
}

#[tokio::test]
async fn ter_14_invitation_is_accepted_by_the_invited_and_left_by_the_partner() {
    let pool = scene("ter_14").await;
    let invite = "insert into teraffi.partnership_members (partnership_id, member_id, role, is_active, permissions) values (:b1, :a4, 'distributor', false, '{view_details}')";
    assert_eq!(outcome(&pool, "a1", invite, Keeps::Yes).await, Ok(1));
    let sees = "select id from teraffi.partnership_milestones";
    assert_eq!(outcome(&pool, "a4", sees, Keeps::No).await, Ok(0));
    check_calls(
        &pool,
        &[
            ("a2", "accept_invitation(:b1)", DENIED),
            ("a3", "accept_invitation(:b1)", DENIED),
            ("a4", "accept_invitation(:b1)", Ok(1)),
        ],
    )
    .await;
    assert_eq!(outcome(&pool, "a4", sees, Keeps::No).await, Ok(1));
    let join = "insert into teraffi.workspace_members (workspace_id, member_id) values (:e1, :a4)";
    assert_eq!(outcome(&pool, "a1", join, Keeps::Yes).await, Ok(1));
    check_calls(
        &pool,
        &[
            ("a4", "accept_invitation(:b1)", DENIED),
            ("a4", "leave_partnership(:b1)", Ok(1)),
            ("a4", "leave_partnership(:b1)", DENIED),
        ],
    )
    .await;
    let left = "jsonb_build_object('active', is_active, 'left', left_at is not null) from teraffi.partnership_members where partnership_id = :b1 and member_id = :a4 ";
    assert_eq!(fact(&pool, left).await, json!({"active": false, "left": true}));
    assert_eq!(fact(&pool, "count(*) from teraffi.workspace_members where member_id = :a4 ").await, json!(0));
    assert_eq!(outcome(&pool, "a4", sees, Keeps::No).await, Ok(0));
    // The audit knows who did it.
    let audited = "count(*) from teraffi.audit_logs where entity_id = :b1 and performed_by = :a4 and action = 'updated'";
    assert_eq!(fact(&pool, audited).await, json!(2));
}

#[tokio::test]
async fn owner_of_a_workspace_with_others_does_not_leave_it() {
    let pool = scene("last_owner").await;
    check_calls(&pool, &[("a1", "leave_partnership(:b1)", Err("23514"))]).await;
    let hand_over =
        "update teraffi.workspace_members set role = 'owner' where workspace_id = :e1 and member_id = :a2 ";
    assert_eq!(outcome(&pool, "a1", hand_over, Keeps::Yes).await, Ok(1));
    check_calls(&pool, &[("a1", "leave_partnership(:b1)", Ok(1))]).await;
}

#[tokio::test]
async fn set_partner_changes_ends_and_invites_again() {
    let pool = scene("set_partner").await;
    check_calls(
        &pool,
        &[
            ("a2", "set_partner(:b1, :a1, 'distributor', '{}')", DENIED),
            ("a1", "set_partner(:b1, :a1, 'distributor', '{}')", DENIED), // himself
            ("a1", "set_partner(:b1, :a4, 'distributor', '{}')", Err("PT404")),
            ("a1", "set_partner(:b1, :a2, 'distributor', '{view_details}')", Ok(1)),
            ("a1", "set_partner(:b1, :a2, 'distributor', '{view_details}')", Ok(1)),
            ("a1", "set_partner(:b1, :a3, 'distributor', '{view_details}')", Ok(1)), // who had left
            ("a3", "accept_invitation(:b1)", Ok(1)),
            ("a1", "set_partner(:b1, :a2, null, null)", Ok(1)),
            ("a2", "accept_invitation(:b1)", DENIED),
        ],
    )
    .await;
    assert_eq!(outcome(&pool, "a2", "select id from teraffi.creative_assets", Keeps::No).await, Ok(0));
    // a1 gives the right to manage on, loses it, and cannot take it from whoever is the last to have it.
    check_calls(
        &pool,
        &[
            ("a1", "set_partner(:b1, :a3, 'distributor', '{manage_members}')", Ok(1)),
            ("a3", "set_partner(:b1, :a1, 'brand_sponsor', '{}')", Ok(1)),
            ("a1", "set_partner(:b1, :a3, 'distributor', '{}')", DENIED),
        ],
    )
    .await;
}

#[tokio::test]
async fn terms_change_when_two_sides_ask_for_the_same() {
    let pool = scene("amend_terms").await;
    let terms = "amend_terms(:b1, '{\"total_value\" : 300000}')";
    let other = "amend_terms(:b1, '{\"total_value\" : 200000}')";
    let value = "total_value from teraffi.partnerships where id = :b1 ";
    assert_eq!(
        outcome(&pool, "a1", "update teraffi.partnerships set total_value = 1 where id = :b1 ", Keeps::No)
            .await,
        Err("23514".into())
    );
    check_calls(
        &pool,
        &[
            ("a4", terms, DENIED),
            ("a1", "amend_terms(:b1, '{\"status\" : \"completed\"}')", Err("22023")),
            ("a1", terms, Ok(1)),
            ("a1", terms, Ok(1)),
        ],
    )
    .await;
    assert_eq!(fact(&pool, value).await, json!(250_000.0));
    // A counter-proposal, and then agreement to that.
    check_calls(&pool, &[("a2", other, Ok(1)), ("a2", other, Ok(1))]).await;
    assert_eq!(fact(&pool, value).await, json!(250_000.0));
    check_calls(&pool, &[("a1", other, Ok(1))]).await;
    assert_eq!(fact(&pool, value).await, json!(200_000.0));
    // What was thawed for that is frozen again, for service as well.
    assert_eq!(
        outcome(
            &pool,
            "service",
            "update teraffi.partnerships set total_value = 1 where id = :b1 ",
            Keeps::No
        )
        .await,
        Err("23514".into())
    );
    assert_eq!(
        fact(&pool, "count(*) from teraffi.partnership_amendments where partnership_id = :b1 ").await,
        json!(1)
    );
}

#[tokio::test]
async fn milestone_is_approved_by_another_paid_once_and_refunded_within_bounds() {
    let pool = scene("milestones").await;
    sqlx::raw_sql("update teraffi.partnership_members set permissions = '{view_details,edit_content,approve_payments}' where member_id::text like '%a2'; set session_replication_role = replica; delete from teraffi.transactions; delete from teraffi.commission_calculations; reset session_replication_role")
        .execute(&pool)
        .await
        .unwrap();
    check_calls(
        &pool,
        &[
            ("a1", "progress_milestone(:141, 'in_progress')", Ok(1)),
            ("a1", "progress_milestone(:141, 'completed')", Err("23514")), // TER-17
            ("a1", "pay_milestone(:141)", Err("23514")),                   // not approved
            ("a1", "approve_milestone(:141)", DENIED),                     // his own
            ("a4", "approve_milestone(:141)", DENIED),
            ("a2", "approve_milestone(:141)", Ok(1)),
            ("a2", "approve_milestone(:141)", Ok(1)),
            ("a1", "progress_milestone(:141, 'completed')", Ok(1)),
            ("a4", "pay_milestone(:141)", DENIED),
            ("a1", "pay_milestone(:141)", Ok(1)),
            ("a1", "pay_milestone(:141)", Ok(1)),
            ("a2", "pay_milestone(:141)", Ok(1)),
        ],
    )
    .await;
    // 100000 at 8 %: TER-20.
    let payments = "jsonb_agg(jsonb_build_array(right(payer_id ||'', 2), right(payee_id ||'', 2), amount, commission_amount, commission_status)) from teraffi.transactions";
    assert_eq!(fact(&pool, payments).await, json!([["a1", "a2", 100_000.0, 8_000.0, "calculated"]]));
    assert_eq!(fact(&pool, "net_commission from teraffi.commission_calculations").await, json!(8_000.0));

    let paid = fact(&pool, "id from teraffi.transactions").await;
    let refund = |amount: &str| format!("refund('{}'{amount})", paid.as_str().unwrap());
    check_calls(&pool, &[("staff a4", &refund(""), Err("23514"))]).await; // not completed
    for status in ["processing", "completed"] {
        let step = format!("update teraffi.transactions set status = '{status}'");
        assert_eq!(outcome(&pool, "service", &step, Keeps::Yes).await, Ok(1));
    }
    check_calls(
        &pool,
        &[
            ("a1", &refund(""), DENIED),
            ("staff a4", &refund(", 30000"), Ok(1)),
            ("staff a4", &refund(", 70001"), Err("23514")),
            ("staff a4", &refund(""), Ok(1)),
            ("staff a4", &refund(""), Ok(1)),
            ("staff a4", &refund(", 1"), Err("23514")),
        ],
    )
    .await;
    let refunds = "jsonb_agg(jsonb_build_array(right(payer_id ||'', 2), amount, commission_amount) order by amount) from teraffi.transactions where type = 'refund'";
    assert_eq!(fact(&pool, refunds).await, json!([["a2", 30_000.0, 2_400.0], ["a2", 70_000.0, 5_600.0]]));
    assert_eq!(
        fact(&pool, "status from teraffi.transactions where type <> 'refund'").await,
        json!("refunded")
    );
}

#[tokio::test]
async fn partnership_advances_by_its_managers_and_staff() {
    let pool = scene("advance").await;
    check_calls(
        &pool,
        &[
            ("a2", "advance_partnership(:b1, stage => 'initial_contact')", DENIED),
            ("a1", "advance_partnership(:b1, stage => 'initial_contact')", Ok(1)),
            ("a1", "advance_partnership(:b1, stage => 'initial_contact')", Ok(1)),
            ("a1", "advance_partnership(:b1, stage => 'completion')", Err("23514")),
            ("staff a4", "advance_partnership(:b1, 'disputed')", Ok(1)),
            ("staff a4", "advance_partnership(:ff, 'disputed')", Err("PT404")),
        ],
    )
    .await;
    // Staff see a disputed partnership's files.
    assert_eq!(outcome(&pool, "staff a4", "select id from teraffi.creative_assets", Keeps::No).await, Ok(2));
}

#[tokio::test]
async fn archived_workspace_is_restored_by_its_owner() {
    let pool = scene("restore").await;
    let archive =
        "update teraffi.collaboration_workspaces set is_active = false, archived_at = now() where id = :e1 ";
    assert_eq!(outcome(&pool, "a1", archive, Keeps::Yes).await, Ok(1));
    check_calls(
        &pool,
        &[
            ("a2", "restore_workspace(:e1)", DENIED),
            ("a1", "restore_workspace(:e1)", Ok(1)),
            ("a1", "restore_workspace(:e1)", Ok(1)),
        ],
    )
    .await;
    assert_eq!(
        fact(
            &pool,
            "is_active and archived_at is null from teraffi.collaboration_workspaces where id = :e1 "
        )
        .await,
        json!(true)
    );
}

#[tokio::test]
async fn asset_is_what_its_approvers_say_together() {
    let pool = scene("approvals").await;
    let status = "jsonb_build_array(a.approval_status, p.approved_at is not null) from teraffi.creative_assets a join teraffi.asset_approvals p on p.asset_id = a.id where a.id = :161 ";
    assert_eq!(fact(&pool, status).await, json!(["pending", false]));
    assert_eq!(
        outcome(
            &pool,
            "a1",
            "update teraffi.asset_approvals set status = 'approved' where asset_id = :161 ",
            Keeps::Yes
        )
        .await,
        Ok(1)
    );
    assert_eq!(fact(&pool, status).await, json!(["approved", true]));
    assert_eq!(
        outcome(
            &pool,
            "staff a1",
            "update teraffi.member_verifications set status = 'approved' where id = :112 ",
            Keeps::Yes
        )
        .await,
        Ok(1)
    );
    let verified =
        "right(verified_by ||'', 2) from teraffi.member_verifications where verified_at is not null";
    assert_eq!(fact(&pool, verified).await, json!("a1"));
    assert_eq!(
        outcome(&pool, "a1", "update teraffi.notifications set is_read = true", Keeps::Yes).await,
        Ok(1)
    );
    assert_eq!(fact(&pool, "read_at is not null from teraffi.notifications").await, json!(true));
}
