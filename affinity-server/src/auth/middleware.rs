//! What happens to every request before its handler: it gets a [`Caller`](super::Caller) and a [`Visit`], or a refusal.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::authority::{Authority, SharedAuthority};
use super::cross_site::refuse_cross_site;
use super::errand::require_permission;
use super::forwarded::client_address;
use super::limits::Allowance;
use super::refusal::Refusal;
use super::visit::Visit;

/// The first parts of paths whose second names a platform.
const PLATFORM_PATHS: [&str; 3] = ["rest", "match", "auth"];

/// Puts a [`Caller`](super::Caller) and a [`Visit`] into the request's extensions, or answers that it is not let in.
pub async fn identify(
    State(authority): State<SharedAuthority>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&authority, &mut request).await {
        Ok(allowance) => {
            let mut response = next.run(request).await;
            allowance.into_iter().for_each(|allowance| allowance.write(response.headers_mut()));
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// What the request may still ask for afterwards, by the narrowest limit that it came under.
async fn admit(authority: &Authority, request: &mut Request) -> Result<Option<Allowance>, Refusal> {
    let settings = &authority.settings;
    refuse_cross_site(request.method(), request.headers(), &settings.trusted_origins)?;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let address = peer.map(|peer| client_address(peer, request.headers(), &settings.proxies));
    let limits = &authority.limits;
    let mut allowance = None;
    if let Some(address) = address {
        allowance = limits.address(address).map_err(Allowance::problem)?;
        if request.uri().path().starts_with("/auth/") && !request.method().is_safe() {
            allowance = limits.sign_in(address).map_err(Allowance::problem)?.or(allowance);
        }
    }
    let mut visit = Visit::new(address, request.headers());
    let platform = platform_of(request).to_owned();
    let caller = authority.identify(&platform, request.headers(), &mut visit).await?;
    if let Some(id) = caller.id() {
        allowance = limits.member(id, endpoint(request)).map_err(Allowance::problem)?.or(allowance);
    }
    if let Some((key, per_minute)) = visit.key.zip(visit.key_per_minute) {
        allowance = limits.key(key, per_minute).map_err(Allowance::problem)?.or(allowance);
    }
    require_permission(&caller, request.method(), request.uri())?;
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(visit);
    Ok(allowance)
}

/// Method and address pattern, in one number.
fn endpoint(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.method().hash(&mut hasher);
    match request.extensions().get::<MatchedPath>() {
        // Every table is an endpoint of its own.
        Some(matched) if !matched.as_str().starts_with("/rest/") => matched.as_str().hash(&mut hasher),
        _ => request.uri().path().hash(&mut hasher),
    }
    hasher.finish()
}

/// The platform that a request is for: in its path, or on the page in `for=platform/matcher`; else none.
fn platform_of(request: &Request) -> &str {
    let mut parts = request.uri().path().trim_start_matches('/').split('/');
    if parts.next().is_some_and(|first| PLATFORM_PATHS.contains(&first)) {
        return parts.next().unwrap_or_default();
    }
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    let chosen = pairs.find_map(|pair| pair.strip_prefix("for="));
    chosen.and_then(|chosen| chosen.split(['/', '%']).next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::body::Body;
    use axum::extract::Request;

    use super::platform_of;

    #[track_caller]
    fn check(address: &str, platform: &str) {
        let request = Request::get(address).body(Body::empty()).unwrap();
        assert_eq!(platform_of(&request), platform, "{address}");
    }

    #[test]
    fn platform_is_in_the_path_or_chosen_on_the_page() {
        check("/rest/net/members?select=id", "net");
        check("/match/net/partners/1", "net");
        check("/auth/net", "net");
        check("/?for=net/partners&id=1", "net");
        check("/?id=1&for=net%2Fpartners", "net");
        check("/openapi.json", "");
        check("/", "");
    }
}
