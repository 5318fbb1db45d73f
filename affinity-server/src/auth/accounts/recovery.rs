use axum::http::StatusCode;

use super::account::account_by_email;
use super::desk::{Desk, database, internal};
use super::sign_up::{Purpose, check_password};
use super::wire::ResetBody;
use crate::auth::mail::Letter;
use crate::catalog::account_sql;
use crate::problem::Problem;

impl Desk<'_> {
    /// Mails a token that sets a password to the owner of an address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn forgot_password(&self, email: &str) -> Result<(), Problem> {
        let mut tx = self.begin(None).await?;
        let known = account_by_email(&mut tx, self.statements, email.trim()).await.map_err(database)?;
        if let Some(account) = known.filter(|account| account.active) {
            self.mail_token(&mut tx, account.id, &account.email, Purpose::Reset).await?;
        }
        tx.commit().await.map_err(database)
    }

    /// Sets a password by a token that was mailed; every session ends, and the address is verified, since the
    /// token came by it.
    ///
    /// # Errors
    /// 400 for a token that is none, 422 for a password that cannot be used.
    pub(super) async fn reset_password(&self, body: &ResetBody) -> Result<(), Problem> {
        check_password(&body.password)?;
        let hash = self.authority.passwords.hash(&body.password).await.map_err(internal)?;
        let mut tx = self.begin(None).await?;
        let id = self.redeem(&mut tx, &body.token, Purpose::Reset).await?;
        let account = self.account(&mut tx, id).await?;
        let Some(account) = account.filter(|account| account.active) else {
            let detail = "this account cannot be used";
            return Err(Problem::new(StatusCode::FORBIDDEN, "account_inactive", detail));
        };
        let statements = self.statements;
        let set = sqlx::query(account_sql(&statements.set_password)).bind(id).bind(hash);
        set.execute(&mut *tx).await.map_err(database)?;
        let verify = sqlx::query(account_sql(&statements.set_verified)).bind(id);
        verify.execute(&mut *tx).await.map_err(database)?;
        let end = sqlx::query(account_sql(&statements.end_sessions)).bind(id).bind(None::<uuid::Uuid>);
        end.execute(&mut *tx).await.map_err(database)?;
        let letter = Letter::password_changed(&self.authority.public_url(self.platform), &account.email);
        self.post(&mut tx, &letter).await?;
        tx.commit().await.map_err(database)?;
        self.forgive(&account.email).await
    }
}
