//! From a request to an answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use affinity_core::{
    AdHocSource, Answer, Engine, Explanation, Key, Link, Matcher, NodeRef, Observer, Query, QueryError,
    Scratch, Timestamp, TwoSidedQuery, WhyNot,
};
use axum::body::Bytes;
use axum::http::StatusCode;
use chrono::{DateTime, SubsecRound, Utc};

use super::asker::Asker;
use super::hosted::{Hosted, MatcherInfo, Platforms, describe, source_to_try};
use super::kept::{Found, KeptAnswers, Question};
use super::offer::PlatformOffer;
use super::pool::ScoringPool;
use super::problems::{embedding_failed, unwritable};
use super::wire::{Include, LinkBody, MatchBody, MatchParams, SourceBody};
use crate::embedding::Embedder;
use crate::problem::Problem;
use crate::projection::{Serving, attribute_value, expectation};

/// Texts of one source that are embedded.
const TEXTS_MAX: usize = 16;

/// Everything that matching needs.
#[derive(Debug)]
pub struct Matching {
    platforms: Platforms,
    pub(super) pool: ScoringPool,
    embedder: Arc<Embedder>,
    kept: KeptAnswers,
}

impl Matching {
    /// Answers for these platforms.
    #[must_use]
    pub fn new(platforms: Platforms, pool: ScoringPool, embedder: Arc<Embedder>) -> Self {
        Self { platforms, pool, embedder, kept: KeptAnswers::default() }
    }

    /// The platforms, by name.
    #[must_use]
    pub fn platforms(&self) -> &Platforms {
        &self.platforms
    }

    /// A matcher of a platform and a source that has matches there: the matcher with the most signals, as it shows most.
    pub async fn first_try(&self, platform: &str) -> Option<(String, Key)> {
        let engine = self.platforms.get(platform)?.engine();
        let found = self.pool.run(move |scratch, _| {
            let matchers = engine.matchers().values();
            let richest = matchers.max_by_key(|matcher| matcher.signals().len())?.name().to_string();
            source_to_try(&engine, &richest, scratch).map(|id| (richest, id))
        });
        found.await.ok().flatten()
    }

    /// Gives the platforms back, to be stopped.
    #[must_use]
    pub fn into_platforms(self) -> Platforms {
        self.platforms
    }

    /// What is served, by name.
    #[must_use]
    pub fn offers(&self) -> Vec<PlatformOffer> {
        self.platforms.iter().map(|(name, hosted)| PlatformOffer::of(name, &hosted.engine())).collect()
    }

