//! What happens to every request before its handler: it gets a [`Caller`] and a [`Visit`], or a refusal.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::authority::SharedAuthority;
use super::visit::Visit;

/// The first parts of paths whose second names a platform.
const PLATFORM_PATHS: [&str; 3] = ["rest", "match", "auth"];

/// Puts a [`Caller`](super::Caller) and a [`Visit`] into the request's extensions, or answers that it is not let in.
pub async fn identify(State(authority): State<SharedAuthority>, mut request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let mut visit = Visit::new(address, request.headers());
    let platform = platform_of(&request).to_owned();
    match authority.identify(&platform, request.headers(), &mut visit).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(visit);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The platform that a request is for: in its path, or on the page in `for=platform/matcher`; else none.
fn platform_of(request: &Request) -> &str {
    let mut parts = request.uri().path().trim_start_matches('/').split('/');
    if parts.next().is_some_and(|first| PLATFORM_PATHS.contains(&first)) {
        return parts.next().unwrap_or_default();
    }
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let chosen = pairs.filter_map(|pair| pair.strip_prefix("for=")).next();
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
