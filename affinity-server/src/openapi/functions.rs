use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::naming::{component_key, query_name, rest_path};
use super::platform::Part;
use super::tables::with_problems;
use super::value_schema::{example, value_schema};
use crate::catalog::{Catalog, DataType, Function, Returns, ServedPlatform};

/// Adds the functions that `platform` serves to `part`. Computed fields are described with their rows' selects.
pub(super) fn describe_functions(catalog: &Catalog, platform: &ServedPlatform, part: &mut Part) {
    for schema in &platform.schemas {
        let mut by_name: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
        let functions = catalog.all_functions().iter().filter(|function| function.schema == *schema);
        for function in functions.filter(|function| is_callable(function)) {
            by_name.entry(function.name.name()).or_default().push(function);
        }
        for (name, overloads) in by_name {
            let described = Overloads { catalog, platform, name, overloads };
            part.paths.entry(rest_path(&[&platform.name, "rpc", name])).or_insert(described.path_item());
        }
    }
}

/// Whether its arguments can be named: all have names, or a single one takes the whole body.
fn is_callable(function: &Function) -> bool {
    let all_named = function.arguments.iter().all(|argument| !argument.name.name().is_empty());
    function.takes_row_of().is_none() && (all_named || takes_body(function))
}

fn takes_body(function: &Function) -> bool {
    matches!(function.arguments.as_slice(), [only] if only.name.name().is_empty()
        && !only.data_type.is_array && matches!(&*only.data_type.base, "json" | "jsonb" | "text" | "bytea" | "xml"))
}

/// The functions of one name.
struct Overloads<'a> {
    catalog: &'a Catalog,
    platform: &'a ServedPlatform,
    name: &'a str,
    overloads: Vec<&'a Function>,
}

