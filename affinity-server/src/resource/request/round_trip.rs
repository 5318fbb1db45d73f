//! Whatever a query is, written down and read again it is the same; and whatever is read, nothing panics.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{prop_assert_eq, sample};

use super::{
    Aggregate, BodyForm, Condition, EmbedJoin, EmbedKind, Embedding, Field, Filter, Format, JsonStep, Limits,
    NullsPlace, Operator, OrderField, OrderTerm, Preferences, Quantifier, Query, SelectItem, TsQuery, Window,
};

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_name(name: &str) -> String {
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_reserved = matches!(name, "not" | "and" | "or" | "order" | "limit" | "offset" | "count")
        || matches!(name, "select" | "columns" | "on_conflict" | "after");
    if is_plain && !is_reserved { name.to_owned() } else { quote(name) }
}

fn write_field(field: &Field) -> String {
    let steps = field.path.iter().map(|step| {
        let arrow = if step.as_text { "->>" } else { "->" };
        let key = if step.is_index { step.key.clone() } else { quote(&step.key) };
        format!("{arrow}{key}")
    });
    format!("{}{}", write_name(&field.name), steps.collect::<String>())
}

fn write_select(items: &[SelectItem]) -> String {
    items.iter().map(write_item).collect::<Vec<_>>().join(",")
}

fn write_item(item: &SelectItem) -> String {
    match item {
        SelectItem::Star => "*".to_owned(),
        SelectItem::Field { alias, field, cast, aggregate, aggregate_cast } => {
            let alias = alias.as_deref().map(|alias| write_name(alias) + ":").unwrap_or_default();
            let cast_of =
                |cast: &Option<String>| cast.as_deref().map(|cast| format!("::{cast}")).unwrap_or_default();
            let aggregate = aggregate.map(|aggregate| match aggregate {
                Aggregate::Count => "count()",
                Aggregate::Sum => "sum()",
                Aggregate::Avg => "avg()",
                Aggregate::Min => "min()",
                Aggregate::Max => "max()",
            });
            let dot = if field.is_some() && aggregate.is_some() { "." } else { "" };
            let field = field.as_ref().map(write_field).unwrap_or_default();
            let (cast, aggregate_cast) = (cast_of(cast), cast_of(aggregate_cast));
            format!("{alias}{field}{cast}{dot}{}{aggregate_cast}", aggregate.unwrap_or_default())
        }
        SelectItem::Embed(embedding) => {
            let alias = embedding.alias.as_deref().map(|alias| write_name(alias) + ":").unwrap_or_default();
            let spread = if embedding.kind == EmbedKind::Spread { "..." } else { "" };
            let hint =
                embedding.hint.as_deref().map(|hint| format!("!{}", write_name(hint))).unwrap_or_default();
            let join = match embedding.join {
                None => "",
                Some(EmbedJoin::Inner) => "!inner",
                Some(EmbedJoin::Left) => "!left",
            };
            let select = write_select(&embedding.query.select);
            format!("{alias}{spread}{}{hint}{join}({select})", write_name(&embedding.relation))
        }
    }
}

fn write_operator(is_negated: bool, operator: &Operator, write_operand: fn(&str) -> String) -> String {
    let not = if is_negated { "not." } else { "" };
    let text = match operator {
        Operator::Binary { name, quantifier, operand } => {
            let quantifier = match quantifier {
                None => "",
                Some(Quantifier::Any) => "(any)",
                Some(Quantifier::All) => "(all)",
            };
            format!("{name}{quantifier}.{}", write_operand(operand))
        }
        Operator::In(values) => {
            format!("in.({})", values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(","))
        }
        Operator::Is(sql) => format!("is.{}", sql.to_lowercase().replace(' ', "_")),
        Operator::Fts { query, language, operand } => {
            let name = match query {
                TsQuery::Plain => "fts",
                TsQuery::PlainText => "plfts",
                TsQuery::Phrase => "phfts",
                TsQuery::Web => "wfts",
            };
            let language = language.as_deref().map(|name| format!("({name})")).unwrap_or_default();
            format!("{name}{language}.{}", write_operand(operand))
        }
    };
    format!("{not}{text}")
}

