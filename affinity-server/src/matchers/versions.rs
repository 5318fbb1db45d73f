use std::collections::BTreeMap;

use affinity_core::Matcher;
use sqlx::PgPool;
use sqlx::types::chrono::{DateTime, Utc};

use super::error::{MatcherName, MatchersError};
use crate::platform::MatcherText;

/// The texts of matchers in the database, and which of them is served: `affinity.matcher_versions`.
#[derive(Clone, Debug)]
pub struct Versions {
    pool: PgPool,
}

/// A version, as lists show it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct MatcherVersion {
    /// The hash that answers name.
    pub version: String,
    /// `file` or `fit`.
    pub origin: String,
    /// The version whose weights the fit started at.
    pub fitted_from: Option<String>,
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
    /// Whether it is the one served.
    pub active: bool,
}

/// What a fit made.
#[derive(Clone, Debug)]
pub struct FittedVersion<'a> {
    /// Its hash.
    pub version: &'a str,
    /// Its text.
    pub toml: &'a str,
    /// The version whose weights the fit started at.
    pub fitted_from: &'a str,
    /// Quality before and after.
    pub report: &'a serde_json::Value,
}

impl Versions {
    /// Those of a migrated database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The texts to serve: those of `files`, with an activated version in place of its file's.
    ///
    /// `read` are the same files as matchers. The files' texts are registered, so that they can be gone back to.
    ///
    /// # Errors
    /// [`MatchersError::Database`].
    pub async fn served(
        &self,
        platform: &str,
        files: &[MatcherText],
        read: &[Matcher],
    ) -> Result<Vec<MatcherText>, MatchersError> {
        for (file, matcher) in files.iter().zip(read) {
            sqlx::query(
                "insert into affinity.matcher_versions (platform, matcher, version, toml, origin)
                 values ($1, $2, $3, $4, 'file') on conflict do nothing",
            )
            .bind(platform)
            .bind(matcher.name())
            .bind(matcher.version())
            .bind(&file.text)
            .execute(&self.pool)
            .await
            .map_err(MatchersError::database("register a matcher"))?;
        }
        let active: Vec<(String, String, String, Option<String>)> = sqlx::query_as(
            "select matcher, version, toml, fitted_from from affinity.active_matchers where platform = $1",
        )
        .bind(platform)
        .fetch_all(&self.pool)
        .await
        .map_err(MatchersError::database("tell which matchers are active"))?;
        let mut active: BTreeMap<String, (String, String, Option<String>)> = active
            .into_iter()
            .map(|(matcher, version, toml, fitted_from)| (matcher, (version, toml, fitted_from)))
            .collect();
        let serve = |(file, matcher): (&MatcherText, &Matcher)| match active.remove(matcher.name()) {
            Some((version, toml, fitted_from)) if version != matcher.version() => {
                if fitted_from.is_some_and(|before| before != matcher.version()) {
                    tracing::warn!(
                        "{platform}/{}: version {version} is active, and {} has changed since it was fitted; \
                         \"affinity-server activate {platform}/{} {}\" serves the file",
                        matcher.name(),
                        file.file,
                        matcher.name(),
                        matcher.version(),
                    );
                }
                MatcherText { file: format!("{} version {version}", file.file), text: toml }
            }
            _ => file.clone(),
        };
        Ok(files.iter().zip(read).map(serve).collect())
    }

    /// The text of a version; the one served when `version` is `None`.
    ///
    /// # Errors
    /// [`MatchersError::UnknownVersion`], or the database's.
    pub async fn text(&self, of: &MatcherName, version: &str) -> Result<String, MatchersError> {
        let found: Option<String> = sqlx::query_scalar(
            "select toml from affinity.matcher_versions where platform = $1 and matcher = $2 and version = $3",
        )
        .bind(&of.platform)
        .bind(&of.matcher)
        .bind(version)
        .fetch_optional(&self.pool)
        .await
        .map_err(MatchersError::database("read a matcher's version"))?;
        match found {
            Some(text) => Ok(text),
            None => Err(self.unknown(of, version).await?),
        }
    }

