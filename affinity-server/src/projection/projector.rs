use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use affinity_core::{Change, Engine, EngineBuilder, Matcher, Schema};
use sqlx::PgPool;

use super::ProjectionError;
use super::entry::{Anchor, Entry, Fingerprint, Given};
use super::ledger::{Ledger, LedgerBuilder, sort_given};
use super::position::Position;
use super::read::{SnapshotReader, Source, Touched};
use super::row::{Content, KnownVector, Row, TextContent, View};
use super::vectors::{Embedded, VectorStore};
use crate::catalog::ProjectionStatements;
use crate::embedding::{Embedder, EmbeddingError};
use crate::observability::Progress;

/// Changes handed to the builder at once.
const BUILD_CHANGES: usize = 100_000;
/// Touched anchors beyond which reading everything anew, in a stream, is cheaper than comparing.
const COMPARED_ANCHORS_MAX: usize = 20_000;

/// An engine, and what following the feed from there needs.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The data as the engine understands it.
    pub engine: Arc<Engine>,
    /// What each anchor gave.
    pub ledger: Ledger,
    /// Where the engine stands.
    pub position: Position,
    /// Anchors with texts that could not be embedded yet.
    pub owing: BTreeSet<Anchor>,
}

/// What a step did.
#[derive(Debug, Default)]
pub struct Step {
    /// Changes to the engine; without any its version stays, though the position moves on.
    pub change_count: usize,
    /// Why some texts have no vector.
    pub failure: Option<EmbeddingError>,
}

/// Makes engines of one platform from its views: whole, or from the version before.
#[derive(Clone, Debug)]
pub struct Projector {
    /// The database.
    pub pool: PgPool,
    /// The platform's name.
    pub platform: String,
    /// Over its views.
    pub statements: ProjectionStatements,
    /// What its rows are checked against.
    pub schema: Schema,
    /// Of the engines it makes.
    pub matchers: Vec<Matcher>,
    /// What makes vectors of texts.
    pub embedder: Arc<Embedder>,
}

