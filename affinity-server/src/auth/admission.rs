//! What must be there before others than this machine can reach the server, and the command that makes it.

use std::fmt;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use reqwest::Url;
use serde_json::{Map, Value};
use sqlx::PgPool;

use super::accounts::{NewAccount, account_by_email, create_account};
use super::password::{Passwords, password_fault};
use super::secret::{SecretError, ServerSecret};
use super::token::{Token, TokenKind};
use crate::catalog::{AccountStatements, account_sql};
use crate::config::Config;
use crate::database::Database;

/// Who can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Whoever is on this machine.
    ThisMachine,
    /// Others too.
    Others,
}

impl Reach {
    /// Others reach an address that is not loopback, and a loopback address behind a proxy, or which people know by
    /// a public name.
    #[must_use]
    pub fn of(addr: SocketAddr, public_url: Option<&Url>, proxies: &[IpAddr]) -> Self {
        let is_local = |url: &Url| {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        };
        let is_private = addr.ip().is_loopback() && proxies.is_empty() && public_url.is_none_or(is_local);
        if is_private { Self::ThisMachine } else { Self::Others }
    }
}

/// What `init-admin` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitAdminOptions {
    /// Whose staff.
    pub platform: String,
    /// The administrator's address.
    pub email: String,
    /// His name; the first part of the address when none is given.
    pub name: Option<String>,
    /// Whether the password comes by standard input; else one is made and printed.
    pub reads_password: bool,
}

/// Why the server may not start as it was told to, or has no administrator.
#[derive(Debug)]
#[non_exhaustive]
pub enum AdmissionError {
    /// Others could reach it, and what protects it is missing.
    Unprotected {
        /// The address.
        addr: SocketAddr,
        /// What is missing.
        missing: &'static str,
        /// The directory that the command must name.
        data_dir: PathBuf,
    },
    /// Its secret cannot be used.
    Secret {
        /// What was met.
        source: SecretError,
    },
    /// The platform has no accounts, or is none.
    NoAccounts {
        /// The platform.
        platform: String,
    },
    /// The password may not be chosen.
    Password {
        /// Why.
        fault: String,
    },
    /// The database does not answer.
    Database {
        /// What was met.
        source: sqlx::Error,
    },
}

impl fmt::Display for AdmissionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unprotected { addr, missing, data_dir } => write!(
                f,
                "others can reach {addr}, and the server has no {missing}; to make both, run: \
                 affinity-server init-admin PLATFORM --email YOU@EXAMPLE.ORG --data-dir '{}'",
                data_dir.display()
            ),
            Self::Secret { source } => source.fmt(f),
            Self::NoAccounts { platform } => {
                write!(f, "there is no platform \"{platform}\" that has accounts")
            }
            Self::Password { fault } => f.write_str(fault),
            Self::Database { .. } => f.write_str("the database cannot be asked who may administer it"),
        }
    }
}

impl std::error::Error for AdmissionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Secret { source } => source.source(),
            Self::Database { source } => Some(source),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for AdmissionError {
    fn from(source: sqlx::Error) -> Self {
        Self::Database { source }
    }
}

impl From<SecretError> for AdmissionError {
    fn from(source: SecretError) -> Self {
        Self::Secret { source }
    }
}

/// The server's secret, once it is known that it may listen where it is told to: where only this machine reaches it
/// always, and a secret is made when there is none; else when there are a secret and an administrator.
///
/// # Errors
/// [`AdmissionError`] that says what is missing and how to make it.
pub async fn require_admission(pool: &PgPool, config: &Config) -> Result<ServerSecret, AdmissionError> {
    let (addr, data_dir) = (config.addr, &config.data_dir);
    let known = match &config.auth.secret {
        Some(secret) => Some(secret.clone()),
        None => ServerSecret::load(data_dir)?,
    };
    if config.auth.reach == Reach::ThisMachine {
        return match known {
            Some(secret) => Ok(secret),
            None => Ok(ServerSecret::load_or_make(data_dir)?),
        };
    }
    let has_operator: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM affinity.operators)").fetch_one(pool).await?;
    let unprotected = |missing| AdmissionError::Unprotected { addr, missing, data_dir: data_dir.clone() };
    match known {
        Some(secret) if has_operator => Ok(secret),
        Some(_) => Err(unprotected("administrator")),
        None if has_operator => Err(unprotected("secret")),
        None => Err(unprotected("secret and no administrator")),
    }
}

