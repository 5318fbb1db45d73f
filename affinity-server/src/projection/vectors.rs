use affinity_core::{Change, Key, Schema};
use sqlx::PgPool;

use super::ProjectionError;
use super::entry::Entry;
use super::row::{KnownVector, TextContent};
use crate::catalog::ProjectionStatements;
use crate::embedding::{Embedder, EmbeddingError};
use crate::observability::Progress;

/// Texts embedded, and vectors stored, at once.
const BATCH_TEXTS: usize = 256;

/// What became of texts.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    /// One for each text that has a vector; a text without words has none and its old one goes.
    pub(super) changes: Vec<Change>,
    /// Texts that could not be embedded now: whoever had a vector there has none until it works again.
    pub(super) owed: Vec<TextContent>,
    /// Why not.
    pub(super) failure: Option<EmbeddingError>,
}

/// Turns texts into vectors, each once per model, and keeps them in `affinity.vectors`.
pub(super) struct VectorStore<'a> {
    pub(super) pool: &'a PgPool,
    pub(super) platform: &'a str,
    pub(super) embedder: &'a Embedder,
}

impl VectorStore<'_> {
    /// The changes that give `texts` their vectors; unknown ones are made and stored.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when they cannot be stored. A failure to embed is no error but part of the
    /// answer: the graph must not wait for a model that is down.
    pub(super) async fn embed(&self, texts: Vec<TextContent>) -> Result<Embedded, ProjectionError> {
        let mut embedded = Embedded::default();
        let mut missing = Vec::new();
        for text in texts {
            match text.vector {
                KnownVector::Stored(vector) => {
                    let TextContent { space, key, audience, .. } = text;
                    embedded.changes.push(Change::PutVector { space, key, vector, audience });
                }
                KnownVector::Missing { .. } => missing.push(text),
            }
        }
        // A handful of texts is done before anybody could read that they are being done.
        let long = missing.len() > 4 * BATCH_TEXTS;
        let progress = long.then(|| {
            let total = u64::try_from(missing.len()).unwrap_or(u64::MAX);
            Progress::steps("Embedding texts", total)
        });
        while !missing.is_empty() {
            let batch = missing.split_off(missing.len().saturating_sub(BATCH_TEXTS));
            match self.embed_batch(&batch).await? {
                Ok(changes) => embedded.changes.extend(changes),
                Err(failure) => {
                    // The rest would fail alike, each after its own timeout.
                    embedded.owed = missing;
                    embedded.owed.extend(batch);
                    embedded.failure = Some(failure);
                    break;
                }
            }
            if let Some(progress) = &progress {
                progress.advance(u64::try_from(BATCH_TEXTS).unwrap_or(u64::MAX));
            }
        }
        Ok(embedded)
    }

    async fn embed_batch(
        &self,
        batch: &[TextContent],
    ) -> Result<Result<Vec<Change>, EmbeddingError>, ProjectionError> {
        let texts: Vec<String> = batch
            .iter()
            .map(|text| match &text.vector {
                KnownVector::Missing { text } => text.clone(),
                KnownVector::Stored(_) => String::new(),
            })
            .collect();
        let vectors = match self.embedder.embed(&texts).await {
            Ok(vectors) => vectors,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut made = Vec::new();
        let mut changes = Vec::new();
        for (text, vector) in batch.iter().zip(vectors) {
            let (space, key) = (text.space.clone(), text.key.clone());
            changes.push(match vector {
                Some(vector) => {
                    made.push((text, vector.clone()));
                    Change::PutVector { space, key, vector, audience: text.audience.clone() }
                }
                None => Change::RemoveVector { space, key },
            });
        }
        self.store(&made).await?;
        Ok(Ok(changes))
    }

    async fn store(&self, made: &[(&TextContent, Vec<f32>)]) -> Result<(), ProjectionError> {
        let column =
            |of: fn(&TextContent) -> &str| made.iter().map(|(text, _)| of(text)).collect::<Vec<&str>>();
        let hashes: Vec<&[u8]> = made.iter().map(|(text, _)| text.text_hash.as_slice()).collect();
        let components: Vec<f32> = made.iter().flat_map(|(_, vector)| vector.iter().copied()).collect();
        let dimension = i32::try_from(self.embedder.dimension()).unwrap_or(i32::MAX);
        // Arrays of arrays lose their inner bounds in unnest, so all components come as one array and are cut here.
        sqlx::query(
            "insert into affinity.vectors (platform, kind, id, space, model, text_hash, vector)
             select $1, t.kind, t.id, t.space, $2, t.text_hash, ($7::real[])[(t.place - 1) * $8 + 1 : t.place * $8]
             from unnest($3::text[], $4::text[], $5::text[], $6::bytea[]) with ordinality
                as t(kind, id, space, text_hash, place)
             on conflict (platform, kind, id, space, model) do update
                set text_hash = excluded.text_hash, vector = excluded.vector",
        )
        .bind(self.platform)
        .bind(self.embedder.model())
        .bind(column(|text| &text.kind))
        .bind(column(|text| &text.id))
        .bind(column(|text| &text.space))
        .bind(hashes)
        .bind(components)
        .bind(dimension)
        .execute(self.pool)
        .await
        .map_err(ProjectionError::database("store vectors"))?;
        Ok(())
    }

    /// Deletes the stored vectors of texts that are gone; entries of other sorts are passed over.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot.
    pub(super) async fn forget(&self, schema: &Schema, gone: &[Entry]) -> Result<(), ProjectionError> {
        let (mut kinds, mut ids, mut spaces) = (Vec::new(), Vec::new(), Vec::new());
        for entry in gone {
            if let Entry::Text { space, key } = entry {
                let declared = &schema.spaces()[space.index()];
                kinds.push(schema.kinds()[declared.kind.index()].name.as_str());
                ids.push(Key::to_string(key));
                spaces.push(declared.name.as_str());
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "delete from affinity.vectors v using unnest($2::text[], $3::text[], $4::text[]) as t(kind, id, space)
             where v.platform = $1 and v.kind = t.kind and v.id = t.id and v.space = t.space",
        )
        .bind(self.platform)
        .bind(kinds)
        .bind(ids)
        .bind(spaces)
        .execute(self.pool)
        .await
        .map_err(ProjectionError::database("forget vectors"))?;
        Ok(())
    }

    /// Deletes all stored vectors of other models.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot.
    pub(super) async fn forget_other_models(&self) -> Result<(), ProjectionError> {
        sqlx::query("delete from affinity.vectors where platform = $1 and model <> $2")
            .bind(self.platform)
            .bind(self.embedder.model())
            .execute(self.pool)
            .await
            .map_err(ProjectionError::database("forget vectors"))?;
        Ok(())
    }

    /// Deletes all stored vectors whose text is gone.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot.
    pub(super) async fn forget_orphans(
        &self,
        statements: &ProjectionStatements,
    ) -> Result<(), ProjectionError> {
        let query = sqlx::query(statements.forget_orphans()).bind(self.platform);
        query.execute(self.pool).await.map_err(ProjectionError::database("forget vectors"))?;
        Ok(())
    }
}