impl Projector {
    async fn begin(&self) -> Result<SnapshotReader<'_>, ProjectionError> {
        let source = Source {
            platform: &self.platform,
            statements: &self.statements,
            schema: &self.schema,
            model: self.embedder.model(),
        };
        SnapshotReader::begin(&self.pool, source).await
    }

    /// The stored vectors of its platform.
    pub(super) fn vectors(&self) -> VectorStore<'_> {
        VectorStore { pool: &self.pool, platform: &self.platform, embedder: &self.embedder }
    }

    /// The engine of all that the views say now.
    ///
    /// # Errors
    /// [`ProjectionError`] from the database, or naming the row that the schema does not allow.
    pub async fn project_all(&self) -> Result<(Projection, Step), ProjectionError> {
        let mut build = Build {
            builder: Some(Engine::builder(self.schema.clone()).matchers(self.matchers.clone())),
            waiting: Vec::new(),
            change_count: 0,
            ledger: LedgerBuilder::default(),
            unembedded: Vec::new(),
        };
        let mut reader = self.begin().await?;
        let position = reader.position().clone();
        let progress = Progress::unknown_length(&format!("Reading {}", self.platform));
        for view in View::ALL {
            progress.message(view.name());
            let mut sink = |row| {
                progress.advance(1);
                build.take(row)
            };
            reader.read_all(view, &mut sink).await?;
        }
        drop(reader); // embedding can take long, and an open snapshot keeps PostgreSQL from cleaning up
        progress.finish(&format!("Read {} changes of {}", build.change_count, self.platform));
        let unembedded = std::mem::take(&mut build.unembedded);
        let (texts, sources): (Vec<TextContent>, Vec<(Anchor, Given)>) = unembedded.into_iter().unzip();
        let Embedded { changes, owed, failure } = self.vectors().embed(texts).await?;
        let owed = owed_entries(&self.schema, &owed);
        let mut owing = BTreeSet::new();
        for (anchor, mut given) in sources {
            if owed.contains(&given.entry) {
                given.fingerprint = Fingerprint::OWED;
                owing.insert(anchor.clone());
            }
            build.ledger.add(&anchor, &given);
        }
        for change in changes {
            build.change(change)?;
        }
        build.flush()?;
        let (ledger, change_count) = (build.ledger.finish()?, build.change_count);
        let version = position.to_string();
        let Some(builder) = build.builder else { return Err(ProjectionError::Stopped) };
        let engine = blocking(move || Ok(builder.version(version).build()?)).await?;
        self.vectors().forget_orphans(&self.statements).await?;
        let projection = Projection { engine: Arc::new(engine), ledger, position, owing };
        Ok((projection, Step { change_count, failure }))
    }

    /// The texts that the embedder has not embedded yet.
    ///
    /// # Errors
    /// As [`Self::project_all`].
    pub(super) async fn texts_to_embed(&self) -> Result<Vec<TextContent>, ProjectionError> {
        let mut missing = Vec::new();
        let mut sink = |row: Row| {
            if let Content::Text(text) = row.content
                && matches!(text.vector, KnownVector::Missing { .. })
            {
                missing.push(text);
            }
            Ok(())
        };
        self.begin().await?.read_all(View::Texts, &mut sink).await?;
        Ok(missing)
    }

    /// All that the views say now, and why some texts have no vector.
    ///
    /// # Errors
    /// As [`Self::project_all`].
    pub(super) async fn changes(&self) -> Result<(Vec<Change>, Option<EmbeddingError>), ProjectionError> {
        let (mut changes, mut texts) = (Vec::new(), Vec::new());
        let mut reader = self.begin().await?;
        let progress = Progress::unknown_length(&format!("Reading {}", self.platform));
        for view in View::ALL {
            progress.message(view.name());
            let mut sink = |row: Row| {
                progress.advance(1);
                match row.content {
                    Content::Change(change) => changes.push(change),
                    Content::Text(text) => texts.push(text),
                }
                Ok(())
            };
            reader.read_all(view, &mut sink).await?;
        }
        drop(reader);
        let embedded = self.vectors().embed(texts).await?;
        changes.extend(embedded.changes);
        progress.finish(&format!("Read {} changes of {}", changes.len(), self.platform));
        Ok((changes, embedded.failure))
    }

    /// Applies what changed since the projection's position, all of it or on an error nothing; anchors that owe vectors are tried again when `retry` says so.
    ///
    /// # Errors
    /// [`ProjectionError::FellBehind`] when the feed was trimmed past the position: project everything. Others as
    /// [`Self::project_all`].
    pub async fn follow(&self, projection: &mut Projection, retry: Retry) -> Result<Step, ProjectionError> {
        let mut reader = self.begin().await?;
        let position = reader.position().clone();
        let mut touched = reader.touched_since(&projection.position).await?;
        if retry == Retry::Owed {
            projection.owing.iter().for_each(|anchor| touched.add(anchor.clone()));
        }
        if touched.is_empty() {
            projection.position = position;
            return Ok(Step::default());
        }
        let of_tables = touched.tables.iter().map(|table| projection.ledger.anchor_count_of(table));
        if touched.anchor_count() + of_tables.sum::<usize>() > COMPARED_ANCHORS_MAX {
            drop(reader);
            let (anew, step) = self.project_all().await?;
            *projection = anew;
            return Ok(step);
        }
        let mut rows = rows_by_anchor(&touched, &projection.ledger);
        let mut sink = |row: Row| {
            rows.entry(row.anchor.clone()).or_default().push(row);
            Ok(())
        };
        reader.read_touched(&touched, &mut sink).await?;
        drop(reader);
        self.apply(projection, rows, position).await
    }

    async fn apply(
        &self,
        projection: &mut Projection,
        rows: BTreeMap<Anchor, Vec<Row>>,
        position: Position,
    ) -> Result<Step, ProjectionError> {
        let Edit { gone, put, texts, mut given } = Edit::between(&projection.ledger, rows)?;
        let put_texts: HashSet<Entry> =
            texts.iter().filter_map(|text| text_entry(&self.schema, text)).collect();
        let gone_texts: Vec<Entry> =
            gone.iter().filter(|entry| !put_texts.contains(*entry)).cloned().collect();
        self.vectors().forget(&self.schema, &gone_texts).await?;
        let Embedded { changes: vectors, owed, failure } = self.vectors().embed(texts).await?;
        let owed = owed_entries(&self.schema, &owed);
        let stale: Vec<Entry> = owed.difference(&projection.owed_entries()).cloned().collect();

        // What is gone comes first: an entry that moved from one anchor to another is in both lists.
        let removals = gone.into_iter().chain(stale).map(|entry| entry.removal(&self.schema));
        let changes: Vec<Change> = removals.chain(put).chain(vectors).collect();
        let change_count = changes.len();
        if change_count > 0 {
            let (engine, version) = (Arc::clone(&projection.engine), position.to_string());
            let next = blocking(move || Ok(engine.update(changes)?.with_version(version))).await?;
            projection.engine = Arc::new(next);
        }
        for (anchor, given) in &mut given {
            projection.owing.remove(anchor);
            for one in given.iter_mut().filter(|one| owed.contains(&one.entry)) {
                one.fingerprint = Fingerprint::OWED;
                projection.owing.insert(anchor.clone());
            }
            projection.ledger.replace(anchor, given);
        }
        projection.position = position;
        Ok(Step { change_count, failure })
    }
}

