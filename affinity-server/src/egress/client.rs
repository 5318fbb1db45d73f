//! One client per policy: resolve, check, connect to what was checked, read a bounded answer.

use super::address::is_public;
use super::download::Download;
use super::error::EgressError;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RANGE, RETRY_AFTER};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Once};
use std::time::Duration;

/// Which hosts may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Any host of the public internet: for addresses that users give.
    PublicOnly,
    /// One host that the operator named in the configuration, wherever it is, and no other.
    Operator {
        /// The host as the configured URL writes it.
        host: String,
    },
}

impl Allow {
    /// The policy for an address that the operator configured; `None` when `url` has no host.
    pub fn operator(url: &Url) -> Option<Self> {
        url.host_str().map(|host| Self::Operator { host: host.to_owned() })
    }

    fn refuses(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::PublicOnly => !is_public(address),
            Self::Operator { host: named } => named != host,
        }
    }
}

/// A JSON request to send.
#[derive(Debug)]
pub struct EgressRequest<'a> {
    /// Where to; `http` or `https`.
    pub url: &'a Url,
    /// The `Authorization` header; one marked sensitive is never printed.
    pub authorization: Option<&'a HeaderValue>,
    /// The JSON text of the body.
    pub body: Vec<u8>,
    /// The largest answer that is read.
    pub response_bytes_max: usize,
}

/// What came back, whatever its status.
#[derive(Debug)]
pub struct EgressResponse {
    /// The HTTP status.
    pub status: u16,
    /// How long the other side asks to wait, from seconds or a date.
    pub retry_after: Option<Duration>,
    /// The body, at most as long as the request allowed.
    pub body: Vec<u8>,
}

/// A client for outbound requests under one policy; cheap to clone, keeps connections open.
///
/// ```
/// use affinity_server::egress::{Allow, Egress};
/// use std::time::Duration;
///
/// let egress = Egress::new(Allow::PublicOnly, Duration::from_secs(5))?;
/// assert_eq!(egress.timeout(), Duration::from_secs(5));
/// # Ok::<(), affinity_server::egress::EgressError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Egress {
    client: reqwest::Client,
    allow: Allow,
    timeout: Duration,
}

impl Egress {
    /// A client that follows `allow` and gives each exchange `timeout`.
    ///
    /// # Errors
    /// [`EgressError::Client`] when TLS cannot be set up.
    pub fn new(allow: Allow, timeout: Duration) -> Result<Self, EgressError> {
        Self::build(allow, timeout, |client| client.timeout(timeout))
    }

    /// A client for large answers, which may take any time as long as no silence lasts `silence_max`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_downloads(allow: Allow, silence_max: Duration) -> Result<Self, EgressError> {
        Self::build(allow, silence_max, |client| {
            client.read_timeout(silence_max).connect_timeout(silence_max)
        })
    }

    fn build(
        allow: Allow,
        timeout: Duration,
        limit: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, EgressError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // An error means that the process has a provider already, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let client = limit(reqwest::Client::builder())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Arc::new(CheckedResolver { allow: allow.clone() }))
            .user_agent(concat!("affinity/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| EgressError::Client { source })?;
        Ok(Self { client, allow, timeout })
    }

    /// The time allowed for one whole exchange, or for a silence within a download.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts a JSON body; an answer of any status is `Ok`.
    ///
    /// # Errors
    /// An [`EgressError`] when the address is refused, nothing complete comes in time, the connection breaks,
    /// or the answer is too long.
    pub async fn post_json(&self, request: EgressRequest<'_>) -> Result<EgressResponse, EgressError> {
        let host = self.checked_host(request.url)?;
        let mut outgoing =
            self.client.post(request.url.clone()).header(CONTENT_TYPE, "application/json").body(request.body);
        if let Some(value) = request.authorization {
            outgoing = outgoing.header(AUTHORIZATION, value);
        }
        let incoming = outgoing.send().await.map_err(|error| self.name_failure(&host, error))?;
        let status = incoming.status().as_u16();
        let retry_after =
            incoming.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(wait_of);
        let body = self.read(incoming, &host, request.response_bytes_max).await?;
        Ok(EgressResponse { status, retry_after, body })
    }

    /// Sends a request of any kind; an answer of any status is `Ok`.
    ///
    /// # Errors
    /// As [`Egress::post_json`]; [`EgressError::UnsupportedUrl`] also for what is no URL.
    pub async fn exchange(
        &self,
        request: axum::http::Request<Vec<u8>>,
        response_bytes_max: usize,
    ) -> Result<axum::http::Response<Vec<u8>>, EgressError> {
        let outgoing = reqwest::Request::try_from(request)
            .map_err(|_| EgressError::UnsupportedUrl { scheme: String::new() })?;
        let host = self.checked_host(outgoing.url())?;
        let incoming =
            self.client.execute(outgoing).await.map_err(|error| self.name_failure(&host, error))?;
        let mut answer = axum::http::Response::new(Vec::new());
        (*answer.status_mut(), *answer.headers_mut()) = (incoming.status(), incoming.headers().clone());
        *answer.body_mut() = self.read(incoming, &host, response_bytes_max).await?;
        Ok(answer)
    }

    async fn read(
        &self,
        mut incoming: reqwest::Response,
        host: &str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, EgressError> {
        let mut body = Vec::new();
        while let Some(chunk) = incoming.chunk().await.map_err(|error| self.name_failure(host, error))? {
            if body.len() + chunk.len() > bytes_max {
                return Err(EgressError::ResponseTooLarge { host: host.to_owned(), bytes_max });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Begins to get `url`, from its byte `from` if the other side can; an answer of any status is `Ok`, a redirect
    /// is not followed.
    ///
    /// # Errors
    /// An [`EgressError`] when the address is refused, or the connection breaks.
    pub async fn download(&self, url: &Url, from: u64) -> Result<Download, EgressError> {
        let host = self.checked_host(url)?;
        let mut outgoing = self.client.get(url.clone());
        if from > 0 {
            outgoing = outgoing.header(RANGE, format!("bytes={from}-"));
        }
        let incoming = outgoing.send().await.map_err(|error| self.name_failure(&host, error))?;
        Ok(Download::new(self.clone(), host, incoming))
    }

    /// An address written as a number never reaches the resolver, so it is checked here.
    fn checked_host(&self, url: &Url) -> Result<String, EgressError> {
        let unsupported = || EgressError::UnsupportedUrl { scheme: url.scheme().to_owned() };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unsupported());
        }
        let host = url.host_str().ok_or_else(unsupported)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) if self.allow.refuses(host, address) => {
                Err(EgressError::PrivateAddress { host: host.to_owned(), address })
            }
            _ => Ok(host.to_owned()),
        }
    }

    pub(super) fn name_failure(&self, host: &str, error: reqwest::Error) -> EgressError {
        let host = host.to_owned();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            if let Some(refusal) = inner.downcast_ref::<Refusal>() {
                return match refusal.address {
                    Some(address) => EgressError::PrivateAddress { host, address },
                    None => EgressError::Unresolved { host },
                };
            }
            cause = inner.source();
        }
        if error.is_timeout() {
            return EgressError::Timeout { host, timeout_ms: self.timeout.as_millis() };
        }
        // The URL may carry credentials or a query.
        EgressError::Broken { host, source: error.without_url() }
    }
}

