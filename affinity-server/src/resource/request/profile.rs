//! The headers `Accept-Profile` and `Content-Profile`: which schema of the platform.

use axum::http::{HeaderMap, HeaderName, Method};

use super::RequestError;

/// The schema that a request is about: of `served`, the one that its header names, or the first.
///
/// Reads are told by `Accept-Profile`, all else by `Content-Profile`. `None` when none is served.
///
/// # Errors
/// When the header names another schema.
pub fn profile<'s>(
    method: &Method,
    headers: &HeaderMap,
    served: &'s [String],
) -> Result<Option<&'s str>, RequestError> {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    let name = HeaderName::from_static(if is_read { "accept-profile" } else { "content-profile" });
    let Some(asked) = headers.get(name) else { return Ok(served.first().map(String::as_str)) };
    let asked = String::from_utf8_lossy(asked.as_bytes());
    match served.iter().find(|schema| **schema == asked) {
        Some(schema) => Ok(Some(schema)),
        None => Err(RequestError::UnknownSchema { schema: asked.into_owned(), served: served.to_vec() }),
    }
}
