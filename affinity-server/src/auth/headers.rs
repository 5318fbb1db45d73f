//! What every answer tells browsers, and which sites' pages may read answers.

use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK,
    LOCATION, RANGE, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Middleware: an answer is what it says it is, is shown in no frame, and tells other sites nothing. Pages bring a
/// policy of their own.
pub async fn secure_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        // Ignored by browsers unless it came by TLS.
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Lets pages of `origins` use the server from a browser; `None` when there are none, since a browser then denies it.
#[must_use]
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let own = |name| HeaderName::from_static(name);
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_credentials(true)
            .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
            .allow_headers([
                AUTHORIZATION,
                CONTENT_TYPE,
                RANGE,
                IF_MATCH,
                IF_NONE_MATCH,
                own("apikey"),
                own("prefer"),
                own("range-unit"),
                own("accept-profile"),
                own("content-profile"),
                own("idempotency-key"),
                own("x-client-info"),
            ])
            .expose_headers([
                CONTENT_RANGE,
                ETAG,
                LINK,
                LOCATION,
                RETRY_AFTER,
                own("preference-applied"),
                own("ratelimit"),
                own("ratelimit-policy"),
                own("affinity-truncated"),
            ])
    })
}