impl Overloads<'_> {
    fn path_item(&self) -> Value {
        let mut item = Map::new();
        let by_get =
            |function: &&&Function| !function.is_volatile && !function.is_procedure && !takes_body(function);
        if let Some(readable) = self.overloads.iter().find(by_get) {
            item.insert("get".to_owned(), self.get_operation(readable));
        }
        item.insert("post".to_owned(), self.post_operation());
        Value::Object(item)
    }

    fn operation(&self, method: &str, parameters: Vec<Value>) -> Value {
        let schema = self.overloads.first().map(|function| &function.schema);
        let key = schema.map(|schema| component_key(self.platform, schema, self.name)).unwrap_or_default();
        let header = if method == "get" { "Accept-Profile" } else { "Content-Profile" };
        let profile = schema.filter(|schema| self.platform.schemas.first() != Some(schema)).map(|schema| {
            json!({
                "name": header, "in": "header", "required": true, "description": "The schema.",
                "schema": { "type": "string", "enum": [schema.name()] },
            })
        });
        let parameters: Vec<Value> = parameters.into_iter().chain(profile).collect();
        let mut responses = json!({ "200": self.response() });
        if self.overloads.iter().any(|function| matches!(function.returns, Returns::Void)) {
            responses["204"] = json!({ "description": "Done." });
        }
        if self.overloads.len() > 1 {
            responses["300"] = json!({ "$ref": "#/components/responses/RestProblem" });
        }
        let mut operation = json!({
            "operationId": format!("{method}_call_{key}"),
            "summary": format!("Call {}", self.name),
            "tags": [self.platform.name],
            "parameters": parameters,
            "responses": with_problems(responses),
        });
        let comments: Vec<&str> =
            self.overloads.iter().filter_map(|function| function.comment.as_deref()).collect();
        if !comments.is_empty() {
            operation["description"] = json!(comments.join("\n\n"));
        }
        operation
    }

    fn get_operation(&self, function: &Function) -> Value {
        let parameters = function.arguments.iter().map(|argument| {
            let array = |data_type: &DataType| data_type.is_array;
            let schema = match array(&argument.data_type) {
                true => json!({ "type": "string", "pattern": "^\\{\\}$" }),
                false => Value::Object(value_schema(&argument.data_type, false)),
            };
            json!({
                "name": query_name(argument.name.name()),
                "in": "query",
                "required": !argument.is_optional && !argument.is_variadic,
                "description": format!("Of type {}.", argument.data_type.sql),
                "schema": schema,
            })
        });
        self.operation("get", parameters.collect())
    }

    fn post_operation(&self) -> Value {
        let writes = self.overloads.iter().any(|function| function.is_volatile);
        let key = json!({ "$ref": "#/components/parameters/rest_idempotency_key" });
        let mut operation = self.operation("post", Vec::from_iter(writes.then_some(key)));
        let bodies: Vec<Value> = self.overloads.iter().map(|function| arguments_schema(function)).collect();
        let schema = match bodies.as_slice() {
            [only] => only.clone(),
            several => json!({ "anyOf": several }),
        };
        let is_required = self
            .overloads
            .iter()
            .all(|function| function.arguments.iter().any(|argument| !argument.is_optional));
        operation["requestBody"] =
            json!({ "required": is_required, "content": { "application/json": { "schema": schema } } });
        operation
    }

    fn response(&self) -> Value {
        let mut schemas: Vec<Value> = Vec::new();
        for function in &self.overloads {
            let schema = self.returned(&function.returns);
            // Readers of several alternatives expect one type in each.
            let parts = if self.overloads.len() > 1 { split_null(schema) } else { vec![schema] };
            for part in parts {
                if !schemas.contains(&part) {
                    schemas.push(part);
                }
            }
        }
        let schema = match schemas.as_slice() {
            [only] => only.clone(),
            several => json!({ "anyOf": several }),
        };
        json!({ "description": "What it returned.", "content": { "application/json": { "schema": schema } } })
    }

    fn returned(&self, returns: &Returns) -> Value {
        let (one, is_set) = match returns {
            Returns::Void => return json!({ "type": ["null", "string"] }),
            Returns::Value { data_type, is_set } => (Value::Object(value_schema(data_type, true)), *is_set),
            Returns::Rows { relation, is_set } if self.platform.relations.contains(relation) => {
                let relation = self.catalog.relation(*relation);
                let key = component_key(self.platform, &relation.schema, relation.name.name());
                (json!({ "$ref": format!("#/components/schemas/{key}") }), *is_set)
            }
            Returns::Rows { is_set, .. } => (json!({ "type": "object" }), *is_set),
            Returns::Record { columns, is_set } => {
                let properties: Map<String, Value> = columns
                    .iter()
                    .map(|column| {
                        let schema = value_schema(&column.data_type, true);
                        (column.name.name().to_owned(), Value::Object(schema))
                    })
                    .collect();
                (json!({ "type": "object", "properties": properties }), *is_set)
            }
        };
        match is_set {
            true => json!({ "type": "array", "items": one }),
            // A function that finds nothing gives NULL.
            false if one.get("$ref").is_some() => json!({ "anyOf": [one, { "type": "null" }] }),
            false => one,
        }
    }
}

/// The schema, and NULL by itself where the schema allows it.
fn split_null(mut schema: Value) -> Vec<Value> {
    let Some([first, second]) = schema["type"].as_array().map(Vec::as_slice) else { return vec![schema] };
    let (first, second) = (first.clone(), json!({ "type": second }));
    schema["type"] = first;
    vec![schema, second]
}

/// The body of a call.
fn arguments_schema(function: &Function) -> Value {
    if takes_body(function) {
        let data_types = function.arguments.iter().map(|argument| &argument.data_type);
        return data_types
            .map(|data_type| Value::Object(value_schema(data_type, false)))
            .collect::<Vec<_>>()
            .remove(0);
    }
    let properties: Map<String, Value> = function
        .arguments
        .iter()
        .map(|argument| {
            let mut schema = value_schema(&argument.data_type, true);
            schema.insert("x-type".to_owned(), json!(&*argument.data_type.sql));
            (argument.name.name().to_owned(), Value::Object(schema))
        })
        .collect();
    let needed =
        || function.arguments.iter().filter(|argument| !argument.is_optional && !argument.is_variadic);
    let required: Vec<&str> = needed().map(|argument| argument.name.name()).collect();
    let example: Map<String, Value> =
        needed().map(|argument| (argument.name.name().to_owned(), example(&argument.data_type))).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "examples": [example],
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}
