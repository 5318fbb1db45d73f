use super::json::{escaped, items};
use crate::catalog::DataType;

/// A value that its column cannot take as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resource) struct Mistake {
    /// Where, as a JSON pointer.
    pub(in crate::resource) pointer: String,
    /// The SQLSTATE that says as much.
    pub(in crate::resource) code: &'static str,
    /// What is wrong.
    pub(in crate::resource) message: String,
}

/// Whether a JSON text has a string with the character that PostgreSQL has not.
fn has_nul(raw: &str) -> bool {
    let mut escapes = raw.match_indices("\\u0000");
    escapes.any(|(at, _)| raw[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0)
}

/// Checks one value against its column's type: what JSON calls it, and that no digit would be lost.
///
/// `as_json` asks for JSON's own types; without it, as for CSV, every scalar may be a string.
pub(in crate::resource) fn check_value(
    pointer: &str,
    key: &str,
    raw: &str,
    data_type: &DataType,
    as_json: bool,
) -> Result<(), Mistake> {
    let at = format!("{pointer}/{}", escaped(key));
    if has_nul(raw) {
        let message = "\\u0000 cannot be converted to text.".to_owned();
        return Err(Mistake { pointer: at, code: "22P05", message });
    }
    if raw == "null" || (!data_type.is_array && matches!(&*data_type.base, "json" | "jsonb")) {
        return Ok(());
    }
    if data_type.is_array {
        return match raw.as_bytes()[0] {
            b'[' => items(raw).into_iter().enumerate().try_for_each(|(place, item)| {
                let element = if item.starts_with('[') { data_type.clone() } else { element(data_type) };
                check_value(&at, &place.to_string(), item, &element, as_json)
            }),
            b'"' if !as_json => Ok(()),
            _ => Err(wrong_type(at, "an array", raw, data_type)),
        };
    }
    if data_type.row_of.is_some() {
        let is_fine = raw.starts_with('{') || (!as_json && raw.starts_with('"'));
        return if is_fine { Ok(()) } else { Err(wrong_type(at, "an object", raw, data_type)) };
    }
    let (expected, is_fine) =
        allowed(&data_type.base, !data_type.labels.is_empty(), raw.as_bytes()[0], as_json);
    if !is_fine {
        return Err(wrong_type(at, expected, raw, data_type));
    }
    check_digits(at, raw, data_type)
}

fn element(array: &DataType) -> DataType {
    DataType { is_array: false, ..array.clone() }
}

/// What JSON calls values of a type, and whether a value that starts so is one.
fn allowed(base: &str, is_enum: bool, first: u8, as_json: bool) -> (&'static str, bool) {
    let (is_string, is_bool) = (first == b'"', matches!(first, b't' | b'f'));
    let is_number = first == b'-' || first.is_ascii_digit();
    match base {
        "bool" => ("a boolean", is_bool || (is_string && !as_json)),
        "int2" | "int4" | "int8" | "float4" | "float8" | "numeric" | "money" | "oid" => {
            ("a number, or a string of one", is_number || is_string)
        }
        "text" | "varchar" | "bpchar" | "char" | "name" | "citext" | "uuid" | "date" | "time" | "timetz"
        | "timestamp" | "timestamptz" | "interval" | "bytea" | "inet" | "cidr" | "macaddr" | "tsvector"
        | "xml" | "bit" | "varbit" => ("a string", is_string),
        _ if is_enum => ("a string", is_string),
        _ => ("", true), // types that extensions read may take anything
    }
}

fn wrong_type(pointer: String, expected: &str, raw: &str, data_type: &DataType) -> Mistake {
    let got = match raw.as_bytes()[0] {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        _ => "a number",
    };
    let message = format!("a value of type {} is {expected}, not {got}", data_type.sql);
    Mistake { pointer, code: "22023", message }
}

/// PostgreSQL rounds to a numeric's scale; what would change the number is refused.
fn check_digits(pointer: String, raw: &str, data_type: &DataType) -> Result<(), Mistake> {
    let Some((precision, scale)) = data_type.numeric else { return Ok(()) };
    let text = raw.trim_matches('"').trim();
    let Some(fraction) = fraction_digits(text) else { return Ok(()) };
    if fraction > i64::from(scale) {
        let message = format!(
            "{text} has {fraction} digits behind the point, {} has {scale}; it is not rounded",
            data_type.sql
        );
        return Err(Mistake { pointer, code: "22003", message });
    }
    let _ = precision; // PostgreSQL refuses what has too many before the point
    Ok(())
}

/// How many digits behind the point a number needs; `None` when it is none.
fn fraction_digits(text: &str) -> Option<i64> {
    let (digits, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let fraction = digits.split_once('.').map_or("", |(_, fraction)| fraction);
    let is_number =
        digits.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let whole = digits.trim_start_matches(['-', '+']).split('.').next().unwrap_or_default();
    let needed = fraction.trim_end_matches('0').len();
    let written = match needed {
        0 if exponent < 0 => {
            // 100e-2 is 1: zeros at the end of the whole part need no digit.
            let zeros = whole.len() - whole.trim_end_matches('0').len();
            -i64::try_from(zeros).unwrap_or(i64::MAX)
        }
        needed => i64::try_from(needed).unwrap_or(i64::MAX),
    };
    let is_zero = digits.bytes().all(|byte| !(b'1'..=b'9').contains(&byte));
    is_number.then(|| if is_zero { 0 } else { (written - exponent).max(0) })
}

#[cfg(test)]
mod tests {
    use super::{fraction_digits, has_nul};

    #[test]
    fn digits_behind_the_point_are_those_that_the_number_needs() {
        let cases = [
            ("1", 0),
            ("-1.50", 1),
            ("1.005", 3),
            ("1e-3", 3),
            ("1.5e1", 0),
            ("100e-2", 0),
            ("120e-2", 1),
            ("0e-9", 0),
            ("0.000", 0),
        ];
        for (text, digits) in cases {
            assert_eq!(fraction_digits(text), Some(digits), "{text}");
        }
        assert_eq!(fraction_digits("NaN"), None);
    }

    #[test]
    fn nul_is_found_unless_its_backslash_is_escaped() {
        assert!(has_nul(r#""a\u0000""#) && has_nul(r#""\\\u0000""#));
        assert!(!has_nul(r#""\\u0000""#));
    }
}
