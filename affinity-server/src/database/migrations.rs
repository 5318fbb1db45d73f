use std::collections::HashSet;
use std::sync::LazyLock;

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use super::DatabaseError;
use super::roles::{make_roles, require_prefix};
use crate::auth::RolePrefix;
use crate::observability::Progress;

/// Every migration, in order, as built into this binary: the mechanisms first, then each platform.
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations");
    migrations.dangerous_set_table_name(APPLIED_TABLE);
    migrations
});

/// Where sqlx notes what was applied. Qualified: for a role named like one of the schemas that the migrations
/// make, the default search path would find another table after the first of them than before it.
const APPLIED_TABLE: &str = "public._sqlx_migrations";

/// Makes the roles that callers run as, named with `prefix`, then applies the migrations that `pool`'s database lacks,
/// each in its own transaction, and returns how many.
///
/// Safe to call from several servers at once: one migrates, the others wait and find nothing to do.
///
/// # Errors
/// When the roles cannot be made or are not those the database was migrated with, when a migration fails (the earlier
/// ones stay), or when the database was migrated by a build whose migrations differ from this one's.
pub async fn migrate(pool: &PgPool, prefix: &RolePrefix) -> Result<usize, DatabaseError> {
    let before = |source| DatabaseError::Migration { version: None, source };
    let statement = |source| DatabaseError::Statement { source };
    // Not of the pool, and closed: a failure must not leave the lock with a connection that lives on. Its statements
    // are not logged: a whole migration is no line of a log, however slow the machine.
    let options = pool.connect_options().as_ref().clone().disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await.map_err(statement)?;
    // Without this sqlx's own "already exists, skipping" reaches the log at every start.
    // And whoever migrates, an unqualified name means the same.
    sqlx::raw_sql("SET client_min_messages = warning; SET search_path = public")
        .execute(&mut connection)
        .await
        .map_err(statement)?;
    make_roles(&mut connection, prefix).await?;
    connection.lock().await.map_err(before)?;
    connection.ensure_migrations_table(APPLIED_TABLE).await.map_err(before)?;
    let applied: HashSet<i64> = connection
        .list_applied_migrations(APPLIED_TABLE)
        .await
        .map_err(before)?
        .iter()
        .map(|migration| migration.version)
        .collect();
    let pending: Vec<_> = MIGRATIONS
        .iter()
        .filter(|migration| {
            !migration.migration_type.is_down_migration() && !applied.contains(&migration.version)
        })
        .collect();
    if !pending.is_empty() {
        let progress = Progress::steps("Migrating the database", pending.len() as u64);
        for migration in &pending {
            progress.message(&format!("{:04} {}", migration.version, migration.description));
            MIGRATIONS
                .run_to(migration.version, &mut connection)
                .await
                .map_err(|source| DatabaseError::Migration { version: Some(migration.version), source })?;
            progress.advance(1);
        }
        progress.finish(&format!("Applied {} migrations", pending.len()));
    }
    // Also compares what was applied before with what this build holds.
    MIGRATIONS.run(&mut connection).await.map_err(before)?;
    require_prefix(&mut connection, prefix).await?;
    connection.close().await.map_err(statement)?;
    Ok(pending.len())
}
