use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};

use super::refusal::Refusal;
use super::token::{Token, TokenKind};

/// What a request shows to be let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Presented {
    /// Nothing.
    Nothing,
    /// A JSON Web Token.
    Jwt(String),
    /// The token of a session, as header.
    Session(Token),
    /// The token of a session, as cookie: the browser sent it, maybe for somebody else's page.
    Cookie(Token),
    /// An API key.
    Key(Token),
}

impl Presented {
    /// The first of: `Authorization: Bearer`, `apikey`, the cookie of this name.
    ///
    /// # Errors
    /// [`Refusal`] when a header is there and empty.
    pub(super) fn of(headers: &HeaderMap, cookie: &str) -> Result<Self, Refusal> {
        if let Some(text) = bearer(headers) {
            return match text {
                "" => Err(Refusal::invalid_token("PGRST301", "Empty JWT is sent in Authorization header")),
                text => Ok(Self::shown(text)),
            };
        }
        if let Some(text) = headers.get("apikey").and_then(|value| value.to_str().ok()) {
            return Ok(Self::shown(text.trim()));
        }
        let token = cookie_value(headers, cookie).and_then(|text| Token::shown(TokenKind::Session, text));
        Ok(token.map_or(Self::Nothing, Self::Cookie))
    }

    fn shown(text: &str) -> Self {
        if let Some(token) = Token::shown(TokenKind::Session, text) {
            return Self::Session(token);
        }
        match Token::shown(TokenKind::Key, text) {
            Some(token) => Self::Key(token),
            None => Self::Jwt(text.to_owned()),
        }
    }
}

/// What stands behind `Bearer`, of which the letters' case does not matter (RFC 7235, 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim())
}

/// The value of a cookie.
pub(super) fn cookie_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Presented, Token, TokenKind};

    fn of(pairs: &[(&'static str, &str)]) -> Presented {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect();
        Presented::of(&headers, "s").unwrap()
    }

    #[test]
    fn header_wins_over_cookie_and_kinds_are_told_apart() {
        let (session, key) = (Token::new(TokenKind::Session).unwrap(), Token::new(TokenKind::Key).unwrap());
        let cookie = format!("a=1; s={}", session.expose());
        assert_eq!(of(&[("cookie", &cookie)]), Presented::Cookie(session.clone()));
        let bearer = format!("bearer {}", key.expose());
        assert_eq!(of(&[("authorization", &bearer), ("cookie", &cookie)]), Presented::Key(key.clone()));
        assert_eq!(of(&[("apikey", key.expose())]), Presented::Key(key));
        let bearer = format!("Bearer {}", session.expose());
        assert_eq!(of(&[("authorization", &bearer), ("apikey", "a.b.c")]), Presented::Session(session));
        assert_eq!(of(&[("apikey", "a.b.c")]), Presented::Jwt("a.b.c".into()));
    }

    #[test]
    fn what_is_not_for_us_is_nothing() {
        assert_eq!(of(&[]), Presented::Nothing);
        assert_eq!(of(&[("authorization", "Basic abc")]), Presented::Nothing);
        assert_eq!(of(&[("cookie", "t=afs_x; s=short")]), Presented::Nothing);
    }
}
