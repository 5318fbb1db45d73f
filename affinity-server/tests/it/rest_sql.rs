//! Whatever a request says, what is rendered is one statement of PostgreSQL's grammar, and every value is bound.

use std::collections::HashSet;

use affinity_server::catalog::{
    AnswerStatement, Catalog, CatalogSettings, Conflict, Given, GivenColumn, Shape, Statement, Write,
    WriteStatement, load,
};
use affinity_server::resource::Planner;
use affinity_server::resource::request::{CountKind, Format, Limits, Query};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::cluster;
use crate::rest_world::open_platform;

/// Names that would break SQL that forgot to quote them.
const NASTY: &str = r#"
    CREATE SCHEMA "we""ird";
    CREATE TABLE "we""ird"."par;ent" (id int PRIMARY KEY, "na'me" text, "da""ta" jsonb, "li--st" int[], "ran$1ge" int4range);
    CREATE TABLE "we""ird"."ch""ild" (id int PRIMARY KEY, "par""ent" int REFERENCES "we""ird"."par;ent", amount numeric(10, 2));
"#;

/// In every value that a request brings, and in no name.
const MARK: &str = "zqx";

async fn nasty() -> Catalog {
    let pool = cluster::database("rest_sql").await;
    sqlx::raw_sql(NASTY).execute(&pool).await.unwrap();
    let platforms = vec![("v1".to_owned(), open_platform(&["we\"ird"]))];
    load(&pool, &CatalogSettings { platforms }).await.unwrap()
}

/// A value with what injections are made of around the mark.
fn value() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("'"),
        Just("\""),
        Just(";"),
        Just("--"),
        Just("/*"),
        Just("$1"),
        Just("$$"),
        Just("\\"),
        Just(" OR 1=1"),
        Just("\n"),
        Just("e"),
        Just("é")
    ];
    (proptest::collection::vec(part.clone(), 0..4), proptest::collection::vec(part, 0..4))
        .prop_map(|(before, after)| format!("{}{MARK}{}", before.concat(), after.concat()))
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One parameter of a request to the parent table.
fn parameter() -> impl Strategy<Value = (String, String)> {
    let column = prop_oneof![
        Just("id"),
        Just("\"na'me\""),
        Just("\"da\\\"ta\"->>k"),
        Just("\"da\\\"ta\"->a->0"),
        Just("\"li--st\"")
    ];
    let compared = prop_oneof![
        Just("eq"),
        Just("neq"),
        Just("gt"),
        Just("like"),
        Just("ilike"),
        Just("match"),
        Just("isdistinct"),
        Just("not.lte"),
        Just("cs"),
        Just("fts"),
        Just("wfts(english)"),
        Just("not.plfts")
    ];
    let filter = (column.clone(), compared, value())
        .prop_map(|(column, operator, value)| (column.to_owned(), format!("{operator}.{value}")));
    let list = (column.clone(), proptest::collection::vec(value(), 1..4)).prop_map(|(column, values)| {
        let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        (column.to_owned(), format!("in.({})", values.join(",")))
    });
    let tree = (column.clone(), value(), column.clone()).prop_map(|(left, value, right)| {
        ("or".to_owned(), format!("({left}.eq.{},and({right}.is.null,id.not.in.(1,2)))", quoted(&value)))
    });
    let inside = value().prop_map(|value| ("c.amount".to_owned(), format!("gt.{value}")));
    let order = column.prop_map(|column| ("order".to_owned(), format!("{column}.desc.nullslast,id")));
    prop_oneof![filter, list, tree, inside, order, Just(("c.order".to_owned(), "amount".to_owned()))]
}

fn check(statement: &Statement) -> Result<(), TestCaseError> {
    let text = statement.text();
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, text)
        .map_err(|error| TestCaseError::fail(format!("{error}: {text}")))?;
    let places: HashSet<&str> = text
        .split('$')
        .skip(1)
        .map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default())
        .collect();
    let bound = statement.values().count();
    let names_only = text.replace("ran$1ge", "");
    let is_fine = parsed.len() == 1
        && !names_only.contains(MARK)
        && (1..=bound).all(|place| places.contains(place.to_string().as_str()));
    if is_fine { Ok(()) } else { Err(TestCaseError::fail(format!("{bound} values: {text}"))) }
}

