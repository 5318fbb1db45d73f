use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Accounts that are remembered; of more the database is asked each time.
const ACCOUNTS_MAX: usize = 10_000;

/// Which accounts were found active a moment ago: a signed token says who asks without the database, and a look at
/// the account for each request costs as much as a small read.
#[derive(Debug)]
pub(super) struct ActivityBook {
    age_max: Duration,
    found_at: Mutex<HashMap<Uuid, Instant>>,
}

impl ActivityBook {
    /// One that believes what was found for `age_max`.
    pub(super) fn new(age_max: Duration) -> Self {
        Self { age_max, found_at: Mutex::default() }
    }

    /// Whether `account` was found active lately.
    pub(super) fn knows(&self, account: Uuid) -> bool {
        let found_at = self.found_at.lock().unwrap_or_else(PoisonError::into_inner);
        found_at.get(&account).is_some_and(|found_at| found_at.elapsed() < self.age_max)
    }

    /// Notes that `account` is active now.
    pub(super) fn note(&self, account: Uuid) {
        let mut found_at = self.found_at.lock().unwrap_or_else(PoisonError::into_inner);
        if found_at.len() >= ACCOUNTS_MAX {
            found_at.retain(|_, found_at| found_at.elapsed() < self.age_max);
        }
        if found_at.len() < ACCOUNTS_MAX {
            found_at.insert(account, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::{ACCOUNTS_MAX, ActivityBook};

    #[test]
    fn account_is_known_for_a_while_and_others_are_not() {
        let (book, forgetful) = (ActivityBook::new(Duration::MAX), ActivityBook::new(Duration::ZERO));
        for book in [&book, &forgetful] {
            book.note(Uuid::from_u128(1));
        }
        assert!(book.knows(Uuid::from_u128(1)) && !book.knows(Uuid::from_u128(2)));
        assert!(!forgetful.knows(Uuid::from_u128(1)));
    }

    #[test]
    fn only_so_many_accounts_are_remembered() {
        let book = ActivityBook::new(Duration::MAX);
        let accounts = (0..=ACCOUNTS_MAX as u128).map(Uuid::from_u128);
        accounts.clone().for_each(|account| book.note(account));
        assert_eq!(accounts.filter(|account| book.knows(*account)).count(), ACCOUNTS_MAX);
    }
}
