//! Who may do what on teraffi: the rows are those of `access.json`, and every cell is tried as every caller.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use crate::access_language::{Row, World, parse};
use crate::cluster;

const ROWS: &str = include_str!("../../../fixtures/teraffi/rows.sql");
const MORE_ROWS: &str = include_str!("../../../fixtures/access/rows.sql");
const SHUFFLE: &str = include_str!("../../../fixtures/access/shuffle.sql");
const ACCESS: &str = include_str!("../../../fixtures/access/teraffi.json");
/// One row in so many is tried to be written.
const WRITTEN_ROWS: usize = 6;
/// Columns that the source does not have: TER-D10, TER-25.
const OWN_READ_ONLY: [(&str, &str); 2] =
    [("notifications", "sms_sent_at"), ("transactions", "refunded_transaction_id")];
const COMMANDS: [&str; 4] = ["select", "insert", "update", "delete"];
const STANDINGS: [&str; 4] = ["anonymous", "member", "staff", "service"];

/// A predicate that the source does not have, for the tables it does not have.
const PROFILE_PUBLIC: &str = "row in member_profiles with member_id = $1 and profile_visibility = 'public' and active_account(member_id)";

fn access() -> BTreeMap<String, Value> {
    serde_json::from_str(ACCESS).unwrap()
}

/// The tables of `access.json`, without its sections about all of them.
fn stated_tables() -> Vec<(String, Value)> {
    access().into_iter().filter(|(name, _)| !name.starts_with('_')).collect()
}

async fn world(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    sqlx::raw_sql(ROWS).execute(&pool).await.unwrap();
    sqlx::raw_sql(MORE_ROWS).execute(&pool).await.unwrap();
    pool
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(|item| item.as_str().unwrap().to_string()).collect()
}

/// A condition on the old row and one on the new row, as `access.json` writes them.
fn both(cell: &str) -> (String, String) {
    let split = cell.strip_prefix("from: ").and_then(|rest| rest.split_once("; to: "));
    split.map_or((cell.into(), cell.into()), |(from, to)| (from.into(), to.into()))
}

