use axum::http::StatusCode;
use uuid::Uuid;

use super::desk::{Desk, SignedIn, database, rows};
use super::wire::SessionSeen;
use crate::catalog::account_sql;
use crate::problem::Problem;

impl Desk<'_> {
    /// The live sessions of who asks, newest first.
    pub(super) async fn sessions(&self, signed_in: SignedIn) -> Result<Vec<SessionSeen>, Problem> {
        let mut tx = self.begin(Some(signed_in.account)).await?;
        let mut sessions: Vec<SessionSeen> =
            rows(&mut tx, &self.statements.sessions_of, signed_in.account).await?;
        for session in &mut sessions {
            session.is_current = session.id == signed_in.session;
        }
        Ok(sessions)
    }

    /// Ends a session of who asks.
    ///
    /// # Errors
    /// 404 when he has no such session.
    pub(super) async fn end_session(&self, signed_in: SignedIn, session: Uuid) -> Result<(), Problem> {
        match self.end(signed_in, Some(session)).await? {
            0 => Err(Problem::new(StatusCode::NOT_FOUND, "unknown_session", "you have no such session")),
            _ => Ok(()),
        }
    }

    /// Ends every session of who asks, this one too: how many.
    pub(super) async fn end_all_sessions(&self, signed_in: SignedIn) -> Result<usize, Problem> {
        self.end(signed_in, None).await
    }

    async fn end(&self, signed_in: SignedIn, session: Option<Uuid>) -> Result<usize, Problem> {
        let mut tx = self.begin(Some(signed_in.account)).await?;
        let ended = sqlx::query(account_sql(&self.statements.end_sessions))
            .bind(signed_in.account)
            .bind(session)
            .fetch_all(&mut *tx)
            .await
            .map_err(database)?;
        tx.commit().await.map_err(database)?;
        Ok(ended.len())
    }
}
