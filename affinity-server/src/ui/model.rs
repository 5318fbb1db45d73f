//! What the page shows, before it is markup.

use affinity_core::{Answer, NodeRef};

use crate::matching::{MatcherOffer, PlatformOffer};
use crate::problem::Problem;

/// A search by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// What was typed.
    pub text: String,
    /// Who was found; without a text, a few to start with.
    pub hits: Vec<NodeRef>,
    /// Whether there are more than are listed.
    pub is_cut: bool,
}

/// Everything on one page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageModel {
    /// What may be chosen.
    pub platforms: Vec<PlatformOffer>,
    /// The chosen platform, one of `platforms` unless something is wrong with the request.
    pub platform: String,
    /// The chosen matcher.
    pub matcher: String,
    /// The search box and its hits.
    pub search: Search,
    /// The matches of whoever was clicked.
    pub answer: Option<Answer>,
    /// What went wrong.
    pub problem: Option<Problem>,
}

impl PageModel {
    /// The chosen matcher, when it exists.
    pub(super) fn chosen(&self) -> Option<&MatcherOffer> {
        self.matchers().iter().find(|matcher| matcher.name == self.matcher)
    }

    fn matchers(&self) -> &[MatcherOffer] {
        self.platforms
            .iter()
            .find(|platform| platform.name == self.platform)
            .map_or(&[], |platform| &platform.matchers)
    }

    /// The page of a node: under the chosen matcher if that finds matches for its kind, else under the first that does.
    pub(super) fn link_to(&self, node_kind: &str, id: &str) -> Option<String> {
        let takes = |matcher: &&MatcherOffer| matcher.from == node_kind;
        let matcher = self.chosen().filter(takes).or_else(|| self.matchers().iter().find(takes))?;
        Some(format!("/?for={}&id={}", choice_value(&self.platform, &matcher.name), query_value(id)))
    }
}

/// Platform and matcher in one value, so that one list of a form chooses both.
pub(super) fn choice_value(platform: &str, matcher: &str) -> String {
    format!("{}/{}", query_value(platform), query_value(matcher))
}

/// `text` with everything percent-encoded that has a meaning in a query or a path.
pub(super) fn query_value(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
