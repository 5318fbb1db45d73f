use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::{Map, Value};

use super::naming::{query_name, rest_path};
use super::value_schema::example;
use crate::catalog::{Catalog, Column, ColumnId, Function, Relation, ServedPlatform};
use crate::ui::STYLE;

/// The page that lists what is served: tables, functions, and the addresses of `document`'s hand-written part.
pub(super) fn page(catalog: &Catalog, document: &Value) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "What is served \u{00b7} Affinity" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header.top {
                    a.brand href="/" { "Affinity" }
                    p.claim { "What is served." }
                }
                main {
                    p.lead {
                        "For programs: " a href="/openapi.json" { "openapi.json" }
                        " (OpenAPI 3.1). Clients of PostgREST and Supabase work with the base addresses below."
                    }
                    h2 { "Endpoints" }
                    ul.hits { @for (path, methods) in fixed_paths(document) {
                        li { span { code { (path) } " " (methods) } }
                    } }
                    @for platform in catalog.platforms.values() { (platform_section(catalog, platform)) }
                }
            }
        }
    }
}

/// Addresses outside the REST layer, each with the summaries of its methods.
fn fixed_paths(document: &Value) -> Vec<(&str, String)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let fixed = paths.filter(|(path, _)| !path.starts_with("/rest/"));
    let summaries = |item: &Value| {
        let methods = item.as_object().into_iter().flatten();
        let lines = methods.map(|(method, operation)| {
            format!("{}: {}", method.to_uppercase(), operation["summary"].as_str().unwrap_or_default())
        });
        lines.collect::<Vec<_>>().join("; ")
    };
    fixed.map(|(path, item)| (path.as_str(), summaries(item))).collect()
}

fn platform_section(catalog: &Catalog, platform: &ServedPlatform) -> Markup {
    let base = rest_path(&[&platform.name]);
    let relations = platform.relations.iter().map(|id| catalog.relation(*id));
    let functions: Vec<&Function> = catalog
        .all_functions()
        .iter()
        .filter(|function| platform.schemas.contains(&function.schema) && function.takes_row_of().is_none())
        .collect();
    html! {
        h1 { (platform.name) }
        p.lead { "Base address " a href=(format!("{base}/")) { (base) } "." }
        @for relation in relations { (table_card(platform, relation)) }
        @if !functions.is_empty() {
            h2 { "Functions" }
            ul.hits { @for function in functions { li { span {
                code { (signature(function)) } " "
                @if let Some(comment) = &function.comment { (comment) " " }
                span.small { code { (call_example(platform, function)) } }
            } } } }
        }
        @if !platform.refused.is_empty() {
            p.small { (platform.refused.len()) " tables are not served: " code { "/readyz" } " names them." }
        }
    }
}

fn table_card(platform: &ServedPlatform, relation: &Relation) -> Markup {
    let path = rest_path(&[&platform.name, relation.name.name()]);
    let try_out = format!("{path}?limit=3");
    let name = relation.name.name();
    html! {
        article.card {
            details {
                summary { b { (name) } @if let Some(comment) = &relation.comment { " \u{2014} " (comment) } }
                ul.parts { @for (id, column) in relation.columns().filter(|(_, column)| !column.is_secret) {
                    li { code { (column.name.name()) } " " (described(relation, id, column))
                        @if let Some(comment) = &column.comment { span.small { " " (comment) } }
                    }
                } }
                p { a href=(try_out) { "Try: GET " (try_out) } }
                @if let Some(filter) = relation.columns().map(|(_, column)| column).find(|column| !column.is_secret) {
                    p.small { code { "curl '" (path) "?select=*&" (query_name(filter.name.name())) "=not.is.null'" } }
                }
            }
        }
    }
}

/// The type, and what a writer has to know.
fn described(relation: &Relation, id: ColumnId, column: &Column) -> String {
    let mut words = vec![column.data_type.sql.to_string()];
    if relation.primary_key.contains(&id) {
        words.push("primary key".to_owned());
    }
    if column.is_generated {
        words.push("read-only".to_owned());
    } else if !column.is_nullable && column.default.is_none() {
        words.push("required".to_owned());
    }
    if !column.data_type.labels.is_empty() {
        words.push(format!("one of {}", column.data_type.labels.join(", ")));
    }
    words.join(", ")
}

/// A call for a shell.
fn call_example(platform: &ServedPlatform, function: &Function) -> String {
    let needed = function.arguments.iter().filter(|argument| !argument.is_optional && !argument.is_variadic);
    let body: Map<String, Value> =
        needed.map(|argument| (argument.name.name().to_owned(), example(&argument.data_type))).collect();
    let path = rest_path(&[&platform.name, "rpc", function.name.name()]);
    format!("curl -H 'Content-Type: application/json' -d '{}' {path}", Value::Object(body))
}

fn signature(function: &Function) -> String {
    let arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|argument| {
            let default = if argument.is_optional { " = \u{2026}" } else { "" };
            format!("{} {}{default}", argument.name.name(), argument.data_type.sql)
        })
        .collect();
    format!("rpc/{}({})", function.name.name(), arguments.join(", "))
}
