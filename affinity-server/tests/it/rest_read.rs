//! Reading tables over HTTP, against PostgreSQL.

use affinity_server::catalog::PlatformSettings;
use affinity_server::resource::RestSettings;
use serde_json::{Value, json};

use crate::rest_world::{World, open_platform};

const SHOP: &str = include_str!("rest_shop.sql");

async fn shop(name: &str) -> World {
    World::new(name, SHOP, open_platform(&["shop"]), RestSettings::standard()).await
}

/// Each path gives these rows, as JSON.
async fn check_rows(world: &World, cases: &[(&str, Value)]) {
    for (path, expected) in cases {
        assert_eq!(world.rows(path).await, *expected, "{path}");
    }
}

/// Each path is refused so: status, code, and a part of the message or hint.
async fn check_refused(world: &World, cases: &[(&str, u16, &str, &str)]) {
    for (path, status, code, says) in cases {
        let answer = world.get(path).await;
        let problem = answer.json();
        assert_eq!((answer.status, problem["code"].as_str()), (*status, Some(*code)), "{path}: {problem}");
        let has_all = ["message", "details", "hint"].iter().all(|key| problem.get(*key).is_some());
        assert!(has_all && problem.to_string().contains(says), "{path}: {problem}");
    }
}

/// The ids of the rows that a filter lets through.
async fn check_ids(world: &World, table: &str, cases: &[(&str, &[i64])]) {
    for (filter, expected) in cases {
        let rows = world.rows(&format!("/{table}?select=id&order=id&{filter}")).await;
        let ids: Vec<i64> = rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, *expected, "{filter}");
    }
}

#[tokio::test]
async fn values_come_as_exactly_as_they_are_stored() {
    let world = shop("rest_values").await;
    let answer = world.get("/clients?id=eq.1").await;
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.header("content-range"), "0-0/*");
    let expected = r#"[{"id":1,"name":"Acme","tier":"gold","balance":12345678901234.5678,"details":{"n": {"m": [10, 20]}, "city": "Bern"},"tags":["a","b"],"joined":"2024-01-02T03:04:05+00:00","secret_number":9007199254740993}]"#;
    assert_eq!(answer.text, expected);
}

#[tokio::test]
async fn operators_filter_as_postgresql_does() {
    let world = shop("rest_operators").await;
    let clients: &[(&str, &[i64])] = &[
        ("id=eq.2", &[2]),
        ("id=neq.2", &[1, 3]),
        ("id=not.eq.2", &[1, 3]),
        ("id=gt.1&id=lte.3", &[2, 3]),
        ("id=in.(1,3)", &[1, 3]),
        ("id=not.in.(1,3)", &[2]),
        ("id=in.()", &[]),
        ("id=eq(any).{1,2}", &[1, 2]),
        ("id=gte(all).{2,3}", &[3]),
        ("name=like.*o*", &[2, 3]),
        ("name=ilike.A*", &[1]),
        ("name=like(any).{A*,B*}", &[1, 2]),
        ("name=match.^[AB]", &[1, 2]),
        ("name=imatch.^acme$", &[1]),
        ("name=in.(\"Cora, \\\"Inc\\\"\",Acme)", &[1, 3]),
        ("tier=eq.gold", &[1]),
        ("tier=in.(gold,bronze)", &[1, 2]),
        ("tier=gt.bronze", &[1]),
        ("tier=is.null", &[3]),
        ("tier=not.is.null", &[1, 2]),
        ("tier=isdistinct.gold", &[2, 3]),
        ("tags=cs.{b}", &[1, 2]),
        ("tags=cd.{a,b,x}", &[1]),
        ("tags=ov.{c,x}", &[2]),
        ("tags=eq.{a,b}", &[1]),
        ("details->>city=eq.Bern", &[1]),
        ("details->n->m->0=eq.10", &[1]),
        ("details->n->m->>-1=eq.30", &[2]),
        ("details=cs.{\"city\":\"Ulm\"}", &[2]),
        ("balance=eq.-0.0001", &[2]),
        ("balance=eq.-0.00011", &[]), // not rounded to the column's scale
        ("joined=lt.2024-02-01", &[1]),
        ("secret_number=eq.9007199254740993", &[1]),
        ("or=(id.eq.1,name.eq.Bolt)", &[1, 2]),
        ("not.or=(id.eq.1,name.eq.Bolt)", &[3]),
        ("and=(id.gt.1,or(name.eq.Bolt,id.eq.1))", &[2]),
        ("shout=eq.ACME!", &[1]),
    ];
    check_ids(&world, "clients", clients).await;
    let projects: &[(&str, &[i64])] = &[
        ("words=fts.cat", &[1]),
        ("words=not.fts.cat", &[2]),
        ("words=plfts.fat cat", &[1]),
        ("words=wfts.rat", &[2]),
        ("name=fts(english).alphas", &[1]),
        ("span=cs.[2,3)", &[1]),
        ("span=sl.[5,9)", &[1]),
        ("span=adj.[9,12)", &[2]),
        ("plan->>k=eq.2", &[2]),
        ("plan->k=eq.2", &[2]),
    ];
    check_ids(&world, "projects", projects).await;
}

