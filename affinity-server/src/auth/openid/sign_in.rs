use axum::http::StatusCode;
use serde_json::{Map, Value};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::provider::{Identity, Provider};
use crate::auth::accounts::{
    Account, Begun, Desk, NewAccount, account_by_email, create_account, database, internal, require_usable,
};
use crate::auth::token::{Token, TokenKind, hash};
use crate::catalog::account_sql;
use crate::problem::Problem;

/// Seconds that somebody may take at a provider.
pub(super) const SIGN_IN_SECONDS: f64 = 600.0;

/// Where a browser goes to sign in, and the state it comes back with.
pub(super) struct Departed {
    pub(super) url: String,
    pub(super) state: Token,
}

/// A browser that came back.
pub(super) struct Returned<'a> {
    pub(super) code: String,
    pub(super) state: &'a str,
}

#[derive(FromRow)]
struct UnderWay {
    nonce: String,
    pkce_verifier: String,
    return_to: String,
}

/// A sign-in at one provider.
pub(super) struct ProviderDesk<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) provider: &'a Provider,
}

impl ProviderDesk<'_> {
    fn redirect(&self) -> String {
        let place = self.desk.authority.public_url(self.desk.platform);
        format!("{place}/openid/{}/return", self.provider.settings.name)
    }

    /// Begins a sign-in that ends at `return_to`.
    pub(super) async fn depart(&self, return_to: &str) -> Result<Departed, Problem> {
        let state = Token::new(TokenKind::State).map_err(internal)?;
        let departure = self.provider.depart(&self.redirect(), state.expose()).await.map_err(unavailable)?;
        sqlx::query(
            "WITH old AS (DELETE FROM affinity.provider_sign_ins WHERE expires_at < now()) \
             INSERT INTO affinity.provider_sign_ins \
             (state_hash, platform, provider, nonce, pkce_verifier, return_to, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))",
        )
        .bind(state.hash())
        .bind(self.desk.platform)
        .bind(&self.provider.settings.name)
        .bind(departure.nonce)
        .bind(departure.pkce_verifier)
        .bind(return_to)
        .bind(SIGN_IN_SECONDS)
        .execute(&self.desk.authority.pool)
        .await
        .map_err(database)?;
        Ok(Departed { url: departure.url, state })
    }

    /// Begins a session of who came back, making his account when he has none: with where he wanted to go.
    ///
    /// # Errors
    /// 400 for a state that is not under way, 403 for who has no verified address or may not sign in, 502 when the
    /// provider does not vouch for him.
    pub(super) async fn arrive(&self, returned: Returned<'_>) -> Result<(Begun, String), Problem> {
        let found: Option<UnderWay> = sqlx::query_as(
            "DELETE FROM affinity.provider_sign_ins \
             WHERE state_hash = $1 AND platform = $2 AND provider = $3 AND expires_at > now() \
             RETURNING nonce, pkce_verifier, return_to",
        )
        .bind(hash(returned.state))
        .bind(self.desk.platform)
        .bind(&self.provider.settings.name)
        .fetch_optional(&self.desk.authority.pool)
        .await
        .map_err(database)?;
        let detail = "this sign-in is not under way any more; begin again";
        let under_way = found.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "bad_state", detail))?;
        let UnderWay { nonce, pkce_verifier, return_to } = under_way;
        let identity = self
            .provider
            .identify(&self.redirect(), returned.code, nonce, pkce_verifier)
            .await
            .map_err(unavailable)?;
        let account = self.account_of(&identity).await?;
        require_usable(&account)?;
        Ok((self.desk.begin_session(account.id).await?, return_to))
    }

    /// His account: the one tied to the provider's name for him, else that of his address, else a new one.
    async fn account_of(&self, identity: &Identity) -> Result<Account, Problem> {
        let mut tx = self.desk.begin(None).await?;
        let name = &self.provider.settings.name;
        let known: Option<Account> = sqlx::query_as(account_sql(&self.desk.statements.account_by_provider))
            .bind(name)
            .bind(&identity.subject)
            .fetch_optional(&mut *tx)
            .await
            .map_err(database)?;
        if let Some(account) = known {
            return Ok(account);
        }
        let Some(email) = &identity.email else {
            let detail = "the provider has not verified an e-mail address of yours";
            return Err(Problem::new(StatusCode::FORBIDDEN, "no_verified_address", detail));
        };
        let statements = self.desk.statements;
        let known = account_by_email(&mut tx, statements, email).await.map_err(database)?;
        let id = match known {
            Some(account) => self.take_over(&mut tx, &account).await?,
            None => self.create(&mut tx, email, identity).await?,
        };
        let link = sqlx::query(account_sql(&statements.link_provider)).bind(id).bind(name);
        link.bind(&identity.subject).execute(&mut *tx).await.map_err(database)?;
        let account = self.desk.account(&mut tx, id).await?;
        tx.commit().await.map_err(database)?;
        account.ok_or_else(|| database(sqlx::Error::RowNotFound))
    }

    /// An account of his address. If nobody has verified that yet, whoever signed up with it may have been somebody
    /// else: his password is void.
    async fn take_over(&self, tx: &mut PgConnection, account: &Account) -> Result<Uuid, Problem> {
        if !account.verified {
            let statements = self.desk.statements;
            let forget = sqlx::query(account_sql(&statements.set_password)).bind(account.id);
            forget.bind(None::<String>).execute(&mut *tx).await.map_err(database)?;
            let verify = sqlx::query(account_sql(&statements.set_verified)).bind(account.id);
            verify.execute(&mut *tx).await.map_err(database)?;
        }
        Ok(account.id)
    }

    async fn create(&self, tx: &mut PgConnection, email: &str, identity: &Identity) -> Result<Uuid, Problem> {
        let statements = self.desk.statements;
        let name = identity.name.as_deref().unwrap_or_else(|| email.split('@').next().unwrap_or(email));
        let name: String = name.chars().take(200).collect();
        let fields: Map<String, Value> = statements
            .sign_up_fields
            .iter()
            .map(|field| (field.clone(), Value::from(name.as_str())))
            .collect();
        let new = NewAccount { email, password_hash: None, verified: true, fields: &fields };
        let made = create_account(tx, statements, &new).await.map_err(database)?;
        made.ok_or_else(|| database(sqlx::Error::RowNotFound))
    }
}

/// What the browser's owner learns; what the provider said is in the log.
fn unavailable(error: super::provider::ProviderError) -> Problem {
    tracing::warn!(%error, "a sign-in by a provider failed");
    let detail = "the provider did not say who you are; begin again";
    Problem::new(StatusCode::BAD_GATEWAY, "provider_failed", detail)
}
