//! The migrated catalog of teraffi against the source's inventory: every difference is listed, with its defect or
//! reason, in `fixtures/teraffi/differences.json`, and every listed difference exists.

use std::collections::{BTreeMap, BTreeSet};

use affinity_core::Schema;
use serde::Deserialize;
use sqlx::PgPool;

use crate::cluster;

const PLATFORM: &str = include_str!("../../../platforms/teraffi/platform.toml");
const ROWS: &str = include_str!("../../../fixtures/teraffi/rows.sql");

/// The part of `inventory.json` about teraffi.
#[derive(Deserialize)]
pub(crate) struct Inventory {
    enums: BTreeMap<String, Vec<String>>,
    tables: BTreeMap<String, Table>,
    pub(crate) state_machines: BTreeMap<String, StateMachine>,
    graph: Graph,
}

#[derive(Deserialize)]
struct Table {
    columns: BTreeMap<String, String>,
    primary_key: Vec<String>,
    unique: Vec<Vec<String>>,
    #[serde(default)]
    constraint_names: BTreeMap<String, String>,
    references: BTreeMap<String, String>,
    on_delete: BTreeMap<String, String>,
    not_null: Vec<String>,
    defaults: BTreeMap<String, String>,
    indexes: Vec<String>,
    index_names: Vec<String>,
}

/// The states of a column and how they follow each other.
#[derive(Deserialize)]
pub(crate) struct StateMachine {
    pub(crate) initial: String,
    pub(crate) transitions: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Graph {
    nodes: BTreeMap<String, BTreeMap<String, String>>,
    relationships: BTreeMap<String, Relationship>,
}

#[derive(Deserialize)]
struct Relationship {
    from: String,
    to: String,
    properties: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Difference {
    fact: String,
    reason: String,
}

/// Reads the inventory fixture.
pub(crate) fn inventory() -> Inventory {
    serde_json::from_str(include_str!("../../../fixtures/teraffi/inventory.json")).unwrap()
}

/// Compares facts, one line each: the found ones are the source's, without `- fact` and with `+ fact` of the list.
#[track_caller]
fn check_facts(area: &str, source: &BTreeSet<String>, found: &BTreeSet<String>) {
    let listed: BTreeMap<String, Vec<Difference>> =
        serde_json::from_str(include_str!("../../../fixtures/teraffi/differences.json")).unwrap();
    let listed = &listed[area];
    assert!(
        listed.iter().all(|difference| difference.reason.len() > 5),
        "{area}: a difference without a reason"
    );
    let listed: BTreeSet<String> = listed.iter().map(|difference| difference.fact.clone()).collect();
    let missing = source.difference(found).map(|fact| format!("- {fact}"));
    let added = found.difference(source).map(|fact| format!("+ {fact}"));
    let differences: BTreeSet<String> = missing.chain(added).collect();
    let unlisted: Vec<_> = differences.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&differences).collect();
    assert!(
        unlisted.is_empty() && gone.is_empty(),
        "{area}: not listed: {unlisted:#?}\nlisted but not there: {gone:#?}"
    );
}

async fn facts(pool: &PgPool, statement: &'static str) -> BTreeSet<String> {
    let found: Vec<String> = sqlx::query_scalar(statement).fetch_all(pool).await.unwrap();
    found.into_iter().collect()
}

/// A default as PostgreSQL prints it, without the cast it adds.
fn default_value(source: &str) -> String {
    let bare = source.split("::").next().unwrap();
    bare.trim_matches('\'').to_lowercase()
}

#[tokio::test]
async fn enums_equal_those_of_the_inventory() {
    let pool = cluster::database("enums").await;
    let found = facts(
        &pool,
        "select format('%s: %s', t.typname, string_agg(e.enumlabel, ', ' order by e.enumsortorder))
         from pg_type t join pg_enum e on e.enumtypid = t.oid
         where t.typnamespace = 'teraffi'::regnamespace group by t.typname",
    )
    .await;
    let inventory = inventory();
    assert_eq!(inventory.enums.len(), 33);
    let source =
        inventory.enums.iter().map(|(name, values)| format!("{name}: {}", values.join(", "))).collect();
    check_facts("enums", &source, &found);
}

#[tokio::test]
async fn tables_and_columns_equal_those_of_the_inventory() {
    let pool = cluster::database("columns").await;
    let inventory = inventory();
    assert_eq!(inventory.tables.len(), 20);
    let found = facts(&pool, "select relname::text from pg_class where relnamespace = 'teraffi'::regnamespace and relkind in ('r', 'p')").await;
    check_facts("tables", &inventory.tables.keys().cloned().collect(), &found);

    // Tables of the graph are not in the inventory; what the source has is compared column by column.
    let names: Vec<String> = inventory.tables.keys().cloned().collect();
    let rows: Vec<(String, String, String, bool, Option<String>)> = sqlx::query_as(
        "select c.relname::text, a.attname::text,
            replace(replace(replace(replace(format_type(a.atttypid, a.atttypmod), 'teraffi.', ''),
                'character varying', 'varchar'), 'timestamp with time zone', 'timestamptz'), ', ', ','),
            a.attnotnull, pg_get_expr(d.adbin, d.adrelid)
         from pg_class c
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where c.relnamespace = 'teraffi'::regnamespace and c.relname = any ($1)",
    )
    .bind(names)
    .fetch_all(&pool)
    .await
    .unwrap();
    let (mut types, mut not_null, mut defaults) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (table, column, of, required, default) in rows {
        types.insert(format!("{table}.{column}: {of}"));
        if required {
            not_null.insert(format!("{table}.{column}"));
        }
        if let Some(default) = default {
            defaults.insert(format!("{table}.{column}: {}", default_value(&default)));
        }
    }
    let (mut source_types, mut source_not_null, mut source_defaults) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, table) in &inventory.tables {
        source_types.extend(table.columns.iter().map(|(column, of)| format!("{name}.{column}: {of}")));
        source_not_null
            .extend(table.not_null.iter().chain(&table.primary_key).map(|column| format!("{name}.{column}")));
        source_defaults.extend(
            table.defaults.iter().map(|(column, value)| format!("{name}.{column}: {}", default_value(value))),
        );
    }
    check_facts("columns", &source_types, &types);
    check_facts("not_null", &source_not_null, &not_null);
    check_facts("defaults", &source_defaults, &defaults);
}

