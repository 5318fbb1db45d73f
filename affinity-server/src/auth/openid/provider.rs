use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use axum::http::{Request, Response};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, TokenResponse,
};
use tokio::sync::Mutex;

use super::settings::ProviderSettings;
use crate::egress::{Allow, Egress, EgressError};

/// The largest answer of a provider that is read.
const BYTES_MAX: usize = 1 << 20;

/// How long a provider's answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long its description and keys are believed.
const AGE_MAX: Duration = Duration::from_secs(600);

/// A provider's client with the addresses that its description gives.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why a provider could not say who somebody is.
#[derive(Debug)]
#[non_exhaustive]
pub(in crate::auth) enum ProviderError {
    /// Its description cannot be had.
    Discovery {
        /// Why.
        reason: String,
    },
    /// It does not take the code.
    Code {
        /// Why.
        reason: String,
    },
    /// What it says of somebody does not hold.
    Identity {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discovery { reason } => write!(f, "the provider cannot be asked: {reason}"),
            Self::Code { reason } => write!(f, "the provider does not take the code: {reason}"),
            Self::Identity { reason } => write!(f, "what the provider says does not hold: {reason}"),
        }
    }
}

impl std::error::Error for ProviderError {}

/// The whole chain of an error of the library, whose own text often says only "request failed".
fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// A sign-in that begins: where to send the browser, and what to remember until it comes back.
pub(super) struct Departure {
    pub(super) url: String,
    pub(super) nonce: String,
    pub(super) pkce_verifier: String,
}

/// Somebody, as a provider vouches for him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// What never changes.
    pub(super) subject: String,
    /// His address, when the provider has verified it.
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
}

/// A provider and what it said last of itself.
#[derive(Debug)]
pub(in crate::auth) struct Provider {
    pub(in crate::auth) settings: ProviderSettings,
    /// Reaches the host that the operator named, and no other.
    own: Egress,
    /// Reaches what the provider names: public addresses only.
    public: Egress,
    metadata: Mutex<Option<(Instant, CoreProviderMetadata)>>,
}

impl Provider {
    pub(in crate::auth) fn new(settings: ProviderSettings) -> Result<Self, EgressError> {
        let allow = Allow::operator(&settings.issuer).unwrap_or(Allow::PublicOnly);
        Ok(Self {
            settings,
            own: Egress::new(allow, TIMEOUT)?,
            public: Egress::new(Allow::PublicOnly, TIMEOUT)?,
            metadata: Mutex::new(None),
        })
    }

    /// The address to which the browser goes, with `state` to come back with to `redirect`.
    pub(super) async fn depart(&self, redirect: &str, state: &str) -> Result<Departure, ProviderError> {
        let client = self.client(redirect).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let state = state.to_owned();
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            Nonce::new_random,
        );
        for scope in &self.settings.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, _, nonce) = request.set_pkce_challenge(challenge).url();
        Ok(Departure {
            url: url.into(),
            nonce: nonce.secret().clone(),
            pkce_verifier: verifier.into_secret(),
        })
    }

    /// Who came back with `code`.
    pub(super) async fn identify(
        &self,
        redirect: &str,
        code: String,
        nonce: String,
        pkce_verifier: String,
    ) -> Result<Identity, ProviderError> {
        let client = self.client(redirect).await?;
        let code_error = |error: &dyn std::error::Error| ProviderError::Code { reason: reason(error) };
        let identity_error =
            |error: &dyn std::error::Error| ProviderError::Identity { reason: reason(error) };
        let response = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| code_error(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier))
            .request_async(self)
            .await
            .map_err(|error| code_error(&error))?;
        let missing = || ProviderError::Identity { reason: "there is no ID token".to_owned() };
        let token = response.id_token().ok_or_else(missing)?;
        let claims = token
            .claims(&client.id_token_verifier(), &Nonce::new(nonce))
            .map_err(|error| identity_error(&error))?;
        let verified = |email: Option<&openidconnect::EndUserEmail>, is_verified: Option<bool>| {
            email.filter(|_| is_verified == Some(true)).map(|email| email.to_string())
        };
        let mut identity = Identity {
            subject: claims.subject().to_string(),
            email: verified(claims.email(), claims.email_verified()),
            name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
        };
        // Many providers give addresses only here.
        if identity.email.is_none()
            && let Ok(request) =
                client.user_info(response.access_token().clone(), Some(claims.subject().clone()))
        {
            let known: CoreUserInfoClaims =
                request.request_async(self).await.map_err(|error| identity_error(&error))?;
            identity.email = verified(known.email(), known.email_verified());
            let name = known.name().and_then(|name| name.get(None)).map(|name| name.to_string());
            identity.name = identity.name.or(name);
        }
        Ok(identity)
    }

    async fn client(&self, redirect: &str) -> Result<Client, ProviderError> {
        let discovery = |error: &dyn std::error::Error| ProviderError::Discovery { reason: reason(error) };
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|error| discovery(&error))?;
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let id = ClientId::new(self.settings.client_id.clone());
        let metadata = self.metadata().await?;
        Ok(CoreClient::from_provider_metadata(metadata, id, secret).set_redirect_uri(redirect))
    }

    async fn metadata(&self) -> Result<CoreProviderMetadata, ProviderError> {
        // Held while asking, so that many sign-ins ask once.
        let mut known = self.metadata.lock().await;
        if let Some((asked_at, metadata)) = &*known
            && asked_at.elapsed() < AGE_MAX
        {
            return Ok(metadata.clone());
        }
        // An issuer is compared as it is written, and a parsed URL of a bare host has a slash more.
        let issuer = IssuerUrl::new(self.settings.issuer.as_str().trim_end_matches('/').to_owned());
        let issuer = issuer.map_err(|error| ProviderError::Discovery { reason: reason(&error) })?;
        let metadata = CoreProviderMetadata::discover_async(issuer, self)
            .await
            .map_err(|error| ProviderError::Discovery { reason: reason(&error) })?;
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, EgressError> {
        let egress = match request.uri().host() == self.settings.issuer.host_str() {
            true => &self.own,
            false => &self.public,
        };
        egress.exchange(request, BYTES_MAX).await
    }
}

impl<'c> AsyncHttpClient<'c> for Provider {
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, EgressError>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.send(request))
    }
}
