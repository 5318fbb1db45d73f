//! The roles that callers run as: made once for a cluster, refused when they would not hold, and enough for a server
//! whose own user is no superuser.

use std::sync::Arc;

use affinity_server::auth::{RolePrefix, Standing};
use affinity_server::database::{DatabaseError, migrate};
use affinity_server::generation::World;
use sqlx::{AssertSqlSafe, PgPool};

use crate::cluster;
use crate::projection::platform;
use crate::teraffi_attacks::{Keeps, outcome};

fn prefix(text: &str) -> RolePrefix {
    RolePrefix::new(text).unwrap()
}

/// `pool`'s database as another user, who owns it from now on.
async fn owned_by(pool: &PgPool, user: &str) -> PgPool {
    let database = pool.connect_options().get_database().unwrap().to_string();
    sqlx::raw_sql(AssertSqlSafe(format!(
        "ALTER DATABASE {database} OWNER TO {user}; ALTER SCHEMA public OWNER TO {user}"
    )))
    .execute(pool)
    .await
    .unwrap();
    PgPool::connect_with(pool.connect_options().as_ref().clone().username(user)).await.unwrap()
}

#[tokio::test]
async fn roles_are_made_once_by_servers_that_start_together() {
    let pools = [cluster::database("racing_one").await, cluster::database("racing_two").await];
    let racing = prefix("racing_");
    let (first, second) = tokio::join!(migrate(&pools[0], &racing), migrate(&pools[1], &racing));
    for refused in [first.unwrap_err(), second.unwrap_err()] {
        // The databases were set up with other roles; the new ones are made before anything else.
        assert!(
            matches!(&refused, DatabaseError::OtherRolePrefix { of_database, got } if of_database == "affinity_" && got == "racing_"),
            "{refused:?}"
        );
    }
    let roles: Vec<(String, bool, bool, bool)> = sqlx::query_as(
        "SELECT rolname::text, rolcanlogin, rolbypassrls, rolsuper FROM pg_roles WHERE rolname LIKE 'racing\\_%' ORDER BY 1",
    )
    .fetch_all(&pools[0])
    .await
    .unwrap();
    let expected = ["anonymous", "member", "service", "staff"]
        .map(|name| (format!("racing_{name}"), false, false, false));
    assert_eq!(roles, expected);
}

#[tokio::test]
async fn user_who_may_not_make_roles_is_told_what_to_run() {
    let pool = cluster::database("no_createrole").await;
    sqlx::raw_sql("CREATE ROLE weak LOGIN").execute(&pool).await.unwrap();
    let weak = owned_by(&pool, "weak").await;
    let refused = migrate(&weak, &prefix("weak_")).await.unwrap_err();
    let DatabaseError::RolesRefused { user, roles, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!((user.as_str(), roles.len()), ("weak", 4));
    assert!(refused.to_string().contains("CREATE ROLE weak_member;"), "{refused}");
}

#[tokio::test]
async fn role_that_passes_policies_by_is_refused() {
    let pool = cluster::database("bypass").await;
    sqlx::raw_sql("CREATE ROLE bypass_service BYPASSRLS").execute(&pool).await.unwrap();
    let refused = migrate(&pool, &prefix("bypass_")).await.unwrap_err();
    assert!(
        matches!(&refused, DatabaseError::PrivilegedRole { role } if role == "bypass_service"),
        "{refused:?}"
    );
}

/// What the server does as its own user (migrations, demo, views, feed, audit) under forced security.
#[tokio::test]
async fn owner_without_privileges_migrates_fills_and_projects() {
    let pool = cluster::empty_database("plain_owner").await;
    sqlx::raw_sql("CREATE ROLE plain LOGIN CREATEROLE; GRANT affinity_anonymous, affinity_member, affinity_staff, affinity_service TO plain")
        .execute(&pool)
        .await
        .unwrap();
    let plain = owned_by(&pool, "plain").await;
    assert!(migrate(&plain, &RolePrefix::default()).await.unwrap() > 10);
    assert_eq!(migrate(&plain, &RolePrefix::default()).await.unwrap(), 0);

    let world = Arc::new(World::load(platform().demo().unwrap()).unwrap());
    world.load_into(&mut plain.acquire().await.unwrap(), 60, 1, |_| {}).await.unwrap();
    // The demo came past triggers; this does not.
    sqlx::raw_sql("update teraffi.members set subscription_tier = 'pro' where subscription_tier = 'basic'")
        .execute(&plain)
        .await
        .unwrap();
    for (count, what) in [
        ("select count(*) from teraffi.members", "members"),
        ("select count(*) from teraffi.affinity_nodes where kind = 'Member'", "nodes"),
        ("select count(*) from teraffi.affinity_edges", "edges"),
        ("select count(*) from affinity.changes where table_name = 'members'", "changes"),
        ("select count(*) from teraffi.audit_logs", "audit rows"),
    ] {
        let count: i64 = sqlx::query_scalar(count).fetch_one(&plain).await.unwrap();
        assert!(count > 0, "no {what}");
    }
    let unguarded: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'teraffi'::regnamespace and relkind in ('r', 'p')
         and not (relrowsecurity and relforcerowsecurity)",
    )
    .fetch_all(&plain)
    .await
    .unwrap();
    assert_eq!(unguarded, Vec::<String>::new());
    // Callers of this server see what its policies show, no more.
    let active = "select id from teraffi.member_profiles where profile_visibility = 'public'";
    let profiles: i64 = sqlx::query_scalar(
        "select count(*) from teraffi.member_profiles p join teraffi.members m on m.id = p.member_id
        where p.profile_visibility = 'public' and m.status = 'active'",
    )
    .fetch_one(&plain)
    .await
    .unwrap();
    assert_eq!(outcome(&plain, "anonymous", active, Keeps::No).await, Ok(u64::try_from(profiles).unwrap()));
    assert_eq!(outcome(&plain, "a9", "select id from teraffi.members", Keeps::No).await, Ok(0));
    let service = RolePrefix::default().role(Standing::Service);
    let owned: i64 = sqlx::query_scalar(
        "select count(*) from pg_proc where pronamespace = 'teraffi_access'::regnamespace and proowner = $1::text::regrole",
    )
    .bind(service)
    .fetch_one(&plain)
    .await
    .unwrap();
    assert!(owned >= 32, "{owned}");
}