#[tokio::test]
async fn reads_parse_back_with_every_value_bound() {
    let catalog = nasty().await;
    let platform = &catalog.platforms["v1"];
    let unreadable = HashSet::new();
    let planner = Planner {
        catalog: &catalog,
        platform,
        schema: &platform.schemas[0],
        rows_max: 1000,
        unreadable: &unreadable,
    };
    let parent = planner.find_table("par;ent").unwrap();
    let selects = [
        r#"*,c:"ch\"ild"(*)"#,
        r#""a\"l'i;as":"na'me"::text,c:"ch\"ild"(amount)"#,
        r#"id,c:"ch\"ild"!inner(s:amount.sum()),..."ch\"ild"(id)"#,
    ];
    let formats = [
        Format::Json { strips_nulls: true },
        Format::Object { strips_nulls: false },
        Format::Csv,
        Format::GeoJson,
    ];
    let request = (
        proptest::collection::vec(parameter(), 0..6),
        proptest::sample::select(selects.to_vec()),
        proptest::sample::select(formats.to_vec()),
        proptest::option::of(proptest::sample::select(vec![CountKind::Exact, CountKind::Estimated])),
    );
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&request, |(parameters, select, format, count)| {
        let mut pairs = vec![("select".to_owned(), select.to_owned())];
        for (key, value) in parameters {
            let once =
                ["order", "c.order"].contains(&key.as_str()) && pairs.iter().any(|(known, _)| *known == key);
            if !once {
                pairs.push((key, value));
            }
        }
        let query = Query::parse(&pairs, &Limits::STANDARD)
            .map_err(|error| TestCaseError::fail(format!("{error}: {pairs:?}")))?;
        let rows = planner
            .rows(planner.table(parent), planner.source(parent), &query)
            .map_err(|error| TestCaseError::fail(format!("{error}: {pairs:?}")))?;
        let answer =
            AnswerStatement { rows, count, format, rows_max: 10, keys: Vec::new(), shape: Shape::Rows };
        check(&answer.render())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[tokio::test]
async fn writes_parse_back_with_every_value_bound() {
    let catalog = nasty().await;
    let platform = &catalog.platforms["v1"];
    let unreadable = HashSet::new();
    let planner = Planner {
        catalog: &catalog,
        platform,
        schema: &platform.schemas[0],
        rows_max: 1000,
        unreadable: &unreadable,
    };
    let parent = planner.find_table("par;ent").unwrap();
    let relation = catalog.relation(parent);
    let mut runner = TestRunner::new(Config { cases: 100, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(
        &(value(), proptest::collection::vec(parameter(), 0..3), 0..4_u8),
        |(value, parameters, kind)| {
            let parameters: Vec<_> =
                parameters.into_iter().filter(|(key, _)| !key.starts_with("c.") && key != "order").collect();
            let query = Query::parse(&parameters, &Limits::STANDARD)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let rows = planner
                .rows(planner.table(parent), planner.source(parent), &query)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let columns: Vec<GivenColumn> = relation
                .columns
                .iter()
                .map(|column| GivenColumn {
                    name: column.name.clone(),
                    sql_type: column.data_type.sql.clone(),
                    is_json: &*column.data_type.base == "jsonb",
                    default: None,
                })
                .collect();
            let given = Given { json: format!("[{{\"na'me\": {value:?}}}]"), is_array: true, columns };
            let key = vec![relation.columns[0].name.clone()];
            let predicates = rows.predicates.clone();
            let write = match kind {
                0 => Write::Insert { given, conflict: None, predicates: Vec::new() },
                1 => Write::Insert {
                    given,
                    conflict: Some(Conflict { columns: key.clone(), merges: true }),
                    predicates,
                },
                2 => Write::Update { given, predicates },
                _ => Write::Delete { predicates },
            };
            let answer = AnswerStatement {
                rows: affinity_server::catalog::Rows { predicates: Vec::new(), ..rows },
                count: None,
                format: Format::Json { strips_nulls: false },
                rows_max: u64::MAX,
                keys: Vec::new(),
                shape: Shape::Rows,
            };
            let (schema, name) = (relation.schema.clone(), relation.name.clone());
            check(
                &WriteStatement {
                    schema,
                    name,
                    write,
                    returning: key.clone(),
                    location: key,
                    answer: Some(answer),
                }
                .render(),
            )
        },
    );
    assert!(outcome.is_ok(), "{outcome:?}");
}
