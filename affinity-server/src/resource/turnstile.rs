use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Clients that are remembered before those who ask nothing are forgotten.
const CLIENTS_MAX: usize = 10_000;

/// Lets each client have some requests answered at once, and no more.
#[derive(Debug)]
pub(super) struct Turnstile {
    at_once_max: usize,
    clients: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A request's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Turnstile {
    pub(super) fn new(at_once_max: usize) -> Self {
        Self { at_once_max, clients: Mutex::default() }
    }

    /// A place for one more request of `client`; `None` when all of his are taken.
    pub(super) fn enter(&self, client: &str) -> Option<Place> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MAX {
            clients.retain(|_, places| places.available_permits() < self.at_once_max);
        }
        let places =
            clients.entry(client.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(self.at_once_max)));
        Arc::clone(places).try_acquire_owned().ok().map(Place)
    }
}

#[cfg(test)]
mod tests {
    use super::Turnstile;

    #[test]
    fn each_client_has_so_many_places_and_gets_them_back() {
        let turnstile = Turnstile::new(2);
        let (first, second) = (turnstile.enter("ann"), turnstile.enter("ann"));
        assert!(first.is_some() && second.is_some());
        assert!(turnstile.enter("ann").is_none());
        assert!(turnstile.enter("ben").is_some());
        drop(first);
        assert!(turnstile.enter("ann").is_some());
    }
}
