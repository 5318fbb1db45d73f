use std::fmt;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::token::{NoRandomness, random};

/// Letters that a secret must have: as many as the bytes of the signatures made with it (RFC 7518, 3.2).
pub const SECRET_LENGTH_MIN: usize = 32;

/// The name of the file in the data directory.
const FILE: &str = "secret";

/// What the server signs and seals with. Whoever knows it can sign tokens as anybody.
///
/// ```
/// use affinity_server::auth::ServerSecret;
///
/// let secret = ServerSecret::new("a secret of at least 32 letters!").unwrap();
/// assert_ne!(secret.derive("cursors"), secret.derive("second factors"));
/// assert!(ServerSecret::new("short").is_none());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSecret(String);

/// Why there is no secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// Others than its owner may read the file.
    Readable {
        /// The file.
        path: PathBuf,
    },
    /// The file holds too little.
    TooShort {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random numbers.
    Random {
        /// What it answered.
        source: NoRandomness,
    },
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot use the secret in \"{}\"", path.display()),
            Self::Readable { path } => write!(
                f,
                "others may read the secret in \"{path}\"; run: chmod 600 '{path}'",
                path = path.display()
            ),
            Self::TooShort { path } => write!(
                f,
                "the secret in \"{}\" has fewer than {SECRET_LENGTH_MIN} letters; remove the file for a new one",
                path.display()
            ),
            Self::Random { source } => source.fmt(f),
        }
    }
}

impl std::error::Error for SecretError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Random { source } => source.source(),
            Self::Readable { .. } | Self::TooShort { .. } => None,
        }
    }
}

impl ServerSecret {
    /// `None` for fewer than [`SECRET_LENGTH_MIN`] letters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.len() >= SECRET_LENGTH_MIN).then(|| Self(text.to_owned()))
    }

    /// The one in `data_dir`, or `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or others may read it.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, SecretError> {
        let path = data_dir.join(FILE);
        let file_error = |source| SecretError::File { path: path.clone(), source };
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => found.map_err(file_error)?,
        };
        if metadata.mode() & 0o077 != 0 {
            return Err(SecretError::Readable { path });
        }
        let text = std::fs::read_to_string(&path).map_err(file_error)?;
        Self::new(text.trim()).map(Some).ok_or(SecretError::TooShort { path })
    }

    /// The one in `data_dir`, made when there is none.
    ///
    /// # Errors
    /// When it cannot be read or written, or others may read it.
    pub fn load_or_make(data_dir: &Path) -> Result<Self, SecretError> {
        if let Some(known) = Self::load(data_dir)? {
            return Ok(known);
        }
        let path = data_dir.join(FILE);
        let file_error = |source| SecretError::File { path: path.clone(), source };
        let text = URL_SAFE_NO_PAD.encode(random::<32>().map_err(|source| SecretError::Random { source })?);
        DirBuilder::new().recursive(true).mode(0o755).create(data_dir).map_err(file_error)?;
        // Written beside and linked into place: two servers that start at once agree, and none reads half a file.
        let mut draft = tempfile::Builder::new();
        let mut draft = draft.prefix(".secret").tempfile_in(data_dir).map_err(file_error)?;
        writeln!(draft, "{text}").and_then(|()| draft.as_file().sync_all()).map_err(file_error)?;
        match draft.persist_noclobber(&path) {
            Ok(_) => Ok(Self(text)),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => {
                Self::load(data_dir)?.ok_or(SecretError::File { path, source: error.error })
            }
            Err(error) => Err(file_error(error.error)),
        }
    }

    /// The text itself, which signs tokens.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// A key of its own for `purpose`: HMAC-SHA-256 of the purpose under the secret, from which neither the secret
    /// nor another key can be told.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes()), purpose.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(tag.as_ref()); // SHA-256 has 32 bytes
        key
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::{FILE, SecretError, ServerSecret};

    #[test]
    fn secret_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ServerSecret::load(folder.path()).unwrap(), None);
        let made = ServerSecret::load_or_make(folder.path()).unwrap();
        assert_eq!(ServerSecret::load_or_make(folder.path()).unwrap(), made);
        let path = folder.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let refused = ServerSecret::load(folder.path()).unwrap_err();
        assert!(matches!(refused, SecretError::Readable { path: named } if named == path));
    }

    #[test]
    fn short_secret_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "short\n").unwrap();
        std::fs::set_permissions(folder.path().join(FILE), PermissionsExt::from_mode(0o600)).unwrap();
        let refused = ServerSecret::load(folder.path()).unwrap_err();
        assert!(matches!(refused, SecretError::TooShort { .. }), "{refused}");
    }
}
