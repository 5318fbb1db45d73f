//! The document of tables and functions, made from a real catalog.

use affinity_server::catalog::{Catalog, CatalogSettings, PlatformSettings, load};
use affinity_server::openapi::platform_document;
use serde_json::{Value, json};

use crate::cluster;
use crate::server_process::{Server, command, poll};

async fn described(name: &str) -> (Catalog, Value) {
    let pool = cluster::database(name).await;
    sqlx::raw_sql(include_str!("catalog_shapes.sql")).execute(&pool).await.unwrap();
    sqlx::raw_sql(
        "insert into affinity.platforms (name, schema_name, title) values ('shop', 'shop', 'Shop');
         insert into affinity.column_tags (platform, table_name, column_name, tag)
         values ('shop', 'guarded', 'token_hash', 'secret')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let settings = PlatformSettings {
        schemas: vec!["shop".to_owned(), "back_office".to_owned()],
        allow_unguarded: true,
        ..PlatformSettings::standard()
    };
    let settings = CatalogSettings { platforms: vec![("shop".to_owned(), settings)] };
    let catalog = load(&pool, &settings).await.unwrap();
    let document = platform_document(&catalog, &catalog.platforms["shop"]);
    (catalog, document)
}

/// Visits every object and array below `value`.
fn visit<'a>(value: &'a Value, found: &mut impl FnMut(&'a Value)) {
    found(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| visit(field, found)),
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_table_and_function_has_an_address_and_every_reference_leads_somewhere() {
    let (catalog, document) = described("openapi_whole").await;
    let paths = document["paths"].as_object().unwrap();
    for id in &catalog.platforms["shop"].relations {
        let relation = catalog.relation(*id);
        let item = &paths[&format!("/rest/shop/{}", relation.name.name())];
        assert!(item["get"].is_object());
        assert_eq!(item["post"].is_object(), relation.writable.insert, "{:?}", relation.name);
        assert_eq!(item["patch"].is_object(), relation.writable.update, "{:?}", relation.name);
        assert_eq!(item["delete"].is_object(), relation.writable.delete, "{:?}", relation.name);
    }
    let functions: Vec<_> = paths.keys().filter_map(|path| path.strip_prefix("/rest/shop/rpc/")).collect();
    assert_eq!(functions, ["add", "both_ways", "give_pair", "nothing", "table_of", "tidy"]);
    let (mut references, mut operations) = (0, Vec::new());
    visit(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
            references += 1;
        }
        operations.extend(value.get("operationId").and_then(Value::as_str));
    });
    let count = operations.len();
    operations.sort_unstable();
    operations.dedup();
    assert_eq!(operations.len(), count, "an operationId is there twice");
    assert!(references > 100, "{references}");
}

#[tokio::test]
async fn columns_say_what_may_be_written() {
    let (_, document) = described("openapi_columns").await;
    let schemas = &document["components"]["schemas"];
    let row = &schemas["shop.things"]["properties"];
    assert_eq!(row["color"]["enum"], json!(["red", "green", "blue"]));
    assert_eq!(row["colors"]["type"], "array");
    assert_eq!(row["colors"]["items"]["enum"], json!(["red", "green", "blue", null]));
    assert_eq!(row["price_twice"]["readOnly"], true);
    assert_eq!(row["weight"]["exclusiveMaximum"], 1000.0);
    assert_eq!(row["code"]["maxLength"], 3);
    assert_eq!(row["parent_id"]["type"], json!(["integer", "null"]));
    assert_eq!(row["maker_id"]["description"], "Refers to `makers.id`.");
    assert_eq!(row["id"]["x-default"], "nextval('shop.things_id_seq')");
    assert_eq!(row["updated_at"]["format"], "date-time");
    assert!(row["facts"].get("type").is_none(), "JSON is anything");

    let insert = &schemas["shop.things.-insert"];
    assert_eq!(insert["required"], json!(["maker_id"]));
    assert_eq!(insert["examples"], json!([{ "maker_id": 1 }]));
    assert!(insert["properties"].get("price_twice").is_none());
    assert_eq!(insert["additionalProperties"], false);
    assert_eq!(schemas["shop.makers"]["description"], "Who makes things.");
    assert_eq!(schemas["shop.makers"]["properties"]["name"]["description"], "As on the box.");
    assert!(schemas["shop.guarded"]["properties"].get("token_hash").is_none(), "a secret");
    assert!(!document.to_string().contains("token_hash"));
    assert_eq!(schemas["shop.back_office.seen_secrets"]["type"], "object");
}

