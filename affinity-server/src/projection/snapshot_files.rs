use std::path::{Path, PathBuf};
use std::sync::Arc;

use affinity_core::{Engine, Matcher, Schema};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use super::ProjectionError;
use super::ledger_file::LedgerFile;
use super::position::Position;
use super::projector::Projection;

const ENGINE_FILE: &str = "engine.affinity";
const LEDGER_FILE: &str = "ledger.affinity";

/// Where a platform's engine is kept between runs: its snapshot and its ledger, of one position.
#[derive(Clone, Debug)]
pub(super) struct SnapshotFiles {
    pub(super) folder: PathBuf,
    /// Of the database, its views, the schema and the embedding model: see [`origin`].
    pub(super) origin: String,
}

impl SnapshotFiles {
    /// Replaces what is kept. Blocking.
    ///
    /// # Errors
    /// When the files cannot be written. Whatever was written then does not load as a pair.
    pub(super) fn save(&self, projection: &Projection) -> Result<(), ProjectionError> {
        let file_error = |source| ProjectionError::File { path: self.folder.clone(), source };
        std::fs::create_dir_all(&self.folder).map_err(file_error)?;
        let position = projection.position.to_string();
        // The position moves on without a new version while nothing changes; both files must name the same one.
        Engine::clone(&projection.engine).with_version(position.clone()).save(self.engine_path())?;
        let matchers: Vec<Matcher> = projection.engine.matchers().values().cloned().collect();
        let ledger = LedgerFile {
            position,
            origin: self.origin.clone(),
            matchers: matcher_versions(&matchers),
            ledger: projection.ledger.clone(),
        };
        ledger.write(&self.folder.join(LEDGER_FILE))
    }

    /// What was kept; `None` when nothing was, or nothing that fits this database and platform. Blocking.
    ///
    /// # Errors
    /// When the files are damaged or do not belong together.
    pub(super) fn load(
        &self,
        schema: &Schema,
        matchers: &[Matcher],
    ) -> Result<Option<Projection>, ProjectionError> {
        let ledger_path = self.folder.join(LEDGER_FILE);
        if !ledger_path.exists() {
            return Ok(None);
        }
        let LedgerFile { position, origin, matchers: fitted_for, ledger } = LedgerFile::read(&ledger_path)?;
        if origin != self.origin {
            tracing::info!("the snapshot in {} is of another database, view or model", self.folder.display());
            return Ok(None);
        }
        let mut engine = Engine::open(self.engine_path(), schema.clone(), matchers.to_vec())?;
        if engine.version() != position {
            let reason = "it belongs to another version of the engine than the snapshot beside it";
            return Err(ProjectionError::Damaged { path: ledger_path, reason });
        }
        if fitted_for != matcher_versions(matchers) {
            engine = engine.refit(); // a matcher that is new or changed may ask for statistics that were not fitted
        }
        let owing = ledger.owing().into_iter().collect();
        Ok(Some(Projection { engine: Arc::new(engine), ledger, position: Position::new(position), owing }))
    }

    fn engine_path(&self) -> PathBuf {
        self.folder.join(ENGINE_FILE)
    }
}

/// Names and hashes, by name.
fn matcher_versions(matchers: &[Matcher]) -> String {
    let mut versions: Vec<String> =
        matchers.iter().map(|matcher| format!("{} {}", matcher.name(), matcher.version())).collect();
    versions.sort();
    versions.join("\n")
}

/// Removes the snapshot in `folder`, so that the next start of its platform reads the views.
///
/// # Errors
/// When the system refuses.
pub fn discard_snapshot(folder: &Path) -> Result<(), ProjectionError> {
    for name in [LEDGER_FILE, ENGINE_FILE] {
        let path = folder.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(ProjectionError::File { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// A digest of all that a snapshot depends on besides the data: the database, the definitions behind the views, the
/// platform's declaration and the embedding model. Under another one a snapshot must not be loaded.
///
/// # Errors
/// [`ProjectionError::Database`] when it cannot be asked.
pub(super) async fn origin(
    pool: &PgPool,
    platform: &str,
    schema: &Schema,
    model: &str,
) -> Result<String, ProjectionError> {
    // A dump that was restored elsewhere has the same rows but other transaction ids, hence the cluster's identity.
    let database: String = sqlx::query_scalar(
        "select concat_ws(E'\\n',
            (select format('%s %s', system_identifier, current_database()) from pg_control_system()),
            (select oid from pg_database where datname = current_database()),
            (select string_agg(pg_get_viewdef(c.oid), E'\\n' order by c.relname) from pg_class c
             where c.relnamespace = p.schema_name::text::regnamespace and c.relkind = 'v'),
            (select string_agg(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc), E'\\n' order by f.oid::regprocedure::text)
             from pg_proc f where f.pronamespace in (p.schema_name::text::regnamespace, 'affinity'::regnamespace)
                and f.prokind = 'f'))
         from affinity.platforms p where p.name = $1",
    )
    .bind(platform)
    .fetch_one(pool)
    .await
    .map_err(ProjectionError::database("describe itself"))?;
    let digest = Sha256::digest(format!("{database}\n{schema:?}\n{model}"));
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
