use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use futures::future::{join, maybe_done};
use futures::{TryStreamExt, join, poll};
use sqlx::{ConnectOptions, PgPool};
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls, Row};

use crate::catalog::Statement;

/// Connections for reading, at most.
const LINES_MAX: usize = 20;

/// Statements that a connection remembers; then it forgets them all.
const KNOWN_MAX: usize = 100;

/// What every session starts with, as those of the pool do.
const SESSION: &str = "-c TimeZone=UTC -c DateStyle=ISO,MDY";

/// Reads in one round trip: a transaction's beginning, settings, statement and end are sent at once, and the answers
/// come together. `sqlx` waits for each answer before it sends what is next, which costs more than a small read itself.
pub(super) struct Pipeline {
    config: Config,
    idle: Mutex<Vec<Line>>,
    places: Semaphore,
}

/// One connection, and the statements that it has prepared, by their text.
struct Line {
    client: Client,
    known: HashMap<String, tokio_postgres::Statement>,
}

impl Pipeline {
    /// To the database of `pool`; connects when asked to read.
    pub(super) fn new(pool: &PgPool) -> Self {
        Self { config: config(pool), idle: Mutex::default(), places: Semaphore::new(LINES_MAX) }
    }

    /// The one row of `statement`, in a transaction that only reads and begins with `settings`.
    pub(super) async fn read(&self, settings: &Statement, statement: &Statement) -> Result<Row, Error> {
        let _place = self.places.acquire().await; // an error would mean that it was closed, which it never is
        // The one that was used last knows the most. Whose client leaves while it is read is dropped, not given back.
        let idle = self.idle().pop();
        if let Some(mut line) = idle {
            let row = line.read(settings, statement).await;
            if !is_lost(&row) {
                self.idle().push(line);
                return row;
            }
        }
        // There was none, or the database ended it while it lay idle: what only reads may be tried again.
        let mut line = Line::connect(&self.config).await?;
        let row = line.read(settings, statement).await;
        if !is_lost(&row) {
            self.idle().push(line);
        }
        row
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    async fn connect(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::info!("a connection for reading ended: {error}");
            }
        });
        Ok(Self { client, known: HashMap::new() })
    }

    async fn read(&mut self, settings: &Statement, statement: &Statement) -> Result<Row, Error> {
        let (Some(set), Some(ask)) = (self.known.get(settings.text()), self.known.get(statement.text()))
        else {
            return self.read_first(settings, statement).await;
        };
        let mut begun = pin!(maybe_done(self.client.batch_execute(BEGIN)));
        let mut set = pin!(maybe_done(one_row(&self.client, set, settings)));
        let mut row = pin!(maybe_done(one_row(&self.client, ask, statement)));
        let mut ended = pin!(maybe_done(self.client.batch_execute(END)));
        // A request is sent when it is polled first, and the database takes them in the order in which they were sent.
        let _ = poll!(begun.as_mut());
        let _ = poll!(set.as_mut());
        let _ = poll!(row.as_mut());
        let _ = poll!(ended.as_mut());
        join!(begun.as_mut(), set.as_mut(), join(row.as_mut(), ended.as_mut()));
        let done = "polled until done, and taken once";
        begun.take_output().expect(done)?;
        set.take_output().expect(done)?;
        ended.take_output().expect(done)?;
        row.take_output().expect(done)
    }

    /// The same step by step, since a statement is prepared as the caller, with his settings.
    async fn read_first(&mut self, settings: &Statement, statement: &Statement) -> Result<Row, Error> {
        if self.known.len() + 2 > KNOWN_MAX {
            self.known.clear();
        }
        self.client.batch_execute(BEGIN).await?;
        let row = async {
            self.prepare(settings).await?;
            one_row(&self.client, &self.known[settings.text()], settings).await?;
            self.prepare(statement).await?;
            one_row(&self.client, &self.known[statement.text()], statement).await
        }
        .await;
        self.client.batch_execute(END).await?;
        row
    }

    async fn prepare(&mut self, statement: &Statement) -> Result<(), Error> {
        if !self.known.contains_key(statement.text()) {
            let types: Vec<Type> = statement.values().map(|_| Type::TEXT).collect();
            let prepared = self.client.prepare_typed(statement.text(), &types).await?;
            self.known.insert(statement.text().to_owned(), prepared);
        }
        Ok(())
    }
}

/// Whether the connection is of no use any more.
fn is_lost(row: &Result<Row, Error>) -> bool {
    let ends = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::IDLE_SESSION_TIMEOUT];
    row.as_ref().is_err_and(|error| error.code().is_none_or(|code| ends.contains(code)))
}

const BEGIN: &str = "BEGIN READ ONLY";

const END: &str = "ROLLBACK";

async fn one_row(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    statement: &Statement,
) -> Result<Row, Error> {
    let values: Vec<Option<&str>> = statement.values().collect();
    let mut rows: Vec<Row> = client.query_raw(prepared, values).await?.try_collect().await?;
    Ok(rows.swap_remove(0))
}

/// The same server, database and user.
fn config(pool: &PgPool) -> Config {
    let options = pool.connect_options();
    let mut config = Config::new();
    match options.get_socket() {
        Some(socket) => config.host_path(socket),
        None => config.host(options.get_host()),
    };
    config.port(options.get_port()).user(options.get_username());
    config.application_name(options.get_application_name().unwrap_or("affinity-server"));
    if let Some(database) = options.get_database() {
        config.dbname(database);
    }
    if let Some(password) = options.to_url_lossy().password() {
        config.password(percent_decoded(password));
    }
    let own = options.get_options().unwrap_or_default();
    config.options(format!("{SESSION} {own}"));
    config
}

fn percent_decoded(text: &str) -> Vec<u8> {
    // As a form, but there a plus sign would be a space.
    let pair = text.replace('+', "%2B");
    form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(text, _)| text.into_owned().into_bytes())
        .unwrap_or_default()
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipeline")
    }
}
