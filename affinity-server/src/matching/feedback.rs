//! What people say of matches: a row in the database, and from there an edge of the engine.

use affinity_core::{Answer, Key};
use axum::http::StatusCode;
use serde::Serialize;
use sqlx::PgPool;

use super::asker::Asker;
use super::hosted::Hosted;
use super::service::{Matching, key_of};
use super::wire::{FeedbackAction, FeedbackBody};
use crate::problem::Problem;

/// What was taken down, and the engine that knows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Recorded {
    matcher: String,
    source: Key,
    target: Key,
    action: FeedbackAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<i16>,
    /// Answers of this version and later ones know it.
    engine_version: String,
}

impl Matching {
    /// Takes feedback down and waits until the engine knows it.
    ///
    /// # Errors
    /// A [`Problem`] that names what is wrong with the request, or 503 while the database cannot be written.
    pub(super) async fn take_feedback(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        body: FeedbackBody,
    ) -> Result<Recorded, Problem> {
        let Hosted::Live(live) = self.hosted(platform)? else {
            let detail = format!("platform \"{platform}\" is served from a file and takes no feedback");
            return Err(Problem::new(StatusCode::CONFLICT, "not_live", detail));
        };
        let engine = live.load();
        let known = super::service::matcher_of(&engine, matcher)?;
        let rating = checked_rating(&body)?;
        let said = Said {
            platform,
            matcher,
            source: source_of(&body)?,
            target: key_of(&body.target),
            action: body.action,
            rating,
            answer_id: body.answer_id.as_deref(),
        };
        asker.require_matcher(matcher)?;
        asker.viewer_for(&engine, known.from_kind(), &said.source)?;
        for (kind, key) in [(known.from_kind(), &said.source), (known.to_kind(), &said.target)] {
            if engine.node(kind, key).is_none() {
                let kind = engine.schema().kinds()[kind.index()].name.clone();
                return Err(affinity_core::QueryError::UnknownNode { kind, key: key.clone() }.into());
            }
        }
        said.write(live.pool()).await.map_err(|error| unavailable(&error))?;
        live.catch_up().await.map_err(|error| unavailable(&error))?;
        let Said { source, target, action, .. } = said;
        let engine_version = live.load().version().to_string();
        Ok(Recorded { matcher: matcher.to_string(), source, target, action, rating, engine_version })
    }
}

/// What goes into `affinity.feedback`.
struct Said<'a> {
    platform: &'a str,
    matcher: &'a str,
    source: Key,
    target: Key,
    action: FeedbackAction,
    rating: Option<i16>,
    answer_id: Option<&'a str>,
}

impl Said<'_> {
    async fn write(&self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let action = match self.action {
            FeedbackAction::Dismiss => "dismiss",
            FeedbackAction::Accept => "accept",
            FeedbackAction::Rate => "rate",
            FeedbackAction::Withdraw => {
                sqlx::query(
                    "delete from affinity.feedback
                     where platform = $1 and matcher = $2 and source = $3 and target = $4",
                )
                .bind(self.platform)
                .bind(self.matcher)
                .bind(self.source.to_string())
                .bind(self.target.to_string())
                .execute(pool)
                .await?;
                return Ok(());
            }
        };
        sqlx::query(
            "insert into affinity.feedback (platform, matcher, source, target, action, rating, answer_id)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (platform, matcher, source, target) do update
             set action = excluded.action, rating = excluded.rating, answer_id = excluded.answer_id, at = excluded.at",
        )
        .bind(self.platform)
        .bind(self.matcher)
        .bind(self.source.to_string())
        .bind(self.target.to_string())
        .bind(action)
        .bind(self.rating)
        .bind(self.answer_id)
        .execute(pool)
        .await?;
        Ok(())
    }
}

/// The source that is named, by itself or by an answer; where both are, they must agree.
fn source_of(body: &FeedbackBody) -> Result<Key, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "bad_source", detail);
    let answered = match &body.answer_id {
        None => None,
        Some(id) => Some(Answer::source_of(id).map(key_of).ok_or_else(|| {
            bad("\"answer_id\" is not the id of an answer to a node".to_string())
                .expected("an answer's \"id\": 16 hexadecimal digits, a full stop and the source", id)
        })?),
    };
    match (answered, body.source.as_deref().map(key_of)) {
        (Some(answered), Some(source)) if answered != source => {
            Err(bad("\"source\" is not whom the answer was for".to_string())
                .expected(answered.to_string(), source.to_string()))
        }
        (Some(source), _) | (None, Some(source)) => Ok(source),
        (None, None) => Err(bad("\"answer_id\" or \"source\" is needed".to_string())),
    }
}

fn checked_rating(body: &FeedbackBody) -> Result<Option<i16>, Problem> {
    let is_rate = body.action == FeedbackAction::Rate;
    match body.rating {
        Some(rating) if is_rate && (1..=5).contains(&rating) => Ok(Some(rating)),
        None if !is_rate => Ok(None),
        got => {
            let expected = if is_rate { "1 to 5 with \"rate\"" } else { "no rating but with \"rate\"" };
            let got = got.map_or_else(|| "none".to_string(), |got| got.to_string());
            let detail = "\"rating\" does not go with \"action\"";
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad_rating", detail).expected(expected, got))
        }
    }
}

fn unavailable(error: &dyn std::error::Error) -> Problem {
    tracing::warn!("feedback was not taken: {error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database_unavailable", "feedback cannot be taken just now")
        .retry_after_seconds(1)
}
