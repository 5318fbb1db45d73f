//! The addresses of signing up and in, below `/auth/{platform}`.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{Desk, SignedIn};
use super::sign_in::Begun;
use super::wire::{
    AddressBody, CodeBody, KeyBody, PasswordBody, ResetBody, SessionBegun, SignInBody, SignUpBody, TokenBody,
};
use crate::auth::authority::{SESSION_IDLE_SECONDS, SharedAuthority};
use crate::auth::caller::{Caller, Standing};
use crate::auth::openid;
use crate::auth::refusal::Refusal;
use crate::auth::visit::Visit;
use crate::problem::{JsonBody, PathParts, Problem};

/// The routes below `/auth`.
pub fn routes<S: Clone + Send + Sync + 'static>(authority: SharedAuthority) -> Router<S> {
    Router::new()
        .route("/auth/{platform}/signup", post(sign_up))
        .route("/auth/{platform}/verify", post(verify))
        .route("/auth/{platform}/login", post(sign_in))
        .route("/auth/{platform}/logout", post(sign_out))
        .route("/auth/{platform}/logout-everywhere", post(sign_out_everywhere))
        .route("/auth/{platform}/password/forgot", post(forgot_password))
        .route("/auth/{platform}/password/reset", post(reset_password))
        .route("/auth/{platform}/totp/enroll", post(enroll))
        .route("/auth/{platform}/totp/confirm", post(confirm))
        .route("/auth/{platform}/totp/disable", post(disable))
        .route("/auth/{platform}/sessions", get(list_sessions))
        .route("/auth/{platform}/sessions/{id}", delete(end_session))
        .route("/auth/{platform}/keys", get(list_keys).post(make_key))
        .route("/auth/{platform}/keys/{id}", delete(revoke_key))
        .route("/auth/{platform}/me", get(me))
        .merge(openid::routes())
        .with_state(authority)
}

/// Who asks shows a session of his own; a key or a token of another issuer may not manage an account.
impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let account = parts.extensions.get::<Caller>().and_then(Caller::id);
        let session = parts.extensions.get::<Visit>().and_then(|visit| visit.session);
        match (account, session) {
            (Some(account), Some(session)) => Ok(Self { account, session }),
            (Some(_), None) => {
                let detail = "only a session may do this, not a key or a token of another issuer";
                Err(Problem::new(StatusCode::FORBIDDEN, "session_required", detail).into())
            }
            (None, _) => Err(Refusal::nothing_shown()),
        }
    }
}

/// Answers not before this time, so that how long it took does not tell whether there was a letter to write.
const ANSWER_TIME: Duration = Duration::from_millis(250);

async fn evenly<T>(work: impl Future<Output = T>) -> T {
    tokio::join!(work, tokio::time::sleep(ANSWER_TIME)).0
}

type Asked = (State<SharedAuthority>, Extension<Visit>);

async fn sign_up(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    JsonBody(body): JsonBody<SignUpBody>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    evenly(Desk::of(&authority, &platform, &visit)?.sign_up(&body)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "next": "open the link that was mailed to you" }))))
}

async fn verify(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<StatusCode, Problem> {
    Desk::of(&authority, &platform, &visit)?.verify(&body.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sign_in(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    JsonBody(body): JsonBody<SignInBody>,
) -> Result<Response, Problem> {
    let begun = Desk::of(&authority, &platform, &visit)?.sign_in(&body).await?;
    Ok(begun_response(&authority, &platform, &begun, body.cookie))
}

/// The token in the answer, or as a cookie that scripts cannot read.
fn begun_response(authority: &SharedAuthority, platform: &str, begun: &Begun, as_cookie: bool) -> Response {
    let answer = SessionBegun {
        token: (!as_cookie).then(|| begun.token.expose().to_owned()),
        session_id: begun.session,
        account_id: begun.account,
        expires_in: Duration::from_secs_f64(SESSION_IDLE_SECONDS).as_secs(),
    };
    let mut response = ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response();
    if as_cookie {
        response.headers_mut().insert(SET_COOKIE, authority.cookie(platform, Some(&begun.token)));
    }
    response
}

async fn sign_out(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
) -> Result<(StatusCode, [(axum::http::HeaderName, HeaderValue); 1]), Problem> {
    Desk::of(&authority, &platform, &visit)?.end_session(signed_in, signed_in.session).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, authority.cookie(&platform, None))]))
}

