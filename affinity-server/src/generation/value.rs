//! What an expression comes to, and how it looks in a CSV file that PostgreSQL reads.

use std::cmp::Ordering;
use std::rc::Rc;

use super::error::Problem;
use super::row::Row;
use super::world::{Literal, Record, Vocabulary};

/// A value; texts and records of the world's file are borrowed, the rest is shared.
#[derive(Clone)]
pub(super) enum Value<'r> {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    /// Text of the world's file.
    Word(&'r str),
    /// Text made by a template.
    Text(Rc<str>),
    Json(Rc<str>),
    Uuid([u8; 16]),
    /// Seconds since 1970.
    Time(i64),
    /// Days since 1970.
    Date(i64),
    Vector(Rc<[f64]>),
    /// A vector of the world's file, or one kept for a linked table.
    Numbers(&'r [f64]),
    List(Rc<[Value<'r>]>),
    /// A list of the world's file.
    Literals(&'r [Literal]),
    Vocabulary(&'r Vocabulary),
    Record(&'r Record),
    Row(Rc<Row<'r>>),
}

impl<'r> Value<'r> {
    pub(super) fn text(text: String) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }

    pub(super) fn of(literal: &'r Literal) -> Self {
        match literal {
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Integer(value) => Self::Integer(*value),
            Literal::Number(value) => Self::Number(*value),
            Literal::Text(text) => Self::Word(text),
            Literal::Uuid(bytes) => Self::Uuid(*bytes),
            Literal::Vector(numbers) => Self::Numbers(numbers),
            Literal::List(items) => Self::Literals(items),
            Literal::Record(record) => Self::Record(record),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number",
            Self::Word(_) | Self::Text(_) => "a text",
            Self::Json(_) => "JSON",
            Self::Uuid(_) => "a UUID",
            Self::Time(_) => "a time",
            Self::Date(_) => "a date",
            Self::Vector(_) | Self::Numbers(_) => "a vector",
            Self::List(_) | Self::Literals(_) => "a list",
            Self::Vocabulary(_) => "a vocabulary",
            Self::Record(_) => "a record",
            Self::Row(_) => "a row",
        }
    }

    fn wrong_type(&self, operation: &'static str, expected: &'static str) -> Problem {
        Problem::WrongType { operation, expected, found: self.type_name() }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Word(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, operation: &'static str) -> Result<f64, Problem> {
        match self {
            Self::Integer(value) => Ok(*value as f64),
            Self::Number(value) => Ok(*value),
            _ => Err(self.wrong_type(operation, "a number")),
        }
    }

    pub(super) fn integer(&self, operation: &'static str) -> Result<i64, Problem> {
        match self {
            Self::Integer(value) => Ok(*value),
            Self::Number(value) => Ok(floor(*value)),
            _ => Err(self.wrong_type(operation, "an integer")),
        }
    }

    pub(super) fn time(&self, operation: &'static str) -> Result<i64, Problem> {
        match self {
            Self::Time(seconds) => Ok(*seconds),
            _ => Err(self.wrong_type(operation, "a time")),
        }
    }

    pub(super) fn vector(&self, operation: &'static str) -> Result<&[f64], Problem> {
        match self {
            Self::Vector(numbers) => Ok(numbers),
            Self::Numbers(numbers) => Ok(numbers),
            _ => Err(self.wrong_type(operation, "a vector")),
        }
    }

    /// Null counts as false, so that a comparison with nothing selects nothing.
    pub(super) fn truth(&self, operation: &'static str) -> Result<bool, Problem> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::Null => Ok(false),
            _ => Err(self.wrong_type(operation, "a truth value")),
        }
    }

    /// The items of a list or vocabulary; an integer stands for the numbers below it.
    pub(super) fn items(&self, operation: &'static str) -> Result<Rc<[Self]>, Problem> {
        match self {
            Self::List(items) => Ok(Rc::clone(items)),
            Self::Literals(items) => Ok(items.iter().map(Self::of).collect()),
            Self::Vocabulary(vocabulary) => Ok(vocabulary.items.iter().map(Self::of).collect()),
            Self::Integer(count) => Ok((0..*count).map(Self::Integer).collect()),
            _ => Err(self.wrong_type(operation, "a list")),
        }
    }

    /// The length of what [`Self::items`] gives, without making it.
    pub(super) fn item_count(&self, operation: &'static str) -> Result<usize, Problem> {
        match self {
            Self::List(items) => Ok(items.len()),
            Self::Literals(items) => Ok(items.len()),
            Self::Vocabulary(vocabulary) => Ok(vocabulary.items.len()),
            _ => Err(self.wrong_type(operation, "a list")),
        }
    }

    /// One of what [`Self::items`] gives, without making the others.
    pub(super) fn nth(&self, position: usize, operation: &'static str) -> Result<Option<Self>, Problem> {
        match self {
            Self::List(items) => Ok(items.get(position).cloned()),
            Self::Literals(items) => Ok(items.get(position).map(Self::of)),
            Self::Vocabulary(vocabulary) => Ok(vocabulary.items.get(position).map(Self::of)),
            _ => Err(self.wrong_type(operation, "a list")),
        }
    }

    /// `None` when the two are not of one ordered type, null included.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(right)),
            (Self::Integer(_) | Self::Number(_), Self::Integer(_) | Self::Number(_)) => {
                Some(self.number("").ok()?.total_cmp(&other.number("").ok()?))
            }
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Uuid(left), Self::Uuid(right)) => Some(left.cmp(right)),
            (Self::Time(left), Self::Time(right)) | (Self::Date(left), Self::Date(right)) => {
                Some(left.cmp(right))
            }
            _ => Some(self.as_str()?.cmp(other.as_str()?)),
        }
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Null, Self::Null)) || self.compare(other) == Some(Ordering::Equal)
    }

    /// Appends the value as people and PostgreSQL read it, without any quoting.
    ///
    /// # Errors
    /// When the value is one that only expressions can use (a row, a record, a vocabulary).
    pub(super) fn write_plain(&self, out: &mut String) -> Result<(), Problem> {
        use std::fmt::Write as _;
        // Writing to a `String` cannot fail.
        let _ = match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Integer(value) => write!(out, "{value}"),
            Self::Number(value) => write!(out, "{value}"),
            Self::Word(text) => out.write_str(text),
            Self::Text(text) | Self::Json(text) => out.write_str(text),
            Self::Uuid(bytes) => {
                write_uuid(bytes, out);
                Ok(())
            }
            Self::Time(seconds) => {
                write_date(seconds.div_euclid(86_400), out);
                let second = seconds.rem_euclid(86_400);
                write!(out, " {:02}:{:02}:{:02}+00", second / 3600, second / 60 % 60, second % 60)
            }
            Self::Date(days) => {
                write_date(*days, out);
                Ok(())
            }
            Self::List(_) | Self::Literals(_) => {
                write_array(&self.items("writing")?, out)?;
                Ok(())
            }
            Self::Vector(_) | Self::Numbers(_) | Self::Vocabulary(_) | Self::Record(_) | Self::Row(_) => {
                return Err(self.wrong_type("writing", "a plain value"));
            }
        };
        Ok(())
    }

    /// Appends the value as a field of a CSV line; null is an empty field, the empty text is `""`.
    pub(super) fn write_csv(&self, out: &mut String) -> Result<(), Problem> {
        match self {
            Self::Word(_) | Self::Text(_) | Self::Json(_) | Self::List(_) | Self::Literals(_) => {
                let start = out.len();
                self.write_plain(out)?;
                let written = &out[start..];
                if written.is_empty() || written.contains(['"', ',', '\n', '\r']) {
                    let quoted = written.replace('"', "\"\"");
                    out.truncate(start);
                    out.push('"');
                    out.push_str(&quoted);
                    out.push('"');
                }
                Ok(())
            }
            _ => self.write_plain(out),
        }
    }

    /// Appends the value as JSON.
    pub(super) fn write_json(&self, out: &mut String) -> Result<(), Problem> {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(_) | Self::Integer(_) | Self::Number(_) | Self::Json(_) => self.write_plain(out)?,
            Self::List(_) | Self::Literals(_) => {
                out.push('[');
                for (position, item) in self.items("json")?.iter().enumerate() {
                    if position > 0 {
                        out.push(',');
                    }
                    item.write_json(out)?;
                }
                out.push(']');
            }
            _ => {
                let mut plain = String::new();
                self.write_plain(&mut plain)?;
                out.push_str(&serde_json::Value::String(plain).to_string());
            }
        }
        Ok(())
    }
}

