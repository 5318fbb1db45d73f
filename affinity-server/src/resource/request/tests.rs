#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{
    Aggregate, BodyForm, Condition, CountKind, EmbedJoin, EmbedKind, Embedding, Field, Filter, Format,
    JsonStep, Limits, MissingFields, NullsPlace, Operator, OrderField, OrderTerm, PlanForm, Preferences,
    Quantifier, Query, RequestError, Resolution, ReturnKind, SelectItem, TransactionEnd, TsQuery, Window,
    profile,
};

fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
    query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn parse(query: &[(&str, &str)]) -> Result<Query, RequestError> {
    Query::parse(&pairs(query), &Limits::STANDARD)
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect()
}

fn column(name: &str) -> Field {
    Field { name: name.to_owned(), path: Vec::new() }
}

/// `data->a->>0`: a step as text starts with `>`, a place is a number.
fn json(name: &str, steps: &[&str]) -> Field {
    let path = steps
        .iter()
        .map(|step| {
            let key = step.trim_start_matches('>').to_owned();
            JsonStep { is_index: key.parse::<i64>().is_ok(), key, as_text: step.starts_with('>') }
        })
        .collect();
    Field { name: name.to_owned(), path }
}

fn item(field: Field) -> SelectItem {
    SelectItem::Field { alias: None, field: Some(field), cast: None, aggregate: None, aggregate_cast: None }
}

fn embed(relation: &str, select: Vec<SelectItem>) -> Embedding {
    Embedding {
        relation: relation.to_owned(),
        alias: None,
        hint: None,
        join: None,
        kind: EmbedKind::Nested,
        query: Query { select, ..Query::default() },
    }
}

fn binary(name: &'static str, operand: &str) -> Operator {
    Operator::Binary { name, quantifier: None, operand: operand.to_owned() }
}

fn filter(field: Field, operator: Operator) -> Condition {
    Condition::Filter(Filter { field, is_negated: false, operator })
}

#[track_caller]
fn check_select(text: &str, expected: &[SelectItem]) {
    assert_eq!(parse(&[("select", text)]).unwrap().select, expected, "{text}");
}

#[track_caller]
fn check_filter(value: &str, is_negated: bool, operator: Operator) {
    let expected = Condition::Filter(Filter { field: column("a"), is_negated, operator });
    assert_eq!(parse(&[("a", value)]).unwrap().conditions, [expected], "{value}");
}

#[track_caller]
fn check_logic(key: &str, value: &str, expected: Condition) {
    assert_eq!(parse(&[(key, value)]).unwrap().conditions, [expected], "{key}={value}");
}

#[track_caller]
fn check_order(text: &str, expected: &[OrderTerm]) {
    assert_eq!(parse(&[("order", text)]).unwrap().order, expected, "{text}");
}

/// As PostgREST says it, to the letter.
#[track_caller]
fn check_syntax(key: &str, value: &str, message: &str, details: &str) {
    let error = parse(&[(key, value)]).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.details().unwrap().as_str()), (message, details));
    assert_eq!((error.code(), error.status()), ("PGRST100", StatusCode::BAD_REQUEST));
}

