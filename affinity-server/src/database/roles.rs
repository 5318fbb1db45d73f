use sqlx::{PgConnection, Row};

use super::DatabaseError;
use crate::auth::{RolePrefix, Standing};

/// Where this connection's migrations and statements read the prefix.
const SET_PREFIX: &str = "SELECT set_config('affinity.role_prefix', $1, false)";

/// Roles belong to the cluster, so no lock of this database keeps the server of another one from making them at the
/// same time: who comes second finds them there, or meets one of the errors in [`MET_ANOTHER`] and looks again.
/// Membership is asked for as `SET` where PostgreSQL tells it from administration.
const MAKE_ROLES: &str = "
do $block$
declare
    prefix constant text := current_setting('affinity.role_prefix');
    membership constant text := case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end;
    wanted text;
begin
    foreach wanted in array array['anonymous', 'member', 'staff', 'service'] loop
        wanted := prefix || wanted;
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
        if not pg_has_role(current_user, wanted, membership) then
            execute format('grant %I to %I', wanted, current_user);
        end if;
    end loop;
end
$block$";

/// SQLSTATEs of two servers that make the same roles at once: duplicate object, unique violation, tuple updated.
const MET_ANOTHER: [&str; 3] = ["42710", "23505", "XX000"];
/// Each attempt that meets another server leaves less to be made: four roles, four memberships.
const ATTEMPTS_MAX: usize = 9;

/// Makes the database roles that are missing and lets this connection's user take them, and leaves their prefix in
/// the setting `affinity.role_prefix` for migrations to read.
///
/// # Errors
/// [`DatabaseError::RolesRefused`] when the user may not make them, [`DatabaseError::PrivilegedRole`] when one of
/// them passes row-level security by.
pub(super) async fn make_roles(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
) -> Result<(), DatabaseError> {
    let statement = |source| DatabaseError::Statement { source };
    sqlx::query(SET_PREFIX).bind(prefix.as_str()).execute(&mut *connection).await.map_err(statement)?;
    for attempt in 1..=ATTEMPTS_MAX {
        let Err(error) = sqlx::raw_sql(MAKE_ROLES).execute(&mut *connection).await else { break };
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
        if code == "42501" {
            let user = sqlx::query_scalar("SELECT quote_ident(current_user)").fetch_one(&mut *connection);
            let user: String = user.await.map_err(statement)?;
            let roles = Standing::ALL.map(|standing| prefix.role(standing)).to_vec();
            return Err(DatabaseError::RolesRefused { user, roles, source: error });
        }
        if attempt == ATTEMPTS_MAX || !MET_ANOTHER.contains(&code.as_str()) {
            return Err(statement(error));
        }
    }
    let privileged: Option<String> = sqlx::query_scalar(
        "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1) AND (rolsuper OR rolbypassrls) ORDER BY 1",
    )
    .bind(Standing::ALL.map(|standing| prefix.role(standing)))
    .fetch_optional(connection)
    .await
    .map_err(statement)?;
    privileged.map_or(Ok(()), |role| Err(DatabaseError::PrivilegedRole { role }))
}

/// Refuses to go on when the database's policies were made for roles of another prefix.
///
/// # Errors
/// [`DatabaseError::OtherRolePrefix`].
pub(super) async fn require_prefix(
    connection: &mut PgConnection,
    prefix: &RolePrefix,
) -> Result<(), DatabaseError> {
    let row = sqlx::query("SELECT affinity.role('service')::text")
        .fetch_one(connection)
        .await
        .map_err(|source| DatabaseError::Statement { source })?;
    let role: String = row.try_get(0).map_err(|source| DatabaseError::Statement { source })?;
    if role == prefix.role(Standing::Service) {
        return Ok(());
    }
    let of_database = role.strip_suffix(Standing::Service.name()).unwrap_or(&role).to_owned();
    Err(DatabaseError::OtherRolePrefix { of_database, got: prefix.as_str().to_owned() })
}