impl Projection {
    /// The engine as readers get it: it says in its answers what it lacks.
    pub(super) fn published(&self) -> Arc<Engine> {
        if self.owing.is_empty() {
            return Arc::clone(&self.engine);
        }
        let lacking = "some texts have no vector yet".to_string();
        Arc::new(Engine::clone(&self.engine).with_degraded(vec![lacking]))
    }

    /// Texts that could not be embedded yet.
    fn owed_entries(&self) -> HashSet<Entry> {
        let given = self.owing.iter().flat_map(|anchor| self.ledger.given(anchor));
        given.filter(|given| given.fingerprint == Fingerprint::OWED).map(|given| given.entry).collect()
    }
}

/// Whether to try again what could not be embedded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only what changed.
    Nothing,
    /// Anchors with texts that have no vector yet, too.
    Owed,
}

/// Every touched anchor, so far without rows: one that gives nothing any more has none.
fn rows_by_anchor(touched: &Touched, ledger: &Ledger) -> BTreeMap<Anchor, Vec<Row>> {
    let single = touched.anchors.iter().flat_map(|(table, ids)| ids.iter().map(move |id| (table, *id)));
    let whole = touched.tables.iter().flat_map(|table| ledger.anchors_of(table).map(move |id| (table, id)));
    single.chain(whole).map(|(table, id)| (Anchor { table: table.clone(), id }, Vec::new())).collect()
}

/// How the rows of some anchors differ from what the ledger says they gave.
struct Edit {
    gone: Vec<Entry>,
    put: Vec<Change>,
    texts: Vec<TextContent>,
    /// What each anchor gives now.
    given: Vec<(Anchor, Vec<Given>)>,
}

impl Edit {
    fn between(ledger: &Ledger, rows: BTreeMap<Anchor, Vec<Row>>) -> Result<Self, ProjectionError> {
        let mut edit = Self { gone: Vec::new(), put: Vec::new(), texts: Vec::new(), given: Vec::new() };
        for (anchor, rows) in rows {
            let mut now: Vec<Given> = rows.iter().map(|row| row.given.clone()).collect();
            sort_given(&anchor, &mut now)?;
            let difference = ledger.compare(&anchor, &now);
            edit.gone.extend(difference.gone);
            let fresh: HashSet<Entry> = difference.fresh.into_iter().collect();
            for row in rows.into_iter().filter(|row| fresh.contains(&row.given.entry)) {
                match row.content {
                    Content::Change(change) => edit.put.push(change),
                    Content::Text(text) => edit.texts.push(text),
                }
            }
            edit.given.push((anchor, now));
        }
        Ok(edit)
    }
}

fn text_entry(schema: &Schema, text: &TextContent) -> Option<Entry> {
    schema.space(&text.space).map(|space| Entry::Text { space, key: text.key.clone() })
}

fn owed_entries(schema: &Schema, owed: &[TextContent]) -> HashSet<Entry> {
    owed.iter().filter_map(|text| text_entry(schema, text)).collect()
}

/// An engine in the making, while rows come in.
struct Build {
    /// `None` only after an error.
    builder: Option<EngineBuilder>,
    waiting: Vec<Change>,
    change_count: usize,
    ledger: LedgerBuilder,
    unembedded: Vec<(TextContent, (Anchor, Given))>,
}

impl Build {
    fn take(&mut self, row: Row) -> Result<(), ProjectionError> {
        let Row { anchor, given, content } = row;
        match content {
            Content::Text(text) if matches!(text.vector, KnownVector::Missing { .. }) => {
                self.unembedded.push((text, (anchor, given)));
                Ok(())
            }
            Content::Text(TextContent { space, key, audience, vector, .. }) => {
                self.ledger.add(&anchor, &given);
                match vector {
                    KnownVector::Stored(vector) => {
                        self.change(Change::PutVector { space, key, vector, audience })
                    }
                    KnownVector::Missing { .. } => Ok(()),
                }
            }
            Content::Change(change) => {
                self.ledger.add(&anchor, &given);
                self.change(change)
            }
        }
    }

    fn change(&mut self, change: Change) -> Result<(), ProjectionError> {
        self.waiting.push(change);
        self.change_count += 1;
        if self.waiting.len() >= BUILD_CHANGES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ProjectionError> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some(builder) = self.builder.take() else { return Err(ProjectionError::Stopped) };
        self.builder = Some(builder.apply(waiting)?);
        Ok(())
    }
}

/// Runs work of milliseconds to minutes off the threads that answer requests.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProjectionError> + Send + 'static,
) -> Result<T, ProjectionError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(ProjectionError::Stopped),
    }
}
