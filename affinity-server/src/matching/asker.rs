//! Who asks for matches, and for whom he may.

use std::collections::BTreeSet;
use std::convert::Infallible;

use affinity_core::{Engine, Key, KindId, Viewer};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::auth::{Action, Caller, RolePrefix, Standing};
use crate::problem::Problem;

/// What comes before the id of a node in the principal of whoever is that node, and of whoever manages it: the
/// projection gives both.
const OWN: [&str; 2] = ["member:", "manager:"];

/// What comes before a principal that the operator's people hold when they ask for the node, and the node does not.
const OPERATOR: &str = "operator:";

/// Who asks for matches. What he reads is what he sees of them: policies for rows, audiences for nodes and edges.
#[derive(Clone, Debug)]
pub(crate) struct Asker(Caller);

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    /// Nobody in particular where no one said who is asking.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>().cloned();
        Ok(Self(caller.unwrap_or_else(|| Caller::anonymous(&RolePrefix::default()))))
    }
}

impl Asker {
    /// Whether he sees for anyone.
    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.0.standing(), Standing::Staff | Standing::Service)
    }

    /// What he holds: what the projection gives to his node, and at least himself.
    fn principals(&self, engine: &Engine) -> BTreeSet<String> {
        let subject = self.0.claims().get("sub").and_then(|subject| subject.as_str());
        let Some(subject) = subject.filter(|_| self.0.standing() == Standing::Member) else {
            return BTreeSet::new();
        };
        let (himself, key) = (format!("{}{subject}", OWN[0]), Key::from(subject));
        let kinds = (0..engine.schema().kinds().len()).filter_map(KindId::from_index);
        // His node is the one that holds himself: keys are unique within a kind only.
        let held = kinds.map(|kind| engine.principals(kind, &key)).find(|held| held.contains(&himself));
        held.into_iter().flatten().chain([himself]).collect()
    }

    /// The nodes of a kind that he is or manages, by key.
    pub(crate) fn own(&self, engine: &Engine, kind: KindId) -> Vec<Key> {
        let principals = self.principals(engine);
        let keys = principals.iter().filter_map(|held| OWN.iter().find_map(|own| held.strip_prefix(own)));
        let keys: BTreeSet<Key> = keys.map(Key::from).collect();
        keys.into_iter().filter(|key| engine.node(kind, key).is_some()).collect()
    }

    /// As whom the engine is asked about something that no node is.
    pub(crate) fn viewer(&self, engine: &Engine) -> Viewer {
        match self.0.standing() {
            Standing::Anonymous => Viewer::Anonymous,
            _ => Viewer::Member(self.principals(engine)), // the operator's people see here what any member does
        }
    }

    /// As whom the engine is asked for the matches of a node: as himself, and the operator's people as the node with
    /// what the platform lets them know of it besides.
    ///
    /// # Errors
    /// A [`Problem`] when the node is neither he nor managed by him, whether or not it exists.
    pub(crate) fn viewer_for(&self, engine: &Engine, kind: KindId, key: &Key) -> Result<Viewer, Problem> {
        if self.is_operator() {
            return Ok(node_viewer(engine, kind, key));
        }
        if self.0.standing() == Standing::Anonymous {
            let detail = "matches are for who is signed in";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "sign_in_required", detail));
        }
        let principals = self.principals(engine);
        if OWN.iter().any(|own| principals.contains(&format!("{own}{key}"))) {
            return Ok(Viewer::Member(principals));
        }
        let detail = format!("\"{key}\" is neither you nor managed by you");
        Err(Problem::new(StatusCode::FORBIDDEN, "not_yours", detail))
    }

    /// # Errors
    /// A [`Problem`] when he came in by a key that is not for this matcher.
    pub(super) fn require_matcher(&self, matcher: &str) -> Result<(), Problem> {
        if self.0.may(Action::Match, matcher) {
            return Ok(());
        }
        let detail = format!("what was shown is not for matcher \"{matcher}\"");
        Err(Problem::new(StatusCode::FORBIDDEN, "not_permitted", detail))
    }
}

/// A node as the operator asks for it.
pub(crate) fn node_viewer(engine: &Engine, kind: KindId, key: &Key) -> Viewer {
    let held = engine.principals(kind, key).into_iter();
    Viewer::Member(held.map(|held| held.strip_prefix(OPERATOR).map(str::to_owned).unwrap_or(held)).collect())
}