/// The largest integer that is not above `value`, saturating at the ends of `i64`.
#[expect(clippy::cast_possible_truncation, reason = "floored first, and `as` saturates")]
pub(super) fn floor(value: f64) -> i64 {
    value.floor() as i64
}

fn write_uuid(bytes: &[u8; 16], out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Source: Hinnant, "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`); chrono's own formatting
/// costs more than all the rest of a row.
fn write_date(days: i64, out: &mut String) {
    use std::fmt::Write as _;
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}");
}

/// A PostgreSQL array: every element quoted, so that no text needs looking into.
fn write_array(items: &[Value<'_>], out: &mut String) -> Result<(), Problem> {
    out.push('{');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push('"');
        let start = out.len();
        item.write_plain(out)?;
        if out[start..].contains(['"', '\\']) {
            let escaped = out[start..].replace('\\', "\\\\").replace('"', "\\\"");
            out.truncate(start);
            out.push_str(&escaped);
        }
        out.push('"');
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Value;

    #[track_caller]
    fn check_csv(value: &Value<'_>, expected: &str) {
        let mut out = String::new();
        value.write_csv(&mut out).unwrap();
        assert_eq!(out, expected);
    }

    #[test]
    fn csv_times_match_chrono_over_centuries() {
        for seconds in (-5_000_000_000_i64..5_000_000_000).step_by(86_399 * 37) {
            let expected =
                chrono::DateTime::from_timestamp(seconds, 0).unwrap().format("%F %T+00").to_string();
            check_csv(&Value::Time(seconds), &expected);
        }
    }

    #[test]
    fn csv_null_and_empty_text_differ() {
        check_csv(&Value::Null, "");
        check_csv(&Value::Word(""), "\"\"");
    }

    #[test]
    fn csv_arrays_quote_twice_and_json_escapes() {
        check_csv(&Value::list(vec![Value::Word("a \"b\""), Value::Word("c")]), r#""{""a \""b\"""",""c""}""#);
        let mut json = String::new();
        Value::list(vec![Value::Word("say \"hi\""), Value::Integer(1), Value::Null])
            .write_json(&mut json)
            .unwrap();
        assert_eq!(json, r#"["say \"hi\"",1,null]"#);
    }

    #[test]
    fn csv_uuid_is_hyphenated_lower_case() {
        check_csv(&Value::Uuid([0xab; 16]), "abababab-abab-abab-abab-abababababab");
    }
}
