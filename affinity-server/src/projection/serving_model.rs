//! Which model the vectors that answers come from are of, remembered from run to run.

use sqlx::PgPool;

use super::ProjectionError;
use crate::embedding::Embedder;

/// The model that a platform's answers come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingModel {
    /// As [`Embedder::model`] names it.
    pub model: String,
    /// Components of its vectors.
    pub dimension: usize,
}

impl ServingModel {
    /// What the last run recorded; `None` for a platform that never ran.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot be asked.
    pub async fn recorded(pool: &PgPool, platform: &str) -> Result<Option<Self>, ProjectionError> {
        let row: Option<(String, i32)> =
            sqlx::query_as("select model, dimension from affinity.embedding_models where platform = $1")
                .bind(platform)
                .fetch_optional(pool)
                .await
                .map_err(ProjectionError::database("name the embedding model"))?;
        Ok(row
            .and_then(|(model, dimension)| Some(Self { model, dimension: usize::try_from(dimension).ok()? })))
    }

    /// Makes `embedder` the recorded one.
    ///
    /// # Errors
    /// [`ProjectionError::Database`] when it cannot be stored.
    pub(super) async fn record(
        pool: &PgPool,
        platform: &str,
        embedder: &Embedder,
    ) -> Result<(), ProjectionError> {
        sqlx::query(
            "insert into affinity.embedding_models (platform, model, dimension) values ($1, $2, $3)
             on conflict (platform) do update set model = excluded.model, dimension = excluded.dimension",
        )
        .bind(platform)
        .bind(embedder.model())
        .bind(i32::try_from(embedder.dimension()).unwrap_or(i32::MAX))
        .execute(pool)
        .await
        .map_err(ProjectionError::database("record the embedding model"))?;
        Ok(())
    }
}
