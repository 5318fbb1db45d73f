//! Many sources in one request: the answers one by one, each as if its source had asked alone.

use std::sync::Arc;

use affinity_core::{Engine, Query};
use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt};
use serde_json::json;

use super::asker::Asker;
use super::problems::unwritable;
use super::service::{Matching, matcher_of, node_query, recommend};
use super::wire::MatchBody;
use crate::problem::Problem;

/// Sources of one request.
const SOURCES_MAX: usize = 10_000;
/// One answer a line.
pub(super) const NDJSON: &str = "application/x-ndjson";

impl Matching {
    /// Streams an answer per source, in their order: as lines where the client accepts [`NDJSON`], else as one object.
    ///
    /// All come from one version of the engine, whatever changes meanwhile. What cannot be answered is a problem
    /// document in its place, with `source`.
    ///
    /// # Errors
    /// A [`Problem`] for what is wrong with the request as a whole.
    pub(super) fn recommend_many(
        self: &Arc<Self>,
        asker: Asker,
        platform: &str,
        matcher: &str,
        body: MatchBody,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let engine = self.hosted(platform)?.engine();
        matcher_of(&engine, matcher)?;
        let sources = body.sources.clone().unwrap_or_default();
        if body.source.is_some() || sources.is_empty() || sources.len() > SOURCES_MAX {
            let detail = "a request has a \"source\" or a list of \"sources\"";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_source", detail);
            let expected = format!("1 to {SOURCES_MAX} sources and no \"source\"");
            return Err(problem.expected(expected, format!("{} sources", sources.len())));
        }
        let accepts =
            |value: &axum::http::HeaderValue| value.to_str().is_ok_and(|text| text.contains(NDJSON));
        let is_lines = headers.get_all(ACCEPT).iter().any(accepts);
        // One moment for all of them.
        let mut body = body;
        body.as_of.get_or_insert_with(|| chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string());
        let (matching, matcher) = (Arc::clone(self), matcher.to_string());
        let asked = Arc::new((asker, body));
        let answers = stream::iter(sources).then(move |source| {
            let (matching, engine) = (Arc::clone(&matching), Arc::clone(&engine));
            let (matcher, asked) = (matcher.clone(), Arc::clone(&asked));
            async move { matching.line(engine, &asked, (&matcher, &source)).await }
        });
        let (media_type, body) = if is_lines {
            (NDJSON, Body::from_stream(answers.map(|answer| Ok::<_, std::io::Error>(answer + "\n"))))
        } else {
            ("application/json", Body::from_stream(as_object(answers)))
        };
        Ok(([(CONTENT_TYPE, media_type)], body).into_response())
    }

    async fn line(
        &self,
        engine: Arc<Engine>,
        (asker, body): &(Asker, MatchBody),
        (matcher, source): (&str, &str),
    ) -> String {
        let answer = async {
            let query: Query = body.bend(node_query(&engine, asker, (matcher, source), &body.params())?);
            let run = self.pool.run_in_turn(self.pool.deadline(), move |scratch, cancel| {
                recommend(&engine, query, scratch, cancel)
            });
            let answer = run.await??;
            serde_json::to_string(&answer).map_err(|_| unwritable())
        };
        answer
            .await
            .unwrap_or_else(|problem: Problem| json!({ "source": source, "problem": problem }).to_string())
    }
}

/// Whether the client takes one JSON document a line.
pub(super) fn accepts_lines(headers: &HeaderMap) -> bool {
    let accepts = |value: &axum::http::HeaderValue| value.to_str().is_ok_and(|text| text.contains(NDJSON));
    headers.get_all(ACCEPT).iter().any(accepts)
}

/// `{"answers":[...]}`, as it grows.
fn as_object(
    answers: impl Stream<Item = String> + Send + 'static,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let listed = answers.enumerate().map(|(place, answer)| {
        let before = if place == 0 { "" } else { "," };
        Bytes::from(format!("{before}{answer}"))
    });
    let (head, tail) = (Bytes::from_static(b"{\"answers\":["), Bytes::from_static(b"]}"));
    stream::once(async { head }).chain(listed).chain(stream::once(async { tail })).map(Ok)
}