async fn sign_out_everywhere(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let ended = Desk::of(&authority, &platform, &visit)?.end_all_sessions(signed_in).await?;
    let cookie = [(SET_COOKIE, authority.cookie(&platform, None))];
    Ok((cookie, Json(json!({ "ended": ended }))).into_response())
}

async fn forgot_password(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    JsonBody(body): JsonBody<AddressBody>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    evenly(Desk::of(&authority, &platform, &visit)?.forgot_password(&body.email)).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "next": "open the link that was mailed to you" }))))
}

async fn reset_password(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    JsonBody(body): JsonBody<ResetBody>,
) -> Result<StatusCode, Problem> {
    Desk::of(&authority, &platform, &visit)?.reset_password(&body).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn enroll(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Result<Response, Problem> {
    let desk = Desk::of(&authority, &platform, &visit)?;
    let enrollment = desk.enroll(signed_in, body.password.as_deref()).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(enrollment)).into_response())
}

async fn confirm(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
    JsonBody(body): JsonBody<CodeBody>,
) -> Result<Response, Problem> {
    let codes = Desk::of(&authority, &platform, &visit)?.confirm(signed_in, &body.code).await?;
    Ok(([(CACHE_CONTROL, "no-store")], Json(json!({ "backup_codes": codes }))).into_response())
}

async fn disable(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Result<StatusCode, Problem> {
    Desk::of(&authority, &platform, &visit)?.disable(signed_in, body.password.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_sessions(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
) -> Result<Json<Value>, Problem> {
    let sessions = Desk::of(&authority, &platform, &visit)?.sessions(signed_in).await?;
    Ok(Json(json!({ "sessions": sessions })))
}

async fn end_session(
    (State(authority), Extension(visit)): Asked,
    PathParts((platform, session)): PathParts<(String, Uuid)>,
    signed_in: SignedIn,
) -> Result<StatusCode, Problem> {
    Desk::of(&authority, &platform, &visit)?.end_session(signed_in, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list_keys(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
) -> Result<Json<Value>, Problem> {
    let keys = Desk::of(&authority, &platform, &visit)?.keys(signed_in).await?;
    Ok(Json(json!({ "keys": keys })))
}

async fn make_key(
    (State(authority), Extension(visit)): Asked,
    PathParts(platform): PathParts<String>,
    signed_in: SignedIn,
    JsonBody(body): JsonBody<KeyBody>,
) -> Result<Response, Problem> {
    let made = Desk::of(&authority, &platform, &visit)?.make_key(signed_in, &body).await?;
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

async fn revoke_key(
    (State(authority), Extension(visit)): Asked,
    PathParts((platform, key)): PathParts<(String, Uuid)>,
    signed_in: SignedIn,
) -> Result<StatusCode, Problem> {
    Desk::of(&authority, &platform, &visit)?.revoke_key(signed_in, key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(
    (State(authority), Extension(visit)): Asked,
    Extension(caller): Extension<Caller>,
    PathParts(platform): PathParts<String>,
) -> Result<Json<Value>, Problem> {
    let desk = Desk::of(&authority, &platform, &visit)?;
    let account = match caller.id().filter(|_| caller.standing() >= Standing::Member) {
        Some(id) => desk.describe(id).await?,
        None => Value::Null,
    };
    Ok(Json(json!({
        "platform": platform,
        "standing": caller.standing().name(),
        "account": account,
        "session_id": visit.session,
        "key_id": visit.key,
    })))
}