/// Resolves a name and hands out only the addresses that the policy lets through.
struct CheckedResolver {
    allow: Allow,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow.clone();
        Box::pin(async move {
            let host = name.as_str();
            // Port 0 is replaced by the port of the URL.
            let found: Vec<SocketAddr> = match tokio::net::lookup_host((host, 0)).await {
                Ok(addresses) => addresses.collect(),
                Err(_) => Vec::new(),
            };
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| !allow.refuses(host, address.ip())).collect();
            if allowed.is_empty() {
                return Err(Refusal { address: found.first().map(SocketAddr::ip) }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Travels through the HTTP library and is recognized on the way back.
#[derive(Debug)]
struct Refusal {
    address: Option<IpAddr>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no address may be used")
    }
}

impl std::error::Error for Refusal {}

/// A `Retry-After` value, as seconds or as a date; a date in the past is no wait.
fn wait_of(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
    Some((until.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Allow, Egress, EgressError, EgressRequest, wait_of};
    use reqwest::Url;
    use std::time::Duration;

    async fn failure(allow: Allow, url: &str) -> EgressError {
        let egress = Egress::new(allow, Duration::from_secs(5)).unwrap();
        let url = Url::parse(url).unwrap();
        let request =
            EgressRequest { url: &url, authorization: None, body: Vec::new(), response_bytes_max: 10 };
        egress.post_json(request).await.unwrap_err()
    }

    #[tokio::test]
    async fn private_literals_in_any_spelling_are_refused() {
        for url in [
            "http://127.0.0.1:1/",
            "http://0x7f.1:1/",
            "http://2130706433:1/",
            "http://[::1]:1/",
            "http://[::ffff:10.0.0.1]/",
        ] {
            let error = failure(Allow::PublicOnly, url).await;
            assert!(matches!(error, EgressError::PrivateAddress { .. }), "{url}: {error:?}");
        }
    }

    #[tokio::test]
    async fn private_address_behind_a_name_is_refused() {
        let error = failure(Allow::PublicOnly, "http://localhost:1/").await;
        assert!(
            matches!(&error, EgressError::PrivateAddress { host, address } if host == "localhost" && address.is_loopback()),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn operator_host_may_be_private_but_no_other() {
        let allow = Allow::operator(&Url::parse("http://localhost:1/v1").unwrap()).unwrap();
        let named = failure(allow.clone(), "http://localhost:1/").await;
        assert!(matches!(named, EgressError::Broken { .. }), "reached, nobody listens: {named:?}");
        let other = failure(allow, "http://127.0.0.1:1/").await;
        assert!(matches!(other, EgressError::PrivateAddress { .. }), "{other:?}");
    }

    #[tokio::test]
    async fn other_schemes_are_refused() {
        let error = failure(Allow::PublicOnly, "ftp://example.com/").await;
        assert!(matches!(error, EgressError::UnsupportedUrl { scheme } if scheme == "ftp"));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        assert_eq!(wait_of("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait_of("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait_of("soon"), None);
    }
}
