use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::auth::secret::ServerSecret;
use crate::auth::token::{NoRandomness, random};

/// What was sealed cannot be opened: under another secret, for another purpose, or changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOpened;

impl fmt::Display for NotOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was sealed cannot be opened with the server's secret")
    }
}

impl std::error::Error for NotOpened {}

/// AES-256-GCM under a key made from the server's secret: a random nonce, then the ciphertext with its tag.
pub(super) struct Sealing(LessSafeKey);

impl Sealing {
    /// For values of one purpose.
    pub(super) fn new(secret: &ServerSecret, purpose: &str) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &secret.derive(purpose));
        Self(LessSafeKey::new(key.expect("a key of AES-256 has the 32 bytes that are derived")))
    }

    /// Seals `plain` for `owner`, with whose name only it opens.
    pub(super) fn seal(&self, plain: &[u8], owner: &str) -> Result<Vec<u8>, NoRandomness> {
        let nonce = random::<NONCE_LEN>()?;
        let mut text = plain.to_vec();
        let sealed = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce), // 96 random bits, for few values per key
            Aad::from(owner.as_bytes()),
            &mut text,
        );
        debug_assert!(sealed.is_ok(), "only texts of 64 GiB are refused");
        Ok([&nonce[..], &text].concat())
    }

    /// What was sealed for `owner`.
    pub(super) fn open(&self, sealed: &[u8], owner: &str) -> Result<Vec<u8>, NotOpened> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened)?;
        let mut text = text.to_vec();
        let plain =
            self.0.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).map_err(|_| NotOpened)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{NotOpened, Sealing, ServerSecret};

    #[test]
    fn only_the_same_purpose_and_owner_open_what_is_unchanged() {
        let secret = ServerSecret::new("reallyreallyreallyreallyverysafe").unwrap();
        let [sealing, other] = ["codes", "tokens"].map(|purpose| Sealing::new(&secret, purpose));
        let sealed = sealing.seal(b"plain", "anna").unwrap();
        assert_eq!(sealing.open(&sealed, "anna").unwrap(), b"plain");
        assert_ne!(sealed, sealing.seal(b"plain", "anna").unwrap());
        assert_eq!(sealing.open(&sealed, "berta"), Err(NotOpened));
        assert_eq!(other.open(&sealed, "anna"), Err(NotOpened));
        for place in [0, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(sealing.open(&changed, "anna"), Err(NotOpened));
        }
        assert_eq!(sealing.open(&sealed[..5], "anna"), Err(NotOpened));
    }
}