#[test]
fn select_takes_columns_stars_and_nothing() {
    assert_eq!(parse(&[]).unwrap().select, [SelectItem::Star]);
    check_select("", &[]);
    check_select("*", &[SelectItem::Star]);
    check_select(
        "id, name ,full name",
        &[item(column("id")), item(column("name")), item(column("full name"))],
    );
    check_select(
        "a-b,$c,_,1",
        &[item(column("a-b")), item(column("$c")), item(column("_")), item(column("1"))],
    );
    check_select(r#""a.b,c","say \"hi\" \\""#, &[item(column("a.b,c")), item(column(r#"say "hi" \"#))]);
    check_select("größe", &[item(column("größe"))]);
}

#[test]
fn select_takes_aliases_arrows_casts_and_aggregates() {
    let field = |alias: Option<&str>, field, cast: Option<&str>, aggregate, aggregate_cast: Option<&str>| {
        let [alias, cast, aggregate_cast] = [alias, cast, aggregate_cast].map(|name| name.map(str::to_owned));
        SelectItem::Field { alias, field, cast, aggregate, aggregate_cast }
    };
    check_select(
        "when:at::text,d::double precision",
        &[
            field(Some("when"), Some(column("at")), Some("text"), None, None),
            field(None, Some(column("d")), Some("double precision"), None, None),
        ],
    );
    check_select(
        "phone:data->phones->0->>number::text,data->-1,data->0a",
        &[
            field(Some("phone"), Some(json("data", &["phones", "0", ">number"])), Some("text"), None, None),
            item(json("data", &["-1"])),
            item(json("data", &["0a"])),
        ],
    );
    check_select(
        "count(),n:count()::int,total:price::numeric.sum()::text,price.max(),data->a.min()",
        &[
            field(None, None, None, Some(Aggregate::Count), None),
            field(Some("n"), None, None, Some(Aggregate::Count), Some("int")),
            field(Some("total"), Some(column("price")), Some("numeric"), Some(Aggregate::Sum), Some("text")),
            field(None, Some(column("price")), None, Some(Aggregate::Max), None),
            field(None, Some(json("data", &["a"])), None, Some(Aggregate::Min), None),
        ],
    );
    check_select("count,avg", &[item(column("count")), item(column("avg"))]);
}

#[test]
fn select_takes_embeddings_in_every_form() {
    check_select("films()", &[SelectItem::Embed(embed("films", vec![]))]);
    check_select(
        "id,films(*,actors(name)), x",
        &[
            item(column("id")),
            SelectItem::Embed(embed(
                "films",
                vec![SelectItem::Star, SelectItem::Embed(embed("actors", vec![item(column("name"))]))],
            )),
            item(column("x")),
        ],
    );
    let hinted = |join, kind, alias: Option<&str>| Embedding {
        hint: Some("by_fk".to_owned()),
        join,
        kind,
        alias: alias.map(str::to_owned),
        ..embed("films", vec![SelectItem::Star])
    };
    for (text, expected) in [
        ("films!by_fk(*)", hinted(None, EmbedKind::Nested, None)),
        ("f:films!by_fk!inner(*)", hinted(Some(EmbedJoin::Inner), EmbedKind::Nested, Some("f"))),
        ("films!left!by_fk(*)", hinted(Some(EmbedJoin::Left), EmbedKind::Nested, None)),
        ("...films!by_fk(*)", hinted(None, EmbedKind::Spread, None)),
    ] {
        check_select(text, &[SelectItem::Embed(expected)]);
    }
    // A hint may start with a word that means something alone.
    let Ok(query) = parse(&[("select", "films!inner_fk(*)")]) else { panic!("refused") };
    let [SelectItem::Embed(films)] = &query.select[..] else { panic!("{query:?}") };
    assert_eq!((films.hint.as_deref(), films.join), (Some("inner_fk"), None));
    parse(&[("select", "films!a!b(*)")]).unwrap_err();
}

#[test]
fn filters_take_every_operator() {
    for name in ["eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"] {
        for (text, quantifier) in
            [("", None), ("(any)", Some(Quantifier::Any)), ("(all)", Some(Quantifier::All))]
        {
            let operator = Operator::Binary { name, quantifier, operand: "{1,(2).x\"".to_owned() };
            check_filter(&format!("{name}{text}.{{1,(2).x\""), false, operator.clone());
            check_filter(&format!("not.{name}{text}.{{1,(2).x\""), true, operator);
        }
    }
    for name in ["neq", "isdistinct", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"] {
        check_filter(&format!("{name}.{{1,2}}"), false, binary(name, "{1,2}"));
        check_filter(&format!("not.{name}."), true, binary(name, ""));
        parse(&[("a", &format!("{name}(any).1"))]).unwrap_err();
    }
    for (name, query) in [
        ("fts", TsQuery::Plain),
        ("plfts", TsQuery::PlainText),
        ("phfts", TsQuery::Phrase),
        ("wfts", TsQuery::Web),
    ] {
        let operand = "fat & rat".to_owned();
        let plain = Operator::Fts { query, language: None, operand: operand.clone() };
        check_filter(&format!("{name}.fat & rat"), false, plain);
        let language = Some("english".to_owned());
        check_filter(
            &format!("not.{name}(english).fat & rat"),
            true,
            Operator::Fts { query, language, operand },
        );
    }
}

#[test]
fn filters_take_lists_and_truth_values() {
    for (value, expected) in [
        ("in.(1,2,3)", vec!["1", "2", "3"]),
        ("in.()", vec![]),
        (r#"in.("")"#, vec![""]),
        (r#"in.("a,b","c)d","say \"hi\"", e)"#, vec!["a,b", "c)d", "say \"hi\"", " e"]),
        (r#"in.("a"b,c)"#, vec!["\"a\"b", "c"]),
        ("in.(a(b,c)", vec!["a(b", "c"]),
        ("in.(,)", vec!["", ""]),
    ] {
        check_filter(value, false, Operator::In(expected.into_iter().map(str::to_owned).collect()));
    }
    for (value, sql) in [
        ("null", "NULL"),
        ("not_null", "NOT NULL"),
        ("TRUE", "TRUE"),
        ("FAlSe", "FALSE"),
        ("unknown", "UNKNOWN"),
    ] {
        check_filter(&format!("is.{value}"), false, Operator::Is(sql));
        check_filter(&format!("not.is.{value}"), true, Operator::Is(sql));
    }
    // PostgREST ignores what follows; here nothing is ignored.
    for value in ["in.(1)2", "is.nullx", "in.(1"] {
        parse(&[("a", value)]).unwrap_err();
    }
}

#[test]
fn filters_take_arrows_and_quoted_columns() {
    let query = parse(&[("data->a->>0", "eq.1"), ("\"a.b\"", "eq.2"), ("\"select\"", "eq.3")]).unwrap();
    let expected = [
        filter(json("data", &["a", ">0"]), binary("eq", "1")),
        filter(column("a.b"), binary("eq", "2")),
        filter(column("select"), binary("eq", "3")),
    ];
    assert_eq!(query.conditions, expected);
}

#[test]
fn logic_nests_and_quotes() {
    let part = |name, operand| filter(column("a"), binary(name, operand));
    check_logic(
        "or",
        "(a.eq.1,a.eq.2)",
        Condition::Or { is_negated: false, parts: vec![part("eq", "1"), part("eq", "2")] },
    );
    check_logic("not.and", "(a.eq.1)", Condition::And { is_negated: true, parts: vec![part("eq", "1")] });
    check_logic(
        "and",
        r#"(a.eq."x,y)", not.or(a.lt.1 ,a.gt.2),a.not.in.(1,2),a.cs.{1,2},data->b.fts(english).c)"#,
        Condition::And {
            is_negated: false,
            parts: vec![
                part("eq", "x,y)"),
                Condition::Or { is_negated: true, parts: vec![part("lt", "1 "), part("gt", "2")] },
                Condition::Filter(Filter {
                    field: column("a"),
                    is_negated: true,
                    operator: Operator::In(vec!["1".to_owned(), "2".to_owned()]),
                }),
                part("cs", "{1,2}"),
                filter(
                    json("data", &["b"]),
                    Operator::Fts {
                        query: TsQuery::Plain,
                        language: Some("english".to_owned()),
                        operand: "c".to_owned(),
                    },
                ),
            ],
        },
    );
    parse(&[("or", "(a.eq.1)x")]).unwrap_err();
}

#[test]
fn order_takes_directions_nulls_arrows_and_embedded_columns() {
    let own = |field, is_descending, nulls| OrderTerm { by: OrderField::Own(field), is_descending, nulls };
    check_order(
        "a,b.desc,c.asc.nullsfirst, d.nullslast,data->>x.desc,data->0",
        &[
            own(column("a"), false, None),
            own(column("b"), true, None),
            own(column("c"), false, Some(NullsPlace::First)),
            own(column("d"), false, Some(NullsPlace::Last)),
            own(json("data", &[">x"]), true, None),
            own(json("data", &["0"]), false, None),
        ],
    );
    let by = OrderField::Embedded { relation: "studio".to_owned(), field: json("data", &["k"]) };
    check_order(
        "studio(data->k).desc.nullsfirst",
        &[OrderTerm { by, is_descending: true, nulls: Some(NullsPlace::First) }],
    );
}

#[test]
fn parameters_go_to_their_embeddings_by_alias() {
    let query = parse(&[
        ("parts.not.or", "(x.eq.1)"),
        ("select", "id,parts:pieces(kinds(*))"),
        ("parts.kinds.k", "eq.1"),
        ("parts.order", "a"),
        ("parts.limit", "3"),
        ("parts.offset", "4"),
        ("limit", "5"),
    ])
    .unwrap();
    assert_eq!((query.window, query.conditions.len()), (Window { limit: Some(5), offset: 0 }, 0));
    let SelectItem::Embed(parts) = &query.select[1] else { panic!("{query:?}") };
    assert_eq!(parts.query.window, Window { limit: Some(3), offset: 4 });
    assert_eq!(parts.query.order.len(), 1);
    let parts_of_or = vec![filter(column("x"), binary("eq", "1"))];
    assert_eq!(parts.query.conditions, [Condition::Or { is_negated: true, parts: parts_of_or }]);
    let [SelectItem::Embed(kinds)] = &parts.query.select[..] else { panic!("{parts:?}") };
    assert_eq!(kinds.query.conditions, [filter(column("k"), binary("eq", "1"))]);

    for key in ["pieces.a", "parts.pieces.a", "kinds.a"] {
        let error = parse(&[("select", "parts:pieces(kinds(*))"), (key, "eq.1")]).unwrap_err();
        let RequestError::NotEmbedded { relation } = &error else { panic!("{error:?}") };
        assert_eq!(error.to_string(), format!("'{relation}' is not an embedded resource in this request"));
        let hint = format!("Verify that '{relation}' is included in the 'select' query parameter.");
        assert_eq!((error.code(), error.hint()), ("PGRST108", Some(hint)));
    }
}

#[test]
fn writes_name_columns_conflicts_and_cursors() {
    let query = parse(&[("columns", "a, \"b c\""), ("on_conflict", "id"), ("after", "c2lnbmVk")]).unwrap();
    assert_eq!(query.columns.unwrap(), ["a", "b c"]);
    assert_eq!(query.on_conflict.unwrap(), ["id"]);
    assert_eq!(query.after.unwrap(), "c2lnbmVk");
    let query = parse(&[("after", "gt.5")]).unwrap();
    assert_eq!((query.after, query.conditions), (None, vec![filter(column("after"), binary("gt", "5"))]));
}

#[test]
fn calls_take_arguments_beside_filters() {
    let given = pairs(&[
        ("id", "gt.5"),
        ("text", "is.a word"),
        ("v", "1"),
        ("v", "2"),
        ("name", "eq.x"),
        ("v", "gt.3"),
        ("other", "not.a filter"),
        ("limit", "2"),
    ]);
    let query = Query::parse_call(&given, &Limits::STANDARD, |name| matches!(name, "text" | "v")).unwrap();
    let expected = pairs(&[("text", "is.a word"), ("v", "1"), ("v", "2"), ("other", "not.a filter")]);
    assert_eq!(query.arguments, expected);
    let filters =
        ["id", "name", "v"].into_iter().zip([binary("gt", "5"), binary("eq", "x"), binary("gt", "3")]);
    let filters: Vec<_> = filters.map(|(name, operator)| filter(column(name), operator)).collect();
    assert_eq!((query.conditions, query.window.limit), (filters, Some(2)));
}

#[test]
fn syntax_errors_are_postgrests() {
    let of_filter = |value: &str, column: usize| {
        format!("\"failed to parse filter ({value})\" (line 1, column {column})")
    };
    for (value, column, details) in [
        ("noop.0", 1, r#"unexpected "o" expecting "not" or operator (eq, gt, ...)"#),
        ("val", 1, r#"unexpected "v" expecting "not" or operator (eq, gt, ...)"#),
        ("", 1, r#"unexpected end of input expecting "not" or operator (eq, gt, ...)"#),
        ("eq().value", 4, r#"unexpected ")" expecting operator (eq, gt, ...)"#),
        ("is().value", 3, r#"unexpected "(" expecting operator (eq, gt, ...)"#),
        ("in().value", 3, r#"unexpected "(" expecting operator (eq, gt, ...)"#),
        ("in.1,3", 4, r#"unexpected "1" expecting "(""#),
        ("is.nil", 5, r#"unexpected "i" expecting isVal: (null, not_null, true, false, unknown)"#),
    ] {
        check_syntax("a", value, &of_filter(value, column), details);
    }
    for (value, column, details) in [
        (
            "id,clients(name[])",
            16,
            r#"unexpected '[' expecting letter, digit, "-", "->>", "->", "::", ".", ")", "," or end of input"#,
        ),
        ("data->>-78xy", 11, r#"unexpected 'x' expecting digit, "->", "::", ".", "," or end of input"#),
        ("data->>--34", 9, r#"unexpected "-" expecting digit"#),
        ("*!hint", 2, r#"unexpected '!' expecting ")", "," or end of input"#),
        ("name::", 7, "unexpected end of input expecting letter or digit"),
    ] {
        let message = format!("\"failed to parse select parameter ({value})\" (line 1, column {column})");
        check_syntax("select", value, &message, details);
    }
    for (value, column, details) in [
        (
            "clients(name,id)",
            8,
            r#"unexpected '(' expecting letter, digit, "-", "->>", "->", delimiter (.), "," or end of input"#,
        ),
        ("id.ac", 4, r#"unexpected "c" expecting "asc", "desc", "nullsfirst" or "nullslast""#),
        ("id.descc", 8, r#"unexpected 'c' expecting delimiter (.), "," or end of input"#),
        ("id.nullslasttt", 13, r#"unexpected 't' expecting "," or end of input"#),
        ("id.asc.nlsfst", 8, r#"unexpected "l" expecting "nullsfirst" or "nullslast""#),
    ] {
        check_syntax(
            "order",
            value,
            &format!("\"failed to parse order ({value})\" (line 1, column {column})"),
            details,
        );
    }
    for (key, value, column, details) in [
        (
            "or",
            "()",
            4,
            r#"unexpected ")" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"#,
        ),
        ("or", "(id.in.1,2,id.eq.3)", 10, r#"unexpected "1" expecting "(""#),
        ("or", ")(", 3, r#"unexpected ")" expecting "(""#),
        ("and", "(ord(id.eq.1,id.eq.1),id.eq.2)", 7, r#"unexpected "d" expecting "(""#),
        (
            "or",
            "(id.eq.1,not.xor(id.eq.2,id.eq.3))",
            16,
            r#"unexpected "x" expecting logic operator (and, or)"#,
        ),
    ] {
        let message = format!("\"failed to parse logic tree ({value})\" (line 1, column {column})");
        check_syntax(key, value, &message, details);
    }
}

#[test]
fn what_says_one_thing_says_it_once() {
    for key in ["select", "order", "limit", "offset", "columns", "on_conflict", "after"] {
        let value = if matches!(key, "limit" | "offset") { "1" } else { "a" };
        let error = parse(&[(key, value), (key, value)]).unwrap_err();
        assert_eq!(error, RequestError::Repeated { parameter: key.to_owned() });
    }
    assert_eq!(
        parse(&[("a", "gt.1"), ("a", "lt.3"), ("or", "(a.eq.1)"), ("or", "(a.eq.2)")])
            .unwrap()
            .conditions
            .len(),
        4
    );
}

#[test]
fn limit_and_offset_are_whole_and_not_negative() {
    for (key, what) in [("limit", "Limit"), ("offset", "Offset")] {
        let error = parse(&[(key, "-1")]).unwrap_err();
        assert_eq!((error.code(), error.status().as_u16()), ("PGRST103", 416));
        assert_eq!(error.details().unwrap(), format!("{what} should be greater than or equal to zero."));
        for text in ["", "x", "1.5", "9223372036854775808"] {
            assert_eq!(parse(&[(key, text)]).unwrap_err().code(), "PGRST100", "{text}");
        }
    }
    assert_eq!(
        parse(&[("limit", "9223372036854775807")]).unwrap().window.limit,
        Some(i64::MAX.unsigned_abs())
    );
}

/// Accepted with `count` of something, refused with one more, by the limit's name.
#[track_caller]
fn check_limit(
    limits: Limits,
    limit: &'static str,
    count: usize,
    query: impl Fn(usize) -> Vec<(String, String)>,
) {
    Query::parse(&query(count), &limits).unwrap();
    let error = Query::parse(&query(count + 1), &limits).unwrap_err();
    assert_eq!(error, RequestError::LimitExceeded { limit, max: count });
}

#[test]
fn limits_hold_at_the_limit_and_not_beyond() {
    let standard = Limits::STANDARD;
    let one = |key: &str, value: String| vec![(key.to_owned(), value)];
    let many = |count: usize, part: &str| vec![part; count].join(",");
    check_limit(Limits { parameters_max: 3, ..standard }, "parameters_max", 3, |count| {
        pairs(&vec![("a", "eq.1"); count])
    });
    check_limit(Limits { select_items_max: 4, ..standard }, "select_items_max", 4, |count| {
        one("select", format!("films({})", many(count - 1, "id")))
    });
    check_limit(Limits { embedding_depth_max: 3, ..standard }, "embedding_depth_max", 3, |count| {
        one("select", format!("{}id{}", "a(".repeat(count), ")".repeat(count)))
    });
    check_limit(Limits { filter_terms_max: 5, ..standard }, "filter_terms_max", 5, |count| {
        [pairs(&[("a", "eq.1")]), one("or", format!("({})", many(count - 2, "a.eq.1")))].concat()
    });
    check_limit(Limits { logic_depth_max: 3, ..standard }, "logic_depth_max", 3, |count| {
        one("or", format!("({}a.eq.1{})", "and(".repeat(count - 1), ")".repeat(count - 1)))
    });
    check_limit(Limits { json_path_length_max: 2, ..standard }, "json_path_length_max", 2, |count| {
        one("select", format!("data{}", "->a".repeat(count)))
    });
    check_limit(Limits { order_terms_max: 2, ..standard }, "order_terms_max", 2, |count| {
        one("order", many(count, "a"))
    });
    let lists = Limits { list_length_max: 3, ..standard };
    check_limit(lists, "list_length_max", 3, |count| one("a", format!("in.({})", many(count, "1"))));
    check_limit(lists, "list_length_max", 3, |count| one("columns", many(count, "a")));
    check_limit(lists, "list_length_max", 3, |count| one("on_conflict", many(count, "a")));
}

#[test]
fn preferences_take_the_first_of_each() {
    let asked = headers(&[
        ("prefer", "return=representation, count=exact,resolution=merge-duplicates , missing=default"),
        ("prefer", "count=planned, tx=rollback, timezone=Europe/Vienna, max-affected=5, outcome=per-row"),
        ("prefer", "handling=lenient, max-affected=many, wait=10"),
    ]);
    let expected = Preferences {
        returns: Some(ReturnKind::Representation),
        resolution: Some(Resolution::MergeDuplicates),
        count: Some(CountKind::Exact),
        missing: Some(MissingFields::Default),
        is_strict: Some(false),
        timezone: Some("Europe/Vienna".to_owned()),
        affected_max: Some(5),
        transaction: Some(TransactionEnd::Rollback),
        outcome_per_row: true,
        unknown: vec!["max-affected=many".to_owned(), "wait=10".to_owned()],
    };
    assert_eq!(Preferences::parse(&asked).unwrap(), expected);
    assert_eq!(Preferences::parse(&HeaderMap::new()).unwrap(), Preferences::default());
}

#[test]
fn preferences_unknown_are_refused_when_strict() {
    let strict = headers(&[("prefer", "handling=strict, anything, tx=maybe")]);
    let error = Preferences::parse(&strict).unwrap_err();
    assert_eq!(error.to_string(), "Invalid preferences given with handling=strict");
    assert_eq!((error.code(), error.status().as_u16()), ("PGRST122", 400));
    assert_eq!(error.details().unwrap(), "Invalid preferences: anything, tx=maybe");
}

#[test]
fn format_is_what_the_client_likes_best() {
    let check = |accept: &str, expected: Format| {
        let negotiated = Format::negotiate(&headers(&[("accept", accept)]), |_| true).unwrap();
        assert_eq!(negotiated, expected, "{accept}");
    };
    let json = Format::Json { strips_nulls: false };
    check("*/*", json.clone());
    check("text/html, application/xhtml+xml, */*;q=0.8", json.clone());
    check("application/json;q=0.5, text/csv", Format::Csv);
    check("text/csv;q=0, application/json", json.clone());
    check("application/vnd.pgrst.object+json; nulls=stripped", Format::Object { strips_nulls: true });
    check("application/vnd.pgrst.array+json;nulls=stripped", Format::Json { strips_nulls: true });
    check("application/vnd.pgrst.object+json", Format::Object { strips_nulls: false });
    check("application/geo+json", Format::GeoJson);
    check("application/octet-stream", Format::Raw("application/octet-stream"));
    check(
        "application/vnd.pgrst.plan+json; for=\"application/json\"; options=verbose|analyze;",
        Format::Plan { form: PlanForm::Json, options: vec!["analyze", "verbose"] },
    );
    check("application/vnd.pgrst.plan", Format::Plan { form: PlanForm::Text, options: vec![] });
    assert_eq!(Format::negotiate(&HeaderMap::new(), |_| true).unwrap(), json);

    let picture = headers(&[("accept", "image/png, text/csv;q=0.5")]);
    assert_eq!(Format::negotiate(&picture, |_| true).unwrap(), Format::Csv);
    let error = Format::negotiate(&picture, |format| *format != Format::Csv).unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("PGRST107", 406));
    assert_eq!(error.to_string(), "None of these media types are available: image/png, text/csv;q=0.5");
}

#[test]
fn body_is_of_a_type_that_is_read() {
    let form = |content_type| BodyForm::from_content_type(&headers(&[("content-type", content_type)]));
    assert_eq!(BodyForm::from_content_type(&HeaderMap::new()).unwrap(), BodyForm::Json);
    assert_eq!(form("Application/JSON; charset=utf-8").unwrap(), BodyForm::Json);
    assert_eq!(form("text/csv").unwrap(), BodyForm::Csv);
    assert_eq!(form("application/x-www-form-urlencoded").unwrap(), BodyForm::UrlEncoded);
    assert_eq!(form("text/xml").unwrap(), BodyForm::Raw("text/xml"));
    let error = form("image/png").unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("PGRST102", "Content-Type not acceptable: image/png")
    );
}

#[test]
fn range_and_limit_meet() {
    let range = |text| Window::from_range(&headers(&[("range", text)]));
    assert_eq!(range("0-9").unwrap(), Some(Window { limit: Some(10), offset: 0 }));
    assert_eq!(range("items=5-").unwrap(), Some(Window { limit: None, offset: 5 }));
    for text in ["bytes=0-9", "a-b", "-5", "5"] {
        assert_eq!(range(text).unwrap(), None, "{text}");
    }
    let error = range("5-2").unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("PGRST103", 416));
    assert_eq!(error, RequestError::ReversedRange);

    let window = |limit, offset| Window { limit, offset };
    assert_eq!(window(Some(5), 0).within(window(Some(10), 2)), Ok(window(Some(3), 2)));
    assert_eq!(window(None, 1).within(window(None, 2)), Ok(window(None, 2)));
    assert_eq!(window(Some(0), 3).within(window(Some(10), 20)), Ok(window(Some(0), 3)));
    assert!(window(Some(5), 0).within(window(Some(5), 5)).is_err());
}

#[test]
fn profile_is_one_of_the_served() {
    let served = ["public".to_owned(), "personal".to_owned()];
    let personal = headers(&[("accept-profile", "personal")]);
    assert_eq!(profile(&Method::GET, &HeaderMap::new(), &served), Ok(Some("public")));
    assert_eq!(profile(&Method::HEAD, &personal, &served), Ok(Some("personal")));
    assert_eq!(profile(&Method::POST, &personal, &served), Ok(Some("public")));
    let error = profile(&Method::POST, &headers(&[("content-profile", "secret")]), &served).unwrap_err();
    assert_eq!((error.code(), error.status().as_u16()), ("PGRST106", 406));
    assert_eq!(error.to_string(), "Invalid schema: secret");
    assert_eq!(error.hint().unwrap(), "Only the following schemas are exposed: public, personal");
}
