use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Letters a password must have (NIST SP 800-63B, 3.1.1.2).
pub const PASSWORD_LENGTH_MIN: usize = 8;

/// Bytes it may have: hashing must not be made long by who sends it.
pub const PASSWORD_BYTES_MAX: usize = 512;

/// What is checked when there is no account: as much work as with one. Nobody has its password.
static NOBODY: LazyLock<String> = LazyLock::new(|| {
    let hashed = Argon2::default().hash_password(b"nobody's password");
    hashed.map(|hash| hash.to_string()).unwrap_or_default()
});

/// A password could not be hashed.
#[derive(Debug)]
pub struct PasswordError {
    source: argon2::password_hash::Error,
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password could not be hashed")
    }
}

impl std::error::Error for PasswordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why a password may not be chosen, for people; `None` when it may.
#[must_use]
pub fn password_fault(password: &str) -> Option<String> {
    if password.chars().count() < PASSWORD_LENGTH_MIN {
        return Some(format!("a password needs at least {PASSWORD_LENGTH_MIN} letters"));
    }
    (password.len() > PASSWORD_BYTES_MAX)
        .then(|| format!("a password has at most {PASSWORD_BYTES_MAX} bytes"))
}

/// Hashes and checks passwords with Argon2id (RFC 9106; 19 MiB, 2 passes, as OWASP recommends), so many at a time
/// as there are processors: each takes memory and tens of milliseconds of one.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new(processors)))
    }
}

impl Passwords {
    /// The text to store for `password`, salted.
    ///
    /// # Errors
    /// When the system gives no random salt.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let password = password.to_owned();
        let hash = move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string());
        let hashed = self.work(hash).await.unwrap_or(Err(argon2::password_hash::Error::Crypto));
        hashed.map_err(|source| PasswordError { source })
    }

    /// Whether `stored` was made from `password`. Takes as long when there is nothing stored, or no hash.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> bool {
        let (password, stored) = (password.to_owned(), stored.unwrap_or_default().to_owned());
        let check = move || {
            let known = PasswordHash::new(&stored);
            let is_known = known.is_ok();
            let Ok(hash) = known.or_else(|_| PasswordHash::new(&NOBODY)) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &hash).is_ok() && is_known
        };
        self.work(check).await.unwrap_or(false)
    }

    /// Runs `work` on a thread for it; `None` when that panicked.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _turn = self.0.acquire().await;
        tokio::task::spawn_blocking(work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{Passwords, password_fault};

    #[tokio::test]
    async fn only_the_password_that_was_hashed_verifies() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, passwords.hash("correct horse").await.unwrap(), "salted");
        assert!(passwords.verify("correct horse", Some(&stored)).await);
        assert!(!passwords.verify("correct hors", Some(&stored)).await);
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        let passwords = Passwords::default();
        for stored in [None, Some(""), Some("not a hash")] {
            assert!(!passwords.verify("nobody's password", stored).await, "{stored:?}");
        }
    }

    #[test]
    fn length_is_counted_in_letters_and_bounded_in_bytes() {
        assert_eq!(password_fault("ünïcödé!"), None);
        assert!(password_fault("7letter").is_some());
        assert!(password_fault(&"x".repeat(513)).is_some());
    }
}
