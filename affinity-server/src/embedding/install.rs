//! Fetching a model: pinned, checked, resumed where a connection broke, and in place only when whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use sha2::{Digest, Sha256};

use super::published::{ModelFile, PublishedModel};
use crate::egress::{Allow, Download, Egress, EgressError};
use crate::observability::Progress;

/// Where models come from and how hard to try.
#[derive(Clone, Debug)]
pub struct InstallParams {
    /// The hub: `HF_ENDPOINT`, or the public one.
    pub endpoint: Url,
    /// Requests for one file that may fail in a row without bringing anything.
    pub attempts_max: u32,
    /// Wait before the second of them; it doubles before each further one.
    pub backoff_first: Duration,
    /// A connection that is silent for so long is broken.
    pub silence_max: Duration,
}

/// Why a model could not be fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// `HF_ENDPOINT` is no http or https URL with a host.
    InvalidEndpoint {
        /// What was configured.
        url: String,
    },
    /// The hub, or a host it refers to, could not be reached, or its answers broke off, after the retries.
    Unreachable {
        /// The file of the model.
        file: String,
        /// Requests sent in a row without a byte of progress.
        attempts: u32,
        /// What happened to the last one.
        source: EgressError,
    },
    /// The hub refused.
    Refused {
        /// The file of the model.
        file: String,
        /// The host that answered.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// Answers end before the file does, after the retries.
    Truncated {
        /// The file of the model.
        file: String,
        /// Its length.
        expected_bytes: u64,
        /// What came.
        got_bytes: u64,
    },
    /// What came is not the file that this server knows.
    WrongChecksum {
        /// The file of the model.
        file: String,
        /// The SHA-256 that it must have.
        expected: String,
        /// The SHA-256 of what came, which is deleted.
        got: String,
    },
    /// The files cannot be written.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl std::fmt::Display for InstallError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidEndpoint { url } => {
                write!(f, "HF_ENDPOINT \"{url}\" is not an http or https URL with a host")
            }
            Self::Unreachable { file, attempts, .. } => {
                write!(
                    f,
                    "\"{file}\" could not be fetched in {attempts} attempts; run the command again to go on"
                )
            }
            Self::Refused { file, host, status } => {
                write!(f, "host \"{host}\" answered status {status} for \"{file}\"")
            }
            Self::Truncated { file, expected_bytes, got_bytes } => {
                write!(f, "\"{file}\" ended after {got_bytes} bytes, expected {expected_bytes}")
            }
            Self::WrongChecksum { file, expected, got } => {
                write!(f, "\"{file}\" has SHA-256 {got}, expected {expected}; it was deleted")
            }
            Self::File { path, .. } => write!(f, "cannot write \"{}\"", path.display()),
        }
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

const PUBLIC_HUB: &str = "https://huggingface.co";
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// The hub refers once to its store of large files; more is a loop.
const REDIRECTS_MAX: usize = 5;

impl InstallParams {
    /// From the value of `HF_ENDPOINT`, with five attempts over some fifteen seconds.
    ///
    /// # Errors
    /// [`InstallError::InvalidEndpoint`] when it is no URL of a host.
    pub fn standard(endpoint: Option<&str>) -> Result<Self, InstallError> {
        let endpoint = endpoint.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(PUBLIC_HUB);
        let parsed = Url::parse(endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        Ok(Self {
            endpoint: parsed.ok_or_else(|| InstallError::InvalidEndpoint { url: endpoint.to_owned() })?,
            attempts_max: 5,
            backoff_first: Duration::from_secs(1),
            silence_max: Duration::from_secs(60),
        })
    }
}

/// Fetches what `model` lacks in its folder below `models`, and returns that folder. Files that are there already and
/// right are kept; what a broken connection left is continued.
///
/// # Errors
/// [`InstallError`]. The folder then has no file that is not whole.
pub async fn install(
    model: &PublishedModel,
    models: &Path,
    params: &InstallParams,
) -> Result<PathBuf, InstallError> {
    let folder = models.join(&model.name);
    let hub = Hub::new(params)?;
    for file in &model.files {
        let path = folder.join(&file.path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent)
            .map_err(|source| InstallError::File { path: parent.to_owned(), source })?;
        if length_of(&path) == file.size_bytes && digest_of(&path)? == file.sha256 {
            continue;
        }
        let url = hub.url(model, file)?;
        hub.fetch(&url, file, &path).await?;
    }
    Ok(folder)
}

struct Hub<'a> {
    params: &'a InstallParams,
    /// For the host that the operator named, wherever it is.
    named: Egress,
    /// For hosts that it refers to.
    public: Egress,
}

impl<'a> Hub<'a> {
    fn new(params: &'a InstallParams) -> Result<Self, InstallError> {
        let invalid = || InstallError::InvalidEndpoint { url: params.endpoint.to_string() };
        let allow = Allow::operator(&params.endpoint).ok_or_else(invalid)?;
        let client = |allow| {
            Egress::for_downloads(allow, params.silence_max).map_err(|source| InstallError::Unreachable {
                file: params.endpoint.to_string(),
                attempts: 0,
                source,
            })
        };
        Ok(Self { params, named: client(allow)?, public: client(Allow::PublicOnly)? })
    }

