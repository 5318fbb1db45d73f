//! Requests to tables beside a bare loop that does the same transaction on the same database, in turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::is_test_run;
use sqlx::{AssertSqlSafe, Connection, PgPool, Row};

use crate::caller::{Member, connection, pool};
use crate::client::{Client, get, post};
use crate::server::Server;
use crate::{PLATFORM, argument};

/// Clients at once, and connections of the bare loop.
const CLIENTS: usize = 8;

/// The least share of the bare throughput.
const GOAL: f64 = 0.7;

/// A request, and the statement that gives the same body.
struct Case {
    name: &'static str,
    request: Vec<u8>,
    sql: String,
    values: Vec<String>,
}

/// Prints, for each case, requests a second of the server and of the bare loop, and the median of the ratios of
/// neighboring rounds: what shares a machine with others is only comparable with what ran beside it.
pub(crate) fn measure(server: &Server) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pool = runtime.block_on(pool(server));
    let member = runtime.block_on(Member::first(&pool));
    let (rounds, round) = match is_test_run() {
        true => (1, Duration::from_millis(200)),
        false => (argument("rounds").unwrap_or(7), Duration::from_secs(2)),
    };
    println!("| case | server/s | bare sqlx/s | ratio | goal |\n|---|---|---|---|---|");
    for case in runtime.block_on(cases(&pool, &member)) {
        let body = Client::connect(server.addr).ask(&case.request).to_vec();
        let bare = runtime.block_on(async { once(&case, &member, &mut connection(server).await).await });
        assert_eq!(String::from_utf8_lossy(&body), bare, "{}: not the same answer", case.name);
        let (mut served, mut direct, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            served.push(rate(round, |until, count| load_server(server, &case.request, until, count)));
            direct.push(rate(round, |until, count| {
                runtime.block_on(load_database(server, &case, &member, until, count));
            }));
            ratios.push(served[served.len() - 1] / direct[direct.len() - 1]);
        }
        println!(
            "| http/tables/{}/c{CLIENTS} | {:.0} | {:.0} | {:.2} | {GOAL} |",
            case.name,
            median(served),
            median(direct),
            median(ratios)
        );
    }
}

/// What four kinds of requests ask a member's view for.
async fn cases(pool: &PgPool, member: &Member) -> [Case; 4] {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT (SELECT min(id::text) FROM {PLATFORM}.trends), \
         (SELECT industry FROM {PLATFORM}.brands GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1)",
    )))
    .fetch_one(pool)
    .await
    .unwrap();
    let (trend, industry): (String, String) = (row.get(0), row.get(1));
    let escaped = industry.replace(' ', "%20").replace('&', "%26");
    let goal = serde_json::json!({ "member_id": member.id, "type": "audience_growth", "title": "Be quick" });
    let get = |path: &str| get(path, &member.authorization);
    [
        Case {
            name: "by_key",
            request: get(&format!("/rest/{PLATFORM}/trends?id=eq.{trend}")),
            sql: format!(
                "SELECT coalesce(json_agg(r), '[]')::text FROM (SELECT * FROM {PLATFORM}.trends WHERE id = $1::uuid) r"
            ),
            values: vec![trend],
        },
        Case {
            name: "filtered_list",
            request: get(&format!("/rest/{PLATFORM}/brands?industry=eq.{escaped}&order=name&limit=20")),
            sql: format!(
                "SELECT coalesce(json_agg(r), '[]')::text FROM \
                  (SELECT * FROM {PLATFORM}.brands WHERE industry = $1 ORDER BY name LIMIT 20) r"
            ),
            values: vec![industry],
        },
        Case {
            name: "two_embeddings",
            request: get(&format!(
                "/rest/{PLATFORM}/contents?select=id,title,trends(id,name),demographics(id,segment)&order=id&limit=20"
            )),
            sql: format!(
                "SELECT coalesce(json_agg(r), '[]')::text FROM (SELECT c.id, c.title, \
                  coalesce(t.v, '[]') AS trends, coalesce(d.v, '[]') AS demographics FROM {PLATFORM}.contents c \
                  LEFT JOIN LATERAL (SELECT json_agg(r) AS v FROM (SELECT t.id, t.name FROM {PLATFORM}.trends t \
                      JOIN {PLATFORM}.content_trends j ON j.trend_id = t.id WHERE j.content_id = c.id) r) t ON true \
                  LEFT JOIN LATERAL (SELECT json_agg(r) AS v FROM (SELECT d.id, d.segment FROM {PLATFORM}.demographics d \
                      JOIN {PLATFORM}.content_demographic_appeals j ON j.demographic_id = d.id WHERE j.content_id = c.id) r) d \
                      ON true \
                  ORDER BY c.id LIMIT 20) r"
            ),
            values: vec![],
        },
        Case {
            name: "insert",
            request: post(
                &format!("/rest/{PLATFORM}/member_goals"),
                &format!("{}Prefer: return=minimal\r\n", member.authorization),
                &goal.to_string(),
            ),
            sql: format!(
                "WITH made AS (INSERT INTO {PLATFORM}.member_goals (member_id, type, title) \
                  VALUES ($1::uuid, 'audience_growth', 'Be quick') RETURNING 1) SELECT '' FROM made"
            ),
            values: vec![member.id.clone()],
        },
    ]
}

/// What happens each second while `load` works until a moment and counts what it did.
fn rate(round: Duration, load: impl FnOnce(Instant, &AtomicU64)) -> f64 {
    let count = AtomicU64::new(0);
    let started = Instant::now();
    load(started + round, &count);
    count.into_inner() as f64 / started.elapsed().as_secs_f64()
}

/// Asks the server, by so many clients at once.
pub(crate) fn load_server(server: &Server, request: &[u8], until: Instant, count: &AtomicU64) {
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(server.addr);
                while Instant::now() < until {
                    client.ask(request);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

async fn load_database(server: &Server, case: &Case, member: &Member, until: Instant, count: &AtomicU64) {
    let loops = (0..CLIENTS).map(|_| async {
        let mut connection = connection(server).await;
        while Instant::now() < until {
            once(case, member, &mut connection).await;
            count.fetch_add(1, Ordering::Relaxed);
        }
        connection.close().await.unwrap();
    });
    futures::future::join_all(loops).await;
}

/// The transaction, bare.
async fn once(case: &Case, member: &Member, connection: &mut sqlx::PgConnection) -> String {
    member.begin(connection).await;
    let query = case
        .values
        .iter()
        .fold(sqlx::query_scalar(AssertSqlSafe(case.sql.clone())), |query, value| query.bind(value));
    let body = query.fetch_one(&mut *connection).await.unwrap();
    sqlx::raw_sql("COMMIT").execute(connection).await.unwrap();
    body
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
