use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What a token is for: its first letters say so, to people and to scanners of leaked secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A session.
    Session,
    /// An API key.
    Key,
    /// A link that was mailed.
    Mailed,
    /// A sign-in under way at a provider.
    State,
}

impl TokenKind {
    /// What its tokens start with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Session => "afs_",
            Self::Key => "afk_",
            Self::Mailed => "afm_",
            Self::State => "afo_",
        }
    }
}

/// The system gave no random numbers.
#[derive(Debug)]
pub struct NoRandomness {
    source: getrandom::Error,
}

impl fmt::Display for NoRandomness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system gives no random numbers")
    }
}

impl std::error::Error for NoRandomness {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// As many random bytes, from the system.
///
/// # Errors
/// When the system has none.
pub(super) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], NoRandomness> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|source| NoRandomness { source })?;
    Ok(bytes)
}

/// 256 random bits as text, which lets whoever shows it in. Kept by nobody but its owner: what is stored is
/// [`Token::hash`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(kind: TokenKind) -> Result<Self, NoRandomness> {
        Ok(Self(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random::<32>()?))))
    }

    /// One that somebody shows; `None` when it cannot be one of this kind.
    #[must_use]
    pub fn shown(kind: TokenKind, text: &str) -> Option<Self> {
        let is_one = text.starts_with(kind.prefix()) && text.len() == kind.prefix().len() + 43;
        is_one.then(|| Self(text.to_owned()))
    }

    /// The text, for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first letters behind the kind, by which people tell keys apart.
    #[must_use]
    pub fn first_letters(&self) -> &str {
        self.0.get(4..12).unwrap_or_default()
    }

    /// SHA-256 in hex. 256 random bits need neither salt nor work: nobody guesses them.
    #[must_use]
    pub fn hash(&self) -> String {
        hash(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// SHA-256 in hex.
pub(super) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{Token, TokenKind, hash};

    #[test]
    fn token_is_read_as_its_own_kind_only() {
        let token = Token::new(TokenKind::Session).unwrap();
        assert_eq!(Token::shown(TokenKind::Session, token.expose()), Some(token.clone()));
        assert_eq!(Token::shown(TokenKind::Key, token.expose()), None);
        assert_eq!(Token::shown(TokenKind::Session, &token.expose()[..40]), None);
        assert_eq!(format!("{token:?}"), "[token]");
    }

    #[test]
    fn hash_is_the_one_of_the_standard() {
        // FIPS 180-4, the message "abc".
        assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
