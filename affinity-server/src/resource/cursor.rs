use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Signs cursors, so that a client can only go on where an answer of ours ended.
#[derive(Clone)]
pub(super) struct CursorKey([u8; 64]);

impl CursorKey {
    /// A key that nobody else has, for this process.
    pub(super) fn random() -> Self {
        let mut key = [0; 64];
        key.chunks_exact_mut(16).for_each(|part| part.copy_from_slice(uuid::Uuid::new_v4().as_bytes()));
        Self(key)
    }

    /// The key of every server that shares this secret.
    pub(super) fn shared(secret: [u8; 32]) -> Self {
        let mut key = [0; 64];
        key[..32].copy_from_slice(&secret); // HMAC fills a short key up with zeros as well
        Self(key)
    }

    /// A cursor behind the row whose keys are `last`, for the one listing that `scope` describes.
    pub(super) fn sign(&self, scope: &str, last: &[Option<String>]) -> String {
        let body = serde_json::to_vec(last).unwrap_or_default(); // strings: it cannot fail
        let mark = self.mac(scope, &body).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&body), URL_SAFE_NO_PAD.encode(&mark[..16]))
    }

    /// The keys in `cursor`; `None` when we did not sign it for this listing.
    pub(super) fn verify(&self, scope: &str, cursor: &str) -> Option<Vec<Option<String>>> {
        let (body, mark) = cursor.split_once('.')?;
        let (body, mark) = (URL_SAFE_NO_PAD.decode(body).ok()?, URL_SAFE_NO_PAD.decode(mark).ok()?);
        if mark.len() != 16 {
            return None;
        }
        self.mac(scope, &body).verify_truncated_left(&mark).ok()?;
        serde_json::from_slice(&body).ok()
    }

    fn mac(&self, scope: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(&u64::try_from(scope.len()).unwrap_or(u64::MAX).to_le_bytes());
        mac.update(scope.as_bytes());
        mac.update(body);
        mac
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

#[cfg(test)]
mod tests {
    use super::CursorKey;

    #[test]
    fn cursor_counts_only_for_its_own_listing_and_key() {
        let key = CursorKey::random();
        let last = vec![Some("7".to_owned()), None];
        let cursor = key.sign("films by year", &last);
        assert_eq!(key.verify("films by year", &cursor), Some(last));
        assert_eq!(key.verify("films by title", &cursor), None);
        assert_eq!(CursorKey::random().verify("films by year", &cursor), None);
        assert_eq!(key.verify("films by year", &cursor[1..]), None);
        assert_eq!(key.verify("films by year", "W10."), None);
    }

    #[test]
    fn cursor_is_taken_by_servers_of_the_same_secret_alone() {
        let last = [Some("a".to_owned()), None];
        let cursor = CursorKey::shared([7; 32]).sign("scope", &last);
        assert_eq!(CursorKey::shared([7; 32]).verify("scope", &cursor).as_deref(), Some(last.as_slice()));
        assert_eq!(CursorKey::shared([8; 32]).verify("scope", &cursor), None);
    }
}
