use axum::http::{Method, StatusCode, Uri};
use reqwest::Url;

use super::caller::Caller;
use super::permission::Action;
use crate::problem::Problem;

/// Refuses what the way somebody came in does not allow: an API key's permissions, and the demo's looking only.
///
/// What a request does is read off its method and path. A key that reads single tables may not embed: how a table is
/// called there is for the catalog, and a permission must not depend on it.
///
/// # Errors
/// 403 that names what would be needed.
pub(super) fn require_permission(caller: &Caller, method: &Method, uri: &Uri) -> Result<(), Problem> {
    let Some((action, name)) = errand(method, uri.path()) else { return Ok(()) };
    if !caller.may(action, name) {
        return Err(refuse(format!("{}:{name}", action.name())));
    }
    // No table has an empty name: only who may read everything may read that.
    if matches!(action, Action::Read | Action::Write) && !caller.may(Action::Read, "") && embeds(uri) {
        return Err(refuse("read, which embedding needs".to_owned()));
    }
    Ok(())
}

fn refuse(needed: String) -> Problem {
    let message = format!("this needs the permission {needed}");
    Problem::rest(StatusCode::FORBIDDEN, "not_permitted", message)
        .hint("sign in, or use a key that has it: POST /auth/{platform}/keys makes one")
}

/// What a request does to what, where that is limited.
fn errand<'a>(method: &Method, path: &'a str) -> Option<(Action, &'a str)> {
    let mut parts = path.trim_start_matches('/').split('/');
    let (area, _platform) = (parts.next()?, parts.next()?);
    let name = parts.next()?;
    match (area, name) {
        ("match", name) => Some((Action::Match, name)),
        ("rest", "rpc") if method.is_safe() => Some((Action::Read, parts.next().unwrap_or_default())),
        ("rest", "rpc") => Some((Action::Call, parts.next().unwrap_or_default())),
        // Several tables at once.
        ("rest", "batch") if !method.is_safe() => Some((Action::Write, "")),
        ("rest", name) if method.is_safe() => Some((Action::Read, name)),
        ("rest", name) => Some((Action::Write, name)),
        _ => None,
    }
}

/// Whether `select` has parentheses, in which rows of other tables are asked for.
fn embeds(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    // Only a whole URL is parsed.
    let pairs = Url::parse(&format!("http://query/?{query}"));
    pairs.is_ok_and(|url| url.query_pairs().any(|(name, value)| name == "select" && value.contains('(')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::Method;

    use super::require_permission;
    use crate::auth::{Caller, Permission, Permissions, RolePrefix};

    #[track_caller]
    fn check(permissions: &[&str], method: Method, address: &str, is_allowed: bool) {
        let only = Permissions::only(permissions.iter().map(|text| text.parse::<Permission>().unwrap()));
        let caller = Caller::anonymous(&RolePrefix::default()).narrowed(only);
        let allowed = require_permission(&caller, &method, &address.parse().unwrap()).is_ok();
        assert_eq!(allowed, is_allowed, "{permissions:?} {method} {address}");
    }

    #[test]
    fn method_and_path_say_what_is_needed() {
        check(&["read"], Method::GET, "/rest/net/brands?select=*,members(*)", true);
        check(&["read"], Method::POST, "/rest/net/brands", false);
        check(&["write:brands", "read"], Method::PATCH, "/rest/net/brands?id=eq.1", true);
        check(&["write:brands"], Method::PATCH, "/rest/net/members?id=eq.1", false);
        check(&["write:brands"], Method::POST, "/rest/net/batch", false);
        check(&["read:top"], Method::GET, "/rest/net/rpc/top", true);
        check(&["read"], Method::POST, "/rest/net/rpc/top", false);
        check(&["call:top"], Method::POST, "/rest/net/rpc/top", true);
        check(&["match:partners"], Method::POST, "/match/net/partners/feedback", true);
        check(&["match:partners"], Method::GET, "/match/net/similar/1", false);
        check(&["read:brands"], Method::GET, "/auth/net/me", true);
    }

    #[test]
    fn key_for_single_tables_does_not_embed() {
        check(&["read:brands"], Method::GET, "/rest/net/brands?select=id,name", true);
        check(&["read:brands"], Method::GET, "/rest/net/brands?select=id,owner(email)", false);
        check(&["read:brands"], Method::GET, "/rest/net/brands?select=id,owner%28email%29", false);
        check(&["read:brands"], Method::GET, "/rest/net/brands?%73elect=id,owner%28email%29", false);
        check(&["write:brands", "read:brands"], Method::POST, "/rest/net/brands?select=owner(email)", false);
    }
}
