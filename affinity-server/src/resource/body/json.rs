use std::fmt;

use serde::de::IgnoredAny;

/// A JSON body whose outline is known and whose values are as they were written.
#[derive(Debug)]
pub(in crate::resource) struct Body<'t> {
    /// One for each object.
    pub(in crate::resource) records: Vec<Record<'t>>,
    /// Whether it was an array.
    pub(in crate::resource) is_array: bool,
}

/// Keys and values of one object, in the order written.
pub(in crate::resource) type Record<'t> = Vec<(String, &'t str)>;

/// Why a body is not what a write takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resource) enum BodyError {
    /// It is no JSON.
    Syntax {
        /// What and where, as the reader says.
        reason: String,
    },
    /// It is neither an object nor an array of objects.
    NoObject {
        /// Where.
        pointer: String,
    },
    /// An object has a key twice.
    Repeated {
        /// Where.
        pointer: String,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { .. } => f.write_str("Empty or invalid json"),
            Self::NoObject { .. } => f.write_str("the body is neither an object nor an array of objects"),
            Self::Repeated { .. } => f.write_str("an object of the body has a key twice"),
        }
    }
}

impl<'t> Body<'t> {
    /// The outline of `text`.
    ///
    /// # Errors
    /// When it is no JSON, or none of rows.
    pub(in crate::resource) fn parse(text: &'t str) -> Result<Self, BodyError> {
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| BodyError::Syntax { reason: error.to_string() })?;
        let mut scan = Scan::new(text);
        if scan.peek() != b'[' {
            return Ok(Self { records: vec![scan.record("")?], is_array: false });
        }
        let mut records = Vec::new();
        for (place, item) in items(scan.value()).into_iter().enumerate() {
            records.push(Scan::new(item).record(&format!("/{place}"))?);
        }
        Ok(Self { records, is_array: true })
    }
}

/// A place in text that is known to be JSON.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no space, 0 at the end.
    fn peek(&mut self) -> u8 {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == byte {
            self.at += 1;
        }
    }

    /// One value, whole.
    fn value(&mut self) -> &'t str {
        self.peek();
        let start = self.at;
        let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
        for byte in self.text.as_bytes()[start..].iter().copied() {
            let is_end = depth == 0 && !in_string;
            if is_end
                && self.at > start
                && (matches!(byte, b',' | b']' | b'}' | b':') || byte.is_ascii_whitespace())
            {
                break;
            }
            self.at += 1;
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            if depth == 0 && !in_string && matches!(byte, b'"' | b'}' | b']') {
                break;
            }
        }
        &self.text[start..self.at]
    }

    pub(super) fn record(&mut self, pointer: &str) -> Result<Record<'t>, BodyError> {
        if self.peek() != b'{' {
            return Err(BodyError::NoObject { pointer: pointer.to_owned() });
        }
        self.at += 1;
        let mut record: Record<'t> = Vec::new();
        while self.peek() != b'}' {
            let key: String = serde_json::from_str(self.value()).unwrap_or_default(); // known to be a string
            self.skip(b':');
            let value = self.value();
            self.skip(b',');
            if record.iter().any(|(known, _)| *known == key) {
                return Err(BodyError::Repeated { pointer: format!("{pointer}/{}", escaped(&key)) });
            }
            record.push((key, value));
        }
        self.at += 1;
        Ok(record)
    }
}

/// The items of a JSON array that is known to be one.
pub(in crate::resource) fn items(array: &str) -> Vec<&str> {
    let mut scan = Scan::new(&array[1..array.len() - 1]);
    let mut items = Vec::new();
    while scan.peek() != 0 {
        items.push(scan.value());
        scan.skip(b',');
    }
    items
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(super) fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{Body, BodyError};

    #[test]
    fn records_keep_values_as_they_were_written() {
        let text = r#" [ {"a" : 1.50 ,"b\"\u0041": [1, {"x": "],}"}] }, {}, {"c":null} ] "#;
        let body = Body::parse(text).unwrap();
        let expected = vec![
            vec![("a".to_owned(), "1.50"), ("b\"A".to_owned(), r#"[1, {"x": "],}"}]"#)],
            vec![],
            vec![("c".to_owned(), "null")],
        ];
        assert_eq!(body.records, expected);
    }

    #[test]
    fn what_is_no_row_and_what_comes_twice_has_its_place() {
        assert_eq!(Body::parse("[{}, 1]").unwrap_err(), BodyError::NoObject { pointer: "/1".into() });
        let twice = Body::parse(r#"[{}, {"a/b":1,"a\/b":2}]"#).unwrap_err();
        assert_eq!(twice, BodyError::Repeated { pointer: "/1/a~1b".into() });
        assert!(matches!(Body::parse("{").unwrap_err(), BodyError::Syntax { .. }));
    }
}