/// Makes the server's secret, unless there is one, and an administrator of a platform; prints how to sign in.
///
/// An account that there is already keeps its password and becomes an administrator's.
///
/// # Errors
/// [`AdmissionError`], and what the database meets when it starts.
pub async fn init_admin(config: &Config, options: &InitAdminOptions) -> anyhow::Result<()> {
    let generated = Token::new(TokenKind::Mailed)?;
    let password = if options.reads_password {
        let mut given = String::new();
        std::io::stdin().take(4_096).read_to_string(&mut given)?;
        given.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        generated.first_letters().to_owned() + &generated.expose()[12..24]
    };
    if config.auth.secret.is_none() {
        ServerSecret::load_or_make(&config.data_dir).map_err(AdmissionError::from)?;
    }
    let database = Database::start(&config.database).await?;
    let made = async {
        database.migrate().await?;
        anyhow::Ok(make_administrator(database.pool(), options, &password).await?)
    }
    .await;
    database.stop().await?;
    let (platform, email) = (&options.platform, &options.email);
    match made? {
        Made::Promoted => println!("{email} administers {platform}; the password is what it was"),
        Made::Created if options.reads_password => println!("{email} administers {platform}"),
        Made::Created => println!("{email} administers {platform}; the password, shown once: {password}"),
    }
    Ok(())
}

enum Made {
    Created,
    Promoted,
}

async fn make_administrator(
    pool: &PgPool,
    options: &InitAdminOptions,
    password: &str,
) -> Result<Made, AdmissionError> {
    if let Some(fault) = password_fault(password) {
        return Err(AdmissionError::Password { fault });
    }
    let mut tx = pool.begin().await?;
    let no_accounts = || AdmissionError::NoAccounts { platform: options.platform.clone() };
    let prepared = AccountStatements::prepare(&mut tx, &options.platform).await;
    let statements = prepared.map_err(|_| no_accounts())?.ok_or_else(no_accounts)?;
    let hash = Passwords::default()
        .hash(password)
        .await
        .map_err(|error| AdmissionError::Password { fault: error.to_string() })?;
    let local = options.email.split('@').next().unwrap_or(&options.email);
    let name = options.name.as_deref().unwrap_or(local);
    // Whatever a platform asks for: the operator completes his profile like anybody.
    let fields: Map<String, Value> =
        statements.sign_up_fields.iter().map(|field| (field.clone(), Value::from(name))).collect();
    let new =
        NewAccount { email: &options.email, password_hash: Some(&hash), verified: true, fields: &fields };
    let (id, made) = match create_account(&mut tx, &statements, &new).await? {
        Some(id) => (id, Made::Created),
        None => {
            let known = account_by_email(&mut tx, &statements, &options.email).await?;
            let known = known.ok_or(sqlx::Error::RowNotFound)?;
            sqlx::query(account_sql(&statements.set_verified)).bind(known.id).execute(&mut *tx).await?;
            (known.id, Made::Promoted)
        }
    };
    sqlx::query(
        "INSERT INTO affinity.operators (platform, account_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(&options.platform)
    .bind(id)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(made)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::Reach;

    #[test]
    fn others_reach_what_is_not_loopback_or_has_a_public_name_or_a_proxy() {
        let of = |addr: &str, url: &str, proxies: &[&str]| {
            let proxies: Vec<_> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
            Reach::of(addr.parse().unwrap(), url.parse().ok().as_ref(), &proxies)
        };
        for url in ["", "http://localhost:8080", "http://[::1]:8080"] {
            assert_eq!(of("127.0.0.1:8080", url, &[]), Reach::ThisMachine, "{url}");
        }
        assert_eq!(of("[::1]:8080", "", &[]), Reach::ThisMachine);
        for (addr, url, proxies) in [
            ("0.0.0.0:8080", "", [].as_slice()),
            ("192.168.1.5:8080", "http://localhost", &[]),
            ("127.0.0.1:8080", "https://match.example.org", &[]),
            ("127.0.0.1:8080", "", &["127.0.0.1"]),
        ] {
            assert_eq!(of(addr, url, proxies), Reach::Others, "{addr} {url} {proxies:?}");
        }
    }
}
