use std::collections::{BTreeMap, HashMap};

use affinity_core::{Change, Key, Matcher, Schema, Timestamp, Value};
use sqlx::PgPool;
use sqlx::types::chrono::{DateTime, Utc};

use super::error::LearnError;
use super::history::Outcome;
use super::replay::Replay;
use crate::catalog::ProjectionStatements;
use crate::matchers::{MatcherName, MatchersError, Versions};
use crate::platform::Platform;
use crate::projection::{LiveEngine, LiveParts};

/// All that is needed to look at the past decisions of one matcher.
#[derive(Clone, Debug)]
pub struct Past {
    /// Whose decisions.
    pub name: MatcherName,
    /// All matchers of the platform as they are served now.
    pub matchers: Vec<Matcher>,
    /// What the changes are checked against.
    pub schema: Schema,
    /// The database's content as changes to an empty engine, nodes first.
    pub changes: Vec<Change>,
    /// Oldest first.
    pub outcomes: Vec<Outcome>,
    /// What of the changes was not known when.
    pub replay: Replay,
    /// The served version's text.
    pub text: String,
    /// Where the served version is a fit: when it was made, and weights by signal of the version it started at.
    pub fitted: Option<(DateTime<Utc>, BTreeMap<String, f64>)>,
}

impl Past {
    /// Reads it from a migrated database.
    ///
    /// # Errors
    /// Names of the platform's that the database does not have, the database's own, and [`LearnError`] of
    /// `replay.toml`.
    pub async fn read(
        pool: &PgPool,
        platform: &Platform,
        parts: LiveParts,
        name: &MatcherName,
    ) -> anyhow::Result<Self> {
        let (matchers, schema) = (parts.matchers.clone(), parts.schema.clone());
        let replay = Replay::of(platform, &schema)?;
        let versions = Versions::new(pool.clone());
        let served = matchers.iter().find(|matcher| matcher.name() == name.matcher);
        let served = served.map(|matcher| matcher.version().to_string()).unwrap_or_default();
        let text = versions.text(name, &served).await?;
        let listed = versions.list(name).await?.into_iter().find(|version| version.version == served);
        let fitted = match listed.and_then(|version| Some((version.created_at, version.fitted_from?))) {
            None => None,
            Some((made_at, before)) => {
                let text = versions.text(name, &before).await?;
                let matcher = Matcher::from_toml(&text, &before, &schema)
                    .map_err(|source| LearnError::Matcher { source })?;
                Some((made_at, weights_of(&matcher)))
            }
        };
        let outcomes = read_outcomes(pool, name).await?;
        if outcomes.is_empty() {
            return Err(LearnError::NoOutcomes { matcher: name.clone() }.into());
        }
        let changes = LiveEngine::read_changes(parts).await?;
        Ok(Self { name: name.clone(), matchers, schema, changes, outcomes, replay, text, fitted })
    }

    /// The matcher as it is served now; `None` when the platform has none of that name.
    #[must_use]
    pub fn matcher(&self) -> Option<&Matcher> {
        self.matchers.iter().find(|matcher| matcher.name() == self.name.matcher)
    }

    /// By source, the segments it is in at `cut`.
    pub(super) fn segments(&self, cut: Timestamp) -> HashMap<&Key, Vec<String>> {
        let kind = self.matcher().map(|matcher| &self.schema.kinds()[matcher.from_kind().index()].name);
        let attributes = kind.and_then(|kind| self.replay.segments.get(kind)).map_or(&[][..], Vec::as_slice);
        let new_us = i64::from(self.replay.new_days) * 86_400_000_000;
        let mut segments = HashMap::new();
        for change in &self.changes {
            let Change::PutNode { kind: of, key, record } = change else { continue };
            if Some(of) != kind {
                continue;
            }
            let mut names = Vec::new();
            for attribute in attributes {
                match record.attributes.get(attribute) {
                    Some(Value::Category(value) | Value::Text(value)) => {
                        names.push(format!("{attribute}: {value}"))
                    }
                    Some(Value::Tags(tags)) => {
                        names.extend(tags.iter().map(|tag| format!("{attribute}: {tag}")))
                    }
                    _ => {}
                }
            }
            let created = self.replay.created_at(of, &record.attributes);
            if created.is_some_and(|at| at.micros() >= cut.micros().saturating_sub(new_us)) {
                names.push(format!("new: at most {} days", self.replay.new_days));
            }
            segments.insert(key, names);
        }
        segments
    }
}

/// The matcher's weights by signal.
fn weights_of(matcher: &Matcher) -> BTreeMap<String, f64> {
    matcher.signals().into_iter().map(|signal| (signal.name, signal.weight)).collect()
}

async fn read_outcomes(pool: &PgPool, name: &MatcherName) -> anyhow::Result<Vec<Outcome>> {
    let mut connection = pool.acquire().await?;
    let statements = ProjectionStatements::prepare(&mut connection, &name.platform).await?;
    let rows: Vec<(String, String, f64, DateTime<Utc>)> = sqlx::query_as(statements.outcomes())
        .bind(&name.platform)
        .bind(&name.matcher)
        .fetch_all(&mut *connection)
        .await
        .map_err(|source| MatchersError::Database { doing: "tell what became of past matches", source })?;
    let outcome = |(source, target, label, at): (String, String, f64, DateTime<Utc>)| Outcome {
        source: source.into(),
        target: target.into(),
        label,
        at: Timestamp::from_micros(at.timestamp_micros()),
    };
    Ok(rows.into_iter().map(outcome).collect())
}
