//! The address of the page.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::headers::security_headers;
use super::model::{PageModel, Search};
use super::page::page;
use crate::matching::{Asker, MatchParams, MatcherOffer, Matching, PlatformOffer};
use crate::problem::{Problem, QueryString};

/// Names that one search lists.
const HITS_MAX: usize = 20;
/// Names to start with.
const STARTS_MAX: usize = 8;
/// Evidence of one contribution on the page.
const EVIDENCE_MAX: usize = 4;

/// The query of the page. Unknown keys are ignored: people edit and share these addresses.
#[derive(Clone, Debug, Default, Deserialize)]
struct PageQuery {
    /// Platform and matcher, as `platform/matcher`.
    r#for: Option<String>,
    /// A part of a name.
    #[serde(default)]
    q: String,
    /// Whose matches to show; a search goes before it.
    id: Option<String>,
}

/// The route `/`.
pub fn routes() -> Router<Arc<Matching>> {
    Router::new().route("/", get(show))
}

async fn show(
    State(matching): State<Arc<Matching>>,
    asker: Asker,
    query: Result<QueryString<PageQuery>, Problem>,
) -> Response {
    let (query, problem) = match query {
        Ok(QueryString(query)) => (query, None),
        Err(problem) => (PageQuery::default(), Some(problem)),
    };
    let mut model = chosen_page(&matching, &query);
    model.problem = problem;
    let outcome = match query.id.as_deref().filter(|_| query.q.trim().is_empty()) {
        Some(id) => answered(&matching, &asker, &mut model, id).await,
        None => searched(&matching, &asker, &mut model).await,
    };
    if let Err(problem) = outcome {
        model.problem.get_or_insert(problem);
        // Somebody to go on with; what stops this too was said above.
        let _ = searched(&matching, &asker, &mut model).await;
    }
    let status = model.problem.as_ref().map_or(StatusCode::OK, Problem::status);
    (status, security_headers(), page(&model)).into_response()
}

/// A matcher between nodes of one kind, as a visitor can click on from match to match; else any.
fn first_choice(platform: &PlatformOffer) -> Option<&MatcherOffer> {
    platform.matchers.iter().find(|matcher| matcher.from == matcher.to).or(platform.matchers.first())
}

/// The page before anything is asked: the choices, and what is chosen.
fn chosen_page(matching: &Matching, query: &PageQuery) -> PageModel {
    let platforms = matching.offers();
    let (platform, matcher) = match query.r#for.as_deref().and_then(|chosen| chosen.split_once('/')) {
        Some((platform, matcher)) => (platform.to_owned(), matcher.to_owned()),
        None => {
            let first = platforms.iter().find_map(|platform| Some((platform, first_choice(platform)?)));
            first.map(|(platform, matcher)| (platform.name.clone(), matcher.name.clone())).unwrap_or_default()
        }
    };
    let search = Search { text: query.q.trim().to_owned(), hits: Vec::new(), is_cut: false };
    PageModel { platforms, platform, matcher, search, answer: None, problem: None }
}

async fn answered(
    matching: &Matching,
    asker: &Asker,
    model: &mut PageModel,
    id: &str,
) -> Result<(), Problem> {
    let params = MatchParams { evidence: Some(EVIDENCE_MAX), ..MatchParams::default() };
    model.answer = Some(matching.recommend(asker, &model.platform, &model.matcher, id, &params).await?);
    Ok(())
}

async fn searched(matching: &Matching, asker: &Asker, model: &mut PageModel) -> Result<(), Problem> {
    let limit = if model.search.text.is_empty() { STARTS_MAX } else { HITS_MAX };
    // One more than is shown tells whether there are more.
    let mut hits =
        matching.find_sources(asker, &model.platform, &model.matcher, &model.search.text, limit + 1).await?;
    model.search.is_cut = hits.len() > limit && !model.search.text.is_empty();
    hits.truncate(limit);
    model.search.hits = hits;
    Ok(())
}
