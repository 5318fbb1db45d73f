use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use uuid::Uuid;

use crate::problem::Problem;

/// Requests after which a limiter forgets who has not asked for long.
const SWEEP_PERIOD: u32 = 10_000;

/// How much anybody may ask; 0 for any amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// Of one endpoint by one member in an hour.
    pub member_per_hour: u32,
    /// From one address in an hour.
    pub address_per_hour: u32,
    /// To sign up or in, or for mail, from one address in an hour.
    pub sign_in_per_hour: u32,
}

impl LimitSettings {
    /// What holds where others can reach the server (DESIGN, section 5).
    pub const STANDARD: Self =
        Self { member_per_hour: 1_000, address_per_hour: 5_000, sign_in_per_hour: 300 };

    /// No limits, for a machine of one's own.
    pub const NONE: Self = Self { member_per_hour: 0, address_per_hour: 0, sign_in_per_hour: 0 };
}

/// What somebody may still ask, for headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    policy: &'static str,
    quota: u32,
    window_seconds: u64,
    remaining: u32,
    /// Until there is more.
    wait_seconds: u64,
}

impl Allowance {
    /// Adds `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).
    pub(super) fn write(self, headers: &mut HeaderMap) {
        let Self { policy, quota, window_seconds, remaining, wait_seconds } = self;
        let values = [
            ("ratelimit-policy", format!("\"{policy}\";q={quota};w={window_seconds}")),
            ("ratelimit", format!("\"{policy}\";r={remaining};t={wait_seconds}")),
        ];
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// What is answered to who has nothing left.
    pub(super) fn problem(self) -> Problem {
        let Self { policy, quota, window_seconds, wait_seconds, .. } = self;
        let detail = format!("more than {quota} requests in {window_seconds} seconds ({policy})");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
            .retry_after_seconds(wait_seconds.max(1))
    }
}

/// Counts what each key asks for.
struct Limiter<Key: Hash + Eq + Clone> {
    limiter: RateLimiter<Key, DashMapStateStore<Key>, DefaultClock, StateInformationMiddleware>,
    policy: &'static str,
    quota: NonZeroU32,
    window: Duration,
    asked: AtomicU32,
}

impl<Key: Hash + Eq + Clone> Limiter<Key> {
    /// `None` for a limit of 0.
    fn new(policy: &'static str, limit: u32, window: Duration) -> Option<Self> {
        let quota = NonZeroU32::new(limit)?;
        let rate = Quota::with_period(window / limit)?.allow_burst(quota);
        let limiter = RateLimiter::dashmap(rate).with_middleware::<StateInformationMiddleware>();
        Some(Self { limiter, policy, quota, window, asked: AtomicU32::new(0) })
    }

    /// What is left after this request, or `Err` when it was one too many.
    fn check(&self, key: &Key) -> Result<Allowance, Allowance> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_PERIOD == SWEEP_PERIOD - 1 {
            self.limiter.retain_recent();
        }
        let allowance = |remaining, wait: Duration| Allowance {
            policy: self.policy,
            quota: self.quota.get(),
            window_seconds: self.window.as_secs(),
            remaining,
            wait_seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
        };
        match self.limiter.check_key(key) {
            Ok(state) => {
                let wait = state.quota().replenish_interval();
                Ok(allowance(state.remaining_burst_capacity(), wait))
            }
            Err(until) => Err(allowance(0, until.wait_time_from(DefaultClock::default().now()))),
        }
    }
}

/// Everything that is limited. In memory: each server counts for itself.
pub(super) struct Limits {
    members: Option<Limiter<(Uuid, u64)>>,
    addresses: Option<Limiter<IpAddr>>,
    sign_ins: Option<Limiter<IpAddr>>,
    letters: Option<Limiter<String>>,
    keys: RwLock<HashMap<u32, Arc<Limiter<Uuid>>>>,
}

impl Limits {
    pub(super) fn new(settings: LimitSettings) -> Self {
        let hour = Duration::from_secs(3_600);
        Self {
            members: Limiter::new("member", settings.member_per_hour, hour),
            addresses: Limiter::new("address", settings.address_per_hour, hour),
            sign_ins: Limiter::new("sign-in", settings.sign_in_per_hour, hour),
            // Always: mail goes to who did not ask for it.
            letters: Limiter::new("letters", 10, hour),
            keys: RwLock::default(),
        }
    }

    pub(super) fn address(&self, address: IpAddr) -> Result<Option<Allowance>, Allowance> {
        self.addresses.as_ref().map(|limiter| limiter.check(&address)).transpose()
    }

    pub(super) fn sign_in(&self, address: IpAddr) -> Result<Option<Allowance>, Allowance> {
        self.sign_ins.as_ref().map(|limiter| limiter.check(&address)).transpose()
    }

    pub(super) fn member(&self, member: Uuid, endpoint: u64) -> Result<Option<Allowance>, Allowance> {
        self.members.as_ref().map(|limiter| limiter.check(&(member, endpoint))).transpose()
    }

    /// Whether one more letter may go to `recipient`.
    pub(super) fn letter(&self, recipient: &str) -> bool {
        self.letters.as_ref().is_none_or(|limiter| limiter.check(&recipient.to_lowercase()).is_ok())
    }

    pub(super) fn key(&self, key: Uuid, per_minute: u32) -> Result<Option<Allowance>, Allowance> {
        let known = self.keys.read().unwrap_or_else(PoisonError::into_inner).get(&per_minute).cloned();
        let limiter = match known {
            Some(limiter) => limiter,
            None => {
                let Some(made) = Limiter::new("key", per_minute, Duration::from_secs(60)) else {
                    return Ok(None);
                };
                let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(keys.entry(per_minute).or_insert_with(|| Arc::new(made)))
            }
        };
        limiter.check(&key).map(Some)
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use axum::http::HeaderMap;
    use uuid::Uuid;

    use super::{LimitSettings, Limits};

    #[test]
    fn endpoint_of_a_member_counts_alone_and_ends() {
        let limits = Limits::new(LimitSettings { member_per_hour: 3, ..LimitSettings::NONE });
        let member = Uuid::from_u128(1);
        let left: Vec<u32> = (0..3).map(|_| limits.member(member, 7).unwrap().unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        let refused = limits.member(member, 7).unwrap_err();
        assert!((1..=1_200).contains(&refused.wait_seconds), "{refused:?}");
        assert_eq!(refused.problem().status().as_u16(), 429);
        assert!(limits.member(member, 8).is_ok() && limits.member(Uuid::from_u128(2), 7).is_ok());
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!((limits.address(address), limits.sign_in(address)), (Ok(None), Ok(None)));
    }

    #[test]
    fn headers_say_the_policy_and_what_is_left() {
        let limits = Limits::new(LimitSettings::NONE);
        let mut headers = HeaderMap::new();
        limits.key(Uuid::from_u128(1), 60).unwrap().unwrap().write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"key\";q=60;w=60");
        assert_eq!(headers["ratelimit"], "\"key\";r=59;t=1");
    }
}
