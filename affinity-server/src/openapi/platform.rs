use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::functions::describe_functions;
use super::naming::rest_path;
use super::tables::{Table, with_problems};
use crate::catalog::{Catalog, ServedPlatform};

const SHARED: &str = include_str!("rest.json");

/// The part of a document that describes tables and functions.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) paths: BTreeMap<String, Value>,
    pub(super) schemas: BTreeMap<String, Value>,
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) responses: BTreeMap<String, Value>,
}

impl Part {
    /// What `platform` serves.
    pub(super) fn of(catalog: &Catalog, platform: &ServedPlatform) -> Self {
        let mut part = Self::default();
        for schema in &platform.schemas {
            for &id in &platform.relations {
                let relation = catalog.relation(id);
                if relation.schema == *schema {
                    Table { catalog, platform, id, relation }.describe(&mut part);
                }
            }
        }
        describe_functions(catalog, platform, &mut part);
        part.paths.insert(rest_path(&[&platform.name, "batch"]), batch(platform));
        part.paths.insert(rest_path(&[&platform.name, ""]), root(platform));
        part
    }

    /// Adds everything to `document`, and what the parts of all platforms share.
    pub(super) fn add_to(self, document: &mut Value) {
        // A test parses it, so the default never leaves the server.
        let shared: Value = serde_json::from_str(SHARED).unwrap_or_default();
        add(&mut document["paths"], self.paths);
        for (kind, values) in
            [("schemas", self.schemas), ("parameters", self.parameters), ("responses", self.responses)]
        {
            let components = &mut document["components"][kind];
            if let Value::Object(shared) = &shared[kind] {
                add(components, shared.clone());
            }
            add(components, values);
        }
    }
}

fn add(object: &mut Value, values: impl IntoIterator<Item = (String, Value)>) {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Value::Object(fields) = object {
        fields.extend(values);
    }
}

/// The address that describes the platform.
fn root(platform: &ServedPlatform) -> Value {
    json!({ "get": {
        "operationId": format!("describe_{}", platform.name),
        "summary": format!("The OpenAPI document of {}", platform.name),
        "tags": [platform.name],
        "responses": { "200": {
            "description": "The document.",
            "content": { "application/openapi+json": { "schema": { "type": "object" } } },
        } },
    } })
}

/// The address that takes several writes at once.
fn batch(platform: &ServedPlatform) -> Value {
    json!({ "post": {
        "operationId": format!("batch_{}", platform.name),
        "summary": format!("Several writes to {} in one transaction", platform.name),
        "tags": [platform.name],
        "parameters": [{ "$ref": "#/components/parameters/rest_idempotency_key" }],
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "$ref": "#/components/schemas/RestBatch" } },
        } },
        "responses": with_problems(json!({ "200": { "$ref": "#/components/responses/RestBatch" } })),
    } })
}

/// The OpenAPI 3.1 document of one platform: its tables and functions, and nothing else.
#[must_use]
pub fn platform_document(catalog: &Catalog, platform: &ServedPlatform) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": platform.name, "version": env!("CARGO_PKG_VERSION") },
        "servers": [{ "url": "/" }],
        "tags": [{ "name": platform.name }],
        "security": [],
    });
    Part::of(catalog, platform).add_to(&mut document);
    document
}
