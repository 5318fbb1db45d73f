use super::json::{Scan, items};

/// The value at a JSON pointer in text that is known to be JSON, as it was written.
pub(in crate::resource) fn value_at<'t>(json: &'t str, pointer: &str) -> Option<&'t str> {
    let mut value = json.trim();
    for part in pointer.strip_prefix('/').into_iter().flat_map(|path| path.split('/')) {
        let part = part.replace("~1", "/").replace("~0", "~");
        value = match value.as_bytes().first()? {
            b'[' => items(value).get(part.parse::<usize>().ok()?).copied()?,
            b'{' => {
                let record = Scan::new(value).record("").ok()?;
                record.into_iter().find(|(key, _)| *key == part).map(|(_, value)| value)?
            }
            _ => return None,
        };
    }
    Some(value)
}

/// The same JSON with every `{"$ref": "..."}` replaced by what `find` has for it.
///
/// # Errors
/// The first reference that `find` has nothing for.
pub(in crate::resource) fn resolve(
    json: &str,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let json = json.trim();
    match json.as_bytes().first() {
        Some(b'[') => {
            let resolved: Result<Vec<String>, String> =
                items(json).into_iter().map(|item| resolve(item, find)).collect();
            Ok(format!("[{}]", resolved?.join(",")))
        }
        Some(b'{') => {
            // A key that comes twice stays, for whoever reads the body to refuse.
            let Ok(record) = Scan::new(json).record("") else { return Ok(json.to_owned()) };
            if let [(key, value)] = record.as_slice()
                && key == "$ref"
                && let Ok(reference) = serde_json::from_str::<String>(value)
            {
                return find(&reference).ok_or(reference);
            }
            let resolved: Result<Vec<String>, String> = record
                .iter()
                .map(|(key, value)| {
                    Ok(format!("{}:{}", serde_json::Value::from(key.as_str()), resolve(value, find)?))
                })
                .collect();
            Ok(format!("{{{}}}", resolved?.join(",")))
        }
        _ => Ok(json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{resolve, value_at};

    #[test]
    fn references_become_what_they_point_at_digit_by_digit() {
        let answers = r#"{"a": [{"id": 12345678901234567890.10, "x/y": null}]}"#;
        let find = |pointer: &str| value_at(answers, pointer).map(str::to_owned);
        let body = r#"{"n": {"$ref": "/a/0/id"}, "l": [1.50, {"$ref": "/a/0/x~1y"}, {"$ref": 5}]}"#;
        let expected = r#"{"n":12345678901234567890.10,"l":[1.50,null,{"$ref":5}]}"#;
        assert_eq!(resolve(body, &find).unwrap(), expected);
        assert_eq!(resolve(r#"[{"$ref": "/b"}]"#, &find), Err("/b".to_owned()));
    }
}
