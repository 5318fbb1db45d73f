use std::collections::{BTreeMap, BTreeSet};

use affinity_core::Schema;
use futures::TryStreamExt;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::ProjectionError;
use super::entry::Anchor;
use super::feedback::feedback_matchers;
use super::position::Position;
use super::row::{Row, RowReader, View};
use crate::catalog::{ProjectionRows, ProjectionStatements};

/// SQLSTATE of `affinity.changes_between` for a position that the feed no longer reaches back to.
const FELL_BEHIND: &str = "AF001";
/// Anchors looked up by one statement.
const ANCHORS_PER_STATEMENT: usize = 1_000;

/// What must be projected again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Tables of which every anchor is touched, as TRUNCATE does.
    pub(super) tables: BTreeSet<String>,
    /// Single anchors of other tables.
    pub(super) anchors: BTreeMap<String, BTreeSet<Uuid>>,
}

impl Touched {
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.anchors.is_empty()
    }

    pub(super) fn add(&mut self, anchor: Anchor) {
        if !self.tables.contains(&anchor.table) {
            self.anchors.entry(anchor.table).or_default().insert(anchor.id);
        }
    }

    fn add_table(&mut self, table: String) {
        self.anchors.remove(&table);
        self.tables.insert(table);
    }

    /// How many single anchors there are.
    pub(super) fn anchor_count(&self) -> usize {
        self.anchors.values().map(BTreeSet::len).sum()
    }
}

/// What the views of a platform are called and mean.
pub(super) struct Source<'a> {
    pub(super) platform: &'a str,
    pub(super) statements: &'a ProjectionStatements,
    pub(super) schema: &'a Schema,
    /// The embedding model.
    pub(super) model: &'a str,
}

/// Reads the views of one platform as one snapshot of the database sees them.
pub(super) struct SnapshotReader<'a> {
    source: Source<'a>,
    tx: Transaction<'static, Postgres>,
    position: Position,
}

impl<'a> SnapshotReader<'a> {
    /// A reader of the database as it is now.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot be reached.
    pub(super) async fn begin(pool: &PgPool, source: Source<'a>) -> Result<Self, ProjectionError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut tx = pool.begin_with(begin).await.map_err(ProjectionError::database("begin a snapshot"))?;
        let position: String = sqlx::query_scalar("select affinity.feed_position()::text")
            .fetch_one(&mut *tx)
            .await
            .map_err(ProjectionError::database("tell its position"))?;
        Ok(Self { source, tx, position: Position::new(position) })
    }

    /// What the snapshot sees, as a position in the feed.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// What changed after `from`, as anchors.
    ///
    /// # Errors
    /// [`ProjectionError::FellBehind`] when the feed was trimmed past `from`.
    pub(super) async fn touched_since(&mut self, from: &Position) -> Result<Touched, ProjectionError> {
        let query = sqlx::query_as::<_, (String, Option<Uuid>)>(
            "select anchor_table, anchor_id from affinity.touched_anchors($1, $2::text::pg_snapshot, $3::text::pg_snapshot)",
        );
        let query = query.bind(self.source.platform).bind(from.as_str()).bind(self.position.as_str());
        let mut rows = query.fetch(&mut *self.tx);
        let mut touched = Touched::default();
        loop {
            match rows.try_next().await {
                Ok(Some((table, Some(id)))) => touched.add(Anchor { table, id }),
                Ok(Some((table, None))) => touched.add_table(table),
                Ok(None) => return Ok(touched),
                Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(FELL_BEHIND) => {
                    return Err(ProjectionError::FellBehind { position: from.clone() });
                }
                Err(source) => {
                    return Err(ProjectionError::Database { doing: "read the change feed", source });
                }
            }
        }
    }

    /// Hands every row of a view to `sink`.
    ///
    /// # Errors
    /// [`ProjectionError`] from the database, from a row that the schema does not allow, or from `sink`.
    pub(super) async fn read_all(
        &mut self,
        view: View,
        sink: &mut (impl FnMut(Row) -> Result<(), ProjectionError> + Send),
    ) -> Result<(), ProjectionError> {
        self.read(view, ProjectionRows::All, None, &[], sink).await
    }

    /// Hands the rows that `touched` gives now to `sink`, view by view.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub(super) async fn read_touched(
        &mut self,
        touched: &Touched,
        sink: &mut (impl FnMut(Row) -> Result<(), ProjectionError> + Send),
    ) -> Result<(), ProjectionError> {
        // Planning all branches of a view takes 5 to 30 ms on the demo, reading some anchors 1 to 3: once a
        // connection is enough.
        sqlx::query("set local plan_cache_mode = force_generic_plan")
            .execute(&mut *self.tx)
            .await
            .map_err(ProjectionError::database("prepare to read"))?;
        for view in View::ALL {
            for table in &touched.tables {
                self.read(view, ProjectionRows::OfTable, Some(table), &[], sink).await?;
            }
            for (table, anchors) in &touched.anchors {
                let ids: Vec<Uuid> = anchors.iter().copied().collect();
                for ids in ids.chunks(ANCHORS_PER_STATEMENT) {
                    self.read(view, ProjectionRows::OfAnchors, Some(table), ids, sink).await?;
                }
            }
        }
        Ok(())
    }

    async fn read(
        &mut self,
        view: View,
        rows: ProjectionRows,
        anchor_table: Option<&str>,
        anchors: &[Uuid],
        sink: &mut (impl FnMut(Row) -> Result<(), ProjectionError> + Send),
    ) -> Result<(), ProjectionError> {
        let sql = match view {
            View::Nodes => self.source.statements.nodes(rows),
            View::Edges => self.source.statements.edges(rows),
            View::Texts => self.source.statements.texts(rows),
        };
        let feedback = feedback_matchers(self.source.schema);
        let mut query = sqlx::query(sql).bind(self.source.platform).bind(self.source.model).bind(feedback);
        if rows != ProjectionRows::All {
            query = query.bind(anchor_table);
        }
        if rows == ProjectionRows::OfAnchors {
            query = query.bind(anchors);
        }
        let reader = RowReader { schema: self.source.schema, model: self.source.model };
        let mut found = query.fetch(&mut *self.tx);
        while let Some(row) =
            found.try_next().await.map_err(ProjectionError::database("read a projection view"))?
        {
            sink(reader.read(view, &row)?)?;
        }
        Ok(())
    }
}

/// Refuses a platform whose views the change feed could not keep current.
///
/// # Errors
/// [`ProjectionError::NotFollowed`] with every fault that `affinity.check_projection` finds.
pub(super) async fn check_projection(pool: &PgPool, platform: &str) -> Result<(), ProjectionError> {
    let faults: Vec<String> = sqlx::query_scalar(
        "select format('view \"%s\" with \"%s\": %s', view_name, object, problem) from affinity.check_projection($1)",
    )
    .bind(platform)
    .fetch_all(pool)
    .await
    .map_err(ProjectionError::database("check the projection views"))?;
    if faults.is_empty() {
        return Ok(());
    }
    Err(ProjectionError::NotFollowed { platform: platform.to_string(), faults })
}
