//! What clients send and receive.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::FromRow;
use uuid::Uuid;

/// Body of a sign-up: address, password, and what the platform asks for besides.
#[derive(Debug, Deserialize)]
pub(super) struct SignUpBody {
    pub(super) email: String,
    pub(super) password: String,
    #[serde(flatten)]
    pub(super) fields: Map<String, Value>,
}

/// Body with a token that was mailed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    pub(super) token: String,
}

/// Body of a sign-in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInBody {
    pub(super) email: String,
    pub(super) password: String,
    /// The second factor's code, or a backup code.
    pub(super) code: Option<String>,
    /// Whether the session comes as a cookie that scripts cannot read, instead of a token in the answer.
    #[serde(default)]
    pub(super) cookie: bool,
}

/// Body with an address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddressBody {
    pub(super) email: String,
}

/// Body that sets a password by a token that was mailed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    pub(super) token: String,
    pub(super) password: String,
}

/// Body that repeats the password, where there is one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    pub(super) password: Option<String>,
}

/// Body with a code of the second factor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    pub(super) code: String,
}

/// Body that asks for an API key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    pub(super) name: String,
    pub(super) permissions: Vec<String>,
    #[serde(default = "KeyBody::standard_rate")]
    pub(super) requests_per_minute: i32,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl KeyBody {
    const fn standard_rate() -> i32 {
        60
    }
}

/// A session that begins.
#[derive(Debug, Serialize)]
pub(super) struct SessionBegun {
    /// Absent when it comes as a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    pub(super) session_id: Uuid,
    pub(super) account_id: Uuid,
    /// Seconds until it ends unless it is used.
    pub(super) expires_in: u64,
}

/// A session as its owner sees it.
#[derive(Debug, Serialize, FromRow)]
pub(super) struct SessionSeen {
    pub(super) id: Uuid,
    pub(super) created_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) ip_address: Option<String>,
    pub(super) user_agent: Option<String>,
    /// Whether this is the one that asks.
    #[sqlx(default)]
    pub(super) is_current: bool,
}

/// An API key as its owner sees it.
#[derive(Debug, Serialize, FromRow)]
pub(super) struct KeySeen {
    pub(super) id: Uuid,
    pub(super) name: String,
    /// The first letters behind `afk_`.
    pub(super) prefix: String,
    pub(super) permissions: Vec<String>,
    pub(super) requests_per_minute: i32,
    pub(super) expires_at: Option<DateTime<Utc>>,
    pub(super) last_used_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
}

/// A new API key, the only time that it is shown.
#[derive(Debug, Serialize)]
pub(super) struct KeyMade {
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) seen: KeySeen,
}

/// A second factor to confirm.
#[derive(Debug, Serialize)]
pub(super) struct Enrollment {
    /// For typing.
    pub(super) secret: String,
    /// For a QR code.
    pub(super) uri: String,
}
