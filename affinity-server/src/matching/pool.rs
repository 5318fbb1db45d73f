//! Where queries run: blocking threads behind a bounded queue, with memory that is reused.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use affinity_core::Scratch;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::MatchingConfig;

/// Why a query was not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError {
    /// As many queries wait as may.
    Full {
        /// How many may run and wait.
        capacity: usize,
    },
    /// The time given was over.
    Deadline {
        /// The time given.
        after: Duration,
    },
    /// The query panicked, which is a fault of the server.
    Panicked,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => write!(f, "{capacity} queries run or wait already, and no more may"),
            Self::Deadline { after } => write!(f, "no answer within {} ms", after.as_millis()),
            Self::Panicked => f.write_str("the query failed"),
        }
    }
}

impl std::error::Error for PoolError {}

/// Runs queries on a fixed number of blocking threads.
#[derive(Debug)]
pub struct ScoringPool {
    /// Who runs or waits.
    admitted: Semaphore,
    running: Semaphore,
    capacity: usize,
    deadline: Duration,
    scratches: Arc<Mutex<Vec<Scratch>>>,
}

/// Ends a query when the request that asked for it is gone.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl ScoringPool {
    /// A pool of the size that is configured.
    #[must_use]
    pub fn new(config: &MatchingConfig) -> Self {
        let capacity = config.workers.saturating_add(config.queue_length).min(Semaphore::MAX_PERMITS);
        Self {
            admitted: Semaphore::new(capacity),
            running: Semaphore::new(config.workers),
            capacity,
            deadline: config.deadline,
            scratches: Arc::default(),
        }
    }

    /// Runs `work`, which gets memory to use and a flag that turns true when nobody waits for it any more.
    ///
    /// # Errors
    /// [`PoolError`] when the queue is full, the deadline passes or the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Scratch, &Arc<AtomicBool>) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let full = PoolError::Full { capacity: self.capacity };
        let admitted = self.admitted.try_acquire().map_err(|_| full)?;
        self.run_admitted(admitted, self.deadline, work).await
    }

    /// What a query may take.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// As [`Self::run`], but waits for a place in the queue, from which on it has `deadline`: for long work, and for
    /// callers that ask for no more meanwhile.
    ///
    /// # Errors
    /// [`PoolError`] when the deadline passes or the work panics.
    pub async fn run_in_turn<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&mut Scratch, &Arc<AtomicBool>) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let closed = PoolError::Full { capacity: self.capacity }; // never: nobody closes it
        let admitted = self.admitted.acquire().await.map_err(|_| closed)?;
        self.run_admitted(admitted, deadline, work).await
    }

    async fn run_admitted<T: Send + 'static>(
        &self,
        _admitted: SemaphorePermit<'_>,
        deadline: Duration,
        work: impl FnOnce(&mut Scratch, &Arc<AtomicBool>) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let full = PoolError::Full { capacity: self.capacity };
        let cancel = Arc::new(AtomicBool::new(false));
        let _guard = CancelOnDrop(Arc::clone(&cancel));
        let run = async {
            let _running = self.running.acquire().await.map_err(|_| full)?;
            let (scratches, cancel) = (Arc::clone(&self.scratches), Arc::clone(&cancel));
            let done = tokio::task::spawn_blocking(move || {
                let held = || scratches.lock().unwrap_or_else(PoisonError::into_inner);
                let mut scratch = held().pop().unwrap_or_default();
                let result = work(&mut scratch, &cancel);
                held().push(scratch);
                result
            });
            done.await.map_err(|_| PoolError::Panicked)
        };
        tokio::time::timeout(deadline, run).await.unwrap_or(Err(PoolError::Deadline { after: deadline }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn pool(workers: usize, queue_length: usize, deadline_ms: u64) -> ScoringPool {
        ScoringPool::new(&MatchingConfig {
            workers,
            queue_length,
            deadline: Duration::from_millis(deadline_ms),
        })
    }

    #[tokio::test]
    async fn run_past_the_deadline_is_an_error_and_cancels_the_work() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let ended = pool(1, 1, 20)
            .run(move |_, cancel| {
                while !cancel.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                sender.send(()).unwrap();
            })
            .await;
        assert_eq!(ended, Err(PoolError::Deadline { after: Duration::from_millis(20) }));
        assert_eq!(receiver.recv_timeout(Duration::from_secs(10)), Ok(()));
    }

    #[tokio::test]
    async fn run_when_the_queue_is_full_is_refused_at_once() {
        let pool = Arc::new(pool(1, 0, 60_000));
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let (started, has_started) = tokio::sync::oneshot::channel();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move |_, _| {
                    started.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .await
            }
        });
        has_started.await.unwrap();
        assert_eq!(pool.run(|_, _| ()).await, Err(PoolError::Full { capacity: 1 }));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(pool.run(|_, _| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn run_that_panics_is_an_error_and_the_pool_goes_on() {
        let pool = pool(1, 1, 60_000);
        assert_eq!(pool.run(|_, _| panic!("on purpose")).await, Err::<(), _>(PoolError::Panicked));
        assert_eq!(pool.run(|_, _| 1).await, Ok(1));
    }
}
