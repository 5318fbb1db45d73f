use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Clients that are remembered before those who ask nothing are forgotten.
const CLIENTS_MAX: usize = 10_000;

/// Lets each client have some requests answered at once; more wait their turn, for a while.
#[derive(Debug)]
pub(super) struct Turnstile {
    at_once_max: usize,
    wait_max: Duration,
    clients: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A request's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Turnstile {
    pub(super) fn new(at_once_max: usize, wait_max: Duration) -> Self {
        Self { at_once_max, wait_max, clients: Mutex::default() }
    }

    /// A place for one more request of `client`; `None` when none of his became free in time.
    pub(super) async fn enter(&self, client: &str) -> Option<Place> {
        let places = self.places(client).acquire_owned();
        tokio::time::timeout(self.wait_max, places).await.ok()?.ok().map(Place)
    }

    fn places(&self, client: &str) -> Arc<Semaphore> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX {
            // Whoever asks or waits holds a second reference.
            clients.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places =
            clients.entry(client.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.at_once_max)));
        Arc::clone(places)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Turnstile;

    #[tokio::test]
    async fn each_client_has_so_many_places_and_waits_for_them() {
        let turnstile = Turnstile::new(2, Duration::from_millis(20));
        let (first, second) = (turnstile.enter("ann").await, turnstile.enter("ann").await);
        assert!(first.is_some() && second.is_some());
        assert!(turnstile.enter("ann").await.is_none());
        assert!(turnstile.enter("ben").await.is_some());
        let (third, ()) = futures::join!(turnstile.enter("ann"), async { drop(first) });
        assert!(third.is_some());
    }
}
