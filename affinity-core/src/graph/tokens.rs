//! A text as terms.

use std::collections::BTreeMap;

/// Characters of a term at least: single letters say nothing.
pub const TERM_CHARACTERS_MIN: usize = 2;

/// How often each term occurs in `text`, for [`crate::Change::PutTerms`].
///
/// A term is a run of letters and digits of any script in lower case, with at least [`TERM_CHARACTERS_MIN`]
/// characters; everything else separates. No word is left out for being common: the fitted document frequencies
/// weigh those down. Ordered by term.
///
/// ```
/// use affinity_core::terms_of;
/// let terms = terms_of("Matching people: a match, a People's choice");
/// let words: Vec<(&str, f32)> = terms.iter().map(|(term, count)| (term.as_str(), *count)).collect();
/// assert_eq!(words, [("choice", 1.0), ("match", 1.0), ("matching", 1.0), ("people", 2.0)]);
/// ```
#[must_use]
pub fn terms_of(text: &str) -> BTreeMap<String, f32> {
    let mut terms = BTreeMap::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()) {
        let term = word.to_lowercase();
        if term.chars().count() >= TERM_CHARACTERS_MIN {
            *terms.entry(term).or_insert(0.0) += 1.0;
        }
    }
    terms
}