#[tokio::test]
async fn keys_checks_and_indexes_equal_those_of_the_inventory() {
    let pool = cluster::database("keys").await;
    let inventory = inventory();
    let names: Vec<String> = inventory.tables.keys().cloned().collect();
    let constraints: Vec<(String, String)> = sqlx::query_as(
        "select c.contype::text, case c.contype
            when 'c' then c.conname::text
            when 'f' then format('%s.%s -> %s.%s on delete %s', t.relname, columns.list, f.relname, referred.list,
                case c.confdeltype when 'c' then 'cascade' when 'a' then 'no action' else c.confdeltype::text end)
            when 'u' then format('%s(%s) %s', t.relname, columns.list, c.conname)
            else format('%s(%s)', t.relname, columns.list) end
         from pg_constraint c
         join pg_class t on t.oid = c.conrelid
         left join pg_class f on f.oid = c.confrelid
         cross join lateral (
            select string_agg(a.attname, ', ' order by array_position(c.conkey, a.attnum)) as list
            from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any (c.conkey)) as columns
         cross join lateral (
            select string_agg(a.attname, ', ' order by array_position(c.confkey, a.attnum)) as list
            from pg_attribute a where a.attrelid = c.confrelid and a.attnum = any (c.confkey)) as referred
         where t.relnamespace = 'teraffi'::regnamespace and t.relname = any ($1) and c.contype in ('p', 'u', 'f', 'c')",
    )
    .bind(&names)
    .fetch_all(&pool)
    .await
    .unwrap();
    let of_type = |contype: &str| -> BTreeSet<String> {
        constraints.iter().filter(|(found, _)| found == contype).map(|(_, fact)| fact.clone()).collect()
    };
    let (mut primary, mut unique, mut foreign, mut indexes) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, table) in &inventory.tables {
        primary.insert(format!("{name}({})", table.primary_key.join(", ")));
        for columns in &table.unique {
            // Where the source gives no name, PostgreSQL's own is expected.
            let definition = format!("unique({})", columns.join(","));
            let named = table
                .constraint_names
                .iter()
                .find(|(_, of)| **of == definition)
                .map(|(name, _)| name.clone());
            let constraint = named.unwrap_or_else(|| format!("{name}_{}_key", columns.join("_")));
            unique.insert(format!("{name}({}) {constraint}", columns.join(", ")));
        }
        for (column, target) in &table.references {
            foreign.insert(format!("{name}.{column} -> {target} on delete {}", table.on_delete[column]));
        }
        assert_eq!(table.indexes.len(), table.index_names.len(), "{name}");
        indexes
            .extend(table.indexes.iter().zip(&table.index_names).map(|(on, index)| format!("{index} {on}")));
    }
    check_facts("primary_keys", &primary, &of_type("p"));
    check_facts("unique", &unique, &of_type("u"));
    check_facts("foreign_keys", &foreign, &of_type("f"));
    // The source has no check at all (TER-D14).
    check_facts("checks", &BTreeSet::new(), &of_type("c"));

    let found: Vec<String> = sqlx::query_scalar(
        "select format('%s%s %s(%s)%s', case when i.indisunique then 'unique ' end, x.relname, t.relname,
            (select string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' order by n) from generate_series(1, i.indnatts) n),
            ' where ' || pg_get_expr(i.indpred, i.indrelid))
         from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
         where t.relnamespace = 'teraffi'::regnamespace and t.relname = any ($1)
            and not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.contype in ('p', 'u'))",
    )
    .bind(&names)
    .fetch_all(&pool)
    .await
    .unwrap();
    check_facts("indexes", &indexes, &found.into_iter().collect());
}