#[tokio::test]
async fn rules_are_those_of_access_json_cell_by_cell() {
    let pool = cluster::database("access_rules").await;
    let rows: Vec<(String, String, String, String, Option<String>)> = sqlx::query_as(
        "select table_name::text, command, standing, condition, new_condition from affinity.access_rules where platform = 'teraffi'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let stated: BTreeSet<String> = stated_tables().into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<_> = rows
        .into_iter()
        .filter(|(table, ..)| stated.contains(table))
        .map(|(table, command, standing, from, to)| {
            (table, command, standing, to.map_or((from.clone(), from.clone()), |to| (from, to)))
        })
        .collect();
    let mut expected = BTreeSet::new();
    for (table, rules) in stated_tables() {
        for command in COMMANDS {
            for (standing, cell) in rules[command].as_object().unwrap() {
                expected.insert((
                    table.clone(),
                    command.into(),
                    standing.clone(),
                    both(cell.as_str().unwrap()),
                ));
            }
        }
    }
    assert_eq!(found, expected);
    assert_eq!(stated.len(), 20);

    let mut calls = BTreeSet::new();
    for (signature, procedure) in access()["_procedures"].as_object().unwrap() {
        for (standing, condition) in procedure["call"].as_object().unwrap() {
            let condition = condition.as_str().unwrap().to_string();
            calls.insert((signature.split_once('(').unwrap().0.to_string(), standing.clone(), condition));
        }
    }
    let found: Vec<(String, String, String)> = sqlx::query_as(
        "select procedure_name::text, standing, condition from affinity.access_procedures where platform = 'teraffi'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), calls);

    let names: Vec<(String, String)> = sqlx::query_as(
        "select name::text, arguments from affinity.access_predicates where platform = 'teraffi' and name <> 'profile_public'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let names: BTreeSet<String> = names
        .into_iter()
        .map(|(name, arguments)| {
            let arguments = arguments.split(", ").map(|argument| argument.split_once(' ').unwrap().0);
            format!("{name}({})", arguments.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let expected: BTreeSet<_> = access()["_predicates"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn column_rules_are_those_of_access_json() {
    let pool = cluster::database("access_columns").await;
    let tags: Vec<(String, String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text, tag from affinity.column_tags where platform = 'teraffi'
         union all
         select table_name::text, c::text, 'frozen when ' || condition from affinity.frozen, unnest(columns) c where platform = 'teraffi'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let mut expected: BTreeSet<_> = OWN_READ_ONLY
        .into_iter()
        .map(|(table, column)| (table.to_string(), column.to_string(), "read_only".to_string()))
        .collect();
    for (table, rules) in stated_tables() {
        let columns = &rules["columns"];
        let mut add = |tag: String, names: &Value| {
            expected.extend(texts(names).into_iter().map(|name| (table.clone(), name, tag.clone())));
        };
        for tag in ["secret", "personal", "encrypted", "read_only", "insert_only", "staff_only"] {
            add(tag.into(), &columns[tag]);
        }
        for (standing, names) in columns["hidden"].as_object().into_iter().flatten() {
            add(format!("hidden_from_{standing}"), names);
        }
        for (condition, names) in columns["frozen"].as_object().into_iter().flatten() {
            add(format!("frozen when {condition}"), names);
        }
    }
    assert_eq!(tags.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test]
async fn columns_are_granted_as_access_json_says_and_no_others() {
    let pool = cluster::database("access_grants").await;
    for (table, rules) in stated_tables() {
        let columns = &rules["columns"];
        let tagged = |tag: &str, column: &str| {
            texts(&columns[tag]).contains(column)
                || tag == "read_only" && OWN_READ_ONLY.contains(&(table.as_str(), column))
        };
        let granted: Vec<(String, String, bool, bool, bool)> = sqlx::query_as(
            "select r.standing, a.attname::text,
                has_column_privilege(r.role_name, a.attrelid, a.attnum, 'select'),
                has_column_privilege(r.role_name, a.attrelid, a.attnum, 'insert'),
                has_column_privilege(r.role_name, a.attrelid, a.attnum, 'update')
             from affinity.roles r, pg_attribute a
             where a.attrelid = ('teraffi.' || $1)::regclass and a.attnum > 0 and not a.attisdropped",
        )
        .bind(&table)
        .fetch_all(&pool)
        .await
        .unwrap();
        for (standing, column, selects, inserts, updates) in granted {
            let may = |command: &str| rules[command].get(&standing).is_some();
            let hidden = texts(&columns["hidden"][&standing]).contains(&column);
            let by_service = standing == "service";
            let written = by_service
                || !(tagged("secret", &column)
                    || tagged("read_only", &column)
                    || ["created_at", "updated_at"].contains(&column.as_str())
                    || standing == "member" && tagged("staff_only", &column));
            let changed = written && column != "id" && (by_service || !tagged("insert_only", &column));
            assert_eq!(
                (selects, inserts, updates),
                (
                    may("select") && !hidden && !tagged("secret", &column),
                    may("insert") && written,
                    may("update") && changed
                ),
                "{standing} {table}.{column}"
            );
        }
    }
}

/// Who asks in the tests: a standing, and the claim `sub`.
type Caller = (&'static str, Value);

/// One attempt as a caller, undone afterwards: the rows it touched, or the SQLSTATE it met.
#[derive(Debug)]
struct Attempt {
    caller: Caller,
    /// As the database's owner, before.
    prelude: String,
    statement: String,
    expected: String,
}

/// `public.attempt` runs a statement as somebody and takes it back.
const ATTEMPT: &str = "
create function public.attempt(role_name text, claims text, prelude text, statement text) returns text language plpgsql as $$
declare
    touched bigint;
begin
    begin
        execute prelude;
        perform set_config('request.jwt.claims', claims, true), set_config('role', role_name, true);
        execute statement;
        get diagnostics touched = row_count;
        raise exception using errcode = 'ZZ000', message = touched::text;
    exception
        when sqlstate 'ZZ000' then return sqlerrm;
        when insufficient_privilege then return '42501';
        when others then return sqlstate || ' ' || sqlerrm;
    end;
end $$";

async fn check_attempts(connection: &mut PgConnection, attempts: &[Attempt]) {
    let roles: Vec<_> = attempts.iter().map(|attempt| format!("affinity_{}", attempt.caller.0)).collect();
    let claims: Vec<_> =
        attempts.iter().map(|attempt| json!({"sub": attempt.caller.1}).to_string()).collect();
    let preludes: Vec<_> = attempts.iter().map(|attempt| attempt.prelude.clone()).collect();
    let statements: Vec<_> = attempts.iter().map(|attempt| attempt.statement.clone()).collect();
    let found: Vec<String> = sqlx::query_scalar(
        "select public.attempt(r, c, p, s) from unnest($1::text[], $2::text[], $3::text[], $4::text[])
         with ordinality as a(r, c, p, s, place) order by place",
    )
    .bind(roles)
    .bind(claims)
    .bind(preludes)
    .bind(statements)
    .fetch_all(connection)
    .await
    .unwrap();
    for (attempt, found) in attempts.iter().zip(found) {
        // What policies let through, a check of the row may still refuse.
        let found = if attempt.statement.starts_with("insert") && found.starts_with("23") {
            "1".into()
        } else {
            found
        };
        assert_eq!(found, attempt.expected, "{attempt:#?}");
    }
}

/// What the attempts know of the tables.
struct Shape {
    keys: BTreeMap<String, Vec<String>>,
    /// What an insert puts into columns that it does not name.
    defaults: BTreeMap<String, Row>,
    /// By table, command and standing.
    granted: BTreeMap<(String, String, String), Vec<String>>,
}

impl Shape {
    fn granted(&self, table: &str, command: &str, standing: &str) -> &[String] {
        &self.granted[&(table.into(), command.into(), standing.into())]
    }

    /// A column that this standing may both read and write.
    fn settable(&self, table: &str, standing: &str) -> Option<&String> {
        let read = self.granted(table, "select", standing);
        self.granted(table, "update", standing).iter().find(|column| read.contains(column))
    }

    /// The insert of what this standing may insert of a row, and the row that it makes.
    fn insertion(&self, table: &str, standing: &str, row: &Row) -> (String, Row) {
        let columns = self.granted(table, "insert", standing);
        let mut new = self.defaults[table].clone();
        new.extend(columns.iter().map(|column| (column.clone(), row[column].clone())));
        let (list, value) = (columns.join(", "), literal(&Value::Object(new.clone())));
        let from = format!("select {list} from jsonb_populate_record(null::teraffi.{table}, {value})");
        let what = if columns.is_empty() { "default values".into() } else { format!("({list}) {from}") };
        (format!("insert into teraffi.{table} {what}"), new)
    }
}

async fn shape(connection: &mut PgConnection, tables: &[String]) -> Shape {
    let mut shape = Shape { keys: BTreeMap::new(), defaults: BTreeMap::new(), granted: BTreeMap::new() };
    for table in tables {
        let keys: Vec<String> =
            sqlx::query_scalar("select unnest(affinity.primary_key(('teraffi.' || $1)::regclass))::text")
                .bind(table)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
        shape.keys.insert(table.clone(), keys);
        let columns: String = sqlx::query_scalar(
            "select string_agg(coalesce(pg_get_expr(d.adbin, d.adrelid), 'null') || ' as ' || quote_ident(a.attname), ', ')
             from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = ('teraffi.' || $1)::regclass and a.attnum > 0 and not a.attisdropped",
        )
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
        let defaults: Value =
            sqlx::query_scalar(AssertSqlSafe(format!("select to_jsonb(d) from (select {columns}) d")))
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        shape.defaults.insert(table.clone(), defaults.as_object().unwrap().clone());
        for (command, standing) in
            COMMANDS.iter().flat_map(|command| STANDINGS.map(|standing| (*command, standing)))
        {
            let granted: Vec<String> = sqlx::query_scalar(
                "select a.attname::text from pg_attribute a
                 where a.attrelid = ('teraffi.' || $1)::regclass and a.attnum > 0 and not a.attisdropped
                    and $2 <> 'delete' and has_column_privilege(affinity.role($3), a.attrelid, a.attnum, nullif($2, 'delete'))",
            )
            .bind(table)
            .bind(command)
            .bind(standing)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
            shape.granted.insert((table.clone(), command.into(), standing.into()), granted);
        }
    }
    shape
}

fn literal(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    format!("'{}'", text.replace('\'', "''"))
}

/// `a = 'x' and b = 'y'` for the key of a row.
fn key_of(row: &Row, keys: &[String]) -> String {
    keys.iter().map(|key| format!("{key} = {}", literal(&row[key]))).collect::<Vec<_>>().join(" and ")
}

type Cells = BTreeMap<(String, String, String), (String, String)>;

#[tokio::test]
async fn every_cell_admits_what_its_words_say_and_nothing_else() {
    let pool = world("access_cells").await;
    sqlx::raw_sql(ATTEMPT).execute(&pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let cells: Cells = sqlx::query_as::<_, (String, String, String, String, String)>(
        "select table_name::text, command, standing, condition, coalesce(new_condition, condition)
         from affinity.access_rules where platform = 'teraffi'",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap()
    .into_iter()
    .map(|(table, command, standing, from, to)| ((table, command, standing), (from, to)))
    .collect();
    let tables: BTreeSet<String> = cells.keys().map(|(table, ..)| table.clone()).collect();
    let tables: Vec<_> = tables.into_iter().collect();
    let shape = shape(&mut connection, &tables).await;
    let mut predicates: BTreeMap<_, _> = access()["_predicates"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(signature, body)| {
            (signature.split_once('(').unwrap().0.to_string(), parse(body.as_str().unwrap()))
        })
        .collect();
    predicates.insert("profile_public".to_string(), parse(PROFILE_PUBLIC));

    let mut admitted = BTreeMap::<String, (usize, usize)>::new();
    for seed in 0..2_usize {
        // Triggers and foreign keys are others' business here.
        sqlx::raw_sql("begin; set local session_replication_role = replica")
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("select setseed({seed} / 10.0); {SHUFFLE}")))
            .execute(&mut *connection)
            .await
            .unwrap();
        let mut rows = BTreeMap::new();
        for table in &tables {
            let found: Vec<Value> =
                sqlx::query_scalar(AssertSqlSafe(format!("select to_jsonb(t) from teraffi.{table} t")))
                    .fetch_all(&mut *connection)
                    .await
                    .unwrap();
            rows.insert(
                table.clone(),
                found.iter().map(|row| row.as_object().unwrap().clone()).collect::<Vec<_>>(),
            );
        }
        let now: Value =
            sqlx::query_scalar("select to_jsonb(now())").fetch_one(&mut *connection).await.unwrap();
        let members: Vec<Value> = rows["members"].iter().map(|member| member["id"].clone()).collect();
        let mut callers: Vec<Caller> = members.iter().map(|id| ("member", id.clone())).collect();
        callers.extend([
            ("anonymous", Value::Null),
            ("member", json!("00000000-0000-0000-0000-00000000ffff")), // nobody we know
            ("member", Value::Null),
            ("staff", members[0].clone()),
            ("service", Value::Null),
        ]);
        let mut attempts = Vec::new();
        for (caller_place, caller) in callers.iter().enumerate() {
            let world = World {
                tables: rows.clone(),
                predicates: predicates.clone(),
                me: caller.1.clone(),
                now: now.clone(),
            };
            for table in &tables {
                let cell = |command: &str| {
                    let words = cells.get(&(table.clone(), command.to_string(), caller.0.to_string()))?;
                    Some((parse(&words.0), parse(&words.1)))
                };
                let keys = &shape.keys[table];
                let expect = |admitted: Option<bool>| {
                    admitted.map_or("42501", |admitted| if admitted { "1" } else { "0" })
                };
                let mut attempt = |prelude: String, statement: String, expected: &str| {
                    attempts.push(Attempt {
                        caller: caller.clone(),
                        prelude,
                        statement,
                        expected: expected.to_string(),
                    });
                };
                let select = cell("select").map(|(words, _)| words);
                let seen: Vec<&Row> = rows[table]
                    .iter()
                    .filter(|row| select.as_ref().is_some_and(|words| world.admits(words, row)))
                    .collect();
                let tally = admitted.entry(format!("{table} {}", caller.0)).or_default();
                *tally = (tally.0 + rows[table].len() - seen.len(), tally.1 + seen.len());
                let count = select.as_ref().map_or("42501".into(), |_| seen.len().to_string());
                attempt("select".into(), format!("select {} from teraffi.{table}", keys[0]), &count);
                let these: Vec<_> = seen.iter().map(|row| format!("({})", key_of(row, keys))).collect();
                if !these.is_empty() {
                    let these = these.join(" or ");
                    attempt(
                        "select".into(),
                        format!("select {} from teraffi.{table} where {these}", keys[0]),
                        &count,
                    );
                }
                for (place, row) in rows[table].iter().enumerate() {
                    if (place + caller_place + seed) % WRITTEN_ROWS != 0 {
                        continue;
                    }
                    let key = key_of(row, keys);
                    let is_seen = select.as_ref().is_some_and(|words| world.admits(words, row));
                    let deletes = cell("delete").map(|(words, _)| is_seen && world.admits(&words, row));
                    let deletes = deletes.filter(|_| select.is_some());
                    attempt(
                        "select".into(),
                        format!("delete from teraffi.{table} where {key}"),
                        expect(deletes),
                    );

                    let column = shape.settable(table, caller.0);
                    let updates = cell("update").filter(|_| column.is_some()).and_then(|(from, to)| {
                        let reached = is_seen && world.admits(&from, row);
                        (!reached || world.admits(&to, row)).then_some(reached)
                    });
                    let column = column.unwrap_or(&keys[0]);
                    let update = format!("update teraffi.{table} set {column} = {column} where {key}");
                    attempt("select".into(), update, expect(updates));

                    let (statement, new) = shape.insertion(table, caller.0, row);
                    let mut without = world.clone();
                    without.tables.get_mut(table).unwrap().retain(|other| key_of(other, keys) != key);
                    let inserts =
                        cell("insert").filter(|(words, _)| without.admits(words, &new)).map(|_| true);
                    attempt(format!("delete from teraffi.{table} where {key}"), statement, expect(inserts));
                }
            }
        }
        check_attempts(&mut connection, &attempts).await;
        sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
    }
    // The world must not be one in which everything, or nothing, is seen.
    for (table, standing) in [
        ("member_profiles", "member"),
        ("partnerships", "member"),
        ("creative_assets", "member"),
        ("creative_assets", "staff"),
        ("collaboration_workspaces", "anonymous"),
        ("member_profiles", "anonymous"),
    ] {
        let (hidden, shown) = admitted[&format!("{table} {standing}")];
        assert!(hidden > 0 && shown > 0, "{table} {standing}: {hidden} hidden, {shown} shown");
    }
}

/// The answer of a query as somebody, or what it was refused with.
const ASK: &str = "
create function public.ask(role_name text, claims text, query text) returns text language plpgsql as $$
declare
    answer text;
begin
    perform set_config('request.jwt.claims', claims, true), set_config('role', role_name, true);
    begin
        execute format('select json_agg(q)::text from (%s) q', query) into answer;
    exception when others then
        answer := sqlstate || ' ' || sqlerrm;
    end;
    perform set_config('role', 'none', true);
    return answer;
end $$";

/// Rows whose presence decides what other rows a caller may read; all others may come and go unseen.
const DECIDING: [&str; 6] = [
    "members",
    "member_profiles",
    "partnerships",
    "partnership_members",
    "collaboration_workspaces",
    "workspace_members",
];

#[tokio::test]
async fn answers_do_not_depend_on_rows_that_the_caller_may_not_read() {
    let pool = world("two_tenants").await;
    sqlx::raw_sql(ASK).execute(&pool).await.unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "select distinct table_name::text from affinity.access_rules where platform = 'teraffi' order by 1",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let shape = shape(&mut connection, &tables).await;
    let links: Vec<(String, String, String, String)> = sqlx::query_as(
        "select c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, b.attname::text
         from pg_constraint c
         join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
         join pg_attribute b on b.attrelid = c.confrelid and b.attnum = c.confkey[1]
         where c.contype = 'f' and c.connamespace = 'teraffi'::regnamespace order by 1, 2",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let mut unseen = 0;
    for (seed, tail) in [(1, "a1"), (2, "a2"), (3, "a5")] {
        let me = json!(format!("00000000-0000-0000-0000-0000000000{tail}"));
        let mut queries = Vec::new();
        for table in &tables {
            for column in shape.granted(table, "select", "member") {
                queries.push(format!(
                    "select {column}::text as v, count(*) as n from teraffi.{table} group by 1 order by 1"
                ));
                // Casts that fail on some values tell nothing of rows that are not there.
                queries.push(format!("select count(*) as n from teraffi.{table} where length({column}::text) > 3 and {column}::text::numeric > 0"));
                queries.push(format!("select max({column}::text) as v, count(*) as n from teraffi.{table} where {column}::text ilike '%a%'"));
            }
        }
        for (from, column, to, key) in &links {
            queries.push(format!("select count(*) as n, count(b.{key}) as m from {from} a left join {to} b on b.{key} = a.{column}"));
            queries.push(format!("select count(*) as n from {to} b where not exists (select from {from} a where a.{column} = b.{key})"));
        }
        let claims = json!({ "sub": me }).to_string();
        sqlx::raw_sql("begin; set local session_replication_role = replica")
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("select setseed({seed} / 10.0); {SHUFFLE}")))
            .execute(&mut *connection)
            .await
            .unwrap();
        let ask = "select coalesce(public.ask('affinity_member', $1, q), '') from unnest($2::text[]) with ordinality u(q, n) order by n";
        let before: Vec<String> =
            sqlx::query_scalar(ask).bind(&claims).bind(&queries).fetch_all(&mut *connection).await.unwrap();
        for table in &tables {
            let keys =
                shape.keys[table].iter().map(|key| format!("t.{key}::text")).collect::<Vec<_>>().join(" || ");
            let select = format!("select {keys} as k from teraffi.{table} t");
            let seen = "select coalesce(public.ask('affinity_member', $1, $2), '')";
            let seen: String = sqlx::query_scalar(seen)
                .bind(&claims)
                .bind(&select)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            // Nothing, when the table is not his to read.
            let seen: Vec<Value> = serde_json::from_str(&seen).unwrap_or_default();
            let seen: Vec<String> = seen.iter().map(|row| row["k"].as_str().unwrap().to_string()).collect();
            let change = if DECIDING.contains(&table.as_str()) {
                // Other words in rows that stay.
                let words: Vec<String> = sqlx::query_scalar(
                    "select format('%1$I = left(md5(random()::text), 20)', a.attname) from pg_attribute a
                     where a.attrelid = ('teraffi.' || $1)::regclass and a.attnum > 0 and not a.attisdropped
                        and a.atttypid in ('text'::regtype, 'varchar'::regtype)",
                )
                .bind(table)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
                if words.is_empty() {
                    continue;
                }
                format!("update teraffi.{table} t set {} where not {keys} = any ($1)", words.join(", "))
            } else {
                format!("delete from teraffi.{table} t where not {keys} = any ($1)")
            };
            unseen += sqlx::query(AssertSqlSafe(change))
                .bind(&seen)
                .execute(&mut *connection)
                .await
                .unwrap()
                .rows_affected();
        }
        let after: Vec<String> =
            sqlx::query_scalar(ask).bind(&claims).bind(&queries).fetch_all(&mut *connection).await.unwrap();
        sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
        for (query, (before, after)) in queries.iter().zip(before.into_iter().zip(after)) {
            assert_eq!(before, after, "{tail}: {query}");
        }
    }
    assert!(unseen > 100, "{unseen} rows were changed unseen");
}