    pub(super) fn hosted(&self, platform: &str) -> Result<&Hosted, Problem> {
        self.platforms.get(platform).ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "unknown_platform", format!("no platform \"{platform}\""))
                .allowed(self.platforms.keys().cloned())
        })
    }

    /// The matchers of a platform, each with a source that the asker can try.
    pub(super) async fn describe(&self, asker: Asker, platform: &str) -> Result<Vec<MatcherInfo>, Problem> {
        let engine = self.hosted(platform)?.engine();
        Ok(self.pool.run(move |scratch, _| describe(&engine, &asker, scratch)).await?)
    }

    /// Matches for a node, as the asker sees them.
    ///
    /// # Errors
    /// A [`Problem`] that names what is wrong with the request.
    pub(crate) async fn recommend(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        id: &str,
        params: &MatchParams,
    ) -> Result<Answer, Problem> {
        let engine = self.hosted(platform)?.engine();
        let query = node_query(&engine, asker, (matcher, id), params)?;
        self.run(engine, query).await
    }

    /// As [`Self::recommend`], rendered, and kept for whoever asks the same while the engine stays as it is.
    ///
    /// # Errors
    /// As [`Self::recommend`].
    pub(super) async fn recommend_kept(
        &self,
        asker: &Asker,
        platform: &str,
        (matcher, id): (&str, &str),
        params: MatchParams,
    ) -> Result<Found, Problem> {
        let engine = self.hosted(platform)?.engine();
        let query = node_query(&engine, asker, (matcher, id), &params)?;
        let question = Question {
            platform: platform.to_string(),
            matcher: matcher.to_string(),
            source: id.to_string(),
            params,
            viewer: query.viewer.clone(),
        };
        let make = async {
            let answer = self.run(Arc::clone(&engine), query).await?;
            serde_json::to_vec(&answer).map(Bytes::from).map_err(|_| unwritable())
        };
        self.kept.find(&engine, question, make).await
    }

    /// Nodes that the asker may have matches for and whose name contains `text`, by name; with an empty `text`, some.
    ///
    /// # Errors
    /// A [`Problem`] for an unknown name or a full queue.
    pub(crate) async fn find_sources(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        text: &str,
        limit: usize,
    ) -> Result<Vec<NodeRef>, Problem> {
        let engine = self.hosted(platform)?.engine();
        let known = matcher_of(&engine, matcher)?;
        let (kind, text) = (known.from_kind(), text.to_string());
        if !asker.is_operator() {
            let own = asker.own(&engine, kind).into_iter().filter_map(|key| engine.node(kind, &key));
            let text = text.to_lowercase();
            return Ok(own.filter(|node| node.name.to_lowercase().contains(&text)).take(limit).collect());
        }
        // Looks at every node of the kind, so it runs where queries run.
        let found = self.pool.run(move |_, _| match text.as_str() {
            "" => engine.first_by_key(kind, limit),
            text => engine.find_by_name(kind, text, limit),
        });
        Ok(found.await?)
    }

    /// Matches for whoever the body describes.
    pub(super) async fn recommend_for(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        body: MatchBody,
    ) -> Result<Answer, Problem> {
        let Serving { engine, embedder } = self.hosted(platform)?.serving(&self.embedder);
        let Some(source) = &body.source else {
            let detail = "a request has a \"source\" or a list of \"sources\"";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_source", detail));
        };
        let query = match &source.id {
            Some(id) => {
                let described = SourceBody { id: None, ..source.clone() };
                if described.is_described() {
                    let detail = "a source is either an id or a description, not both";
                    return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_source", detail));
                }
                node_query(&engine, asker, (matcher, id), &body.params())?
            }
            None => {
                asker.require_matcher(matcher)?;
                let described = Self::described(&engine, &embedder, matcher, source.clone()).await?;
                let query = Query::ad_hoc(matcher, described).viewer(asker.viewer(&engine));
                with_params(query, &body.params())?
            }
        };
        self.run(engine, body.bend(query)).await
    }

    /// Why one target scores what it scores.
    pub(super) async fn explain(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        (id, target): (&str, &str),
        params: &MatchParams,
    ) -> Result<Explanation, Problem> {
        let engine = self.hosted(platform)?.engine();
        let (mut query, target) = (node_query(&engine, asker, (matcher, id), params)?, key_of(target));
        let explained = self.pool.run(move |_, cancel| {
            query.cancel = Some(Arc::clone(cancel));
            engine.explain(&query, &target)
        });
        Ok(explained.await??)
    }

    /// Why one target is not among the matches, and the smallest change that would let it in.
    pub(super) async fn why_not(
        &self,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        (id, target): (&str, &str),
        params: &MatchParams,
    ) -> Result<WhyNot, Problem> {
        let engine = self.hosted(platform)?.engine();
        let (mut query, target) = (node_query(&engine, asker, (matcher, id), params)?, key_of(target));
        let found = self.pool.run(move |_, cancel| {
            query.cancel = Some(Arc::clone(cancel));
            engine.why_not(&query, &target)
        });
        Ok(found.await??)
    }

    async fn run(&self, engine: Arc<Engine>, query: Query) -> Result<Answer, Problem> {
        let answer = self.pool.run(move |scratch, cancel| recommend(&engine, query, scratch, cancel)).await?;
        Ok(answer?)
    }

    async fn described(
        engine: &Engine,
        embedder: &Embedder,
        matcher: &str,
        body: SourceBody,
    ) -> Result<AdHocSource, Problem> {
        let known = matcher_of(engine, matcher)?;
        let declared = &engine.schema().kinds()[known.from_kind().index()].attributes;
        let mut attributes = BTreeMap::new();
        for (name, value) in body.attributes {
            let Some((_, of)) = declared.find(&name) else {
                let allowed = declared.entries().iter().map(|(known, _)| known.clone()).collect();
                return Err(QueryError::UnknownName { what: "attribute", got: name, allowed }.into());
            };
            let value = attribute_value(&value, of).ok_or_else(|| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "wrong_type",
                    format!("attribute \"{name}\" does not fit"),
                )
                .expected(expectation(of), value.to_string())
            })?;
            attributes.insert(name, value);
        }
        let mut vectors = body.vectors;
        vectors.extend(Self::embed(embedder, body.texts).await?);
        let links = body.links.into_iter().map(link).collect::<Result<_, _>>()?;
        Ok(AdHocSource { name: body.name.unwrap_or_else(|| "you".to_string()), attributes, vectors, links })
    }

    async fn embed(
        embedder: &Embedder,
        texts: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Vec<f32>>, Problem> {
        if texts.len() > TEXTS_MAX {
            return Err(QueryError::TooMany { what: "texts", got: texts.len(), max: TEXTS_MAX }.into());
        }
        let (spaces, texts): (Vec<String>, Vec<String>) = texts.into_iter().unzip();
        if texts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let vectors = embedder.embed(&texts).await.map_err(|error| embedding_failed(&error))?;
        // A text without words has no vector: the signal is then absent.
        Ok(spaces.into_iter().zip(vectors).filter_map(|(space, vector)| Some((space, vector?))).collect())
    }
}

