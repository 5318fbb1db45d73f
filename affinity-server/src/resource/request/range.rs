//! Which rows: `limit`, `offset` and the header `Range`.

use axum::http::HeaderMap;
use axum::http::header::RANGE;

use super::RequestError;
use super::ast::Window;

/// The number of `limit` or `offset`, which PostgreSQL takes up to 2^63 - 1.
pub(super) fn count(parameter: &'static str, what: &'static str, text: &str) -> Result<u64, RequestError> {
    match text.parse::<i64>() {
        Ok(number) => u64::try_from(number).map_err(|_| RequestError::NegativeWindow { what }),
        Err(_) => Err(RequestError::Syntax {
            what: parameter,
            text: text.to_owned(),
            line: 1,
            column: 1,
            unexpected: text
                .chars()
                .next()
                .map_or(Some("end of input".to_owned()), |c| Some(format!("\"{c}\""))),
            expected: vec!["a whole number below 2^63".to_owned()],
        }),
    }
}

impl Window {
    /// The rows that the header `Range` asks for: `0-9`, `10-` or, in RFC 9110's form, `items=0-9`.
    ///
    /// `None` when there is no such header or it is of another form, which RFC 9110 has servers ignore.
    ///
    /// # Errors
    /// When the last row is before the first.
    pub fn from_range(headers: &HeaderMap) -> Result<Option<Self>, RequestError> {
        let text = headers.get(RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
        let text = text.strip_prefix("items=").unwrap_or(text);
        let Some((first, last)) = text.split_once('-') else { return Ok(None) };
        let row = |text: &str| text.parse::<u32>().ok().map(u64::from);
        let Some(offset) = row(first) else { return Ok(None) };
        if last.is_empty() {
            return Ok(Some(Self { limit: None, offset }));
        }
        match row(last) {
            None => Ok(None),
            Some(last) if last < offset => Err(RequestError::ReversedRange),
            Some(last) => Ok(Some(Self { limit: Some(last - offset + 1), offset })),
        }
    }

    /// The rows that are in both; `limit=0` asks for none whatever the other says.
    ///
    /// # Errors
    /// When no row is in both.
    pub fn within(self, other: Self) -> Result<Self, RequestError> {
        if self.limit == Some(0) {
            return Ok(self);
        }
        let end = |window: Self| window.limit.map(|limit| window.offset.saturating_add(limit));
        let offset = self.offset.max(other.offset);
        let Some(end) = [end(self), end(other)].into_iter().flatten().min() else {
            return Ok(Self { limit: None, offset });
        };
        match end.checked_sub(offset) {
            None | Some(0) => Err(RequestError::NegativeWindow { what: "Limit" }),
            limit => Ok(Self { limit, offset }),
        }
    }
}
