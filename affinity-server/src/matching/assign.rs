//! Many sources and targets under capacities, in one request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use affinity_core::assignment::AssignmentError;
use affinity_core::{Assign, AssignError, Assignment, Key};
use axum::Json;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::json;
use tokio::sync::mpsc;

use super::asker::Asker;
use super::batch::{NDJSON, accepts_lines};
use super::service::{Matching, key_of, matcher_of, this_second, time_of};
use super::wire::{AssignBody, PairBody};
use crate::problem::Problem;

/// Sources or targets of one request.
const PARTIES_MAX: usize = 20_000;
/// What an assignment may take, once it has a thread.
const DEADLINE: Duration = Duration::from_secs(300);
/// How often a client that takes lines is told how far it is.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

impl Matching {
    /// Assigns as the body asks; a client that accepts lines is told how far it is, and the last line is the result.
    ///
    /// # Errors
    /// A [`Problem`] that names what does not fit.
    pub(super) async fn assign(
        self: &Arc<Self>,
        asker: &Asker,
        platform: &str,
        matcher: &str,
        body: AssignBody,
        headers: &HeaderMap,
    ) -> Result<Response, Problem> {
        let engine = self.hosted(platform)?.engine();
        let kind = matcher_of(&engine, matcher)?.from_kind();
        asker.require_matcher(matcher)?;
        let mut assign = assignment_of(matcher, &body)?;
        if !asker.is_operator() {
            for source in &assign.sources {
                assign.viewer = Some(asker.viewer_for(&engine, kind, source)?);
            }
        }
        let is_lines = accepts_lines(headers);
        let (told, mut lines) = mpsc::channel::<String>(16);
        let matching = Arc::clone(self);
        let solving = tokio::spawn(async move {
            let progress = told.clone();
            let solve = matching.pool.run_in_turn(DEADLINE, move |_, cancel| {
                assign.cancel = Some(Arc::clone(cancel));
                let last = std::sync::Mutex::new(None::<Instant>);
                engine.assign_with(&assign, &|stage, done, total| {
                    let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if is_lines && last.is_none_or(|last| last.elapsed() >= PROGRESS_EVERY) {
                        *last = Some(Instant::now());
                        let line = json!({ "progress": { "stage": stage, "done": done, "total": total } });
                        // A client that reads too slowly misses lines of progress, not the result.
                        let _ = progress.try_send(line.to_string());
                    }
                })
            });
            let gone = told.closed();
            tokio::select! {
                solved = solve => Some(match solved {
                    Ok(solved) => solved.map_err(Problem::from),
                    Err(error) => Err(Problem::from(error)),
                }),
                () = gone => None, // nobody waits any more: dropping the work cancels it
            }
        });
        if !is_lines {
            let solved = solving.await;
            drop(lines);
            return Ok(Json(finished(solved)?).into_response());
        }
        let (sender, receiver) = mpsc::channel::<String>(16);
        tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                if sender.send(line + "\n").await.is_err() {
                    return; // drops `lines`, which cancels
                }
            }
            let last = match finished(solving.await) {
                Ok(assignment) => json!({ "assignment": assignment }),
                Err(problem) => json!({ "problem": problem }),
            };
            let _ = sender.send(last.to_string() + "\n").await; // a client that is gone needs no result
        });
        let lines = stream::unfold(receiver, |mut receiver| async {
            let line = receiver.recv().await?;
            Some((Ok::<_, std::io::Error>(line), receiver))
        });
        Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
    }
}

type Solved = Result<Option<Result<Assignment, Problem>>, tokio::task::JoinError>;

fn finished(solved: Solved) -> Result<Assignment, Problem> {
    match solved {
        Ok(Some(solved)) => solved,
        Ok(None) | Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the assignment was not finished",
        )),
    }
}

fn assignment_of(matcher: &str, body: &AssignBody) -> Result<Assign, Problem> {
    for (what, ids) in [("sources", Some(&body.sources)), ("targets", body.targets.as_ref())] {
        let count = ids.map_or(1, Vec::len);
        if count == 0 || count > PARTIES_MAX {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "too_many", format!("{count} \"{what}\""));
            return Err(problem.expected(format!("1 to {PARTIES_MAX}"), count.to_string()));
        }
    }
    let keys = |ids: &[String]| -> Vec<Key> { ids.iter().map(|id| key_of(id)).collect() };
    let pairs = |pairs: &[PairBody]| -> Vec<(Key, Key)> {
        pairs.iter().map(|pair| (key_of(&pair.source), key_of(&pair.target))).collect()
    };
    let capacities = |given: &BTreeMap<String, u32>| -> BTreeMap<Key, u32> {
        given.iter().map(|(id, capacity)| (key_of(id), *capacity)).collect()
    };
    let mut assign = Assign {
        targets: body.targets.as_deref().map(keys),
        source_capacity: body.source_capacity,
        target_capacity: body.target_capacity,
        source_capacities: capacities(&body.source_capacities),
        target_capacities: capacities(&body.target_capacities),
        locked: pairs(&body.locked),
        forbidden: pairs(&body.forbidden),
        previous: pairs(&body.previous),
        objective: body.objective,
        filters: body.filters.clone(),
        weights: body.weights.clone(),
        as_of: body.as_of.as_deref().map_or_else(|| Ok(this_second()), |at| time_of("as_of", at))?,
        ..Assign::new(matcher, keys(&body.sources))
    };
    if let Some(candidates) = body.candidates {
        assign.candidates = candidates;
    }
    if let Some(evidence) = body.evidence {
        assign.evidence_max = evidence;
    }
    Ok(assign)
}

impl From<AssignError> for Problem {
    fn from(error: AssignError) -> Self {
        match error {
            AssignError::Query(error) => error.into(),
            AssignError::Problem(error) => {
                let conflict = matches!(
                    error,
                    AssignmentError::LockNotCandidate { .. }
                        | AssignmentError::LockForbidden { .. }
                        | AssignmentError::LockOverCapacity { .. }
                );
                let (status, code) = match conflict {
                    true => (StatusCode::UNPROCESSABLE_ENTITY, "lock_cannot_be_kept"),
                    false => (StatusCode::BAD_REQUEST, "bad_assignment"),
                };
                Self::new(status, code, error.to_string())
            }
            error => Self::new(StatusCode::BAD_REQUEST, "bad_assignment", error.to_string()),
        }
    }
}
