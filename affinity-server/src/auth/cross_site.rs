use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use reqwest::Url;

use crate::problem::Problem;

/// Refuses what another site's page had a browser send: a request that may change something, and shows nothing that
/// this page had to know.
///
/// Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`; what sends neither is no browser. `trusted` are the
/// origins whose pages the operator lets in.
///
/// # Errors
/// 403 for such a request.
pub(super) fn refuse_cross_site(
    method: &Method,
    headers: &HeaderMap,
    trusted: &[String],
) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // A page of another site cannot add these without leave, which CORS gives or not.
    let shows_token = headers.contains_key(AUTHORIZATION) || headers.contains_key("apikey");
    if method.is_safe() || shows_token {
        return Ok(());
    }
    let origin = text("origin");
    if origin.is_some_and(|origin| trusted.iter().any(|known| known == origin)) {
        return Ok(());
    }
    let is_same = match (text("sec-fetch-site"), origin) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => host_of(origin).as_deref() == text("host"),
        (None, None) => true,
    };
    if is_same {
        return Ok(());
    }
    let detail = "a page of another site sent this";
    Err(Problem::new(StatusCode::FORBIDDEN, "cross_site_request", detail))
}

/// Host and port of an origin as `Host` writes them.
fn host_of(origin: &str) -> Option<String> {
    let url = Url::parse(origin).ok()?;
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::refuse_cross_site;

    fn is_refused(method: Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        refuse_cross_site(&method, &headers, &["https://app.example".to_owned()]).is_err()
    }

    const HOST: (&str, &str) = ("host", "api.example:8080");

    #[test]
    fn page_of_another_site_may_only_look() {
        for foreign in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            assert!(is_refused(Method::POST, &[HOST, foreign]), "{foreign:?}");
            assert!(!is_refused(Method::GET, &[HOST, foreign]), "{foreign:?}");
            assert!(
                !is_refused(Method::POST, &[HOST, foreign, ("authorization", "Bearer x")]),
                "{foreign:?}"
            );
        }
    }

    #[test]
    fn own_pages_trusted_origins_and_programs_may_write() {
        for own in [
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://api.example:8080"),
            ("origin", "https://app.example"),
            ("user-agent", "curl"),
        ] {
            assert!(!is_refused(Method::DELETE, &[HOST, own]), "{own:?}");
        }
        assert!(!is_refused(
            Method::POST,
            &[HOST, ("sec-fetch-site", "cross-site"), ("origin", "https://app.example")]
        ));
    }
}
