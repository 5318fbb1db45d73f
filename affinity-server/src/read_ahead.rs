//! Bodies are read before anybody can refuse their request.

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::Problem;

/// Bytes of a body that is read ahead.
const BYTES_MAX: usize = 65_536;

/// Middleware: reads a small body whatever becomes of its request. A connection on which an answer came before the body
/// was read is closed, and the client's next request on it fails; of a large body that is refused the answer says so.
pub async fn read_ahead(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= BYTES_MAX as u64);
    if is_small {
        let Ok(bytes) = to_bytes(body, BYTES_MAX).await else {
            let cut = Problem::new(StatusCode::BAD_REQUEST, "body_cut", "the body ended before its end");
            return cut.into_response();
        };
        return next.run(Request::from_parts(parts, Body::from(bytes))).await;
    }
    let has_connection = parts.version <= Version::HTTP_11;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if has_connection && (response.status().is_client_error() || response.status().is_server_error()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::StatusCode;
    use axum::routing::post;
    use axum::{Router, middleware};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::{BYTES_MAX, read_ahead};

    /// Two requests on one connection to a server that refuses both before their bodies come: what it answers.
    async fn answers(body: &str) -> String {
        let refuses = Router::new().route("/", post(|| async { StatusCode::FORBIDDEN }));
        let service = refuses.layer(middleware::from_fn(read_ahead));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let mut answers = String::new();
        for _ in 0..2 {
            let head =
                format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
            let _ = stream.write_all(body.as_bytes()).await; // it may be closed
            let mut chunk = [0; 4_096];
            let count = stream.read(&mut chunk).await.unwrap_or(0);
            answers += std::str::from_utf8(&chunk[..count]).unwrap();
            if answers.contains("connection: close") {
                break;
            }
        }
        answers
    }

    #[tokio::test]
    async fn connection_outlives_a_refusal_or_the_answer_says_that_it_does_not() {
        let small = answers("x").await;
        assert_eq!((small.matches("403 Forbidden").count(), small.contains("close")), (2, false), "{small}");
        let large = answers(&"x".repeat(BYTES_MAX + 1)).await;
        assert!(large.contains("connection: close"), "{large}");
    }
}
