/// How a platform's tables are served: a table `[platforms.NAME]` of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformSettings {
    /// The schemas that are served; the first is the default. Empty: the schema of the platform of this name.
    pub schemas: Vec<String>,
    /// Whether tables without row-level security are served.
    pub allow_unguarded: bool,
    /// Whether unknown names and preferences, and writes without a filter, are refused.
    pub is_strict: bool,
    /// The database role of callers who do not say who they are; `None`: the server's role for them, or, where
    /// unguarded tables are served, the server's own user.
    pub anonymous_role: Option<String>,
    /// Rows of one answer at most; `None`: as many as the server gives anywhere.
    pub rows_max: Option<u64>,
    /// Whether plans of queries are given.
    pub plan_enabled: bool,
    /// Whether aggregates are given.
    pub aggregates_enabled: bool,
    /// How a write's transaction ends.
    pub transaction_end: TransactionEndPolicy,
    /// Schemas whose functions, operators and types can be used without being served.
    pub extra_search_path: Vec<String>,
}

/// How a write's transaction ends, and whether `Prefer: tx` may say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionEndPolicy {
    /// Whether it commits unless told otherwise.
    pub commits: bool,
    /// Whether a request may tell otherwise.
    pub may_override: bool,
}

impl PlatformSettings {
    /// Guarded and strict, over the platform's own schema.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            schemas: Vec::new(),
            allow_unguarded: false,
            is_strict: true,
            anonymous_role: None,
            rows_max: None,
            plan_enabled: false,
            aggregates_enabled: false,
            transaction_end: TransactionEndPolicy { commits: true, may_override: false },
            extra_search_path: vec!["public".to_owned()],
        }
    }
}

impl TransactionEndPolicy {
    /// What the configuration may name, as PostgREST does.
    pub const NAMES: [&str; 4] = ["commit", "commit-allow-override", "rollback", "rollback-allow-override"];

    /// The policy of one of [`Self::NAMES`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let (commits, may_override) = match name {
            "commit" => (true, false),
            "commit-allow-override" => (true, true),
            "rollback" => (false, false),
            "rollback-allow-override" => (false, true),
            _ => return None,
        };
        Some(Self { commits, may_override })
    }
}