    async fn unknown(&self, of: &MatcherName, version: &str) -> Result<MatchersError, MatchersError> {
        let allowed = self.list(of).await?.into_iter().map(|known| known.version).collect();
        Ok(MatchersError::UnknownVersion { matcher: of.clone(), got: version.to_string(), allowed })
    }

    /// All versions of a matcher, newest first.
    ///
    /// # Errors
    /// [`MatchersError::Database`].
    pub async fn list(&self, of: &MatcherName) -> Result<Vec<MatcherVersion>, MatchersError> {
        sqlx::query_as(
            "select v.version, v.origin, v.fitted_from, v.created_at, a.version is not null as active
             from affinity.matcher_versions v
             left join affinity.active_matchers a
                on a.platform = v.platform and a.matcher = v.matcher and a.version = v.version
             where v.platform = $1 and v.matcher = $2
             order by v.created_at desc, v.version",
        )
        .bind(&of.platform)
        .bind(&of.matcher)
        .fetch_all(&self.pool)
        .await
        .map_err(MatchersError::database("list the versions of a matcher"))
    }

    /// Keeps what a fit made; it is served only once it is activated.
    ///
    /// # Errors
    /// [`MatchersError::Database`].
    pub async fn add(&self, of: &MatcherName, fitted: FittedVersion<'_>) -> Result<(), MatchersError> {
        sqlx::query(
            "insert into affinity.matcher_versions (platform, matcher, version, toml, origin, fitted_from, report)
             values ($1, $2, $3, $4, 'fit', $5, $6)
             on conflict (platform, matcher, version) do update set report = excluded.report",
        )
        .bind(&of.platform)
        .bind(&of.matcher)
        .bind(fitted.version)
        .bind(fitted.toml)
        .bind(fitted.fitted_from)
        .bind(fitted.report)
        .execute(&self.pool)
        .await
        .map_err(MatchersError::database("keep a fitted matcher"))?;
        Ok(())
    }

    /// Has `version` served from now on, here and on every server of this database.
    ///
    /// # Errors
    /// [`MatchersError::UnknownVersion`], or the database's.
    pub async fn activate(&self, of: &MatcherName, version: &str) -> Result<(), MatchersError> {
        let activated = sqlx::query(
            "insert into affinity.matcher_activations (platform, matcher, version)
             select platform, matcher, version from affinity.matcher_versions
             where platform = $1 and matcher = $2 and version = $3",
        )
        .bind(&of.platform)
        .bind(&of.matcher)
        .bind(version)
        .execute(&self.pool)
        .await
        .map_err(MatchersError::database("activate a matcher"))?;
        if activated.rows_affected() == 0 {
            return Err(self.unknown(of, version).await?);
        }
        Ok(())
    }

    /// Has the version served that was before the present one; returns it.
    ///
    /// A version that was never preceded by another gives way to the one it was fitted from.
    ///
    /// # Errors
    /// [`MatchersError::NothingBefore`] when the present one is the first, or the database's.
    pub async fn roll_back(&self, of: &MatcherName) -> Result<String, MatchersError> {
        let before: Option<Option<String>> = sqlx::query_scalar(
            "select coalesce(
                (select a.version from affinity.matcher_activations a
                 where a.platform = now.platform and a.matcher = now.matcher and a.version <> now.version
                 order by a.id desc limit 1),
                now.fitted_from)
             from affinity.active_matchers now where now.platform = $1 and now.matcher = $2",
        )
        .bind(&of.platform)
        .bind(&of.matcher)
        .fetch_optional(&self.pool)
        .await
        .map_err(MatchersError::database("tell which version was active before"))?;
        let Some(before) = before.flatten() else {
            return Err(MatchersError::NothingBefore { matcher: of.clone() });
        };
        self.activate(of, &before).await?;
        Ok(before)
    }
}
