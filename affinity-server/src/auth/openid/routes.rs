//! The addresses of signing in by a provider, which a browser opens.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::provider::Provider;
use super::sign_in::{ProviderDesk, Returned, SIGN_IN_SECONDS};
use crate::auth::accounts::Desk;
use crate::auth::authority::{Authority, SharedAuthority};
use crate::auth::presented::cookie_value;
use crate::auth::visit::Visit;
use crate::problem::{PathParts, Problem, QueryString};

/// The routes below `/auth/{platform}/openid`.
pub(in crate::auth) fn routes() -> Router<SharedAuthority> {
    Router::new()
        .route("/auth/{platform}/openid", get(list))
        .route("/auth/{platform}/openid/{provider}", get(depart))
        .route("/auth/{platform}/openid/{provider}/return", get(arrive))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DepartParams {
    return_to: Option<String>,
}

/// What providers send back; they may send more.
#[derive(Deserialize)]
struct ArriveParams {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

async fn list(
    State(authority): State<SharedAuthority>,
    PathParts(platform): PathParts<String>,
) -> Json<Value> {
    let of_platform = authority.providers.iter().filter(|known| known.settings.platform == platform);
    let names: Vec<&str> = of_platform.map(|known| known.settings.name.as_str()).collect();
    Json(json!({ "providers": names }))
}

async fn depart(
    State(authority): State<SharedAuthority>,
    Extension(visit): Extension<Visit>,
    PathParts((platform, name)): PathParts<(String, String)>,
    QueryString(params): QueryString<DepartParams>,
) -> Result<Response, Problem> {
    let return_to = params.return_to.unwrap_or_else(|| "/".to_owned());
    if !is_local(&return_to) {
        let detail = "return_to must be a path of this server";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_return", detail));
    }
    let provider = provider(&authority, &platform, &name)?;
    let desk = Desk::of(&authority, &platform, &visit)?;
    let departed = ProviderDesk { desk, provider }.depart(&return_to).await?;
    let cookie = state_cookie(&authority, &platform, departed.state.expose());
    Ok(see_other(&departed.url, [cookie].into_iter()))
}

async fn arrive(
    State(authority): State<SharedAuthority>,
    Extension(visit): Extension<Visit>,
    PathParts((platform, name)): PathParts<(String, String)>,
    QueryString(params): QueryString<ArriveParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let refuse = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, "bad_state", detail);
    let provider = provider(&authority, &platform, &name)?;
    let state = params.state.ok_or_else(|| refuse("the state is missing"))?;
    // Only the browser that departed arrives: nobody can have another one signed in as himself.
    if cookie_value(&headers, &state_name(&authority, &platform)) != Some(state.as_str()) {
        return Err(refuse("this browser did not begin this sign-in"));
    }
    let Some(code) = params.code else {
        let error = params.error.unwrap_or_default();
        let detail = format!("the provider refused: {}", error.chars().take(100).collect::<String>());
        return Err(Problem::new(StatusCode::FORBIDDEN, "provider_refused", detail));
    };
    let desk = Desk::of(&authority, &platform, &visit)?;
    let returned = Returned { code, state: &state };
    let (begun, return_to) = ProviderDesk { desk, provider }.arrive(returned).await?;
    let session = authority.cookie(&platform, Some(&begun.token));
    Ok(see_other(&return_to, [session, state_cookie(&authority, &platform, "")].into_iter()))
}

fn provider<'a>(authority: &'a Authority, platform: &str, name: &str) -> Result<&'a Provider, Problem> {
    let mut of_platform = authority.providers.iter().filter(|known| known.settings.platform == platform);
    let names = of_platform.clone().map(|known| known.settings.name.as_str());
    let unknown = || {
        let detail = format!("there is no provider \"{name}\"");
        Problem::new(StatusCode::NOT_FOUND, "unknown_provider", detail).allowed(names)
    };
    of_platform.find(|known| known.settings.name == name).ok_or_else(unknown)
}

fn state_name(authority: &Authority, platform: &str) -> String {
    authority.cookie_name(platform) + "_state"
}

/// Remembers the state, or without one forgets it.
fn state_cookie(authority: &Authority, platform: &str, state: &str) -> HeaderValue {
    let seconds = if state.is_empty() { 0.0 } else { SIGN_IN_SECONDS };
    authority.cookie_of(&state_name(authority, platform), state, seconds)
}

/// Whether a browser stays here when it goes there.
fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn see_other(location: &str, cookies: impl Iterator<Item = HeaderValue>) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(CACHE_CONTROL, "no-store")]).into_response();
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_paths_of_this_server_are_local() {
        assert!(is_local("/") && is_local("/docs?a=b#c"));
        for elsewhere in ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nb", "evil"]
        {
            assert!(!is_local(elsewhere), "{elsewhere}");
        }
    }
}
