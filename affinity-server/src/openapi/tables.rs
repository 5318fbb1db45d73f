use serde_json::{Map, Value, json};

use super::naming::{component_key, query_name, rest_path};
use super::platform::Part;
use super::value_schema::{escape_pattern, example, filter_pattern, value_schema};
use crate::catalog::{
    Catalog, Column, ColumnId, LinkVia, Relation, RelationId, RelationKind, ServedPlatform,
};

/// Query keys that are no filters.
const RESERVED: [&str; 9] =
    ["select", "order", "limit", "offset", "and", "or", "columns", "on_conflict", "after"];

/// One relation as a platform serves it.
pub(super) struct Table<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) platform: &'a ServedPlatform,
    pub(super) id: RelationId,
    pub(super) relation: &'a Relation,
}

impl Table<'_> {
    fn key(&self) -> String {
        component_key(self.platform, &self.relation.schema, self.relation.name.name())
    }

    /// Columns that can be asked for.
    fn columns(&self) -> impl Iterator<Item = (ColumnId, &Column)> {
        self.relation.columns().filter(|(_, column)| !column.is_secret)
    }

    fn is_written(column: &Column) -> bool {
        !column.is_generated
    }

    /// Adds the relation's address and components to `part`.
    pub(super) fn describe(&self, part: &mut Part) {
        let key = self.key();
        part.schemas.insert(key.clone(), self.row_schema());
        part.responses.insert(key.clone(), self.rows_response());
        for (_, column) in self.columns().filter(|(_, column)| is_filter(column)) {
            part.parameters.insert(format!("{key}.{}", parameter_key(column)), self.filter_parameter(column));
        }
        part.parameters.insert(format!("{key}.-select"), self.select_parameter());
        part.parameters.insert(format!("{key}.-order"), self.order_parameter());
        let writable = self.relation.writable;
        let mut item = Map::from_iter([("get".to_owned(), self.read_operation())]);
        if writable.insert {
            part.schemas.insert(format!("{key}.-insert"), self.insert_schema());
            item.insert("post".to_owned(), self.insert_operation());
        }
        if writable.update {
            part.schemas.insert(format!("{key}.-update"), self.update_schema());
            item.insert("patch".to_owned(), self.update_operation());
        }
        if let Some(operation) = self.put_operation().filter(|_| writable.insert && writable.update) {
            item.insert("put".to_owned(), operation);
        }
        if writable.delete {
            item.insert("delete".to_owned(), self.delete_operation());
        }
        let path = rest_path(&[&self.platform.name, self.relation.name.name()]);
        // A schema that is asked for by its profile only does not take the place of an earlier one.
        part.paths.entry(path).or_insert(Value::Object(item));
    }

    /// What is said of a column: its comment, its keys.
    fn description(&self, id: ColumnId, column: &Column) -> Option<String> {
        let mut sentences: Vec<String> = column.comment.iter().cloned().collect();
        if self.relation.primary_key.contains(&id) {
            sentences.push("Primary key.".to_owned());
        }
        for link in self.catalog.served_links(self.platform, self.id) {
            let LinkVia::Columns { pairs, is_forward: true } = &link.via else { continue };
            let target = self.catalog.relation(link.to);
            if let (&[(near, far)], RelationKind::Table) = (pairs.as_slice(), target.kind)
                && near == id
            {
                let (table, column) = (target.name.name(), target.column(far).name.name());
                sentences.push(format!("Refers to `{table}.{column}`."));
            }
        }
        if let Some((_, scale)) = column.data_type.numeric {
            sentences.push(format!("At most {scale} digits after the point."));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    fn property(&self, id: ColumnId, column: &Column) -> Value {
        let mut schema = value_schema(&column.data_type, column.is_nullable);
        if let Some(description) = self.description(id, column) {
            schema.insert("description".to_owned(), json!(description));
        }
        if column.is_generated {
            schema.insert("readOnly".to_owned(), json!(true));
        }
        if let Some(default) = &column.default {
            schema.insert("x-default".to_owned(), json!(default));
        }
        schema.insert("x-type".to_owned(), json!(&*column.data_type.sql));
        Value::Object(schema)
    }

    fn properties(&self, is_wanted: impl Fn(&Column) -> bool) -> Value {
        let wanted = self.columns().filter(|(_, column)| is_wanted(column));
        wanted.map(|(id, column)| (column.name.name().to_owned(), self.property(id, column))).collect()
    }

    /// A row as it is read; nothing is required, since `select` chooses.
    fn row_schema(&self) -> Value {
        let mut schema = json!({ "type": "object", "properties": self.properties(|_| true) });
        if let Some(comment) = &self.relation.comment {
            schema["description"] = json!(comment);
        }
        schema
    }

    fn required(&self) -> impl Iterator<Item = &Column> {
        let columns = self.columns().map(|(_, column)| column);
        columns.filter(|column| Self::is_written(column) && !column.is_nullable && column.default.is_none())
    }

    fn insert_schema(&self) -> Value {
        let mut shown: Vec<&Column> = self.required().collect();
        let required: Vec<&str> = shown.iter().map(|column| column.name.name()).collect();
        if shown.is_empty() {
            let written = self.columns().map(|(_, column)| column).filter(|column| Self::is_written(column));
            shown.extend(written.filter(|column| column.default.is_none()).take(2));
        }
        let example: Map<String, Value> =
            shown.iter().map(|column| (column.name.name().to_owned(), example(&column.data_type))).collect();
        let mut schema = json!({
            "type": "object",
            "description": "A new row.",
            "properties": self.properties(Self::is_written),
            "additionalProperties": false,
            "examples": [example],
        });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        schema
    }

    fn update_schema(&self) -> Value {
        let changed = self.columns().map(|(_, column)| column).find(|column| {
            Self::is_written(column) && column.default.is_none() && !column.name.name().ends_with("id")
        });
        let example: Map<String, Value> = changed
            .map(|column| (column.name.name().to_owned(), example(&column.data_type)))
            .into_iter()
            .collect();
        json!({
            "type": "object",
            "description": "What changes.",
            "properties": self.properties(Self::is_written),
            "additionalProperties": false,
            "minProperties": 1,
            "examples": [example],
        })
    }

    fn filter_parameter(&self, column: &Column) -> Value {
        json!({
            "name": query_name(column.name.name()),
            "in": "query",
            "description": format!("Rows whose {} fits, such as `eq.` and a value.", column.name.name()),
            "schema": { "type": "string", "pattern": filter_pattern(&column.data_type) },
        })
    }

    /// The names of the columns, one of which a list of names is made of.
    fn name_pattern(&self) -> String {
        let names = self.columns().map(|(_, column)| escape_pattern(&query_name(column.name.name())));
        names.collect::<Vec<_>>().join("|")
    }

    fn select_parameter(&self) -> Value {
        let names = self.name_pattern();
        let embedded = self.catalog.served_links(self.platform, self.id).map(|link| {
            let name = self.catalog.relation(link.to).name.name();
            format!("`{name}`")
        });
        let mut embedded: Vec<String> = embedded.collect();
        embedded.sort();
        embedded.dedup();
        let more = match embedded.as_slice() {
            [] => String::new(),
            _ => format!(" Related rows as `name(*)`: {}.", embedded.join(", ")),
        };
        json!({
            "name": "select",
            "in": "query",
            "description": format!("Columns wanted, separated by commas; renamed as `alias:column`, cast as `column::type`.{more}"),
            "schema": { "type": "string", "anyOf": [{ "pattern": format!("^(\\*|({names})(,({names}))*)$") }, { "pattern": "[(:.>]" }] },
        })
    }

    fn order_parameter(&self) -> Value {
        let names = self.name_pattern();
        let term = format!("({names})(\\.(asc|desc))?(\\.(nullsfirst|nullslast))?");
        json!({
            "name": "order",
            "in": "query",
            "description": "Columns to order by, such as `name.asc,id.desc.nullslast`.",
            "schema": { "type": "string", "pattern": format!("^{term}(,{term})*$") },
        })
    }

    /// A list of columns that are written.
    fn names_parameter(&self, name: &str, description: &str) -> Value {
        let written = self.columns().map(|(_, column)| column).filter(|column| Self::is_written(column));
        let names: Vec<String> =
            written.map(|column| escape_pattern(&query_name(column.name.name()))).collect();
        let names = names.join("|");
        json!({
            "name": name, "in": "query", "description": description,
            "schema": { "type": "string", "pattern": format!("^({names})(,({names}))*$") },
        })
    }

    fn rows_response(&self) -> Value {
        let row = json!({ "$ref": format!("#/components/schemas/{}", self.key()) });
        json!({
            "description": "Rows: an array, or with `Accept: application/vnd.pgrst.object+json` the only one.",
            "headers": {
                "ETag": { "description": "The version of the answer, or of its only row.", "schema": { "type": "string" } },
                "Link": { "description": "The next page, as `rel=\"next\"`.", "schema": { "type": "string" } },
                "Affinity-Truncated": { "description": "What the server's own cap cut: `rows_max=1000`, or with `; embedded=` and a table, its rows within a row.", "schema": { "type": "string" } },
                "Content-Range": { "description": "First and last row, and how many there are: `0-9/42`.", "schema": { "type": "string" } },
            },
            "content": {
                "application/json": { "schema": { "type": "array", "items": row } },
                "application/vnd.pgrst.object+json": { "schema": row },
                "text/csv": { "schema": { "type": "string" } },
            },
        })
    }

    fn parameters(&self, shared: &[&str], filters: Filters) -> Vec<Value> {
        let reference = |key: String| json!({ "$ref": format!("#/components/parameters/{key}") });
        let key = self.key();
        let mut parameters = vec![reference(format!("{key}.-select"))];
        if filters == Filters::Given {
            let columns = self.columns().filter(|(_, column)| is_filter(column));
            parameters
                .extend(columns.map(|(_, column)| reference(format!("{key}.{}", parameter_key(column)))));
        }
        parameters.extend(shared.iter().map(|name| match *name {
            "order" => reference(format!("{key}.-order")),
            name => reference(format!("rest_{name}")),
        }));
        parameters
    }

    /// The header that names the schema, where it is not the platform's first.
    fn profile(&self, header: &str) -> Option<Value> {
        let is_first = self.platform.schemas.first() == Some(&self.relation.schema);
        (!is_first).then(|| {
            json!({
                "name": header, "in": "header", "required": true, "description": "The schema.",
                "schema": { "type": "string", "enum": [self.relation.schema.name()] },
            })
        })
    }

    fn operation(&self, verb: &str, summary: String, parameters: Vec<Value>, responses: Value) -> Value {
        let header = if verb == "read" { "Accept-Profile" } else { "Content-Profile" };
        let parameters: Vec<Value> = parameters.into_iter().chain(self.profile(header)).collect();
        let mut operation = json!({
            "operationId": format!("{verb}_{}", self.key()),
            "summary": summary,
            "tags": [self.platform.name],
            "parameters": parameters,
            "responses": responses,
        });
        if let Some(comment) = &self.relation.comment {
            operation["description"] = json!(comment);
        }
        operation
    }

    fn rows_reference(&self) -> Value {
        json!({ "$ref": format!("#/components/responses/{}", self.key()) })
    }

    fn read_operation(&self) -> Value {
        let shared = ["order", "limit", "offset", "after", "and", "or", "range", "count", "if_none_match"];
        let responses = with_problems(json!({
            "200": self.rows_reference(),
            "206": self.rows_reference(),
            "304": { "description": "Nothing has changed." },
        }));
        let name = self.relation.name.name();
        self.operation("read", format!("Rows of {name}"), self.parameters(&shared, Filters::Given), responses)
    }

    fn insert_operation(&self) -> Value {
        let name = self.relation.name.name();
        let mut parameters = self.parameters(&["return", "idempotency_key"], Filters::None);
        parameters
            .push(self.names_parameter("columns", "Keys of the body that count; the others are left out."));
        parameters.push(self.names_parameter(
            "on_conflict",
            "The unique columns by which rows are found that are there already.",
        ));
        let responses = with_problems(
            json!({ "200": self.rows_reference(), "201": self.inserted(), "207": { "$ref": "#/components/responses/RestOutcomes" } }),
        );
        let mut operation = self.operation("insert", format!("Add rows to {name}"), parameters, responses);
        let row = json!({ "$ref": format!("#/components/schemas/{}.-insert", self.key()) });
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": {
                "schema": { "oneOf": [row, { "type": "array", "items": row, "minItems": 1 }] },
            } },
        });
        operation
    }

    /// Without content: what comes depends on a preference, and by default nothing does.
    fn inserted(&self) -> Value {
        json!({
            "description": "Inserted. Empty, or as 200 has it with `Prefer: return=representation`.",
            "headers": {
                "Location": { "description": "Where the row is, with `Prefer: return=headers-only`.", "schema": { "type": "string" } },
            },
        })
    }

    /// Inserts or replaces the row of a key; `None` without a key.
    fn put_operation(&self) -> Option<Value> {
        let keys: Vec<&Column> =
            self.relation.primary_key.iter().map(|id| self.relation.column(*id)).collect();
        if keys.is_empty()
            || keys.iter().any(|column| column.is_secret || column.is_generated || !is_filter(column))
        {
            return None;
        }
        let mut parameters = self.parameters(&["return"], Filters::None);
        parameters.extend(keys.iter().map(|column| {
            let name = column.name.name();
            json!({
                "name": query_name(name), "in": "query", "required": true,
                "description": format!("`eq.` and the {name} that the body has."),
                "schema": { "type": "string", "pattern": "^eq\\..+" },
            })
        }));
        let responses = with_problems(json!({
            "200": self.rows_reference(), "201": self.inserted(), "204": { "description": "Done." },
        }));
        let name = self.relation.name.name();
        let mut operation =
            self.operation("put", format!("Insert or replace a row of {name}"), parameters, responses);
        let row = json!({ "$ref": format!("#/components/schemas/{}.-insert", self.key()) });
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": row } } });
        Some(operation)
    }

    fn update_operation(&self) -> Value {
        let responses =
            with_problems(json!({ "200": self.rows_reference(), "204": { "description": "Done." } }));
        let name = self.relation.name.name();
        let parameters =
            self.parameters(&["and", "or", "return", "if_match", "idempotency_key"], Filters::Given);
        let summary = format!("Change rows of {name} that the filters choose");
        let mut operation = self.operation("update", summary, parameters, responses);
        let schema = json!({ "$ref": format!("#/components/schemas/{}.-update", self.key()) });
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation
    }

    fn delete_operation(&self) -> Value {
        let responses =
            with_problems(json!({ "200": self.rows_reference(), "204": { "description": "Done." } }));
        let name = self.relation.name.name();
        let parameters =
            self.parameters(&["and", "or", "return", "if_match", "idempotency_key"], Filters::Given);
        self.operation(
            "delete",
            format!("Delete rows of {name} that the filters choose"),
            parameters,
            responses,
        )
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Filters {
    Given,
    None,
}

fn is_filter(column: &Column) -> bool {
    !RESERVED.contains(&column.name.name())
}

fn parameter_key(column: &Column) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = column.name.name().chars();
    name.map(|letter| if plain(letter) { letter.to_string() } else { format!("-{:x}", u32::from(letter)) })
        .collect()
}

/// The responses, and those that every address of the REST layer may give.
pub(super) fn with_problems(mut responses: Value) -> Value {
    responses["4XX"] = json!({ "$ref": "#/components/responses/RestProblem" });
    responses["503"] = json!({ "$ref": "#/components/responses/RestBusy" });
    responses
}
