use axum::http::StatusCode;
use lettre::Address;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use super::account::{NewAccount, account_by_email, create_account};
use super::desk::{Desk, database, internal};
use super::wire::SignUpBody;
use crate::auth::mail::Letter;
use crate::auth::password::password_fault;
use crate::auth::token::{Token, TokenKind};
use crate::catalog::account_sql;
use crate::problem::Problem;

/// What a mailed token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Showing that an address is one's own.
    Verify,
    /// Setting a password.
    Reset,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
        }
    }

    /// For how long.
    const fn seconds(self) -> f64 {
        match self {
            Self::Verify => 86_400.0,
            Self::Reset => 3_600.0,
        }
    }
}

impl Desk<'_> {
    /// Makes an account, whose address is still to be verified, and mails what comes next.
    ///
    /// The answer is the same for an address that has an account already: its owner learns of the attempt by mail.
    ///
    /// # Errors
    /// 422 when the address, the password or a field cannot be used.
    pub(super) async fn sign_up(&self, body: &SignUpBody) -> Result<(), Problem> {
        let email = checked_address(&body.email)?;
        check_password(&body.password)?;
        self.check_fields(&body.fields)?;
        let hash = self.authority.passwords.hash(&body.password).await.map_err(internal)?;
        let mut tx = self.begin(None).await?;
        let new =
            NewAccount { email: &email, password_hash: Some(&hash), verified: false, fields: &body.fields };
        match create_account(&mut tx, self.statements, &new).await.map_err(database)? {
            Some(id) => self.mail_token(&mut tx, id, &email, Purpose::Verify).await?,
            None => self.sign_up_again(&mut tx, &email, &hash).await?,
        }
        tx.commit().await.map_err(database)
    }

    async fn sign_up_again(&self, tx: &mut PgConnection, email: &str, hash: &str) -> Result<(), Problem> {
        let known = account_by_email(tx, self.statements, email).await.map_err(database)?;
        match known {
            Some(account) if !account.verified => {
                // Whoever signed up first may not have been the owner of the address: the last password counts,
                // and tokens that were mailed before do not.
                let update = sqlx::query(account_sql(&self.statements.set_password));
                update.bind(account.id).bind(hash).execute(&mut *tx).await.map_err(database)?;
                self.mail_token(tx, account.id, &account.email, Purpose::Verify).await
            }
            Some(account) => {
                let place = self.authority.public_url(self.platform);
                self.post(tx, &Letter::known_already(&place, &account.email)).await
            }
            // Gone in this moment, or the statement met another constraint: nothing to say.
            None => Ok(()),
        }
    }

    /// Whether every field that the platform asks for is there as text, and nothing else.
    fn check_fields(&self, fields: &Map<String, Value>) -> Result<(), Problem> {
        let wanted = &self.statements.sign_up_fields;
        let refuse = |detail: String| {
            let allowed = ["email", "password"].into_iter().chain(wanted.iter().map(String::as_str));
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", detail).allowed(allowed))
        };
        if let Some(unknown) = fields.keys().find(|field| !wanted.contains(field)) {
            return refuse(format!("there is no field \"{unknown}\""));
        }
        let is_text = |field: &&String| {
            let text = fields.get(*field).and_then(Value::as_str).unwrap_or_default();
            (1..=200).contains(&text.trim().chars().count())
        };
        match wanted.iter().find(|field| !is_text(field)) {
            Some(missing) => refuse(format!("field \"{missing}\" must be a text of 1 to 200 letters")),
            None => Ok(()),
        }
    }

    /// Mails a token to `email`; the ones before for the same purpose are void.
    pub(super) async fn mail_token(
        &self,
        tx: &mut PgConnection,
        account: Uuid,
        email: &str,
        purpose: Purpose,
    ) -> Result<(), Problem> {
        let token = Token::new(TokenKind::Mailed).map_err(internal)?;
        sqlx::query(
            "WITH void AS (DELETE FROM affinity.mailed_tokens WHERE platform = $2 AND account_id = $3 AND purpose = $4) \
             INSERT INTO affinity.mailed_tokens (token_hash, platform, account_id, purpose, expires_at) \
             VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        )
        .bind(token.hash())
        .bind(self.platform)
        .bind(account)
        .bind(purpose.name())
        .bind(purpose.seconds())
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        let place = self.authority.public_url(self.platform);
        let letter = match purpose {
            Purpose::Verify => Letter::verify(&place, email, &token),
            Purpose::Reset => Letter::reset(&place, email, &token),
        };
        self.post(tx, &letter).await
    }

    /// Uses up a token that was mailed: whose it was.
    ///
    /// # Errors
    /// 400 when there is no such token for this purpose, or no more.
    pub(super) async fn redeem(
        &self,
        tx: &mut PgConnection,
        text: &str,
        purpose: Purpose,
    ) -> Result<Uuid, Problem> {
        let token = Token::shown(TokenKind::Mailed, text.trim());
        let found: Option<Uuid> = sqlx::query_scalar(
            "DELETE FROM affinity.mailed_tokens \
             WHERE token_hash = $1 AND platform = $2 AND purpose = $3 AND expires_at > now() RETURNING account_id",
        )
        .bind(token.map(|token| token.hash()).unwrap_or_default())
        .bind(self.platform)
        .bind(purpose.name())
        .fetch_optional(tx)
        .await
        .map_err(database)?;
        found.ok_or_else(|| {
            let detail = "this token is unknown, used or expired";
            Problem::new(StatusCode::BAD_REQUEST, "bad_token", detail)
        })
    }

    /// Notes that the address is its account's.
    ///
    /// # Errors
    /// 400 for a token that is none.
    pub(super) async fn verify(&self, token: &str) -> Result<(), Problem> {
        let mut tx = self.begin(None).await?;
        let account = self.redeem(&mut tx, token, Purpose::Verify).await?;
        let update = sqlx::query(account_sql(&self.statements.set_verified)).bind(account);
        update.execute(&mut *tx).await.map_err(database)?;
        tx.commit().await.map_err(database)
    }
}

/// The address as it is kept; what mail cannot be sent to is refused.
fn checked_address(email: &str) -> Result<String, Problem> {
    let email = email.trim();
    match email.parse::<Address>() {
        Ok(_) if email.len() <= 254 => Ok(email.to_owned()),
        _ => {
            let detail = "this is no e-mail address";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_address", detail))
        }
    }
}

pub(super) fn check_password(password: &str) -> Result<(), Problem> {
    let refuse = |fault| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", fault);
    password_fault(password).map_or(Ok(()), |fault| Err(refuse(fault)))
}
