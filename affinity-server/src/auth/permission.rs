use std::fmt;
use std::str::FromStr;

use super::transaction::Access;

/// What a request does, as an API key is allowed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Reads rows.
    Read,
    /// Inserts, changes or deletes rows.
    Write,
    /// Calls a function.
    Call,
    /// Asks for matches, or says what became of them.
    Match,
}

impl Action {
    const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Call, Self::Match];

    /// The word for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Call => "call",
            Self::Match => "match",
        }
    }
}

/// One thing that is allowed: an action on everything, or on what has one name.
///
/// ```
/// use affinity_server::auth::Permission;
///
/// let permission: Permission = "read:brands".parse().unwrap();
/// assert_eq!(permission.to_string(), "read:brands");
/// assert!("delete".parse::<Permission>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    action: Action,
    name: Option<String>,
}

/// Not a permission: expected `read`, `write`, `call` or `match`, alone or with `:name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPermission {
    /// What was given.
    pub text: String,
}

impl fmt::Display for NotAPermission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is no permission; expected read, write, call or match, alone or with the name of a table, \
             function or matcher behind a colon",
            self.text
        )
    }
}

impl std::error::Error for NotAPermission {}

impl FromStr for Permission {
    type Err = NotAPermission;

    fn from_str(text: &str) -> Result<Self, NotAPermission> {
        let (action, name) = match text.split_once(':') {
            Some((action, name)) => (action, Some(name)),
            None => (text, None),
        };
        let known = Action::ALL.into_iter().find(|known| known.name() == action);
        match known.filter(|_| name != Some("")) {
            Some(action) => Ok(Self { action, name: name.map(str::to_owned) }),
            None => Err(NotAPermission { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action.name())?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

/// What somebody is allowed by the way he came in; it narrows and never widens what his role may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions(Option<Vec<Permission>>);

impl Permissions {
    /// No narrowing.
    #[must_use]
    pub const fn everything() -> Self {
        Self(None)
    }

    /// Reading and matching.
    #[must_use]
    pub fn looking() -> Self {
        Self::only([Action::Read, Action::Match].map(|action| Permission { action, name: None }))
    }

    /// These and nothing else.
    #[must_use]
    pub fn only(permissions: impl IntoIterator<Item = Permission>) -> Self {
        Self(Some(permissions.into_iter().collect()))
    }

    /// Whether `action` on `name` is among them.
    #[must_use]
    pub fn allow(&self, action: Action, name: &str) -> bool {
        let fits =
            |one: &Permission| one.action == action && one.name.as_deref().is_none_or(|only| only == name);
        self.0.as_ref().is_none_or(|permissions| permissions.iter().any(fits))
    }

    /// The most that a transaction may do under them; a function may write, so calling counts as writing.
    #[must_use]
    pub fn access(&self) -> Access {
        let writes = |one: &Permission| matches!(one.action, Action::Write | Action::Call);
        match &self.0 {
            Some(permissions) if !permissions.iter().any(writes) => Access::Read,
            _ => Access::Write,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::{Access, Action, Permission, Permissions};

    fn only(texts: &[&str]) -> Permissions {
        Permissions::only(texts.iter().map(|text| text.parse::<Permission>().unwrap()))
    }

    #[test]
    fn named_permission_allows_that_name_only() {
        let permissions = only(&["read:brands", "match"]);
        assert!(permissions.allow(Action::Read, "brands") && permissions.allow(Action::Match, "partners"));
        assert!(!permissions.allow(Action::Read, "members") && !permissions.allow(Action::Write, "brands"));
    }

    #[test]
    fn only_writing_and_calling_open_a_writing_transaction() {
        assert_eq!([only(&["read", "match"]).access(), Permissions::looking().access()], [Access::Read; 2]);
        let writing = [only(&["write:brands"]), only(&["call"]), Permissions::everything()];
        assert_eq!(writing.map(|permissions| permissions.access()), [Access::Write; 3]);
    }

    #[test]
    fn nothing_else_is_a_permission() {
        for text in ["", "Read", "read:", ":brands", "admin", "read,write"] {
            assert_eq!(text.parse::<Permission>().unwrap_err().text, text);
        }
    }
}
