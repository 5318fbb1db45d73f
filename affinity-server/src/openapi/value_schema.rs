use serde_json::{Map, Value, json};

use crate::catalog::DataType;

/// What the values of a type look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Whole {
        bits: u32,
    },
    Decimal,
    Truth,
    Uuid,
    Date,
    Moment,
    Label,
    Text,
    /// As JSON writes it, whatever it is.
    Any,
    /// A string that PostgreSQL reads in its own way, such as an interval or a range.
    Written,
}

fn shape(data_type: &DataType) -> Shape {
    if !data_type.labels.is_empty() {
        return Shape::Label;
    }
    match &*data_type.base {
        "int2" => Shape::Whole { bits: 16 },
        "int4" | "oid" => Shape::Whole { bits: 32 },
        "int8" => Shape::Whole { bits: 64 },
        "numeric" | "float4" | "float8" => Shape::Decimal,
        "bool" => Shape::Truth,
        "uuid" => Shape::Uuid,
        "date" => Shape::Date,
        "timestamptz" => Shape::Moment,
        "text" | "varchar" | "bpchar" | "name" | "citext" => Shape::Text,
        "json" | "jsonb" | "record" => Shape::Any,
        // Outside pg_catalog: a composite type, or one that an extension writes in its own way.
        _ if data_type.row_of.is_some() || data_type.sql.contains('.') => Shape::Any,
        base if base.starts_with("any") => Shape::Any,
        _ => Shape::Written,
    }
}

/// The JSON schema of a value of `data_type`; with `null` allowed when `is_nullable`.
pub(super) fn value_schema(data_type: &DataType, is_nullable: bool) -> Map<String, Value> {
    let schema = if data_type.is_array {
        let items = element_schema(data_type, true);
        Map::from_iter([("type".to_owned(), json!("array")), ("items".to_owned(), Value::Object(items))])
    } else {
        element_schema(data_type, false)
    };
    if is_nullable { or_null(schema) } else { schema }
}

fn element_schema(data_type: &DataType, is_nullable: bool) -> Map<String, Value> {
    let schema = match shape(data_type) {
        Shape::Whole { bits } => {
            let max = (1_i128 << (bits - 1)) - 1;
            let (min, max) =
                (i64::try_from(-max - 1).unwrap_or(i64::MIN), i64::try_from(max).unwrap_or(i64::MAX));
            let format = if bits == 64 { "int64" } else { "int32" };
            json!({ "type": "integer", "format": format, "minimum": min, "maximum": max })
        }
        Shape::Decimal => match data_type.numeric {
            Some((precision, scale)) if precision >= scale && precision - scale < 300 => {
                let limit = 10_f64.powi(i32::from(precision - scale));
                json!({ "type": "number", "exclusiveMinimum": -limit, "exclusiveMaximum": limit })
            }
            _ => json!({ "type": "number" }),
        },
        Shape::Truth => json!({ "type": "boolean" }),
        Shape::Uuid => json!({ "type": "string", "format": "uuid" }),
        Shape::Date => json!({ "type": "string", "format": "date" }),
        Shape::Moment => json!({ "type": "string", "format": "date-time" }),
        Shape::Label => json!({ "type": "string", "enum": *data_type.labels }),
        Shape::Text => match data_type.length_max {
            Some(length) => json!({ "type": "string", "maxLength": length }),
            None => json!({ "type": "string" }),
        },
        Shape::Written => json!({ "type": "string" }),
        Shape::Any => json!({}),
    };
    let Value::Object(schema) = schema else { return Map::new() };
    if is_nullable { or_null(schema) } else { schema }
}

fn or_null(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.clone(), "null"]);
    }
    if let Some(Value::Array(labels)) = schema.get_mut("enum") {
        labels.push(Value::Null);
    }
    schema
}

