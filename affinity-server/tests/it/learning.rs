//! Past decisions looked at again: nothing of later leaks in, a matcher is measured and fitted by what became of them.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;

use affinity_core::{Change, Key, Value as Attribute};
use affinity_server::generation::World;
use affinity_server::hosting::live_parts;
use affinity_server::learning::{FitOutcome, LearnError, Past, changes_before, fit_past, folds, measure};
use affinity_server::matchers::MatcherName;
use serde_json::Value;
use sqlx::{Connection, PgConnection, PgPool};

use crate::cluster;
use crate::matching::{ask, partners};
use crate::projection::{builtin, platform, world};
use crate::server_process::{Server, command, command_with_demo, poll};

/// Members who accept those whose brand values are like theirs, rather of companies of their size, with some chance.
const TASTE: &str = "
    insert into affinity.feedback (platform, matcher, source, target, action, at)
    select 'teraffi', 'partners', a.member_id::text, b.member_id::text, 'accept',
        timestamptz '2026-10-31 00:00Z' - (row_number() over (order by a.member_id, b.member_id) % 200) * interval '1 day'
    from teraffi.member_profiles a
    cross join lateral (
        select p.member_id
        from teraffi.member_profiles p
        cross join lateral (
            select count(*) as shared from unnest(p.brand_values) v where v = any (a.brand_values)
        ) as s
        where p.member_id <> a.member_id and p.profile_visibility in ('public', 'network')
        order by s.shared::float8 / (cardinality(p.brand_values) + cardinality(a.brand_values) - s.shared + 0.001)
            + case when p.company_size = a.company_size then 0.4 else 0 end
            + 0.4 * (hashtext(a.member_id::text || p.member_id) & 1023) / 1024 desc, p.member_id
        limit 3
    ) as b";

fn partners_matcher() -> MatcherName {
    "teraffi/partners".parse().unwrap()
}

async fn past(pool: &PgPool) -> anyhow::Result<Past> {
    let (platform, embedder) = (platform(), Arc::new(builtin()));
    let parts = live_parts(&platform, pool, &embedder, Path::new("/nowhere")).await?;
    Past::read(pool, &platform, parts, &partners_matcher()).await
}

