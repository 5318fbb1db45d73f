//! The demo world of teraffi: the same bytes every time, and rows that hold every rule of the schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use affinity_server::generation::{GenerationError, World};
use sqlx::PgPool;

use crate::cluster;

const MEMBERS: u64 = 200;
const SEED: u64 = 7;

fn world() -> World {
    affinity_server::generation::world_of("teraffi").unwrap()
}

/// The files of a world made by `threads` threads.
fn files(threads: usize, folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| world().write_folder(folder, MEMBERS, SEED)).unwrap();
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    entries.map(|path| (named(&path), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn world_of_one_seed_has_the_same_bytes_whatever_the_threads() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (files(1, first.path()), files(3, second.path()));
    assert_eq!(first.len(), world().tables().count() + 1, "one file per table, and load.sql");
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name} differs");
    }
    let mut alone = Vec::new();
    world().write_csv("transactions", MEMBERS, SEED, &mut alone).unwrap();
    assert!(alone == first["transactions.csv"], "a table written alone differs");
    let mut other = Vec::new();
    world().write_csv("members", MEMBERS, SEED + 1, &mut other).unwrap();
    assert!(other != first["members.csv"], "another seed must make another world");
}

#[test]
fn trends_are_popular_in_proportion_to_one_over_rank_plus_ten() {
    let column = |table: &str, name: &str| -> Vec<String> {
        let mut csv = Vec::new();
        world().write_csv(table, 1000, SEED, &mut csv).unwrap();
        let text = String::from_utf8(csv).unwrap();
        let place = text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
        // Identifiers come before the first text that could hold a comma.
        text.lines().skip(1).map(|line| line.split(',').nth(place).unwrap().to_owned()).collect()
    };
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for trend in column("member_trend_affinities", "trend_id") {
        *counts.entry(trend).or_default() += 1.0;
    }
    let total: f64 = counts.values().sum();
    assert!((total / 1000.0 - 20.0).abs() < 2.0, "about 20 affinities per member, got {}", total / 1000.0);
    let mut sizes: Vec<f64> = counts.into_values().collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    let share = |ranks: std::ops::Range<usize>| sizes[ranks].iter().sum::<f64>() / total;
    let harmonic = |ranks: std::ops::Range<usize>| ranks.map(|rank| 1.0 / (rank as f64 + 11.0)).sum::<f64>();
    for ranks in [0..20, 20..80, 80..200] {
        let (got, expected) = (share(ranks.clone()), harmonic(ranks.clone()) / harmonic(0..400));
        // Sorting by luck and tastes steepens it a little.
        assert!((got / expected - 1.0).abs() < 0.3, "ranks {ranks:?}: share {got}, expected {expected}");
    }
}

async fn loaded(name: &str) -> PgPool {
    let pool = cluster::database(name).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut tables = Vec::new();
    let load = Arc::new(world());
    let rows = load.load_into(&mut connection, MEMBERS, SEED, |done| tables.push(done)).await.unwrap();
    assert_eq!(tables.iter().map(|done| done.table_rows).sum::<u64>(), rows);
    assert_eq!(tables.len(), load.tables().count());
    drop(connection);
    pool
}

/// Rows that break each foreign key and each check of the schema; the load itself does not look at foreign keys.
const BROKEN_CONSTRAINTS: &str = r"
create function pg_temp.broken() returns table (constraint_name text, row_count bigint) language plpgsql as $$
declare
    c record;
begin
    for c in
        select con.conname, con.contype, con.conrelid::regclass as tbl, con.confrelid::regclass as target,
            pg_get_expr(con.conbin, con.conrelid) as condition,
            (select string_agg(format('r.%I = t.%I', b.attname, a.attname), ' and ')
             from unnest(con.conkey, con.confkey) as k (own, theirs)
             join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.own
             join pg_attribute b on b.attrelid = con.confrelid and b.attnum = k.theirs) as pairs,
            (select string_agg(format('t.%I is not null', a.attname), ' and ')
             from unnest(con.conkey) as k (own) join pg_attribute a on a.attrelid = con.conrelid and a.attnum = k.own) as given
        from pg_constraint con join pg_namespace n on n.oid = con.connamespace
        where n.nspname = 'teraffi' and con.contype in ('f', 'c') and con.conrelid <> 0
    loop
        if c.contype = 'f' then
            return query execute format('select %L, count(*) from %s t where %s and not exists (select from %s r where %s)',
                c.conname, c.tbl, c.given, c.target, c.pairs);
        else
            return query execute format('select %L, count(*) from %s where not (%s)', c.conname, c.tbl, c.condition);
        end if;
    end loop;
end $$";

