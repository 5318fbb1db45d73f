use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::permission::{Action, Permissions};
use super::transaction::Access;
use crate::catalog::PlatformSettings;

/// What somebody may do at most; row-level security says which rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Not signed in.
    Anonymous,
    /// Signed in.
    Member,
    /// The platform's own people.
    Staff,
    /// Jobs and procedures.
    Service,
}

impl Standing {
    /// Every standing, least first.
    pub const ALL: [Self; 4] = [Self::Anonymous, Self::Member, Self::Staff, Self::Service];

    /// The name, as in the claims and behind the prefix of the database role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Member => "member",
            Self::Staff => "staff",
            Self::Service => "service",
        }
    }
}

/// What the database roles' names start with: roles belong to a whole cluster, which others may use too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RolePrefix(String);

impl RolePrefix {
    /// `None` unless `prefix` is 1 to 40 lower case letters, digits and underscores that start with a letter.
    #[must_use]
    pub fn new(prefix: &str) -> Option<Self> {
        let starts_well = prefix.starts_with(|first: char| first.is_ascii_lowercase());
        let is_plain = prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        (starts_well && is_plain && prefix.len() <= 40).then(|| Self(prefix.to_owned()))
    }

    /// The database role of a standing.
    #[must_use]
    pub fn role(&self, standing: Standing) -> String {
        format!("{}{}", self.0, standing.name())
    }

    /// The database role of who shows nothing to `platform`; `None` for the server's own user, where the operator serves
    /// tables without policies.
    #[must_use]
    pub fn role_of_nobody(&self, platform: &PlatformSettings) -> Option<String> {
        match &platform.anonymous_role {
            Some(role) => Some(role.clone()),
            None if platform.allow_unguarded => None,
            None => Some(self.role(Standing::Anonymous)),
        }
    }

    /// The prefix itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RolePrefix {
    fn default() -> Self {
        Self("affinity_".to_owned())
    }
}

/// Who is asking, as the server verified it: cheap to clone, a part of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(Arc<Verified>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verified {
    standing: Standing,
    role: Option<String>,
    claims: Map<String, Value>,
    permissions: Permissions,
}

impl Caller {
    /// Nobody in particular.
    #[must_use]
    pub fn anonymous(prefix: &RolePrefix) -> Self {
        Self::new(Standing::Anonymous, Some(prefix.role(Standing::Anonymous)), Map::new())
    }

    /// Somebody of `standing` who runs as the database role `role` (`None`: as the server's own user, which only an
    /// unguarded platform allows) with these claims, of which `sub` says who it is, and `role` what it runs as.
    #[must_use]
    pub fn new(standing: Standing, role: Option<String>, mut claims: Map<String, Value>) -> Self {
        if let Some(role) = &role {
            claims.insert("role".to_owned(), role.as_str().into());
        }
        Self(Arc::new(Verified { standing, role, claims, permissions: Permissions::everything() }))
    }

    /// Whoever looks at demo data on this machine: sees what staff see, and changes nothing.
    #[must_use]
    pub fn open_demo(prefix: &RolePrefix) -> Self {
        Self::new(Standing::Staff, Some(prefix.role(Standing::Staff)), Map::new())
            .narrowed(Permissions::looking())
    }

    /// The same, allowed no more than `permissions`.
    #[must_use]
    pub fn narrowed(self, permissions: Permissions) -> Self {
        let Verified { standing, role, claims, .. } = Arc::unwrap_or_clone(self.0);
        Self(Arc::new(Verified { standing, role, claims, permissions }))
    }

    /// Whether he may `action` on what is called `name` (a table, a function, a matcher), as far as how he came in
    /// says; what he is allowed at all is for his role and the policies.
    #[must_use]
    pub fn may(&self, action: Action, name: &str) -> bool {
        self.0.permissions.allow(action, name)
    }

    /// The most that his transactions may do.
    #[must_use]
    pub fn access(&self) -> Access {
        self.0.permissions.access()
    }

    /// What he may do at most.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.standing
    }

    /// The database role, `None` for the server's own user.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// The claims, as `request.jwt.claims` has them.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.0.claims
    }

    /// The claim `sub` as an id; `None` when there is none or it is no UUID.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.0.claims.get("sub")?.as_str()?.parse().ok()
    }
}
