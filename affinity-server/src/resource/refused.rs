use axum::http::StatusCode;
use serde_json::json;

use super::ask::Ask;
use crate::auth::{Access, Caller, begin_as};
use crate::problem::Problem;

impl Ask<'_> {
    /// The problem of a write that did not happen. When it is that somebody may not do it, the platform's audit trail
    /// knows of it before he does: in a transaction of its own, since the one that was refused left nothing.
    pub(super) async fn audited(&self, problem: Problem) -> Problem {
        if problem.status() == StatusCode::FORBIDDEN
            && self.caller.id().is_some()
            && let Err(error) = self.audit_refusal(problem.detail()).await
        {
            tracing::error!("a refusal could not be noted in the audit trail: {error}");
        }
        problem
    }

    async fn audit_refusal(&self, why: &str) -> Result<(), sqlx::Error> {
        // As the server's own user: nobody else may write what the trail says of others.
        let server = Caller::new(self.caller.standing(), None, self.caller.claims().clone());
        let mut transaction =
            begin_as(self.rest.pool(), &server, &self.request_settings(Access::Write)).await?;
        let attempt = json!({ "method": self.parts.method.as_str(), "path": self.parts.uri.path() });
        sqlx::query("SELECT affinity.audit_refusal($1, $2, $3)")
            .bind(&self.platform.name)
            .bind(attempt)
            .bind(why)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
