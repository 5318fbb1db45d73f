//! Calling functions over HTTP, against PostgreSQL.

use affinity_server::resource::RestSettings;
use serde_json::{Value, json};

use crate::rest_world::{Answer, World, open_platform};

const SHOP: &str = include_str!("rest_shop.sql");
const FUNCTIONS: &str = "
    CREATE FUNCTION shop.add(a int, b int DEFAULT 10) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a + b';
    CREATE FUNCTION shop.named(floor_id int) RETURNS SETOF shop.projects STABLE LANGUAGE sql AS
        'SELECT * FROM shop.projects WHERE id >= floor_id';
    CREATE FUNCTION shop.one_client(cid int) RETURNS shop.clients STABLE LANGUAGE sql AS
        'SELECT * FROM shop.clients WHERE id = cid';
    CREATE FUNCTION shop.pairs() RETURNS TABLE (x int, y text) STABLE LANGUAGE sql AS
        $$ VALUES (1, 'a'), (2, 'b'), (3, NULL) $$;
    CREATE FUNCTION shop.out_values(OUT lo int, OUT hi int) STABLE LANGUAGE sql AS 'SELECT 1, 2';
    CREATE FUNCTION shop.numbers() RETURNS SETOF bigint STABLE LANGUAGE sql AS 'SELECT generate_series(9007199254740992, 9007199254740994)';
    CREATE FUNCTION shop.nothing() RETURNS void LANGUAGE sql AS 'UPDATE shop.users SET name = name';
    CREATE FUNCTION shop.all_of(VARIADIC parts text[]) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT array_to_string(parts, '+') $$;
    CREATE FUNCTION shop.whole(jsonb) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT $1 ->> 'k' $$;
    CREATE FUNCTION shop.said(text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT upper($1) $$;
    CREATE FUNCTION shop.over(a int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'int' $$;
    CREATE FUNCTION shop.over(a text) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'text' $$;
    CREATE FUNCTION shop.over(a int, c int) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'two' $$;
    CREATE FUNCTION shop.rename(uid int, to_name text) RETURNS SETOF shop.users LANGUAGE sql AS
        'UPDATE shop.users SET name = to_name WHERE id = uid RETURNING *';
    CREATE FUNCTION shop.raise_own() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        RAISE SQLSTATE 'PGRST' USING MESSAGE = '{\"code\": \"X1\", \"message\": \"no tea\", \"hint\": \"brew\"}',
            DETAIL = '{\"status\": 418, \"headers\": {\"X-Pot\": \"full\"}}'; END $$;
    CREATE FUNCTION shop.raise_plain() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'my %', 'words' USING HINT = 'try'; END $$;
    CREATE FUNCTION shop.own_answer() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('response.headers', '[{\"X-Mine\": \"yes\"}]', true); PERFORM set_config('response.status', '202', true);
        RETURN 'done'; END $$;
    CREATE FUNCTION shop.who() RETURNS text STABLE LANGUAGE sql AS $$ SELECT current_setting('request.method') || ' ' || (current_setting('request.headers')::json ->> 'x-me') $$;";

async fn shop(name: &str) -> World {
    World::new(name, &format!("{SHOP}{FUNCTIONS}"), open_platform(&["shop"]), RestSettings::standard()).await
}

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    world.send("POST", path, &[("content-type", "application/json")], &body.to_string()).await
}

#[tokio::test]
async fn functions_take_arguments_by_name_from_the_url_and_the_body() {
    let world = shop("rest_call").await;
    for (path, expected) in [
        ("/rpc/add?a=1&b=2", json!(3)),
        ("/rpc/add?a=1", json!(11)),
        ("/rpc/pairs", json!([{"x": 1, "y": "a"}, {"x": 2, "y": "b"}, {"x": 3, "y": null}])),
        ("/rpc/pairs?select=y&x=gt.1&order=x.desc", json!([{"y": null}, {"y": "b"}])),
        ("/rpc/out_values", json!({"lo": 1, "hi": 2})),
        (
            "/rpc/numbers",
            json!([9_007_199_254_740_992_u64, 9_007_199_254_740_993_u64, 9_007_199_254_740_994_u64]),
        ),
        ("/rpc/all_of?parts=a&parts=b,c", json!("a+b,c")),
        (
            "/rpc/named?floor_id=2&select=id,clients(name)&order=id.desc&limit=2",
            json!([{"id": 4, "clients": null}, {"id": 3, "clients": {"name": "Bolt"}}]),
        ),
        ("/rpc/one_client?cid=2&select=name,shout", json!({"name": "Bolt", "shout": "BOLT!"})),
        ("/rpc/over?a=1&c=2", json!("two")),
    ] {
        assert_eq!(world.rows(path).await, expected, "{path}");
    }
    assert_eq!(post(&world, "/rpc/add", &json!({"a": 5})).await.json(), 15);
    assert_eq!(post(&world, "/rpc/all_of", &json!({"parts": ["x", "y"]})).await.json(), "x+y");
    assert_eq!(post(&world, "/rpc/whole", &json!({"k": "v"})).await.json(), "v");
    let answer = world.send("POST", "/rpc/said", &[("content-type", "text/plain")], "hey, you").await;
    assert_eq!(answer.json(), "HEY, YOU");
    let answer = world.send("GET", "/rpc/all_of?parts=x", &[("accept", "text/plain")], "").await;
    assert_eq!((answer.text.as_str(), answer.header("content-type")), ("x", "text/plain; charset=utf-8"));
    let answer = post(&world, "/rpc/rename?select=name", &json!({"uid": 1, "to_name": "Zoe"})).await;
    assert_eq!(answer.json(), json!([{"name": "Zoe"}]));
    let answer = post(&world, "/rpc/nothing", &json!({})).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let answer =
        world.send("GET", "/rpc/named?floor_id=1", &[("prefer", "count=exact"), ("range", "0-1")], "").await;
    assert_eq!((answer.status, answer.header("content-range")), (206, "0-1/4"));
}

#[tokio::test]
async fn functions_shape_their_own_answer() {
    let world = shop("rest_call_own").await;
    let answer = post(&world, "/rpc/own_answer", &json!({})).await;
    assert_eq!((answer.status, answer.header("x-mine"), answer.json()), (202, "yes", json!("done")));
    let answer = post(&world, "/rpc/raise_own", &json!({})).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str(), answer.json()["hint"].as_str()),
        (418, Some("X1"), Some("brew"))
    );
    assert_eq!(answer.header("x-pot"), "full");
    let answer = post(&world, "/rpc/raise_plain", &json!({})).await;
    assert_eq!(
        (answer.status, answer.json()["message"].as_str(), answer.json()["hint"].as_str()),
        (400, Some("my words"), Some("try"))
    );
    let answer = world.send("GET", "/rpc/who", &[("x-me", "ann")], "").await;
    assert_eq!(answer.json(), "GET ann");
}

#[tokio::test]
async fn calls_that_mean_no_function_or_several_are_refused() {
    let world = shop("rest_call_refused").await;
    for (path, status, code, says) in [
        ("/rpc/ad?a=1", 404, "PGRST202", "Perhaps you meant to call the function shop.add"),
        ("/rpc/add?aa=1", 404, "PGRST202", "Could not find the function shop.add(aa) in the schema cache"),
        ("/rpc/over?a=1", 300, "PGRST203", "shop.over(a => integer), shop.over(a => text)"),
        ("/rpc/nothing", 405, "25006", "read-only"),
        ("/rpc/add?a=x", 400, "22P02", "\"pointer\":\"/a\""),
    ] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{path}: {answer:?}"
        );
        assert!(answer.text.contains(says), "{path}: {answer:?}");
    }
    let answer = post(&world, "/rpc/add", &json!({"a": "1.5"})).await;
    assert_eq!((answer.status, answer.json()["errors"][0]["pointer"].as_str()), (400, Some("/a")));
    let answer = world.send("DELETE", "/rpc/add", &[], "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (405, Some("PGRST101")));
}