#[tokio::test]
async fn columns_are_renamed_cast_and_taken_out_of_json() {
    let world = shop("rest_columns").await;
    check_rows(
        &world,
        &[
            ("/clients?id=eq.1&select=nr:id,id::text", json!([{"nr": 1, "id": "1"}])),
            ("/clients?id=eq.1&select=details->>city,details->n->m->0", json!([{"city": "Bern", "m": 10}])),
            ("/clients?id=eq.1&select=place:details->city", json!([{"place": "Bern"}])),
            ("/clients?id=eq.1&select=tags->1", json!([{"tags": "b"}])),
            ("/clients?id=eq.2&select=shout,name", json!([{"shout": "BOLT!", "name": "Bolt"}])),
            ("/projects?id=eq.1&select=plan->k", json!([{"k": 1}])),
        ],
    )
    .await;
}

#[tokio::test]
async fn related_rows_are_embedded_in_every_direction() {
    let world = shop("rest_embeds").await;
    check_rows(
        &world,
        &[
            (
                "/projects?select=name,clients(name)&id=in.(1,4)&order=id",
                json!([{"name": "Alpha", "clients": {"name": "Acme"}}, {"name": "Orphan", "clients": null}]),
            ),
            (
                "/clients?select=name,projects(id)&order=id&projects.order=id.desc",
                json!([
                    {"name": "Acme", "projects": [{"id": 2}, {"id": 1}]},
                    {"name": "Bolt", "projects": [{"id": 3}]},
                    {"name": "Cora, \"Inc\"", "projects": []}
                ]),
            ),
            (
                "/clients?select=id,projects!inner(id)&projects.id=eq.3",
                json!([{"id": 2, "projects": [{"id": 3}]}]),
            ),
            ("/clients?select=id,projects!inner()&projects.id=eq.3", json!([{"id": 2}])),
            ("/clients?select=id,projects()&projects=is.null", json!([{"id": 3}])),
            (
                "/projects?select=id,clients()&clients=not.is.null&order=id",
                json!([{"id": 1}, {"id": 2}, {"id": 3}]),
            ),
            (
                "/clients?select=id,projects(id)&or=(id.eq.3,projects.not.is.null)&projects.id=eq.3&order=id",
                json!([{"id": 2, "projects": [{"id": 3}]}, {"id": 3, "projects": []}]),
            ),
            (
                "/clients?select=id,p:projects(id)&id=eq.1&p.limit=1&p.offset=1&p.order=id",
                json!([{"id": 1, "p": [{"id": 2}]}]),
            ),
            (
                "/users?select=name,tasks(name)&order=id&tasks.order=id",
                json!([
                    {"name": "Ann", "tasks": [{"name": "design"}, {"name": "code"}]},
                    {"name": "Ben", "tasks": [{"name": "code"}]},
                    {"name": "Cem", "tasks": [{"name": "test"}]}
                ]),
            ),
            (
                "/users?select=name,boss:boss_id(name)&id=eq.2",
                json!([{"name": "Ben", "boss": {"name": "Ann"}}]),
            ),
            (
                "/users?select=name,staff:users(name)&id=eq.1&staff.order=id",
                json!([{"name": "Ann", "staff": [{"name": "Ben"}, {"name": "Cem"}]}]),
            ),
            (
                "/users?select=name,profiles(bio)&id=lte.2&order=id",
                json!([{"name": "Ann", "profiles": {"bio": "hello"}}, {"name": "Ben", "profiles": null}]),
            ),
            (
                "/orders?select=billing:addresses!billing(street),shipping:addresses!shipping_id(street)",
                json!([{"billing": {"street": "Main"}, "shipping": {"street": "Side"}}]),
            ),
            ("/orders?select=shipping(street)", json!([{"shipping": {"street": "Side"}}])),
            (
                "/projects?select=id,open_tasks(name)&id=eq.1",
                json!([{"id": 1, "open_tasks": [{"name": "code"}]}]),
            ),
            (
                "/big_projects?select=name,clients(name)&order=id&limit=1",
                json!([{"name": "Beta", "clients": {"name": "Acme"}}]),
            ),
            (
                "/tasks?select=name,projects(name,clients(name))&id=eq.4",
                json!([{"name": "rest", "projects": {"name": "Gamma", "clients": {"name": "Bolt"}}}]),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn embedded_columns_spread_into_the_row_and_order_it() {
    let world = shop("rest_spread").await;
    check_rows(
        &world,
        &[
            (
                "/projects?select=id,...clients(client:name,tier)&id=in.(3,4)&order=id",
                json!([{"id": 3, "client": "Bolt", "tier": "bronze"}, {"id": 4, "client": null, "tier": null}]),
            ),
            (
                "/clients?select=id,...projects(names:name)&id=in.(1,3)&order=id&projects.order=name",
                json!([{"id": 1, "names": ["Alpha", "Beta"]}, {"id": 3, "names": []}]),
            ),
            ("/tasks?select=id,...projects(...clients(name))&id=eq.1", json!([{"id": 1, "name": "Acme"}])),
            (
                "/projects?select=id,clients(name)&order=clients(name).desc.nullslast,id&limit=2",
                json!([{"id": 3, "clients": {"name": "Bolt"}}, {"id": 1, "clients": {"name": "Acme"}}]),
            ),
            ("/projects?select=id,...clients(name)&order=clients(name).desc.nullslast,id&limit=1",
                json!([{"id": 3, "name": "Bolt"}])),
        ],
    )
    .await;
}

#[tokio::test]
async fn aggregates_group_by_the_other_columns() {
    let world = shop("rest_aggregates").await;
    check_rows(
        &world,
        &[
            ("/projects?select=count()", json!([{"count": 4}])),
            ("/projects?select=total:budget.sum(),budget.max()", json!([{"total": 600.60, "max": 300.30}])),
            (
                "/projects?select=client_id,budget.sum()::text&order=client_id&client_id=not.is.null",
                json!([{"client_id": 1, "sum": "300.30"}, {"client_id": 2, "sum": "300.30"}]),
            ),
            (
                "/clients?select=name,projects(budget.sum())&id=eq.1",
                json!([{"name": "Acme", "projects": [{"sum": 300.30}]}]),
            ),
            (
                "/projects?select=budget.sum(),...clients(name)&client_id=not.is.null&order=clients(name)",
                json!([{"sum": 300.30, "name": "Acme"}, {"sum": 300.30, "name": "Bolt"}]),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn windows_and_counts_are_told_in_headers() {
    let world = shop("rest_windows").await;
    let get = async |path: &str, headers: &[(&str, &str)]| world.send("GET", path, headers, "").await;
    let answer = get("/tasks?order=id&limit=2", &[("prefer", "count=exact")]).await;
    assert_eq!((answer.status, answer.header("content-range")), (206, "0-1/4"));
    assert_eq!(answer.header("preference-applied"), "count=exact");
    let answer = get("/tasks?order=id", &[("range", "1-2")]).await;
    assert_eq!(
        (answer.status, answer.header("content-range"), answer.json()[0]["id"].as_i64()),
        (200, "1-2/*", Some(2))
    );
    let answer = get("/tasks?offset=9", &[("prefer", "count=exact")]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (416, Some("PGRST103")));
    let answer = get("/tasks?id=eq.99", &[("prefer", "count=exact")]).await;
    assert_eq!((answer.status, answer.header("content-range")), (200, "*/0"));
    let answer = get("/clients?select=id,projects!inner(id)&limit=1", &[("prefer", "count=exact")]).await;
    assert_eq!(answer.header("content-range"), "0-0/2");
    for kind in ["planned", "estimated"] {
        let answer = get("/tasks", &[("prefer", &format!("count={kind}"))]).await;
        assert!(!answer.header("content-range").ends_with('*'), "{answer:?}");
    }
    let answer = world.send("HEAD", "/tasks", &[("prefer", "count=exact")], "").await;
    assert_eq!((answer.status, answer.header("content-range"), answer.text.as_str()), (200, "0-3/4", ""));
}

#[tokio::test]
async fn formats_follow_the_accept_header() {
    let world = shop("rest_formats").await;
    let get = async |path: &str, accept: &str| world.send("GET", path, &[("accept", accept)], "").await;
    let object = "application/vnd.pgrst.object+json";
    let answer = get("/clients?id=eq.2&select=id", object).await;
    assert_eq!(
        (answer.text.as_str(), answer.header("content-type")),
        (r#"{"id":2}"#, "application/vnd.pgrst.object+json; charset=utf-8")
    );
    let problem = get("/clients?select=id", object).await;
    assert_eq!((problem.status, problem.json()["code"].as_str()), (406, Some("PGRST116")));
    assert_eq!(problem.json()["details"], "The result contains 3 rows");
    let answer = get("/clients?select=id,name,tier,tags&order=id", "text/csv").await;
    assert_eq!(
        answer.text,
        "id,name,tier,tags\n1,Acme,gold,\"{a,b}\"\n2,Bolt,bronze,\"{b,c}\"\n3,\"Cora, \"\"Inc\"\"\",,"
    );
    let answer =
        get("/clients?id=eq.3&select=id,tier", "application/vnd.pgrst.array+json;nulls=stripped").await;
    assert_eq!(answer.text, r#"[{"id":3}]"#);
    let answer = get("/clients?id=eq.3", "application/vnd.pgrst.plan+json").await;
    assert!(answer.json()[0]["Plan"]["Node Type"].is_string(), "{answer:?}");
    assert_eq!(get("/clients", "image/png").await.json()["code"], "PGRST107");
    assert_eq!(get("/clients", "application/geo+json").await.status, 406);
}

#[tokio::test]
async fn unknown_names_are_refused_with_the_nearest() {
    let world = shop("rest_unknown").await;
    let cases = [
        ("/client", 404, "PGRST205", "Perhaps you meant the table 'shop.clients'"),
        ("/clients?nmae=eq.1", 400, "42703", "clients.name"),
        ("/clients?selct=id", 400, "PGRST100", "Perhaps you meant \\\"select\\\""),
        ("/clients?select=nme", 400, "42703", "column clients.nme does not exist"),
        (
            "/clients?select=project(id)",
            400,
            "PGRST200",
            "Perhaps you meant 'projects' instead of 'project'.",
        ),
        ("/orders?select=addresses(id)", 300, "PGRST201", "'addresses!billing', 'addresses!shipping'"),
        ("/clients?order=projects(id)&select=id,projects(id)", 400, "PGRST118", "many-to-one"),
        ("/clients?select=id,projects(id)&projects=eq.1", 400, "PGRST120", "is null"),
        ("/clients?order=orders(id)", 400, "PGRST108", "Verify that 'orders'"),
        ("/clients?select=id::money", 400, "PGRST100", "money"),
        ("/clients?id=eq.x", 400, "22P02", "\"pointer\":\"/id\""),
        ("/clients?tier=eq.platinum&name=eq.x", 400, "22P02", "\"pointer\":\"/tier\""),
        ("/clients?select=id&limit=1&after=x", 400, "bad_cursor", "Link"),
    ];
    check_refused(&world, &cases).await;
    let answer = world.send("GET", "/clients", &[("accept-profile", "secret")], "").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (406, Some("PGRST106")));
}

#[tokio::test]
async fn a_cut_is_told_and_can_be_continued() {
    let settings = RestSettings { rows_max: 2, ..RestSettings::standard() };
    let world = World::new("rest_cut", SHOP, open_platform(&["shop"]), settings).await;
    let base = world.base.trim_end_matches("/rest/v1").to_owned();
    let mut path = "/tasks?select=id,hours&order=hours.desc".to_owned();
    let mut seen = Vec::new();
    for page in 0..2 {
        let answer = world.get(&path).await;
        assert_eq!(
            answer.header("affinity-truncated"),
            if page == 0 { "rows_max=2" } else { "" },
            "{answer:?}"
        );
        seen.extend(answer.json().as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        let link = answer.header("link").to_owned();
        if page == 0 {
            // What comes in between the pages neither repeats nor hides rows that were there.
            sqlx::query("INSERT INTO shop.tasks VALUES (9, 'new', 1, 100)")
                .execute(&world.pool)
                .await
                .unwrap();
            let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
            path = format!("{base}{next}").strip_prefix(&world.base).unwrap().to_owned();
        } else {
            assert_eq!(link, "");
        }
    }
    // NULLs come first in a descending order.
    assert_eq!(seen, [4, 2, 3, 1]);
}

#[tokio::test]
async fn a_plan_shows_the_search_path_as_postgrest_sets_it() {
    let platform = PlatformSettings {
        extra_search_path: vec!["shop".into(), "public".into()],
        ..open_platform(&["shop"])
    };
    let world = World::new("rest_path", SHOP, platform, RestSettings::standard()).await;
    let accept = [("accept", "application/vnd.pgrst.plan+json; options=settings")];
    let plan = world.send("GET", "/clients", &accept, "").await.json();
    assert_eq!(plan[0]["Settings"]["search_path"], r#""shop", "shop", "public""#);
}

#[tokio::test]
async fn what_is_off_is_refused() {
    let platform =
        PlatformSettings { aggregates_enabled: false, plan_enabled: false, ..open_platform(&["shop"]) };
    let world = World::new("rest_off", SHOP, platform, RestSettings::standard()).await;
    check_refused(&world, &[("/clients?select=id.sum()", 400, "PGRST123", "aggregate")]).await;
    let answer = world.send("GET", "/clients", &[("accept", "application/vnd.pgrst.plan+json")], "").await;
    assert_eq!(answer.json()["code"], "PGRST107");
}

#[tokio::test]
async fn columns_that_a_role_may_not_read_are_not_in_the_star() {
    let sql = format!(
        "{SHOP}
         DO $$ BEGIN CREATE ROLE shop_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT USAGE ON SCHEMA shop TO shop_reader;
         GRANT SELECT (id, name) ON shop.clients TO shop_reader;"
    );
    let platform =
        PlatformSettings { anonymous_role: Some("shop_reader".to_owned()), ..open_platform(&["shop"]) };
    let world = World::new("rest_grants", &sql, platform, RestSettings::standard()).await;
    check_rows(&world, &[("/clients?id=eq.2", json!([{"id": 2, "name": "Bolt"}]))]).await;
    check_refused(
        &world,
        &[
            ("/clients?select=tier", 401, "42501", "permission denied"),
            ("/users", 401, "42501", "permission denied"),
        ],
    )
    .await;
}