/// A value of the type, for people to start from.
pub(super) fn example(data_type: &DataType) -> Value {
    let one = match shape(data_type) {
        Shape::Whole { .. } => json!(1),
        Shape::Decimal => match data_type.numeric {
            Some((precision, scale)) if precision == scale => json!(0),
            _ => json!(1),
        },
        Shape::Truth => json!(true),
        Shape::Uuid => json!("11111111-1111-4111-8111-111111111111"),
        Shape::Date => json!("2026-01-31"),
        Shape::Moment => json!("2026-01-31T12:00:00Z"),
        Shape::Label => json!(data_type.labels.first()),
        Shape::Text => {
            let length = data_type.length_max.and_then(|length| usize::try_from(length).ok());
            json!("text".chars().take(length.unwrap_or(usize::MAX)).collect::<String>())
        }
        Shape::Any => json!({}),
        Shape::Written => json!(written(&data_type.base)),
    };
    if data_type.is_array { json!([one]) } else { one }
}

fn written(base: &str) -> &'static str {
    match base {
        "timestamp" => "2026-01-31T12:00:00",
        "time" => "12:00:00",
        "timetz" => "12:00:00+00",
        "interval" => "1 day",
        "inet" | "cidr" => "192.0.2.1",
        "macaddr" => "08:00:2b:01:02:03",
        "bytea" => "\\x00",
        "int4range" | "int8range" | "numrange" => "[1,10)",
        "daterange" => "[2026-01-01,2026-02-01)",
        "tsrange" | "tstzrange" => "[2026-01-01 00:00,2026-02-01 00:00)",
        "point" => "(1,2)",
        "bit" | "varbit" => "1",
        "xml" => "<a/>",
        "money" => "1.00",
        _ => "text",
    }
}

/// Filters on a column of the type, as a pattern.
pub(super) fn filter_pattern(data_type: &DataType) -> String {
    let is = "is\\.(null|not_null)";
    let Some(element) = element_pattern(data_type) else {
        return format!(
            "^(not\\.)?((eq|neq|gt|gte|lt|lte|cs|cd|ov|sl|sr|nxr|nxl|adj|fts|plfts|phfts|wfts)\\..+|{is})$"
        );
    };
    if data_type.is_array {
        return format!("^(not\\.)?((cs|cd|ov)\\.\\{{{element}(,{element})*\\}}|{is})$");
    }
    let comparisons = match shape(data_type) {
        Shape::Truth => {
            return "^(not\\.)?(eq\\.(true|false)|is\\.(true|false|unknown|null|not_null))$".to_owned();
        }
        Shape::Text => {
            format!("(eq|neq|gt|gte|lt|lte|like|ilike)\\.[^\\u0000]*|in\\.\\({element}(,{element})*\\)")
        }
        Shape::Label | Shape::Uuid => format!("(eq|neq)\\.{element}|in\\.\\({element}(,{element})*\\)"),
        _ => format!("(eq|neq|gt|gte|lt|lte)\\.{element}|in\\.\\({element}(,{element})*\\)"),
    };
    format!("^(not\\.)?({comparisons}|{is})$")
}

/// One value within a filter.
fn element_pattern(data_type: &DataType) -> Option<String> {
    let pattern = match shape(data_type) {
        Shape::Whole { bits: 16 } => "-?[0-9]{1,4}",
        Shape::Whole { .. } => "-?[0-9]{1,9}",
        Shape::Decimal => "-?[0-9]{1,6}(\\.[0-9]{1,2})?",
        Shape::Truth => "(true|false)",
        Shape::Uuid => "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        Shape::Date => DATE,
        Shape::Moment => return Some(format!("{DATE}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")),
        Shape::Text => "[0-9A-Za-z_-]+",
        Shape::Label => {
            let labels: Vec<String> = data_type.labels.iter().map(|label| escape_pattern(label)).collect();
            return Some(format!("({})", labels.join("|")));
        }
        Shape::Any | Shape::Written => return None,
    };
    Some(pattern.to_owned())
}

const DATE: &str = "20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";

/// The text as a regular expression that matches it and nothing else.
pub(super) fn escape_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if "\\^$.|?*+()[]{}".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}
