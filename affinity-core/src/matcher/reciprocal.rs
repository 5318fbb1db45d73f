//! What makes a matcher two-sided: which matcher scores the way back, and how both scores become one.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::signals::{MatcherError, Name, Resolve};

/// Candidates that get a score of the way back when the matcher does not say.
const WINDOW_DEFAULT: usize = 100;
/// Candidates that may get one: each is read as a source of its own.
const WINDOW_MAX: usize = 10_000;

/// How the scores of both directions become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combination {
    /// The harmonic mean: near the smaller of the two.
    Harmonic,
    /// The geometric mean.
    Geometric,
    /// The product: that both say yes, where scores are probabilities.
    Product,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReciprocalToml {
    /// Scores the way back; the matcher itself when it matches a kind with itself.
    matcher: Option<Name>,
    combine: Combination,
    window: Option<Spanned<usize>>,
}

/// The second side of a matcher.
#[derive(Clone, Debug)]
pub(crate) struct TwoSided {
    /// Name of the matcher from this one's `to` to its `from`; the engine checks that it is there and fits.
    pub(crate) matcher: String,
    pub(crate) combine: Combination,
    /// How many of the best one-way candidates get a score of the way back.
    pub(crate) window: usize,
}

impl TwoSided {
    /// What a query asks for of a matcher that is not two-sided by itself.
    pub(crate) fn asked_for(matcher: String, combine: Combination, limit: usize) -> Self {
        Self { matcher, combine, window: WINDOW_DEFAULT.max(limit) }
    }
}

impl ReciprocalToml {
    /// `own_name` is the matcher's, `limit` the matches that it returns when a query does not say.
    pub(super) fn resolve(
        this: Spanned<Self>,
        own_name: &str,
        limit: usize,
        resolve: &Resolve<'_>,
    ) -> Result<TwoSided, MatcherError> {
        let at = Spanned::new(this.span(), own_name);
        let spec = this.into_inner();
        let matcher = match spec.matcher {
            Some(name) => name.into_inner(),
            None if resolve.from == resolve.to => own_name.to_string(),
            None => {
                let expected = "a matcher for the way back, since this one joins two different kinds";
                return Err(resolve.out_of_range("reciprocal.matcher", &at, expected));
            }
        };
        let window = spec.window.unwrap_or(Spanned::new(0..0, WINDOW_DEFAULT.max(limit)));
        if *window.get_ref() < limit || *window.get_ref() > WINDOW_MAX {
            let expected = format!("at least the limit of {limit}, at most {WINDOW_MAX}");
            return Err(resolve.out_of_range("window", &window, &expected));
        }
        Ok(TwoSided { matcher, combine: spec.combine, window: window.into_inner() })
    }
}
