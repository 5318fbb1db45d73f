use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::PgPool;

use crate::catalog::{Catalog, ColumnId, RelationId};

/// Columns that a role may not read, of tables of which it may read others.
pub(super) type Unreadable = HashSet<(RelationId, ColumnId)>;

const WITHHELD: &str = "
    SELECT n.nspname::text, c.relname::text, a.attname::text
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE n.nspname = ANY($2) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND has_any_column_privilege($1, c.oid, 'SELECT')
      AND NOT has_column_privilege($1, c.oid, a.attnum, 'SELECT')";

/// What each role may not read, asked once per role and catalog.
#[derive(Debug, Default)]
pub(super) struct UnreadableColumns(RwLock<HashMap<String, Known>>);

/// What was unreadable, and by which catalog.
type Known = (Arc<Catalog>, Arc<Unreadable>);

impl UnreadableColumns {
    /// Those of `role`; none for the server's own user.
    pub(super) async fn of(
        &self,
        pool: &PgPool,
        catalog: &Arc<Catalog>,
        role: Option<&str>,
    ) -> Result<Arc<Unreadable>, sqlx::Error> {
        let Some(role) = role else { return Ok(Arc::default()) };
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(role).cloned();
        if let Some((of, unreadable)) = known
            && Arc::ptr_eq(&of, catalog)
        {
            return Ok(unreadable);
        }
        let schemas = catalog.platforms.values().flat_map(|platform| &platform.schemas);
        let by_name: HashMap<&str, _> = schemas.map(|schema| (schema.name(), schema)).collect();
        let names: Vec<&str> = by_name.keys().copied().collect();
        let withheld: Vec<(String, String, String)> =
            sqlx::query_as(WITHHELD).bind(role).bind(names).fetch_all(pool).await?;
        let place = |(schema, relation, column): &(String, String, String)| {
            let relation = catalog.find(by_name.get(schema.as_str())?, relation)?;
            Some((relation, catalog.relation(relation).find(column)?))
        };
        let unreadable: Arc<Unreadable> = Arc::new(withheld.iter().filter_map(place).collect());
        let entry = (Arc::clone(catalog), Arc::clone(&unreadable));
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(role.to_owned(), entry);
        Ok(unreadable)
    }
}
