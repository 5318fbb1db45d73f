/// The rows of a CSV body as a JSON array of objects with strings; unquoted `NULL` is null.
///
/// # Errors
/// The line, counted from 1, that has other fields than the header, or a quote that does not end.
pub(in crate::resource) fn csv_records(text: &str) -> Result<String, usize> {
    let mut lines = Lines { text: text.strip_prefix('\u{feff}').unwrap_or(text), line: 0 };
    let Some(header) = lines.next_line()? else { return Ok("[]".to_owned()) };
    let mut records = Vec::new();
    while let Some(fields) = lines.next_line()? {
        if fields.len() != header.len() {
            return Err(lines.line);
        }
        let pairs = header.iter().zip(fields).map(|((key, _), (value, is_quoted))| {
            let value = match value == "NULL" && !is_quoted {
                true => serde_json::Value::Null,
                false => value.into(),
            };
            format!("{}:{value}", serde_json::Value::from(key.as_str()))
        });
        records.push(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")));
    }
    Ok(format!("[{}]", records.join(",")))
}

struct Lines<'t> {
    text: &'t str,
    line: usize,
}

impl Lines<'_> {
    /// The fields of the next line, each with whether it was quoted; `None` at the end.
    fn next_line(&mut self) -> Result<Option<Vec<(String, bool)>>, usize> {
        if self.text.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        let mut fields = Vec::new();
        loop {
            let is_quoted = self.text.starts_with('"');
            let field = if is_quoted { self.quoted()? } else { self.plain() };
            fields.push((field, is_quoted));
            match self.text.strip_prefix(',') {
                Some(rest) => self.text = rest,
                None => break,
            }
        }
        let rest = self.text.strip_prefix("\r\n").or_else(|| self.text.strip_prefix('\n'));
        match rest {
            Some(rest) => self.text = rest,
            None if self.text.is_empty() => {}
            None => return Err(self.line),
        }
        Ok(Some(fields))
    }

    fn plain(&mut self) -> String {
        let end = self.text.find([',', '\n']).unwrap_or(self.text.len());
        let (field, rest) = self.text.split_at(end);
        let line_end = if rest.starts_with('\n') && field.ends_with('\r') { end - 1 } else { end };
        let field = field[..line_end].to_owned();
        self.text = &self.text[line_end..];
        field
    }

    fn quoted(&mut self) -> Result<String, usize> {
        let mut field = String::new();
        self.text = &self.text[1..];
        loop {
            let Some((before, rest)) = self.text.split_once('"') else { return Err(self.line) };
            field.push_str(before);
            self.text = rest;
            match rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.text = rest;
                }
                None => return Ok(field),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::csv_records;

    #[test]
    fn csv_becomes_objects_of_strings() {
        let csv = "a,\"b c\"\r\n1,\"x, \"\"y\"\"\nz\"\nNULL,\"NULL\"\n,";
        let expected = r#"[{"a":"1","b c":"x, \"y\"\nz"},{"a":null,"b c":"NULL"},{"a":"","b c":""}]"#;
        assert_eq!(csv_records(csv).unwrap(), expected);
        assert_eq!(csv_records("").unwrap(), "[]");
        assert_eq!(csv_records("a,b\n1,2\n3"), Err(3));
        assert_eq!(csv_records("a\n\"1"), Err(2));
    }
}
