//! A matcher as it is written: the TOML form, before names are looked up.

use serde::Deserialize;
use toml::Spanned;

use super::reciprocal::ReciprocalToml;
use crate::graph::Condition;
use crate::signals::{
    CloseToml, ComplementToml, FilterToml, FreshToml, LatentToml, Name, NearToml, OverlapToml, PathToml,
    PatternToml, PriorToml, SharedToml, TermsToml, WalkToml,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MatcherToml {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) from: Name,
    pub(super) to: Name,
    /// Matches returned when the query does not say.
    pub(super) limit: Option<Spanned<usize>>,
    /// The most that a query may ask for.
    pub(super) limit_max: Option<Spanned<usize>>,
    pub(super) candidates: Spanned<Vec<CandidateToml>>,
    pub(super) signals: Spanned<Vec<Spanned<SignalToml>>>,
    #[serde(default)]
    pub(super) filters: Vec<Spanned<Condition>>,
    #[serde(default)]
    pub(super) exclusions: Vec<Spanned<ExclusionToml>>,
    pub(super) diversity: Option<Spanned<DiversityToml>>,
    pub(super) reciprocal: Option<Spanned<ReciprocalToml>>,
    pub(super) probability: Option<ProbabilityToml>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProbabilityToml {
    /// Score and probability; empty when nothing is known.
    pub(super) points: Spanned<Vec<[f64; 2]>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CandidateToml {
    /// A signal that can search, or `all` for every node of the kind.
    pub(super) signal: Name,
    pub(super) cap: Spanned<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignalToml {
    pub(super) name: String,
    pub(super) label: Option<String>,
    /// What the sentence says of it; `{names}`, `{count}` and `{value}` are filled in.
    pub(super) phrase: Option<String>,
    pub(super) weight: Spanned<f64>,
    /// Inputs that their owner gives for matching only count whoever is looking, and are never shown.
    #[serde(default)]
    pub(super) matching_only: bool,
    /// The raw value at which the calibrated one is 1/2.
    pub(super) half: Option<Spanned<f64>>,
    /// The raw value from which the calibrated one is 1.
    pub(super) full: Option<Spanned<f64>>,
    pub(super) shared: Option<SharedToml>,
    pub(super) path: Option<PathToml>,
    pub(super) pattern: Option<PatternToml>,
    pub(super) latent: Option<LatentToml>,
    pub(super) walk: Option<WalkToml>,
    pub(super) filter: Option<FilterToml>,
    pub(super) near: Option<NearToml>,
    pub(super) terms: Option<TermsToml>,
    pub(super) overlap: Option<OverlapToml>,
    pub(super) close: Option<CloseToml>,
    pub(super) complement: Option<ComplementToml>,
    pub(super) prior: Option<PriorToml>,
    pub(super) fresh: Option<FreshToml>,
    /// A signal that the application registered under this name.
    pub(super) custom: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExclusionToml {
    /// What the rule is called in answers.
    pub(super) rule: String,
    /// Everyone at the end of this walk from the source.
    pub(super) steps: Option<Vec<ExclusionStepToml>>,
    /// Everyone whose attribute equals the source's.
    pub(super) same: Option<Name>,
    pub(super) source_attribute: Option<Name>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExclusionStepToml {
    pub(super) relation: Name,
    #[serde(default)]
    pub(super) reversed: bool,
    #[serde(default, rename = "where")]
    pub(super) conditions: Vec<Spanned<Condition>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiversityToml {
    pub(super) attribute: Option<Name>,
    pub(super) space: Option<Name>,
    pub(super) strength: Spanned<f64>,
    /// How many of the best are considered, in multiples of the limit.
    pub(super) window: Option<Spanned<usize>>,
}