/// `(not., and, (...))`
fn write_connective(condition: &Condition) -> Option<(&'static str, &'static str, String)> {
    let (is_negated, name, parts) = match condition {
        Condition::Filter(_) => return None,
        Condition::And { is_negated, parts } => (is_negated, "and", parts),
        Condition::Or { is_negated, parts } => (is_negated, "or", parts),
    };
    let parts = parts.iter().map(|part| match (part, write_connective(part)) {
        (_, Some((not, name, parts))) => format!("{not}{name}{parts}"),
        (Condition::Filter(filter), _) => {
            let operator = write_operator(filter.is_negated, &filter.operator, quote);
            format!("{}.{operator}", write_field(&filter.field))
        }
        _ => unreachable!("a condition is a filter or a connective"),
    });
    let text = format!("({})", parts.collect::<Vec<_>>().join(","));
    Some((if *is_negated { "not." } else { "" }, name, text))
}

fn write_order(terms: &[OrderTerm]) -> String {
    let write = |term: &OrderTerm| {
        let by = match &term.by {
            OrderField::Own(field) => write_field(field),
            OrderField::Embedded { relation, field } => {
                format!("{}({})", write_name(relation), write_field(field))
            }
        };
        let direction = if term.is_descending { ".desc" } else { "" };
        let nulls = match term.nulls {
            None => "",
            Some(NullsPlace::First) => ".nullsfirst",
            Some(NullsPlace::Last) => ".nullslast",
        };
        format!("{by}{direction}{nulls}")
    };
    terms.iter().map(write).collect::<Vec<_>>().join(",")
}

/// The parameters of `query`, whose embedding is at `path`, which ends with a dot unless empty.
fn write_query(query: &Query, path: &str, pairs: &mut Vec<(String, String)>) {
    let mut push = |key: String, value: String| pairs.push((format!("{path}{key}"), value));
    for condition in &query.conditions {
        match (condition, write_connective(condition)) {
            (_, Some((not, name, parts))) => push(format!("{not}{name}"), parts),
            (Condition::Filter(filter), _) => {
                let value = write_operator(filter.is_negated, &filter.operator, str::to_owned);
                push(write_field(&filter.field), value);
            }
            _ => unreachable!("a condition is a filter or a connective"),
        }
    }
    if !query.order.is_empty() {
        push("order".to_owned(), write_order(&query.order));
    }
    if let Some(limit) = query.window.limit {
        push("limit".to_owned(), limit.to_string());
    }
    if query.window.offset > 0 {
        push("offset".to_owned(), query.window.offset.to_string());
    }
    for item in &query.select {
        if let SelectItem::Embed(embedding) = item {
            write_query(&embedding.query, &format!("{path}{}.", write_name(embedding.key())), pairs);
        }
    }
}

fn write(query: &Query) -> Vec<(String, String)> {
    let mut pairs = vec![("select".to_owned(), write_select(&query.select))];
    write_query(query, "", &mut pairs);
    let names = |names: &[String]| names.iter().map(|name| write_name(name)).collect::<Vec<_>>().join(",");
    pairs.extend(query.columns.as_deref().map(|columns| ("columns".to_owned(), names(columns))));
    pairs.extend(query.on_conflict.as_deref().map(|columns| ("on_conflict".to_owned(), names(columns))));
    pairs.extend(query.after.clone().map(|cursor| ("after".to_owned(), cursor)));
    pairs
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z_]{1,6}", 1 => "(?s).{1,5}"]
        .prop_filter("means something as a hint or relation", |name| {
            !matches!(name.as_str(), "inner" | "left" | "count" | "not")
        })
}

fn field() -> impl Strategy<Value = Field> {
    let key = prop_oneof![("(?s).{1,4}", Just(false)), ("-?[0-9]{1,3}", Just(true))];
    let step =
        (key, any::<bool>()).prop_map(|((key, is_index), as_text)| JsonStep { key, is_index, as_text });
    (name(), vec(step, 0..3)).prop_map(|(name, path)| Field { name, path })
}

