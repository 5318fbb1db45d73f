//! Answers that are kept: made once, however many ask for them at once, and given again while they hold.

use std::sync::{Arc, Weak};
use std::time::Duration;

use affinity_core::{Engine, Viewer};
use axum::body::Bytes;
use moka::future::Cache;

use super::wire::MatchParams;
use crate::problem::Problem;

/// Bytes of kept answers.
const BYTES_MAX: u64 = 64 << 20;

/// How old "now" may be in an answer to somebody who named no time; the answer's `as_of` says which moment it was.
const AGE_MAX: Duration = Duration::from_secs(60);

/// Answers by what was asked, of which version of the engine, by whom: a change needs no other invalidation.
#[derive(Clone, Debug)]
pub(super) struct KeptAnswers(Cache<(usize, Question), Kept>);

/// Everything that an answer depends on besides the engine, but for the moment when none was named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) platform: String,
    pub(super) matcher: String,
    pub(super) source: String,
    pub(super) params: MatchParams,
    pub(super) viewer: Viewer,
}

#[derive(Clone, Debug)]
struct Kept {
    body: Bytes,
    /// While it is remembered, no other engine can lie at its address, which is in the key.
    _engine: Weak<Engine>,
}

/// An answer, and whether it was there already.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) body: Bytes,
    pub(super) was_kept: bool,
}

impl Default for KeptAnswers {
    fn default() -> Self {
        let bytes = |_: &(usize, Question), kept: &Kept| u32::try_from(kept.body.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(bytes).max_capacity(BYTES_MAX).time_to_live(AGE_MAX).build())
    }
}

impl KeptAnswers {
    /// The answer to `question` from `engine`: the kept one, or what `make` makes, which runs once for all who ask
    /// meanwhile. What it cannot make is not kept.
    pub(super) async fn find(
        &self,
        engine: &Arc<Engine>,
        question: Question,
        make: impl Future<Output = Result<Bytes, Problem>>,
    ) -> Result<Found, Problem> {
        let key = (Arc::as_ptr(engine).addr(), question);
        let made = async { Ok(Kept { body: make.await?, _engine: Arc::downgrade(engine) }) };
        let entry = self.0.entry(key).or_try_insert_with(made).await;
        let entry = entry.map_err(|problem: Arc<Problem>| Problem::clone(&problem))?;
        let was_kept = !entry.is_fresh();
        metrics::counter!("affinity_match_answers_total", "kept" => was_kept.to_string()).increment(1);
        Ok(Found { body: entry.into_value().body, was_kept })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::sync::atomic::{AtomicUsize, Ordering};

    use affinity_core::Schema;
    use axum::http::StatusCode;

    use super::*;

    fn engine() -> Arc<Engine> {
        let schema = Schema::from_toml("name = \"tiny\"\n[kinds.Person]\n").unwrap();
        Arc::new(Engine::builder(schema).build().unwrap())
    }

    fn question(source: &str) -> Question {
        Question {
            platform: "tiny".to_string(),
            matcher: "friends".to_string(),
            source: source.to_string(),
            params: MatchParams::default(),
            viewer: Viewer::Member([].into()),
        }
    }

    #[tokio::test]
    async fn find_makes_an_answer_once_for_all_who_ask_the_same_of_the_same_engine() {
        let (kept, made, engine) = (KeptAnswers::default(), AtomicUsize::new(0), engine());
        let ask = |engine: Arc<Engine>, source: &'static str| {
            let (kept, made) = (kept.clone(), &made);
            async move {
                let make = async {
                    tokio::task::yield_now().await; // so that the others come while it is being made
                    Ok(Bytes::from(made.fetch_add(1, Ordering::Relaxed).to_string()))
                };
                kept.find(&engine, question(source), make).await.unwrap()
            }
        };
        let all = futures::future::join_all((0..5).map(|_| ask(Arc::clone(&engine), "a"))).await;
        assert!(all.iter().all(|found| found.body == all[0].body), "{all:?}");
        assert_eq!(all.iter().filter(|found| !found.was_kept).count(), 1);
        assert_ne!(ask(Arc::clone(&engine), "b").await.body, all[0].body);
        assert_ne!(ask(self::engine(), "a").await.body, all[0].body);
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn find_keeps_no_problem() {
        let (kept, engine) = (KeptAnswers::default(), engine());
        let failed = async { Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "queue_full", "full")) };
        assert_eq!(kept.find(&engine, question("a"), failed).await.unwrap_err().code(), "queue_full");
        let made = kept.find(&engine, question("a"), async { Ok(Bytes::from("1")) }).await.unwrap();
        assert!(!made.was_kept);
    }
}