/// What triggers would have refused, had the rows been written one by one: each query counts broken rows.
const BROKEN_RULES: [(&str, &str); 12] = [
    (
        "TER-12: a password or a provider",
        "select count(*) from members m where password_hash is null and not exists (select from auth_providers a where a.member_id = m.id)",
    ),
    (
        "TER-18: milestones within the total value",
        "select count(*) from partnerships p where total_value < (select sum(value) from partnership_milestones m where m.partnership_id = p.id)",
    ),
    (
        "TER-23: whole yen",
        "select count(*) from partnership_milestones m join partnerships p on p.id = m.partnership_id where p.currency = 'JPY' and m.value <> trunc(m.value)",
    ),
    (
        "TER-26: transactions between active partners",
        "select count(*) from transactions t cross join unnest(array[payer_id, payee_id]) party where not exists (select from partnership_members pm where pm.partnership_id = t.partnership_id and pm.member_id = party and pm.is_active)",
    ),
    (
        "TER-20: the rate is the partnership's",
        "select count(*) from transactions t join partnerships p on p.id = t.partnership_id where t.commission_rate <> p.commission_rate or t.currency <> p.currency",
    ),
    (
        "TER-29: a version follows its parent",
        "select count(*) from creative_assets a join creative_assets b on b.id = a.parent_asset_id where a.version <> b.version + 1 or a.workspace_id <> b.workspace_id",
    ),
    (
        "TER-28: workspaces are for active partners",
        "select count(*) from workspace_members w join collaboration_workspaces c on c.id = w.workspace_id where not exists (select from partnership_members pm where pm.partnership_id = c.partnership_id and pm.member_id = w.member_id and pm.is_active)",
    ),
    (
        "TER-19: nothing is late without saying so",
        "select count(*) from partnership_milestones where due_date < '2026-11-01' and (status in ('pending', 'in_progress') or payment_status = 'pending')",
    ),
    (
        "TER-62: stage and status agree",
        "select count(*) from partnerships where (stage = 'completion') <> (status = 'completed') or stage in ('execution', 'performance_tracking') and status <> 'active'",
    ),
    (
        "TER-63: completed means approved",
        "select count(*) from partnership_milestones where status = 'completed' and (approved_by is null or approved_at is null)",
    ),
    (
        "TER-34: reputation counts what happened",
        "select count(*) from member_reputation r join lateral (select count(*) as total, count(*) filter (where p.status = 'completed') as completed, count(*) filter (where p.status = 'completed' and (select performance_score from partnership_analytics a where a.partnership_id = p.id order by measurement_date desc limit 1) > 4.0) as successful from partnership_members pm join partnerships p on p.id = pm.partnership_id where pm.member_id = r.member_id) as seen on true where (r.total_partnerships, r.completed_partnerships, r.successful_partnerships) <> (seen.total, seen.completed, seen.successful)",
    ),
    (
        "nothing happened after the epoch",
        "select count(*) from (select created_at from members union all select updated_at from members union all select updated_at from partnerships union all select created_at from partnerships union all select created_at from creative_assets union all select updated_at from user_sessions) t where created_at > '2026-11-01'",
    ),
];

#[tokio::test]
async fn loaded_world_holds_every_rule_and_projects_every_relation() {
    let pool = loaded("generated_rules").await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql(BROKEN_CONSTRAINTS).execute(&mut *connection).await.unwrap();
    let constraints: Vec<(String, i64)> =
        sqlx::query_as("select * from pg_temp.broken()").fetch_all(&mut *connection).await.unwrap();
    assert!(constraints.len() > 100, "the schema has more constraints than {}", constraints.len());
    let broken: Vec<&(String, i64)> = constraints.iter().filter(|(_, rows)| *rows > 0).collect();
    assert!(broken.is_empty(), "{broken:?}");
    // And the query sees what is broken.
    let break_it = "begin; set local session_replication_role = replica; delete from teraffi.trends where name = 'sustainable_consumption'";
    sqlx::raw_sql(break_it).execute(&mut *connection).await.unwrap();
    let most = "select max(row_count) from pg_temp.broken()";
    let orphans: i64 = sqlx::query_scalar(most).fetch_one(&mut *connection).await.unwrap();
    sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
    assert!(orphans > 20, "{orphans} affinities without their trend");
    sqlx::raw_sql("set search_path = teraffi, public").execute(&mut *connection).await.unwrap();
    for (rule, query) in BROKEN_RULES {
        let broken: i64 = sqlx::query_scalar(query).fetch_one(&mut *connection).await.unwrap();
        assert_eq!(broken, 0, "{rule}");
    }
    let relations: Vec<String> = sqlx::query_scalar("select distinct relation from affinity_edges")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    assert_eq!(relations.len(), 17, "sixteen of the source and CO_WORKS_WITH: {relations:?}");
    let spaces: Vec<String> = sqlx::query_scalar("select distinct space from affinity_texts")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let all =
        ["brand", "content", "member_goals", "member_industry", "member_profile", "member_values", "trend"];
    assert_eq!(spaces.iter().map(String::as_str).collect::<BTreeSet<&str>>(), BTreeSet::from(all));
    let bios: (i64, i64) = sqlx::query_as("select count(distinct bio), count(*) from member_profiles")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert!(bios.0 * 100 >= bios.1 * 98, "{} different texts of {}", bios.0, bios.1);
}

