use axum::http::StatusCode;
use uuid::Uuid;

use super::account::{Account, account_by_email};
use super::desk::{Desk, database, internal};
use super::wire::SignInBody;
use crate::auth::authority::SESSION_IDLE_SECONDS;
use crate::auth::token::{Token, TokenKind};
use crate::catalog::account_sql;
use crate::problem::Problem;

/// A session that began, and the token that shows it.
pub(in crate::auth) struct Begun {
    pub(in crate::auth) account: Uuid,
    pub(in crate::auth) session: Uuid,
    pub(in crate::auth) token: Token,
}

impl Desk<'_> {
    /// Begins a session for who knows the password and, where there is one, has the second factor.
    ///
    /// # Errors
    /// 401 when address or password or code is wrong, or the code is missing; 403 for an account that may not sign
    /// in, said only to who knows its password; 429 after too many attempts.
    pub(super) async fn sign_in(&self, body: &SignInBody) -> Result<Begun, Problem> {
        let email = body.email.trim();
        self.spend_attempt(email).await?;
        let mut connection = self.authority.pool.acquire().await.map_err(database)?;
        let known = account_by_email(&mut connection, self.statements, email).await.map_err(database)?;
        drop(connection); // hashing takes long, and others wait for connections
        let stored = known.as_ref().and_then(|account| account.password_hash.as_deref());
        let is_right = self.authority.passwords.verify(&body.password, stored).await;
        let Some(account) = known.filter(|_| is_right) else {
            let detail = "address or password is wrong";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "bad_credentials", detail));
        };
        require_usable(&account)?;
        self.require_second_factor(account.id, body.code.as_deref()).await?;
        self.forgive(email).await?;
        self.begin_session(account.id).await
    }

    /// Begins a session of an account that has shown who it is.
    pub(in crate::auth) async fn begin_session(&self, account: Uuid) -> Result<Begun, Problem> {
        let token = Token::new(TokenKind::Session).map_err(internal)?;
        let mut tx = self.begin(Some(account)).await?;
        let session = sqlx::query_scalar(account_sql(&self.statements.create_session))
            .bind(account)
            .bind(token.hash())
            .bind(SESSION_IDLE_SECONDS)
            .bind(self.visit.address.map(|address| address.to_string()))
            .bind(self.visit.agent.as_deref())
            .fetch_one(&mut *tx)
            .await
            .map_err(database)?;
        tx.commit().await.map_err(database)?;
        Ok(Begun { account, session, token })
    }
}

/// # Errors
/// 403 when the address is not verified or the account not active.
pub(in crate::auth) fn require_usable(account: &Account) -> Result<(), Problem> {
    let refuse = |code, detail| Err(Problem::new(StatusCode::FORBIDDEN, code, detail));
    match account {
        Account { active: false, .. } => refuse("account_inactive", "this account cannot be used"),
        Account { verified: false, .. } => {
            refuse("unverified", "open the link that was mailed to you first; to get another, sign up again")
        }
        _ => Ok(()),
    }
}
