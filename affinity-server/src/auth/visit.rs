use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use uuid::Uuid;

/// Bytes of a user agent that are kept.
const AGENT_BYTES_MAX: usize = 512;

/// Where a request comes from, for the audit trail and for limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// The address.
    pub address: Option<IpAddr>,
    /// What the client calls itself, cut to 512 bytes.
    pub agent: Option<String>,
    /// The session that was shown.
    pub session: Option<Uuid>,
    /// The API key that was shown.
    pub key: Option<Uuid>,
    /// Requests per minute that the key allows.
    pub(super) key_per_minute: Option<u32>,
}

impl Visit {
    /// What the headers tell of a request from `address`.
    #[must_use]
    pub fn new(address: Option<IpAddr>, headers: &HeaderMap) -> Self {
        let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.map(|agent| agent.chars().take(AGENT_BYTES_MAX).collect());
        Self { address, agent, ..Self::default() }
    }

    /// The transaction's settings by which audit rows know it: for
    /// [`RequestSettings::local`](super::RequestSettings::local).
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let session = self.session.map(|id| id.to_string());
        [
            ("affinity.ip_address", self.address.map(|address| address.to_string())),
            ("affinity.user_agent", self.agent.clone()),
            ("affinity.session_id", session),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}