    fn url(&self, model: &PublishedModel, file: &ModelFile) -> Result<Url, InstallError> {
        let base = self.params.endpoint.as_str().trim_end_matches('/');
        let url = format!("{base}/{}/resolve/{}/{}", model.repository, model.revision, file.path);
        Url::parse(&url).map_err(|_| InstallError::InvalidEndpoint { url })
    }

    /// Brings `file` to `path`, beside which it grows.
    async fn fetch(&self, url: &Url, file: &ModelFile, path: &Path) -> Result<(), InstallError> {
        let part = path.with_extension("part");
        let progress = Progress::steps(&format!("Fetching {}", file.path), file.size_bytes);
        let mut attempts = 0;
        while length_of(&part) != file.size_bytes {
            let before = length_of(&part);
            attempts += 1;
            let failure = match self.fetch_rest(url, file, &part, &progress).await {
                Ok(()) if length_of(&part) == file.size_bytes => break,
                Ok(()) => {
                    let (file, expected_bytes) = (file.path.clone(), file.size_bytes);
                    InstallError::Truncated { file, expected_bytes, got_bytes: length_of(&part) }
                }
                Err(error) => error,
            };
            if length_of(&part) > before {
                attempts = 1; // it comes, if slowly
            }
            if attempts >= self.params.attempts_max || !is_worth_retrying(&failure) {
                return Err(match failure {
                    InstallError::Unreachable { file, source, .. } => {
                        InstallError::Unreachable { file, attempts, source }
                    }
                    other => other,
                });
            }
            let doubled =
                self.params.backoff_first.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
            tokio::time::sleep(doubled.min(BACKOFF_MAX)).await;
        }
        let got = digest_of(&part)?;
        let file_error = |source| InstallError::File { path: part.clone(), source };
        if got != file.sha256 {
            fs::remove_file(&part).map_err(file_error)?;
            return Err(InstallError::WrongChecksum {
                file: file.path.clone(),
                expected: file.sha256.clone(),
                got,
            });
        }
        fs::rename(&part, path).map_err(file_error)?;
        progress.finish(&format!("Fetched {}", file.path));
        Ok(())
    }

    /// One request for what is missing in `part`, appended as it comes.
    async fn fetch_rest(
        &self,
        url: &Url,
        file: &ModelFile,
        part: &Path,
        progress: &Progress,
    ) -> Result<(), InstallError> {
        let unreachable = |source| InstallError::Unreachable { file: file.path.clone(), attempts: 1, source };
        let file_error = |source| InstallError::File { path: part.to_owned(), source };
        // More than the file is no beginning of it.
        let from = Some(length_of(part)).filter(|length| *length < file.size_bytes).unwrap_or(0);
        let mut download = self.ask(url, file, from).await?;
        let mut out = match download.status() {
            206 if from > 0 => OpenOptions::new().append(true).open(part),
            200 => File::create(part),
            status => {
                let host = download.host().to_owned();
                return Err(InstallError::Refused { file: file.path.clone(), host, status });
            }
        }
        .map_err(file_error)?;
        let mut length = length_of(part);
        while let Some(chunk) = download.next_chunk().await.map_err(unreachable)? {
            // Never more than is expected, however much comes: the checksum says whether it is right.
            let wanted = usize::try_from(file.size_bytes - length).unwrap_or(usize::MAX).min(chunk.len());
            out.write_all(&chunk[..wanted]).map_err(file_error)?;
            length += wanted as u64;
            progress.advance(wanted as u64);
            if length == file.size_bytes {
                break;
            }
        }
        out.sync_all().map_err(file_error)
    }

    /// The answer behind the redirects.
    async fn ask(&self, url: &Url, file: &ModelFile, from: u64) -> Result<Download, InstallError> {
        let (mut url, mut redirects) = (url.clone(), 0);
        loop {
            let is_named = url.host_str() == self.params.endpoint.host_str();
            let egress = if is_named { &self.named } else { &self.public };
            let download = egress.download(&url, from).await.map_err(|source| InstallError::Unreachable {
                file: file.path.clone(),
                attempts: 1,
                source,
            })?;
            match download.location().and_then(|location| url.join(location).ok()) {
                Some(next) if redirects < REDIRECTS_MAX => (url, redirects) = (next, redirects + 1),
                _ => return Ok(download), // a redirect too many is refused by its status
            }
        }
    }
}

/// A refused address, a wrong path or a full disk stay; a busy hub or a broken connection may recover.
fn is_worth_retrying(failure: &InstallError) -> bool {
    match failure {
        InstallError::Unreachable { source, .. } => matches!(
            source,
            EgressError::Timeout { .. } | EgressError::Broken { .. } | EgressError::Unresolved { .. }
        ),
        InstallError::Refused { status, .. } => matches!(status, 408 | 416 | 429 | 500..=599),
        InstallError::Truncated { .. } => true,
        _ => false,
    }
}

/// 0 for a file that is not there.
fn length_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn digest_of(path: &Path) -> Result<String, InstallError> {
    let read = || {
        let mut hash = Sha256::new();
        let (mut file, mut buffer) = (File::open(path)?, vec![0; 64 * 1024]);
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            hash.update(&buffer[..length]);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    read().map_err(|source| InstallError::File { path: path.to_owned(), source })
}