#[tokio::test]
async fn loaded_world_has_the_source_examples_and_can_be_right_or_wrong() {
    let pool = loaded("generated_examples").await;
    let mut connection = pool.acquire().await.unwrap();
    sqlx::raw_sql("set search_path = teraffi, public").execute(&mut *connection).await.unwrap();
    let examples = [
        "select name = 'Sarah Bennett' and company = 'Global Brands Inc' and industry = 'consumer_goods' and subscription_tier = 'enterprise' and type = 'brand_professional' and status = 'active' and email_verified from members m join member_profiles p on p.member_id = m.id join member_types t on t.member_id = m.id where m.id = '5a000000-0000-4000-8000-000000000001'",
        "select industry = 'sustainability' and market_cap = 'large' and target_demographics = '{millennials,gen_z}' and brand_values = '{sustainability,innovation,authenticity}' from brands where name = 'EcoSustain Products'",
        "select type = 'video_series' and genre = 'documentary' and audience_size = 2500000 and primary_demographics = '{18-34,environmentally_conscious}' from contents where title = 'Sustainable Living Documentary Series'",
        "select category = 'lifestyle' and momentum_score = 0.89 and growth_rate = 0.23 and relevance_keywords = '{eco-friendly,sustainable,ethical}' from trends where name = 'sustainable_consumption'",
        "select type = 'region' and market_size = 'large' and regulatory_environment = 'mature' from regions where name = 'North America'",
        "select age_range = '25-40' and characteristics = '{tech_savvy,value_conscious,brand_loyal}' and size = 72000000 from demographics where segment = 'millennials'",
        "select status = 'active' and stage = 'execution' and total_value = 250000 and commission_rate = 0.08 and start_date = '2024-09-01' and end_date = '2024-12-31' and (select performance_score from partnership_analytics a where a.partnership_id = p.id order by measurement_date desc limit 1) = 4.3 from partnerships p where title = 'Sustainable Living Partnership'",
        "select strength = 0.85 from member_trend_affinities where member_id = '5a000000-0000-4000-8000-000000000001' and trend_id = '7e000000-0000-4000-8000-000000000001'",
        "select alignment_score = 0.92 from brand_trend_alignments where brand_id = 'b0000000-0000-4000-8000-000000000001' and trend_id = '7e000000-0000-4000-8000-000000000001'",
        "select amount = 250000 and duration = '6 months' from brand_content_sponsorships where brand_id = 'b0000000-0000-4000-8000-000000000001' and content_id = 'c0000000-0000-4000-8000-000000000001'",
        "select engagement_rate = 0.087 from content_demographic_appeals where content_id = 'c0000000-0000-4000-8000-000000000001' and demographic_id = 'de000000-0000-4000-8000-000000000001'",
        "select count(*) >= 2 from partnership_members pm join partnerships p on p.id = pm.partnership_id where pm.member_id = '5a000000-0000-4000-8000-000000000001' and p.status = 'completed'",
    ];
    for example in examples {
        let holds: Option<bool> = sqlx::query_scalar(example).fetch_optional(&mut *connection).await.unwrap();
        assert_eq!(holds, Some(true), "{example}");
    }
    // Pairs that fit go well more often, but not always.
    let (shared_good, shared_bad, good, bad): (f64, f64, i64, i64) = sqlx::query_as(
        "select avg(shared) filter (where good)::float8, avg(shared) filter (where not good)::float8,
            count(*) filter (where good), count(*) filter (where not good)
         from (select e.status = 'completed' and e.success_score > 4 as good,
            (select count(*) from member_trend_affinities a join member_trend_affinities b using (trend_id)
             where a.member_id = e.member_id and b.member_id = e.partner_id) as shared
            from affinity_partners e where e.success_score is not null) as pairs",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    assert!(good > 20 && bad > 20, "{good} good, {bad} bad");
    assert!(shared_good > shared_bad, "good pairs share {shared_good} trends, others {shared_bad}");
}

#[tokio::test]
async fn load_into_a_database_with_rows_is_refused() {
    let pool = cluster::database("generated_twice").await;
    let mut connection = pool.acquire().await.unwrap();
    let insert = "insert into teraffi.trends (name) values ('here_first')";
    sqlx::raw_sql(insert).execute(&mut *connection).await.unwrap();
    let error = Arc::new(world()).load_into(&mut connection, MEMBERS, SEED, |_| {}).await.unwrap_err();
    assert!(matches!(error, GenerationError::NotEmpty { table, .. } if table == "trends"));
    let members: i64 =
        sqlx::query_scalar("select count(*) from teraffi.members").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(members, 0);
}