/// A matcher by name.
pub(super) fn matcher_of<'a>(engine: &'a Engine, name: &str) -> Result<&'a Matcher, QueryError> {
    engine.matchers().get(name).ok_or_else(|| QueryError::UnknownName {
        what: "matcher",
        got: name.to_string(),
        allowed: engine.matchers().keys().cloned().collect(),
    })
}

impl MatchBody {
    pub(super) fn params(&self) -> MatchParams {
        MatchParams {
            limit: self.limit,
            as_of: self.as_of.clone(),
            evidence: self.evidence,
            include: self.include,
            two_sided: self.two_sided,
            way_back: self.way_back.clone(),
        }
    }

    /// The query with what the body asks for besides its source.
    pub(super) fn bend(&self, mut query: Query) -> Query {
        query.filters.clone_from(&self.filters);
        query.weights.clone_from(&self.weights);
        query.excluded = self.exclude.iter().map(|id| key_of(id)).collect();
        query
    }
}

impl SourceBody {
    fn is_described(&self) -> bool {
        self.name.is_some()
            || !(self.attributes.is_empty()
                && self.texts.is_empty()
                && self.vectors.is_empty()
                && self.links.is_empty())
    }
}

/// A key as clients write it: UUIDs in either case.
pub(super) fn key_of(id: &str) -> Key {
    uuid::Uuid::try_parse(id).map_or_else(|_| Key::from(id), |id| Key::from(id.hyphenated().to_string()))
}

fn link(body: LinkBody) -> Result<Link, Problem> {
    Ok(Link {
        relation: body.relation,
        reversed: body.reversed,
        key: key_of(&body.id),
        weight: body.weight.unwrap_or(1.0),
        at: body.at.as_deref().map(|at| time_of("links.at", at)).transpose()?,
    })
}

pub(super) fn time_of(field: &str, text: &str) -> Result<Timestamp, Problem> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_time", format!("\"{field}\" is not a time"))
            .expected("a time as in RFC 3339, such as 2026-01-31T12:00:00Z", text)
    })?;
    Ok(Timestamp::from_micros(time.timestamp_micros()))
}

/// A matcher's query for a node, when the asker may have one.
pub(super) fn node_query(
    engine: &Engine,
    asker: &Asker,
    (matcher, id): (&str, &str),
    params: &MatchParams,
) -> Result<Query, Problem> {
    let (key, kind) = (key_of(id), matcher_of(engine, matcher)?.from_kind());
    asker.require_matcher(matcher)?;
    let viewer = asker.viewer_for(engine, kind, &key)?;
    with_params(Query::new(matcher, key).viewer(viewer), params)
}

fn with_params(mut query: Query, params: &MatchParams) -> Result<Query, Problem> {
    query.limit = params.limit;
    query.as_of = match &params.as_of {
        Some(text) => time_of("as_of", text)?,
        None => this_second(),
    };
    query.two_sided = match (params.two_sided, &params.way_back) {
        (Some(combine), way_back) => Some(TwoSidedQuery { combine, way_back: way_back.clone() }),
        (None, None) => None,
        (None, Some(_)) => {
            let detail = "\"way_back\" goes with \"two_sided\"";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_query", detail)
                .expected("two_sided=harmonic, geometric or product", "way_back alone"));
        }
    };
    query.with_attributes = params.include == Some(Include::Attributes);
    if let Some(evidence) = params.evidence {
        query.evidence_max = evidence;
    }
    Ok(query)
}

/// Now, in whole seconds, so that the answers of one second can be the same bytes.
pub(crate) fn this_second() -> Timestamp {
    Timestamp::from_micros(Utc::now().trunc_subsecs(0).timestamp_micros())
}

/// Measures the stages of one request.
struct Stopwatch {
    last: Instant,
    stages: BTreeMap<String, u64>,
}

impl Observer for Stopwatch {
    fn stage_done(&mut self, stage: &'static str) {
        let now = Instant::now();
        let spent = now - std::mem::replace(&mut self.last, now);
        metrics::histogram!("affinity_match_stage_seconds", "stage" => stage).record(spent.as_secs_f64());
        self.stages.insert(stage.to_string(), u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
    }
}

pub(super) fn recommend(
    engine: &Engine,
    mut query: Query,
    scratch: &mut Scratch,
    cancel: &Arc<AtomicBool>,
) -> Result<Answer, QueryError> {
    query.cancel = Some(Arc::clone(cancel));
    let mut stopwatch = Stopwatch { last: Instant::now(), stages: BTreeMap::new() };
    let mut answer = engine.recommend_with(&query, scratch, &mut stopwatch)?;
    answer.timings_us = stopwatch.stages;
    Ok(answer)
}