fn operator() -> impl Strategy<Value = Operator> {
    let quantified = sample::select(vec!["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"]);
    let plain = sample::select(vec!["neq", "isdistinct", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"]);
    let quantifier = option::of(sample::select(vec![Quantifier::Any, Quantifier::All]));
    let named = prop_oneof![(quantified, quantifier), (plain, Just(None))];
    let query = sample::select(vec![TsQuery::Plain, TsQuery::PlainText, TsQuery::Phrase, TsQuery::Web]);
    prop_oneof![
        (named, "(?s).{0,8}").prop_map(|((name, quantifier), operand)| Operator::Binary {
            name,
            quantifier,
            operand
        }),
        vec("(?s).{0,5}", 0..4).prop_map(Operator::In),
        sample::select(vec!["NULL", "NOT NULL", "TRUE", "FALSE", "UNKNOWN"]).prop_map(Operator::Is),
        (query, option::of("[a-z_]{1,5}"), "(?s).{0,8}")
            .prop_map(|(query, language, operand)| Operator::Fts { query, language, operand }),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = (field(), any::<bool>(), operator())
        .prop_map(|(field, is_negated, operator)| Condition::Filter(Filter { field, is_negated, operator }));
    leaf.prop_recursive(3, 12, 3, |inner| {
        (any::<bool>(), any::<bool>(), vec(inner, 1..3)).prop_map(
            |(is_and, is_negated, parts)| match is_and {
                true => Condition::And { is_negated, parts },
                false => Condition::Or { is_negated, parts },
            },
        )
    })
}

fn order_term() -> impl Strategy<Value = OrderTerm> {
    let by = prop_oneof![
        field().prop_map(OrderField::Own),
        (name(), field()).prop_map(|(relation, field)| OrderField::Embedded { relation, field }),
    ];
    let nulls = option::of(sample::select(vec![NullsPlace::First, NullsPlace::Last]));
    (by, any::<bool>(), nulls).prop_map(|(by, is_descending, nulls)| OrderTerm { by, is_descending, nulls })
}

fn select_field() -> impl Strategy<Value = SelectItem> {
    let aggregate = || {
        sample::select(vec![
            (Aggregate::Count),
            (Aggregate::Sum),
            (Aggregate::Avg),
            (Aggregate::Min),
            (Aggregate::Max),
        ])
    };
    let cast = || option::of("[a-z]{1,4}( [a-z]{1,3})?");
    let aggregated = (aggregate(), cast()).prop_map(|(aggregate, cast)| (Some(aggregate), cast));
    let aggregated = prop_oneof![Just((None, None)), aggregated];
    prop_oneof![
        Just(SelectItem::Star),
        (option::of(name()), cast()).prop_map(|(alias, aggregate_cast)| SelectItem::Field {
            alias,
            field: None,
            cast: None,
            aggregate: Some(Aggregate::Count),
            aggregate_cast,
        }),
        (option::of(name()), field(), cast(), aggregated).prop_map(
            |(alias, field, cast, (aggregate, aggregate_cast))| SelectItem::Field {
                alias,
                field: Some(field),
                cast,
                aggregate,
                aggregate_cast,
            }
        ),
    ]
}

/// A query without `columns` and its like, as an embedding has it.
fn query_of(select: impl Strategy<Value = Vec<SelectItem>>) -> impl Strategy<Value = Query> {
    let window = (option::of(0..100_u64), 0..100_u64).prop_map(|(limit, offset)| Window { limit, offset });
    (select, vec(condition(), 0..3), vec(order_term(), 0..3), window).prop_map(
        |(select, conditions, order, window)| Query { select, conditions, order, window, ..Query::default() },
    )
}

/// Two embeddings of the same key cannot be told apart by their parameters, so all but the first go.
fn unique(items: Vec<SelectItem>) -> Vec<SelectItem> {
    let mut keys = Vec::new();
    let is_first = |item: &SelectItem| match item {
        SelectItem::Embed(embedding) => {
            let key = embedding.key().to_owned();
            let is_first = !keys.contains(&key);
            keys.push(key);
            is_first
        }
        _ => true,
    };
    items.into_iter().filter(is_first).collect()
}

fn query() -> impl Strategy<Value = Query> {
    let item = select_field().prop_recursive(3, 10, 3, |inner| {
        let join = option::of(sample::select(vec![EmbedJoin::Inner, EmbedJoin::Left]));
        let kind = prop_oneof![
            option::of(name()).prop_map(|alias| (EmbedKind::Nested, alias)),
            Just((EmbedKind::Spread, None))
        ];
        (name(), kind, option::of(name()), join, query_of(vec(inner, 0..3).prop_map(unique))).prop_map(
            |(relation, (kind, alias), hint, join, query)| {
                SelectItem::Embed(Embedding { relation, alias, hint, join, kind, query })
            },
        )
    });
    let names = || option::of(vec(name(), 1..3));
    (query_of(vec(item, 0..4).prop_map(unique)), names(), names(), option::of("[A-Za-z0-9_-]{1,20}"))
        .prop_map(|(query, columns, on_conflict, after)| Query { columns, on_conflict, after, ..query })
}

/// Text made of what the grammar is made of, and of anything.
fn soup() -> impl Strategy<Value = String> {
    let token = sample::select(vec![
        "(",
        ")",
        ",",
        ".",
        "->",
        "->>",
        "-",
        "::",
        ":",
        "!",
        "...",
        "\"",
        "\\",
        "{",
        "}",
        "not",
        "and",
        "or",
        "eq",
        "in",
        "is",
        "null",
        "fts",
        "(any)",
        "count()",
        "sum()",
        "inner",
        "desc",
        "nullslast",
        "order",
        "limit",
        "offset",
        "select",
        " ",
        "\t",
        "\n",
        "ä",
        "a",
        "b",
        "1",
        "*",
        "😀",
    ]);
    prop_oneof![vec(token, 0..20).prop_map(|tokens| tokens.concat()), "(?s).{0,20}"]
}

proptest! {
    #[test]
    fn query_written_and_read_is_the_same(query in query()) {
        let pairs = write(&query);
        prop_assert_eq!(Query::parse(&pairs, &Limits::STANDARD), Ok(query), "{:?}", pairs);
    }

    #[test]
    fn query_of_anything_is_read_or_refused(pairs in vec((soup(), soup()), 0..4), value in soup()) {
        for key in ["select", "order", "limit", "or", "columns", "on_conflict", "a"] {
            let mut pairs = pairs.clone();
            pairs.push((key.to_owned(), value.clone()));
            let outcome = Query::parse(&pairs, &Limits::STANDARD);
            let again = Query::parse_call(&pairs, &Limits::STANDARD, |name| name == "a");
            // Details are made on demand, and must not panic either.
            let is_told = |error: super::RequestError| !error.to_string().is_empty() && error.details() != Some(String::new());
            proptest::prop_assert!(outcome.err().is_none_or(is_told));
            proptest::prop_assert!(again.err().is_none_or(is_told));
        }
    }

    #[test]
    fn headers_of_anything_are_read_or_refused(bytes in vec(any::<u8>(), 0..40), text in soup()) {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let Ok(value) = HeaderValue::from_bytes(bytes) else { continue };
            let names = ["prefer", "accept", "content-type", "range"].map(HeaderName::from_static);
            let headers: HeaderMap = names.into_iter().map(|name| (name, value.clone())).collect();
            let told = [
                Preferences::parse(&headers).err(),
                Format::negotiate(&headers, |_| true).err(),
                BodyForm::from_content_type(&headers).err(),
                Window::from_range(&headers).err(),
            ];
            proptest::prop_assert!(told.into_iter().flatten().all(|error| !error.code().is_empty()));
        }
    }
}
