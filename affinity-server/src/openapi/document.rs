//! The document: what is always true, and what is served.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::platform::Part;
use crate::catalog::Catalog;
use crate::matching::PlatformOffer;

const FIXED: &str = include_str!("document.json");
const ACCOUNTS: &str = include_str!("accounts.json");

/// The OpenAPI 3.1 document of a server that serves `platforms`, whose names and those of their matchers are the only
/// values its paths take, and the tables and functions of `catalog`.
///
/// ```
/// let document = affinity_server::openapi::document(&[], &affinity_server::catalog::Catalog::default());
/// assert_eq!(document["openapi"], "3.1.0");
/// ```
pub fn document(platforms: &[PlatformOffer], catalog: &Catalog) -> Value {
    // A test parses both, so the defaults never leave the server.
    let mut document: Value = serde_json::from_str(FIXED).unwrap_or_default();
    merge(&mut document, serde_json::from_str(ACCOUNTS).unwrap_or_default());
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let names: Vec<&str> = platforms.iter().map(|platform| platform.name.as_str()).collect();
    let matchers: BTreeSet<&str> = platforms
        .iter()
        .flat_map(|platform| &platform.matchers)
        .map(|matcher| matcher.name.as_str())
        .collect();
    // An empty list of values would be an invalid schema.
    if !names.is_empty() {
        document["components"]["parameters"]["platform"]["schema"]["enum"] = json!(names);
    }
    if !matchers.is_empty() {
        document["components"]["parameters"]["matcher"]["schema"]["enum"] = json!(matchers);
        document["components"]["parameters"]["matcher"]["description"] = json!(described(platforms));
    }
    for platform in catalog.platforms.values() {
        if let Some(tags) = document["tags"].as_array_mut() {
            tags.push(json!({ "name": platform.name, "description": "Tables and functions" }));
        }
        Part::of(catalog, platform).add_to(&mut document);
    }
    document
}

/// Adds the members and items of `other` to those of `value`.
fn merge(value: &mut Value, other: Value) {
    match (value, other) {
        (Value::Object(fields), Value::Object(others)) => {
            for (name, other) in others {
                merge(fields.entry(name).or_insert(Value::Null), other);
            }
        }
        (Value::Array(items), Value::Array(others)) => items.extend(others),
        (value, other) => *value = other,
    }
}

/// One line per matcher, in Markdown.
fn described(platforms: &[PlatformOffer]) -> String {
    let mut text = "The matcher.\n".to_owned();
    for platform in platforms {
        for matcher in &platform.matchers {
            let (name, from, to) = (&matcher.name, &matcher.from, &matcher.to);
            text.push_str(&format!(
                "\n- `{}/{name}` ({from} to {to}): {}",
                platform.name, matcher.description
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::document;
    use crate::catalog::Catalog;
    use crate::matching::{MatcherOffer, PlatformOffer};
    use serde_json::Value;

    fn offers() -> Vec<PlatformOffer> {
        let matcher = |name: &str| MatcherOffer {
            name: name.into(),
            description: "Finds".into(),
            from: "Person".into(),
            to: "Job".into(),
        };
        let platform =
            |name: &str, matchers| PlatformOffer { name: name.into(), title: name.into(), matchers };
        vec![
            platform("work", vec![matcher("jobs"), matcher("peers")]),
            platform("play", vec![matcher("peers")]),
        ]
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|field| references(field, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn document_lists_what_is_served() {
        let document = document(&offers(), &Catalog::default());
        let parameters = &document["components"]["parameters"];
        assert_eq!(parameters["platform"]["schema"]["enum"], serde_json::json!(["work", "play"]));
        assert_eq!(parameters["matcher"]["schema"]["enum"], serde_json::json!(["jobs", "peers"]));
        let description = parameters["matcher"]["description"].as_str().unwrap();
        assert!(description.contains("`work/jobs` (Person to Job): Finds"), "{description}");
    }

    #[test]
    fn document_without_platforms_has_no_empty_enums() {
        assert!(
            document(&[], &Catalog::default())["components"]["parameters"]["platform"]["schema"]
                .get("enum")
                .is_none()
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let (document, mut found) = (document(&offers(), &Catalog::default()), Vec::new());
        references(&document, &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn examples_of_accounts_have_the_members_that_are_required() {
        let document = document(&offers(), &Catalog::default());
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in ["SignUp", "SignIn", "SessionBegun", "KeyRequest", "KeyMade", "Enrollment", "Me"] {
            let (schema, example) = (&schemas[name], &schemas[name]["examples"][0]);
            for member in schema["required"].as_array().unwrap() {
                assert!(example.get(member.as_str().unwrap()).is_some(), "{name}: {member}");
            }
        }
        assert!(document["paths"]["/auth/{platform}/login"]["post"]["requestBody"].is_object());
    }

    #[test]
    fn every_path_variable_is_declared() {
        let document = document(&offers(), &Catalog::default());
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let mut declared: Vec<&str> = Vec::new();
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let pointer = parameter["$ref"].as_str().unwrap().trim_start_matches('#');
                    let parameter = document.pointer(pointer).unwrap();
                    if parameter["in"] == "path" {
                        declared.push(parameter["name"].as_str().unwrap());
                    }
                }
                let wanted: Vec<&str> =
                    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
                assert_eq!(declared, wanted, "{method} {path}");
            }
        }
    }
}
