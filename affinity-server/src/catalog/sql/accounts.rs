use std::collections::HashMap;

use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;

/// Statements over the tables that hold a platform's people, as `affinity.account_tables` names them.
///
/// Made once, so that each is prepared once per connection. Results have the names of the facts, whatever the
/// platform calls its columns; an account comes as `id`, `email`, `password_hash`, `verified` and `active`.
#[derive(Clone, Debug)]
pub struct AccountStatements {
    /// The account whose address is `$1`, in any case.
    pub account_by_email: String,
    /// The account with id `$1`.
    pub account_by_id: String,
    /// The account that provider `$1` knows as `$2`.
    pub account_by_provider: String,
    /// Makes an account of address `$1`, password hash `$2`, verified `$3`: its `id`, or nothing when there is one.
    pub create_account: String,
    /// Gives account `$1` the password hash `$2`.
    pub set_password: String,
    /// Notes that the address of account `$1` is his.
    pub set_verified: String,
    /// Ties account `$1` to what provider `$2` knows as `$3`.
    pub link_provider: String,
    /// The platform's own part of a sign-up, for account `$1` with the fields `$2`.
    pub sign_up: Option<String>,
    /// The fields that a sign-up must give.
    pub sign_up_fields: Vec<String>,
    /// Begins a session of account `$1`, token hash `$2`, for `$3` seconds, from address `$4` (text) and agent `$5`: its `id`.
    pub create_session: String,
    /// The live session of token hash `$1` on platform `$2`, its account, whether that is an operator's, and its
    /// age and rest in seconds.
    pub session_by_token: String,
    /// Lets session `$1` live `$2` seconds from now.
    pub extend_session: String,
    /// Ends session `$2` of account `$1`, or all of them when `$2` is null: the `id`s of those that ended.
    pub end_sessions: String,
    /// The live sessions of account `$1`, newest first.
    pub sessions_of: String,
    /// The usable key of hash `$1` on platform `$2`, and its account.
    pub key_by_hash: String,
}

/// A table and its columns, quoted.
struct Named {
    table: String,
    columns: HashMap<String, String>,
}

impl Named {
    /// The column of a fact; the empty name, which PostgreSQL refuses, when the row lacks it.
    fn column(&self, fact: &str) -> &str {
        self.columns.get(fact).map_or("\"\"", String::as_str)
    }
}

impl AccountStatements {
    /// The statements for `platform`, or `None` when it has no people.
    ///
    /// # Errors
    /// [`CatalogError`] when the row names a table or column that the database does not have.
    pub async fn prepare(
        connection: &mut PgConnection,
        platform: &str,
    ) -> Result<Option<Self>, CatalogError> {
        let row = sqlx::query(
            "select t.active, t.sign_up, t.sign_up_fields,
                array(select jsonb_build_object(
                    'schema', p.schema_name, 'name', u.table_name,
                    'table', format('%I.%I', p.schema_name, u.table_name),
                    'columns', (select jsonb_object_agg(c.key, quote_ident(c.value)) from jsonb_each_text(u.columns) c),
                    'is_there', r.oid is not null,
                    'unknown', array(select w.fact from unnest(u.facts) as w(fact) where not exists (
                        select from pg_catalog.pg_attribute a where a.attrelid = r.oid and a.attnum > 0
                            and not a.attisdropped and a.attname = u.columns ->> w.fact)))
                    from (values
                        (1, t.accounts, t.account_columns, '{id,email,password_hash,verified}'::text[]),
                        (2, t.sessions, t.session_columns,
                            '{id,account,token_hash,expires_at,created_at,is_active,ip_address,user_agent}'),
                        (3, t.providers, t.provider_columns, '{account,provider,external_id}')
                    ) as u(place, table_name, columns, facts)
                    left join pg_catalog.pg_class r
                        on r.relname = u.table_name and r.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = p.schema_name)
                    order by u.place) as tables
             from affinity.account_tables t join affinity.platforms p on p.name = t.platform
             where t.platform = $1",
        )
        .bind(platform)
        .fetch_optional(connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let tables: Vec<Json<Described>> = row.try_get("tables")?;
        let mut named = Vec::new();
        for Json(described) in tables {
            let Described { schema, name, table, columns, is_there, unknown } = described;
            if !is_there {
                return Err(CatalogError::UnknownTable { schema, table: name });
            }
            if !unknown.is_empty() {
                return Err(CatalogError::UnknownColumns { schema, table: name, columns: unknown });
            }
            named.push(Named { table, columns });
        }
        let Ok([accounts, sessions, providers]) = <[Named; 3]>::try_from(named) else { return Ok(None) };
        let statements = Self::render(&accounts, &sessions, &providers, &row.try_get::<String, _>("active")?);
        Ok(Some(Self {
            sign_up: row.try_get("sign_up")?,
            sign_up_fields: row.try_get("sign_up_fields")?,
            ..statements
        }))
    }