#[tokio::test]
async fn foreign_keys_all_start_an_index() {
    let pool = cluster::database("indexed").await;
    // TER-D17
    let bare: Vec<String> = sqlx::query_scalar(
        "select c.conname::text from pg_constraint c
         where c.connamespace = 'teraffi'::regnamespace and c.contype = 'f'
            and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(bare, Vec::<String>::new());
}

#[tokio::test]
async fn graph_model_is_declared_and_projected() {
    let inventory = inventory();
    let schema = Schema::from_toml(PLATFORM).unwrap();
    let mut source = BTreeSet::new();
    for (kind, properties) in &inventory.graph.nodes {
        source.insert(kind.clone());
        source.extend(properties.keys().filter(|name| *name != "id").map(|name| format!("{kind}.{name}")));
    }
    for (name, relation) in &inventory.graph.relationships {
        source.insert(format!("{name}: {} -> {}", relation.from, relation.to));
        source.extend(relation.properties.keys().map(|property| format!("{name}.{property}")));
    }
    let mut declared = BTreeSet::new();
    for kind in schema.kinds() {
        declared.insert(kind.name.clone());
        declared.extend(kind.attributes.entries().iter().map(|(name, _)| format!("{}.{name}", kind.name)));
    }
    for relation in schema.relations() {
        let (from, to) =
            (&schema.kinds()[relation.from.index()].name, &schema.kinds()[relation.to.index()].name);
        declared.insert(format!("{}: {from} -> {to}", relation.name));
        declared.extend(
            relation.attributes.entries().iter().map(|(name, _)| format!("{}.{name}", relation.name)),
        );
    }
    check_facts("graph", &source, &declared);

    // Every kind, relation and space that is declared comes out of the views, and nothing else does.
    let pool = cluster::database("graph").await;
    sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
    let kinds = facts(&pool, "select distinct kind from teraffi.affinity_nodes").await;
    assert_eq!(kinds, schema.kinds().iter().map(|kind| kind.name.clone()).collect());
    let relations = facts(&pool, "select distinct relation from teraffi.affinity_edges").await;
    assert_eq!(relations, schema.relations().iter().map(|relation| relation.name.clone()).collect());
    let spaces = facts(&pool, "select distinct kind || '.' || space from teraffi.affinity_texts").await;
    let declared = schema
        .spaces()
        .iter()
        .map(|space| format!("{}.{}", schema.kinds()[space.kind.index()].name, space.name));
    assert_eq!(spaces, declared.collect());
    for (name, kind) in schema.kinds().iter().map(|kind| (&kind.name, kind)) {
        let emitted: Vec<String> =
            sqlx::query_scalar("select distinct jsonb_object_keys(attributes) from teraffi.affinity_nodes where kind = $1 order by 1")
                .bind(name)
                .fetch_all(&pool)
                .await
                .unwrap();
        let attributes: Vec<String> =
            kind.attributes.entries().iter().map(|(attribute, _)| attribute.clone()).collect();
        assert_eq!(emitted, attributes, "{name}");
    }
    for relation in schema.relations() {
        let emitted: Vec<String> =
            sqlx::query_scalar("select distinct jsonb_object_keys(attributes) from teraffi.affinity_edges where relation = $1 order by 1")
                .bind(&relation.name)
                .fetch_all(&pool)
                .await
                .unwrap();
        let attributes: Vec<String> =
            relation.attributes.entries().iter().map(|(attribute, _)| attribute.clone()).collect();
        assert_eq!(emitted, attributes, "{}", relation.name);
    }
    let nobody = "select relation from teraffi.affinity_edges where audience is null or cardinality(audience) = 0
        union all select kind from teraffi.affinity_nodes where audience is null or cardinality(audience) = 0
        union all select kind from teraffi.affinity_texts where audience is null or cardinality(audience) = 0 or text = ''";
    assert_eq!(facts(&pool, nobody).await, BTreeSet::new());
}

#[tokio::test]
async fn check_projection_finds_unwatched_tables_and_clocks() {
    let pool = cluster::database("check_projection").await;
    let check = "select concat_ws(' ', view_name, object, problem) from affinity.check_projection('teraffi')";
    assert_eq!(facts(&pool, check).await, BTreeSet::new());
    sqlx::raw_sql(
        "delete from affinity.touches where table_name = 'user_sessions';
         create function teraffi.opaque() returns int language plpgsql stable as 'begin return 1; end';
         create view teraffi.between_them as select id, now() as at from teraffi.members where teraffi.opaque() = 1;
         create or replace view teraffi.affinity_outcomes as
            select 'm'::text as matcher, id::text as source, id::text as target, random()::float8 as label, at
            from teraffi.between_them where at < current_timestamp;",
    )
    .execute(&pool)
    .await
    .unwrap();
    let clock = "calls a function whose value is not given by the data";
    let expected = [
        "affinity_nodes user_sessions reads a table without a row in affinity.touches".to_string(),
        "affinity_outcomes teraffi.opaque() calls a function whose body the catalog cannot see into"
            .to_string(),
        format!("affinity_outcomes current_timestamp and its like {clock}"),
        format!("affinity_outcomes now() {clock}"),
        format!("affinity_outcomes random() {clock}"),
    ];
    assert_eq!(facts(&pool, check).await, expected.into_iter().collect());
}
