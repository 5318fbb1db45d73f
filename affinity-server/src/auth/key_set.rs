use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::Request;
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use reqwest::Url;

use crate::egress::{Allow, Egress, EgressError};

/// The largest set that is read.
const BYTES_MAX: usize = 1 << 20;

/// How long a set is used before it is fetched again, so that a key that was taken back stops working.
const AGE_MAX: Duration = Duration::from_secs(600);

/// How soon a key that nobody knows may make the server ask again.
const AGE_MIN: Duration = Duration::from_secs(30);

/// How long fetching may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where a JSON Web Key Set is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetPlace {
    /// A file, read at the start.
    File(PathBuf),
    /// An address, read when keys are needed.
    Url(Url),
}

/// Why a set cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeySetError {
    /// The file cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The address cannot be reached.
    Egress {
        /// What was met.
        source: EgressError,
    },
    /// The address answered otherwise than 200.
    Status {
        /// With this.
        status: u16,
    },
    /// It is not a set of keys.
    NotASet {
        /// Why.
        source: serde_json::Error,
    },
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read the key set \"{}\"", path.display()),
            Self::Egress { .. } => f.write_str("cannot fetch the key set"),
            Self::Status { status } => write!(f, "the key set's address answered {status}, expected 200"),
            Self::NotASet { .. } => f.write_str("the key set is no JSON Web Key Set"),
        }
    }
}

impl std::error::Error for KeySetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Egress { source } => Some(source),
            Self::NotASet { source } => Some(source),
            Self::Status { .. } => None,
        }
    }
}

/// Keys that others sign tokens with.
#[derive(Debug)]
pub struct KeySet {
    origin: Option<Origin>,
    current: RwLock<Arc<Fetched>>,
    /// Held while fetching, so that many tokens ask once.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Origin {
    url: Url,
    egress: Egress,
}

#[derive(Debug)]
struct Fetched {
    keys: Vec<Jwk>,
    /// When the address was last asked, successfully or not.
    asked_at: Option<Instant>,
}

impl KeySet {
    /// The set at `place`.
    ///
    /// # Errors
    /// When a file holds no set; an address is not asked before a key is needed.
    pub fn open(place: &KeySetPlace) -> Result<Self, KeySetError> {
        match place {
            KeySetPlace::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| KeySetError::File { path: path.clone(), source })?;
                Self::fixed(&text)
            }
            KeySetPlace::Url(url) => {
                let allow = Allow::operator(url).unwrap_or(Allow::PublicOnly);
                let egress = Egress::new(allow, TIMEOUT).map_err(|source| KeySetError::Egress { source })?;
                Ok(Self::with(Some(Origin { url: url.clone(), egress }), Vec::new()))
            }
        }
    }

    /// The set that `text` is.
    ///
    /// # Errors
    /// When it is none.
    pub fn fixed(text: &str) -> Result<Self, KeySetError> {
        Ok(Self::with(None, parse(text.as_bytes())?))
    }

    fn with(origin: Option<Origin>, keys: Vec<Jwk>) -> Self {
        let current = RwLock::new(Arc::new(Fetched { keys, asked_at: None }));
        Self { origin, current, fetching: tokio::sync::Mutex::new(()) }
    }

    /// The keys that may have signed a token of this key id and algorithm; fetched again when there is none.
    pub(super) async fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let current = self.load();
        let found = suitable(&current.keys, id, algorithm);
        let limit = if found.is_empty() { AGE_MIN } else { AGE_MAX };
        match &self.origin {
            Some(origin) if current.asked_at.is_none_or(|at| at.elapsed() > limit) => {
                self.refresh(origin, current.asked_at).await;
                suitable(&self.load().keys, id, algorithm)
            }
            _ => found,
        }
    }

    fn load(&self) -> Arc<Fetched> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the address, unless somebody else did since `asked_at`; the old keys stay when it does not answer.
    async fn refresh(&self, origin: &Origin, asked_at: Option<Instant>) {
        let _turn = self.fetching.lock().await;
        let current = self.load();
        if current.asked_at != asked_at {
            return;
        }
        let keys = origin.fetch().await.unwrap_or_else(|error| {
            tracing::warn!(%error, url = %origin.url, "the keys that sign tokens cannot be fetched");
            current.keys.clone()
        });
        let fetched = Arc::new(Fetched { keys, asked_at: Some(Instant::now()) });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fetched;
    }
}

impl Origin {
    async fn fetch(&self) -> Result<Vec<Jwk>, KeySetError> {
        let mut request = Request::new(Vec::new());
        *request.uri_mut() = self.url.as_str().parse().unwrap_or_default();
        let answer = self
            .egress
            .exchange(request, BYTES_MAX)
            .await
            .map_err(|source| KeySetError::Egress { source })?;
        match answer.status().as_u16() {
            200 => parse(answer.body()),
            status => Err(KeySetError::Status { status }),
        }
    }
}

fn parse(text: &[u8]) -> Result<Vec<Jwk>, KeySetError> {
    let set: JwkSet = serde_json::from_slice(text).map_err(|source| KeySetError::NotASet { source })?;
    Ok(set.keys)
}

fn suitable(keys: &[Jwk], id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
    let fits = |key: &&Jwk| {
        let common = &key.common;
        let same_id = id.is_none() || common.key_id.is_none() || common.key_id.as_deref() == id;
        let same_algorithm = common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
        same_id && same_algorithm && common.public_key_use != Some(PublicKeyUse::Encryption)
    };
    let family: AlgorithmFamily = algorithm.family();
    keys.iter()
        .filter(fits)
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .filter(|key| key.family() == family)
        .collect()
}