    fn render(accounts: &Named, sessions: &Named, providers: &Named, active: &str) -> Self {
        // Flattened by the planner, so that the indexes of the tables serve.
        let [id, email, password, verified] =
            ["id", "email", "password_hash", "verified"].map(|fact| accounts.column(fact));
        let account = format!(
            "(SELECT account.{id} AS id, account.{email}::text AS email, account.{password}::text AS password_hash, \
             account.{verified} AS verified, coalesce(({active}), false) AS active, lower(account.{email}) AS folded \
             FROM {} account)",
            accounts.table
        );
        let [session, owner, token, expires, created, live, ip, agent] = [
            "id",
            "account",
            "token_hash",
            "expires_at",
            "created_at",
            "is_active",
            "ip_address",
            "user_agent",
        ]
        .map(|fact| sessions.column(fact));
        let [linked, provider, external] =
            ["account", "provider", "external_id"].map(|fact| providers.column(fact));
        let (people, kept, links) = (&accounts.table, &sessions.table, &providers.table);
        let facts = "a.id, a.email, a.password_hash, a.verified, a.active";
        Self {
            account_by_email: format!("SELECT {facts} FROM {account} a WHERE a.folded = lower($1)"),
            account_by_id: format!("SELECT {facts} FROM {account} a WHERE a.id = $1"),
            account_by_provider: format!(
                "SELECT {facts} FROM {account} a JOIN {links} p ON p.{linked} = a.id \
                 WHERE p.{provider}::text = $1 AND p.{external}::text = $2"
            ),
            create_account: format!(
                "INSERT INTO {people} ({email}, {password}, {verified}) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING RETURNING {id} AS id"
            ),
            set_password: format!("UPDATE {people} SET {password} = $2 WHERE {id} = $1"),
            set_verified: format!("UPDATE {people} SET {verified} = true WHERE {id} = $1"),
            // The provider's column may be an enum: its own input function reads the text.
            link_provider: format!(
                "INSERT INTO {links} ({linked}, {provider}, {external}) \
                 SELECT $1, (jsonb_populate_record(null::{links}, jsonb_build_object('{}', $2::text))).{provider}, $3",
                provider.trim_matches('"').replace('\'', "''")
            ),
            sign_up: None,
            sign_up_fields: Vec::new(),
            create_session: format!(
                "INSERT INTO {kept} ({owner}, {token}, {expires}, {ip}, {agent}) \
                 VALUES ($1, $2, now() + make_interval(secs => $3), $4::inet, $5) RETURNING {session} AS id"
            ),
            session_by_token: format!(
                "SELECT s.{session} AS session_id, {facts}, \
                 extract(epoch FROM now() - s.{created})::float8 AS age_seconds, \
                 extract(epoch FROM s.{expires} - now())::float8 AS rest_seconds, \
                 EXISTS (SELECT FROM affinity.operators o WHERE o.platform = $2 AND o.account_id = a.id) AS is_operator \
                 FROM {kept} s JOIN {account} a ON a.id = s.{owner} \
                 WHERE s.{token} = $1 AND s.{live} AND s.{expires} > now()"
            ),
            extend_session: format!(
                "UPDATE {kept} SET {expires} = now() + make_interval(secs => $2) WHERE {session} = $1"
            ),
            end_sessions: format!(
                "UPDATE {kept} SET {live} = false \
                 WHERE {owner} = $1 AND {live} AND ($2::uuid IS NULL OR {session} = $2) RETURNING {session} AS id"
            ),
            sessions_of: format!(
                "SELECT {session} AS id, {created} AS created_at, {expires} AS expires_at, \
                 host({ip}) AS ip_address, {agent} AS user_agent \
                 FROM {kept} WHERE {owner} = $1 AND {live} AND {expires} > now() ORDER BY {created} DESC, {session}"
            ),
            key_by_hash: format!(
                "SELECT k.id AS key_id, k.permissions, k.requests_per_minute, \
                 coalesce(k.last_used_at < now() - interval '1 minute', true) AS is_due, {facts} \
                 FROM affinity.api_keys k JOIN {account} a ON a.id = k.account_id \
                 WHERE k.key_hash = $1 AND k.platform = $2 AND k.revoked_at IS NULL \
                 AND (k.expires_at IS NULL OR k.expires_at > now())"
            ),
        }
    }
}

/// A table as the look-up describes it.
#[derive(serde::Deserialize)]
struct Described {
    schema: String,
    name: String,
    table: String,
    columns: HashMap<String, String>,
    is_there: bool,
    unknown: Vec<String>,
}

/// A statement of [`AccountStatements`], for sqlx: its names come from the database, its values are bound.
#[must_use]
pub fn account_sql(statement: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(statement.to_owned())
}