async fn demo(name: &str, members: u64) -> PgPool {
    let pool = cluster::database(name).await;
    let world = Arc::new(World::load(platform().demo().unwrap()).unwrap());
    let mut connection = pool.acquire().await.unwrap();
    world.load_into(&mut connection, members, 1, |_| {}).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_known_before_a_cut_is_not_in_its_data() {
    let pool = demo("past_leaks", 200).await;
    // Entered as having begun long before they were agreed upon.
    sqlx::raw_sql(
        "begin; set local session_replication_role = replica;
         update teraffi.partnerships
         set start_date = start_date - interval '900 days', end_date = end_date - interval '900 days'
         where id in (select id from teraffi.partnerships order by created_at desc limit 30); commit",
    )
    .execute(&pool)
    .await
    .unwrap();
    let past = past(&pool).await.unwrap();
    let folds = folds(&past.outcomes, 4);
    assert_eq!(folds.len(), 4);
    let mut ongoing = 0;
    for fold in &folds {
        let labelled: HashSet<(&Key, &Key)> = fold
            .decisions
            .iter()
            .flat_map(|of| of.labels.keys().flat_map(move |to| [(&of.source, to), (to, &of.source)]))
            .collect();
        let known: Vec<Change> =
            changes_before(fold.cut, &past.changes, &past.outcomes, &past.replay, &past.schema).collect();
        assert!(known.len() < past.changes.len(), "nothing left out before {}", fold.cut);
        for change in &known {
            match change {
                Change::PutNode { kind, record, .. } if kind == "Member" => {
                    let since = record.attributes.get("member_since");
                    assert!(matches!(since, Some(Attribute::Time(at)) if *at < fold.cut), "{change:?}");
                    assert!(!record.attributes.contains_key("reputation"), "{change:?}");
                }
                Change::PutEdge { edge, record } if edge.relation == "PARTNERS_WITH" => {
                    assert!(record.at.is_some_and(|at| at < fold.cut), "{change:?} before {}", fold.cut);
                    assert!(
                        !labelled.contains(&(&edge.source, &edge.target)),
                        "{change:?} is what is asked about"
                    );
                    let ended = record.attributes.get("end_date");
                    if !matches!(ended, Some(Attribute::Time(at)) if *at < fold.cut) {
                        let status = record.attributes.get("status");
                        assert_eq!(status, Some(&Attribute::Category("active".to_string())));
                        assert!(record.weight == 0.0 && !record.attributes.contains_key("success_score"));
                        ongoing += 1;
                    }
                }
                Change::PutEdge { record, .. } => {
                    assert!(record.at.is_none_or(|at| at <= fold.cut), "{change:?} before {}", fold.cut);
                }
                _ => {}
            }
        }
    }
    assert!(ongoing > 0, "no partnership was under way at any cut");

    // What was agreed upon after a cut must not keep it out as "already partners".
    let measured = measure(&past, &folds).unwrap();
    assert!(measured.wanted_count > 0 && measured.reached_count * 2 > measured.wanted_count, "{measured:?}");
    let names: Vec<&str> = measured.summary.systems.iter().map(|system| system.name.as_str()).collect();
    assert_eq!(names[..2], ["partners", "popularity"]);
    let again = measure(&past, &folds).unwrap();
    assert_eq!(format!("{:?}", measured.summary), format!("{:?}", again.summary));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fit_of_equal_outcomes_is_one_version_in_any_order() {
    let pool = demo("past_fit", 150).await;
    sqlx::raw_sql(TASTE).execute(&pool).await.unwrap();
    let mut past = past(&pool).await.unwrap();
    let (version, text, fitted_from, weights) = match fit_past(&past, 3).unwrap() {
        FitOutcome::Learned { version, text, fitted_from, weights, .. } => {
            (version, text, fitted_from, weights)
        }
        other => panic!("nothing learned: {other:?}"),
    };
    let of = |name: &str| weights.iter().find(|of| of.signal == name).unwrap();
    for signal in ["brand_values", "size"] {
        assert!(of(signal).after > 1.5 * of(signal).before, "{weights:?}");
    }
    assert_ne!(version, fitted_from);
    assert!(text.contains("already partners") && text.contains("[probability]"));
    past.changes.reverse();
    let FitOutcome::Learned { version: again, .. } = fit_past(&past, 3).unwrap() else {
        panic!("nothing learned the second time")
    };
    assert_eq!(version, again);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_outcomes_keep_the_weights_and_none_are_said() {
    let pool = world("past_few").await;
    sqlx::raw_sql("delete from affinity.feedback").execute(&pool).await.unwrap();
    let empty = cluster::database("past_none").await;
    let error = past(&empty).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(LearnError::NoOutcomes { .. })), "{error}");
    sqlx::query(
        "insert into affinity.feedback (platform, matcher, source, target, action)
         select 'teraffi', 'partners', a.id::text, b.id::text, 'accept'
         from teraffi.members a join teraffi.members b on a.id <> b.id limit 1",
    )
    .execute(&pool)
    .await
    .unwrap();
    let outcome = fit_past(&past(&pool).await.unwrap(), 3).unwrap();
    let FitOutcome::TooFew { got, needed } = outcome else { panic!("{outcome:?}") };
    assert!(got.positives < needed.positives, "{got:?} {needed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_report_and_serve_nothing_else_until_activated() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::try_start(command_with_demo(folder.path(), 200), folder.path()).unwrap();
    let run = |arguments: &[&str]| {
        let output = command(folder.path()).current_dir(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = ask(&server, &partners());
    let served = || ask(&server, &partners())["matcher_version"].as_str().unwrap().to_string();
    let file = served();
    let mut database = PgConnection::connect(&server.database_url()).await.unwrap();
    sqlx::raw_sql(TASTE).execute(&mut database).await.unwrap();

    let said = run(&["evaluate", "teraffi/partners", "--folds", "2"]);
    let html = std::fs::read_to_string(folder.path().join("teraffi-partners-evaluation.html")).unwrap();
    let parts = first["matches"][0]["contributions"].as_array().unwrap();
    let signals: BTreeSet<&str> = parts.iter().map(|part| part["signal"].as_str().unwrap()).collect();
    assert!(signals.len() > 5, "{first}");
    for signal in signals {
        let name = format!("only {signal}");
        assert!(said.contains(&name) && html.contains(&name), "{name} is not in {said}");
    }
    for part in ["popularity", "subscription_tier: ", "industry: ", "new: ", "<svg", "Probability of success"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("src=\"http") && !html.contains("<link"), "the report must open offline");

    let said = run(&["fit", "teraffi/partners", "--folds", "2", "--out", "fit.html"]);
    let (_, version) =
        said.split_once("affinity-server activate teraffi/partners ").unwrap_or_else(|| panic!("{said}"));
    let version = version.split_whitespace().next().unwrap();
    assert!(folder.path().join("fit.html").exists());
    assert_eq!(served(), file, "a fit must change nothing by itself");
    run(&["activate", "teraffi/partners", version]);
    poll("the fit is served", || (served() == version).then_some(()));

    // The weights before are now one of the systems, and the matcher's own probabilities are checked.
    let report: Value =
        serde_json::from_str(&run(&["evaluate", "teraffi/partners", "--folds", "2", "--json"])).unwrap();
    let text = report.to_string();
    assert!(text.contains("weights before") && text.contains("by the matcher's own curve"), "{text}");
}
