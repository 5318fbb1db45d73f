use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Utc;
use sqlx::PgConnection;
use totp_rs::{Builder, Secret, Totp};
use uuid::Uuid;

use super::desk::{Desk, SignedIn, database, internal};
use super::sealing::{NotOpened, Sealing};
use super::wire::Enrollment;
use crate::auth::token::{hash, random};
use crate::problem::Problem;

/// Backup codes that are given out together.
const BACKUP_CODES: usize = 10;

impl Desk<'_> {
    /// Begins with a second factor: a secret that holds once a code of it was shown.
    ///
    /// # Errors
    /// 403 for a wrong password, 409 when there is a second factor already.
    pub(super) async fn enroll(
        &self,
        signed_in: SignedIn,
        password: Option<&str>,
    ) -> Result<Enrollment, Problem> {
        let account = self.confirm_password(signed_in, password).await?;
        let secret = random::<20>().map_err(internal)?;
        let totp = totp(secret.to_vec(), self.platform, &account.email).map_err(internal)?;
        let sealed = self.sealing().seal(&secret, &account.id.to_string()).map_err(internal)?;
        let mut tx = self.begin(Some(account.id)).await?;
        let begun = sqlx::query(
            "INSERT INTO affinity.second_factors AS f (platform, account_id, sealed_secret) VALUES ($1, $2, $3) \
             ON CONFLICT (platform, account_id) DO UPDATE SET sealed_secret = $3, last_step = 0 \
             WHERE f.confirmed_at IS NULL",
        )
        .bind(self.platform)
        .bind(account.id)
        .bind(sealed)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        if begun.rows_affected() == 0 {
            let detail = "there is a second factor already; disable it first";
            return Err(Problem::new(StatusCode::CONFLICT, "second_factor_enabled", detail));
        }
        tx.commit().await.map_err(database)?;
        Ok(Enrollment { secret: totp.secret().to_base32(), uri: totp.to_url().map_err(internal)? })
    }

    /// Makes the second factor hold, and gives out the codes for who loses it.
    ///
    /// # Errors
    /// 403 for a wrong code, 409 when there is nothing to confirm.
    pub(super) async fn confirm(&self, signed_in: SignedIn, code: &str) -> Result<Vec<String>, Problem> {
        let mut tx = self.begin(Some(signed_in.account)).await?;
        let state = self.factor(&mut tx, signed_in.account).await?;
        if state.is_none_or(|(_, is_confirmed)| is_confirmed) {
            let detail = "there is no second factor to confirm";
            return Err(Problem::new(StatusCode::CONFLICT, "nothing_to_confirm", detail));
        }
        if !self.takes_code(&mut tx, signed_in.account, code).await? {
            return Err(wrong_code(StatusCode::FORBIDDEN));
        }
        let mut codes = Vec::new();
        for _ in 0..BACKUP_CODES {
            codes.push(URL_SAFE_NO_PAD.encode(random::<12>().map_err(internal)?));
        }
        let hashes: Vec<String> = codes.iter().map(|code| hash(code)).collect();
        sqlx::query(
            "WITH confirmed AS (UPDATE affinity.second_factors SET confirmed_at = now() \
             WHERE platform = $1 AND account_id = $2) \
             INSERT INTO affinity.backup_codes (platform, account_id, code_hash) SELECT $1, $2, unnest($3::text[])",
        )
        .bind(self.platform)
        .bind(signed_in.account)
        .bind(hashes)
        .execute(&mut *tx)
        .await
        .map_err(database)?;
        tx.commit().await.map_err(database)?;
        Ok(codes)
    }

    /// Gives up the second factor.
    ///
    /// # Errors
    /// 403 for a wrong password.
    pub(super) async fn disable(&self, signed_in: SignedIn, password: Option<&str>) -> Result<(), Problem> {
        let account = self.confirm_password(signed_in, password).await?;
        let mut tx = self.begin(Some(account.id)).await?;
        sqlx::query("DELETE FROM affinity.second_factors WHERE platform = $1 AND account_id = $2")
            .bind(self.platform)
            .bind(account.id)
            .execute(&mut *tx)
            .await
            .map_err(database)?;
        tx.commit().await.map_err(database)
    }

    /// Whether `account` has a second factor that holds.
    pub(super) async fn has_second_factor(&self, account: Uuid) -> Result<bool, Problem> {
        let mut connection = self.authority.pool.acquire().await.map_err(database)?;
        let state = self.factor(&mut connection, account).await?;
        Ok(state.is_some_and(|(_, is_confirmed)| is_confirmed))
    }

    /// # Errors
    /// 401 when `account` has a second factor and `code` is not one of it, nor a backup code.
    pub(super) async fn require_second_factor(
        &self,
        account: Uuid,
        code: Option<&str>,
    ) -> Result<(), Problem> {
        if !self.has_second_factor(account).await? {
            return Ok(());
        }
        let Some(code) = code else {
            let detail = "this account has a second factor: send its code as well";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "second_factor_required", detail));
        };
        let mut tx = self.begin(Some(account)).await?;
        if !self.takes_code(&mut tx, account, code).await?
            && !self.takes_backup(&mut tx, account, code).await?
        {
            return Err(wrong_code(StatusCode::UNAUTHORIZED));
        }
        tx.commit().await.map_err(database)
    }

    /// The sealed secret, and whether it was confirmed.
    async fn factor(
        &self,
        connection: &mut PgConnection,
        account: Uuid,
    ) -> Result<Option<(Vec<u8>, bool)>, Problem> {
        let found = sqlx::query_as(
            "SELECT sealed_secret, confirmed_at IS NOT NULL FROM affinity.second_factors \
             WHERE platform = $1 AND account_id = $2",
        );
        found.bind(self.platform).bind(account).fetch_optional(connection).await.map_err(database)
    }

    /// Whether `code` is of now, give or take half a minute, and of a step after the last accepted one, which it
    /// becomes: a code that was seen over a shoulder is worth nothing.
    async fn takes_code(&self, tx: &mut PgConnection, account: Uuid, code: &str) -> Result<bool, Problem> {
        let Some((sealed, _)) = self.factor(tx, account).await? else { return Ok(false) };
        let secret = self.sealing().open(&sealed, &account.to_string());
        let secret = secret.map_err(|NotOpened| internal(NotOpened))?;
        let totp = totp(secret, self.platform, "account").map_err(internal)?;
        let now = u64::try_from(Utc::now().timestamp()).unwrap_or_default();
        let step = totp.check(code.trim(), now).and_then(|step| i64::try_from(step).ok());
        let Some(step) = step else { return Ok(false) };
        let moved = sqlx::query(
            "UPDATE affinity.second_factors SET last_step = $3 \
             WHERE platform = $1 AND account_id = $2 AND last_step < $3",
        )
        .bind(self.platform)
        .bind(account)
        .bind(step)
        .execute(tx)
        .await
        .map_err(database)?;
        Ok(moved.rows_affected() == 1)
    }

    async fn takes_backup(&self, tx: &mut PgConnection, account: Uuid, code: &str) -> Result<bool, Problem> {
        let used = sqlx::query(
            "DELETE FROM affinity.backup_codes WHERE platform = $1 AND account_id = $2 AND code_hash = $3",
        );
        let used = used.bind(self.platform).bind(account).bind(hash(code.trim()));
        Ok(used.execute(tx).await.map_err(database)?.rows_affected() == 1)
    }

    fn sealing(&self) -> Sealing {
        Sealing::new(&self.authority.settings.secret, "second factors")
    }
}

/// Six digits every half minute, as every authenticator has them (RFC 6238 with its defaults).
fn totp(secret: Vec<u8>, platform: &str, email: &str) -> Result<Totp, totp_rs::TotpError> {
    let builder = Builder::new().with_secret(Secret::new(secret.into_boxed_slice()));
    builder.with_account_name(email).with_issuer(Some(platform)).build()
}

fn wrong_code(status: StatusCode) -> Problem {
    Problem::new(status, "wrong_code", "this code is wrong, used or expired")
}