#[tokio::test]
async fn filters_take_what_their_column_compares_with() {
    let (_, document) = described("openapi_filters").await;
    let parameters = &document["components"]["parameters"];
    let pattern = |key: &str| parameters[key]["schema"]["pattern"].as_str().unwrap_or_default().to_owned();
    assert!(pattern("shop.things.color").contains("(red|green|blue)"));
    assert!(pattern("shop.things.maker_id").contains("(eq|neq|gt|gte|lt|lte)\\.-?[0-9]"));
    assert!(pattern("shop.things.colors").contains("(cs|cd|ov)"));
    assert!(pattern("shop.things.facts").contains("|cs|cd|"));
    assert_eq!(parameters["shop.things.odd-20-22name"]["name"], "\"odd \\\"name\"");
    let of_view = &document["paths"]["/rest/shop/seen_secrets"]["get"]["parameters"];
    let profile = of_view.as_array().unwrap().iter().find(|parameter| parameter["name"] == "Accept-Profile");
    assert_eq!(profile.unwrap()["schema"]["enum"], json!(["back_office"]));
}

#[tokio::test]
async fn functions_say_what_they_take_and_return() {
    let (_, document) = described("openapi_functions").await;
    let call = |name: &str| &document["paths"][&format!("/rest/shop/rpc/{name}")];
    let returned =
        |name: &str| call(name)["post"]["responses"]["200"]["content"]["application/json"]["schema"].clone();
    let body =
        |name: &str| call(name)["post"]["requestBody"]["content"]["application/json"]["schema"].clone();
    assert_eq!(body("table_of")["required"], json!(["n"]));
    assert_eq!(body("add")["anyOf"].as_array().unwrap().len(), 2);
    assert!(call("add")["post"]["responses"]["300"].is_object());
    assert_eq!(returned("table_of")["items"]["properties"]["square"]["format"], "int64");
    assert!(call("table_of")["get"].is_object() && call("both_ways").get("get").is_none());
    assert!(call("tidy").get("get").is_none());
    assert_eq!(returned("give_pair")["properties"]["low"]["type"], json!(["integer", "null"]));
    assert!(call("nothing")["post"]["responses"]["204"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn table_made_while_the_server_runs_is_documented_or_refused_by_name() {
    let pool = cluster::database("openapi_live").await;
    let platform = "create schema fresh; insert into affinity.platforms values ('fresh', 'fresh', 'Fresh')";
    sqlx::raw_sql(platform).execute(&pool).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut program = command(folder.path());
    program.env("DATABASE_URL", cluster::url(&pool));
    let server = Server::try_start(program, folder.path()).unwrap();
    assert!(server.ask("/openapi.json", "").1["paths"].get("/rest/fresh/notes").is_none());
    sqlx::raw_sql(
        "create table fresh.notes (id int primary key, body text);
         alter table fresh.notes enable row level security, force row level security;
         create policy everyone on fresh.notes using (true);
         create table fresh.unguarded (id int primary key)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let paths = poll("the table is documented", || {
        let paths = server.ask("/openapi.json", "").1["paths"].clone();
        paths.get("/rest/fresh/notes").is_some().then_some(paths)
    });
    assert!(paths.get("/rest/fresh/unguarded").is_none());
    assert!(paths.get("/match/{platform}").is_some());
    let refused = poll("the table is refused", || {
        let ready = server.ask("/readyz", "").1;
        let refused = &ready["tables"]["fresh"]["refused"];
        refused.get("fresh.unguarded").map(ToString::to_string)
    });
    assert_eq!(refused, "\"row-level security is not enabled\"");
    let (status, document) = server.ask("/rest/fresh/", "");
    assert_eq!((status, document["openapi"].as_str()), (200, Some("3.1.0")));
    assert!(document["paths"].get("/match/{platform}").is_none());
    // As people type it: neither quotes nor arrows encoded.
    let typed = r#"/rest/fresh/notes?select="body"&body->>x=eq.<y>"#;
    assert_eq!(server.ask(typed, "").1["instance"], "/rest/fresh/notes");
    let (status, problem) = server.ask("/rest/nowhere/", "");
    assert_eq!((status, problem["code"].as_str()), (404, Some("unknown_platform")));
    assert!(problem["allowed"].as_array().unwrap().contains(&json!("fresh")));
    let page = server.get("/docs");
    assert!(page.contains("/rest/fresh/notes?limit=3") && page.contains("1 tables are not served"), "{page}");
    assert!(!page.contains("<script") && !page.contains("//cdn"), "the page fetches nothing");
}
