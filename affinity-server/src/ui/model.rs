//! What the page shows, before it is markup.

use affinity_core::{Answer, NodeRef};

use crate::problem::Problem;

/// A platform that may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct PlatformChoice {
    /// As addresses write it.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// Its matchers, by name.
    pub matchers: Vec<MatcherChoice>,
}

/// A matcher that may be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct MatcherChoice {
    /// As addresses write it.
    pub name: String,
    /// What it finds, in a sentence.
    pub description: String,
    /// The kind that it finds matches for.
    pub from: String,
    /// The kind of its matches.
    pub to: String,
}

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
    pub platforms: Vec<PlatformChoice>,
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
    pub(super) fn chosen(&self) -> Option<&MatcherChoice> {
        self.matchers().iter().find(|matcher| matcher.name == self.matcher)
    }

    fn matchers(&self) -> &[MatcherChoice] {
        self.platforms.iter().find(|platform| platform.name == self.platform).map_or(&[], |platform| &platform.matchers)
    }

    /// The page of a node: under the chosen matcher if that finds matches for its kind, else under the first that does.
    pub(super) fn link_to(&self, node_kind: &str, id: &str) -> Option<String> {
        let takes = |matcher: &&MatcherChoice| matcher.from == node_kind;
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
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
