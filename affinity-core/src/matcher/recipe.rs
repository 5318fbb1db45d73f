//! A matcher ready for use: names looked up, numbers checked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::probability::ProbabilityCurve;
use super::reciprocal::{ReciprocalToml, TwoSided};
use super::spec::{
    CandidateToml, DiversityToml, ExclusionStepToml, ExclusionToml, MatcherToml, ProbabilityToml, SignalToml,
};
use crate::exact::{WEIGHT_UNITS, quantize_weight};
use crate::graph::{AttributeId, AttributeType, Condition, KindId, RelationId, Schema, SpaceId, line_of};
use crate::signals::{MatcherError, ModelRequest, Name, Pattern, Resolve, Signal};

/// Matches returned when neither matcher nor query say.
const LIMIT_DEFAULT: usize = 20;
/// Matches that a query may ask for when the matcher does not say.
const LIMIT_MAX_DEFAULT: usize = 100;
/// Matches that a matcher may allow.
const LIMIT_MAX: usize = 1_000;
/// Candidates of one source at most.
pub(crate) const CAP_MAX: usize = 100_000;
/// Signals of a matcher at most.
const SIGNALS_MAX: usize = 64;
/// Best candidates that diversity looks at, in multiples of the limit.
const WINDOW_DEFAULT: usize = 5;

/// A named recipe from one node kind to another: signals, weights, filters, ranking.
///
/// ```
/// use affinity_core::{Matcher, Schema};
/// let schema = Schema::from_toml(r#"
///     name = "tiny"
///     [kinds.Member]
///     [kinds.Trend]
///     [relations.LIKES]
///     from = "Member"
///     to = "Trend"
/// "#)?;
/// let matcher = Matcher::from_toml(r#"
///     name = "partners"
///     from = "Member"
///     to = "Member"
///     candidates = [{ signal = "taste", cap = 100 }]
///     [[signals]]
///     name = "taste"
///     weight = 1.0
///     half = 2.0
///     shared = { relation = "LIKES", formula = "count" }
/// "#, "partners.toml", &schema)?;
/// assert_eq!(matcher.name(), "partners");
///
/// let wrong = Matcher::from_toml("name = 'x'\nfrom = 'Membr'\nto = 'Member'\ncandidates = []\nsignals = []", "x.toml", &schema);
/// assert_eq!(wrong.unwrap_err().to_string(), "x.toml line 2: field \"from\" names \"Membr\", expected one of: Member, Trend");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    description: String,
    version: String,
    pub(crate) from: KindId,
    pub(crate) to: KindId,
    pub(crate) limit: usize,
    pub(crate) limit_max: usize,
    pub(crate) candidates: Vec<CandidateSource>,
    pub(crate) signals: Vec<WeightedSignal>,
    pub(crate) filters: Vec<Condition>,
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) diversity: Option<Diversity>,
    pub(crate) two_sided: Option<TwoSided>,
    pub(crate) probability: Option<ProbabilityCurve>,
}

/// A signal of a matcher, for people to read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SignalInfo {
    /// Unique in the matcher.
    pub name: String,
    /// As people read it.
    pub label: String,
    /// Share of the score, a multiple of 2^-16.
    pub weight: f64,
    /// The weight in words.
    pub weight_in_words: &'static str,
    /// The kind of evidence.
    pub evidence: &'static str,
    /// Whether its inputs are given for matching only.
    pub matching_only: bool,
}

/// Where candidates come from.
#[derive(Clone, Debug)]
pub(crate) struct CandidateSource {
    /// Position of a signal; `None` is every node of the kind.
    pub(crate) signal: Option<usize>,
    pub(crate) name: String,
    pub(crate) cap: usize,
}

/// How a raw value becomes one in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Calibration {
    /// It is in [0, 1] as it is.
    Unit,
    /// `v / (v + half)`.
    Half(f64),
    /// `min(1, v / full)`.
    Full(f64),
}

impl Calibration {
    /// In [0, 1] for any `raw` that is not NaN.
    pub(crate) fn apply(self, raw: f64) -> f64 {
        let raw = raw.max(0.0);
        match self {
            Self::Unit => raw.min(1.0),
            Self::Half(_) if raw.is_infinite() => 1.0,
            Self::Half(half) => raw / (raw + half),
            Self::Full(full) => (raw / full).min(1.0),
        }
    }
}

/// A signal with its share of the score.
#[derive(Clone, Debug)]
pub(crate) struct WeightedSignal {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) phrase: Option<String>,
    pub(crate) weight: f64,
    pub(crate) calibration: Calibration,
    pub(crate) matching_only: bool,
    pub(crate) evidence: &'static str,
    pub(crate) signal: Arc<dyn Signal>,
    pub(crate) requests: Vec<ModelRequest>,
    pub(crate) pattern: Option<Pattern>,
}

/// A rule that keeps nodes out, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Exclusion {
    pub(crate) rule: String,
    pub(crate) excludes: ExclusionRule,
}

/// What an exclusion keeps out.
#[derive(Clone, Debug)]
pub(crate) enum ExclusionRule {
    /// Everyone at the end of a walk.
    Reached(Vec<ExclusionStep>),
    /// Everyone with the source's value.
    Same { attribute: AttributeId, source_attribute: AttributeId },
}

/// One step of the walk of an exclusion.
#[derive(Clone, Debug)]
pub(crate) struct ExclusionStep {
    pub(crate) relation: RelationId,
    pub(crate) reversed: bool,
    pub(crate) conditions: Vec<Condition>,
}

/// Re-ranking that trades score for variety.
#[derive(Clone, Debug)]
pub(crate) struct Diversity {
    pub(crate) by: Similar,
    pub(crate) name: String,
    /// 0 is none, 1 ignores the score.
    pub(crate) strength: f64,
    /// In multiples of the limit.
    pub(crate) window: usize,
}

/// What makes two matches alike.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Similar {
    Attribute(AttributeId),
    Space(SpaceId),
}

impl Matcher {
    /// Reads a matcher; `file` is only what errors call the text.
    ///
    /// # Errors
    /// [`MatcherError`] with file, line, field, what was found and what is allowed.
    pub fn from_toml(text: &str, file: &str, schema: &Schema) -> Result<Self, MatcherError> {
        Self::from_toml_with(text, file, schema, &BTreeMap::new())
    }

    /// Reads a matcher that may name signals of the application's own as `custom`.
    ///
    /// # Errors
    /// [`MatcherError`] with file, line, field, what was found and what is allowed.
    pub fn from_toml_with(
        text: &str,
        file: &str,
        schema: &Schema,
        custom: &BTreeMap<String, Arc<dyn Signal>>,
    ) -> Result<Self, MatcherError> {
        let parsed: MatcherToml = toml::from_str(text).map_err(|error| MatcherError::Syntax {
            file: file.to_string(),
            line: error.span().map_or(0, |span| line_of(text, span.start)),
            reason: error.message().to_string(),
        })?;
        let kind = |field: &'static str, name: &Name| {
            schema.kind(name.get_ref()).ok_or_else(|| MatcherError::Unknown {
                file: file.to_string(),
                line: line_of(text, name.span().start),
                field,
                got: name.get_ref().clone(),
                allowed: schema.kinds().iter().map(|kind| kind.name.clone()).collect(),
            })
        };
        let (from, to) = (kind("from", &parsed.from)?, kind("to", &parsed.to)?);
        let resolve = Resolve { schema, file, text, from, to };
        let signals = resolve_signals(parsed.signals, &resolve, custom)?;
        let limit_max = at_most(&resolve, "limit_max", parsed.limit_max, LIMIT_MAX_DEFAULT, LIMIT_MAX)?;
        let limit = at_most(&resolve, "limit", parsed.limit, LIMIT_DEFAULT.min(limit_max), limit_max)?;
        let two_sided = parsed
            .reciprocal
            .map(|reciprocal| ReciprocalToml::resolve(reciprocal, &parsed.name, limit, &resolve))
            .transpose()?;
        Ok(Self {
            limit,
            limit_max,
            two_sided,
            candidates: resolve_candidates(parsed.candidates, &signals, &resolve)?,
            filters: resolve.node_conditions(parsed.filters, to)?,
            exclusions: parsed
                .exclusions
                .into_iter()
                .map(|exclusion| resolve_exclusion(exclusion, &resolve))
                .collect::<Result<_, _>>()?,
            diversity: parsed
                .diversity
                .map(|diversity| resolve_diversity(diversity, &resolve))
                .transpose()?,
            probability: resolve_probability(parsed.probability, &resolve)?,
            version: Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect(),
            name: parsed.name,
            description: parsed.description,
            from,
            to,
            signals,
        })
    }

    /// The same matcher, which also keeps out whom the source has an edge to that satisfies `conditions`.
    ///
    /// `rule` is what answers call it. The version stays: it names the text.
    ///
    /// # Errors
    /// [`MatcherError`] when the relation does not lead from the matcher's sources to its matches, or a condition
    /// does not fit it.
    pub fn excluding(
        mut self,
        rule: &str,
        relation: &str,
        conditions: Vec<Condition>,
        schema: &Schema,
    ) -> Result<Self, MatcherError> {
        let at = |name: &str| Spanned::new(0..0, name.to_string());
        let step = ExclusionStepToml {
            relation: at(relation),
            reversed: false,
            conditions: conditions.into_iter().map(|condition| Spanned::new(0..0, condition)).collect(),
        };
        let toml = ExclusionToml {
            rule: rule.to_string(),
            steps: Some(vec![step]),
            same: None,
            source_attribute: None,
        };
        let resolve = Resolve { schema, file: &self.name, text: "", from: self.from, to: self.to };
        let exclusion = resolve_exclusion(Spanned::new(0..0, toml), &resolve)?;
        self.exclusions.push(exclusion);
        Ok(self)
    }

    /// What it is called, in requests and answers.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// 12 hexadecimal digits that name its text.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The kind of its sources.
    #[must_use]
    pub fn from_kind(&self) -> KindId {
        self.from
    }

    /// The kind of its matches.
    #[must_use]
    pub fn to_kind(&self) -> KindId {
        self.to
    }

    /// Its signals, in the order of its text.
    #[must_use]
    pub fn signals(&self) -> Vec<SignalInfo> {
        let info = |signal: &WeightedSignal| SignalInfo {
            name: signal.name.clone(),
            label: signal.label.clone(),
            weight: signal.weight,
            weight_in_words: weight_in_words(signal.weight),
            evidence: signal.evidence,
            matching_only: signal.matching_only,
        };
        self.signals.iter().map(info).collect()
    }

    /// From its score to the probability of success, where its text has one.
    #[must_use]
    pub fn probability(&self) -> Option<&ProbabilityCurve> {
        self.probability.as_ref()
    }

    pub(crate) fn requests(&self) -> impl Iterator<Item = &ModelRequest> {
        self.signals.iter().flat_map(|signal| &signal.requests)
    }
}

fn weight_in_words(weight: f64) -> &'static str {
    match weight {
        w if w >= 0.35 => "decides most",
        w if w >= 0.2 => "counts a lot",
        w if w >= 0.1 => "counts",
        w if w > 0.0 => "counts a little",
        _ => "does not count",
    }
}

fn at_most(
    resolve: &Resolve<'_>,
    field: &'static str,
    given: Option<Spanned<usize>>,
    default: usize,
    max: usize,
) -> Result<usize, MatcherError> {
    match given {
        None => Ok(default),
        Some(given) if *given.get_ref() == 0 || *given.get_ref() > max => {
            Err(resolve.out_of_range(field, &given, &format!("1 to {max}")))
        }
        Some(given) => Ok(given.into_inner()),
    }
}

fn resolve_signals(
    signals: Spanned<Vec<Spanned<SignalToml>>>,
    resolve: &Resolve<'_>,
    custom: &BTreeMap<String, Arc<dyn Signal>>,
) -> Result<Vec<WeightedSignal>, MatcherError> {
    let count = signals.get_ref().len();
    if count == 0 || count > SIGNALS_MAX {
        let at = Spanned::new(signals.span(), count);
        return Err(resolve.out_of_range("signals", &at, &format!("1 to {SIGNALS_MAX} signals")));
    }
    let (span, mut resolved) = (signals.span(), Vec::<WeightedSignal>::with_capacity(count));
    for signal in signals.into_inner() {
        let at = Spanned::new(signal.span(), signal.get_ref().name.clone());
        if resolved.iter().any(|before| before.name == *at.get_ref()) {
            return Err(resolve.out_of_range("name", &at, "a name that no other signal of the matcher has"));
        }
        resolved.push(resolve_signal(signal, resolve, custom)?);
    }
    let total: f64 = resolved.iter().map(|signal| signal.weight).sum();
    if total > 1.0 {
        // Rounding to multiples of 2^-16 may lift a sum of exactly 1 a little above it: the largest gives way.
        let largest = resolved.iter_mut().max_by(|a, b| a.weight.total_cmp(&b.weight));
        match largest {
            Some(largest) if (total - 1.0) * WEIGHT_UNITS <= crate::exact::count_of(count) => {
                largest.weight -= total - 1.0
            }
            _ => {
                return Err(resolve.out_of_range(
                    "weight",
                    &Spanned::new(span, total),
                    "weights that sum to at most 1",
                ));
            }
        }
    }
    Ok(resolved)
}

/// What a kind of evidence comes down to: the signal, its name, the statistics it wants.
type Built = (Arc<dyn Signal>, &'static str, Vec<ModelRequest>, Option<Pattern>);

fn resolve_signal(
    signal: Spanned<SignalToml>,
    resolve: &Resolve<'_>,
    custom: &BTreeMap<String, Arc<dyn Signal>>,
) -> Result<WeightedSignal, MatcherError> {
    let at = Spanned::new(signal.span(), signal.get_ref().name.clone());
    let spec = signal.into_inner();
    let weight = *spec.weight.get_ref();
    if !(0.0..=1.0).contains(&weight) {
        return Err(resolve.out_of_range("weight", &spec.weight, "a number from 0 to 1"));
    }
    let calibration = match (&spec.half, &spec.full) {
        (None, None) => Calibration::Unit,
        (Some(half), None) => Calibration::Half(resolve.positive("half", half, 1e12)?),
        (None, Some(full)) => Calibration::Full(resolve.positive("full", full, 1e12)?),
        (Some(half), Some(_)) => return Err(resolve.out_of_range("half", half, "half or full, not both")),
    };
    let past_audience = spec.matching_only;
    let mut built: Vec<Built> = Vec::new();
    if let Some(shared) = spec.shared {
        let shared = shared.resolve(resolve, past_audience)?;
        let requests = shared.model_requests();
        built.push((Arc::new(shared), "shared", requests, None));
    }
    if let Some(path) = spec.path {
        built.push((Arc::new(path.resolve(resolve, past_audience)?), "path", Vec::new(), None));
    }
    if let Some(pattern) = spec.pattern {
        let pattern = pattern.resolve(resolve)?;
        built.push((Arc::new(pattern.clone()), "pattern", pattern.model_requests(), Some(pattern)));
    }
    if let Some(latent) = spec.latent {
        let latent = latent.resolve(resolve)?;
        let requests = latent.model_requests();
        built.push((Arc::new(latent), "latent", requests, None));
    }
    if let Some(walk) = spec.walk {
        built.push((walk.resolve(resolve)?, "walk", Vec::new(), None));
    }
    if let Some(filter) = spec.filter {
        let filter = filter.resolve(resolve)?;
        let requests = filter.model_requests();
        built.push((Arc::new(filter), "filter", requests, None));
    }
    if let Some(near) = spec.near {
        built.push((Arc::new(near.resolve(resolve, past_audience)?), "near", Vec::new(), None));
    }
    if let Some(terms) = spec.terms {
        let terms = terms.resolve(resolve, past_audience)?;
        let requests = terms.model_requests();
        built.push((Arc::new(terms), "terms", requests, None));
    }
    if let Some(overlap) = spec.overlap {
        built.push((Arc::new(overlap.resolve(resolve)?), "overlap", Vec::new(), None));
    }
    if let Some(close) = spec.close {
        built.push((Arc::new(close.resolve(resolve)?), "close", Vec::new(), None));
    }
    if let Some(complement) = spec.complement {
        built.push((Arc::new(complement.resolve(resolve)?), "complement", Vec::new(), None));
    }
    if let Some(prior) = spec.prior {
        let prior = prior.resolve(resolve)?;
        let requests = prior.model_requests();
        built.push((Arc::new(prior), "prior", requests, None));
    }
    if let Some(fresh) = spec.fresh {
        built.push((Arc::new(fresh.resolve(resolve)?), "fresh", Vec::new(), None));
    }
    if let Some(name) = spec.custom {
        let known = || custom.keys().cloned().collect();
        let signal = custom.get(name.get_ref()).ok_or_else(|| resolve.unknown("custom", &name, known()))?;
        built.push((Arc::clone(signal), "custom", Vec::new(), None));
    }
    let count = built.len();
    let (Some((signal, evidence, requests, pattern)), 1) = (built.pop(), count) else {
        let expected = "exactly one of: shared, path, pattern, latent, walk, filter, near, terms, overlap, close, complement, prior, fresh, custom";
        return Err(resolve.out_of_range("signals", &at, expected));
    };
    if past_audience && !matches!(evidence, "shared" | "path" | "near" | "terms") {
        return Err(resolve.out_of_range(
            "matching_only",
            &at,
            "false, except for shared, path, near and terms",
        ));
    }
    Ok(WeightedSignal {
        label: spec.label.unwrap_or_else(|| spec.name.replace('_', " ")),
        name: spec.name,
        phrase: spec.phrase,
        weight: quantize_weight(weight),
        calibration,
        matching_only: past_audience,
        evidence,
        signal,
        requests,
        pattern,
    })
}

fn resolve_candidates(
    candidates: Spanned<Vec<CandidateToml>>,
    signals: &[WeightedSignal],
    resolve: &Resolve<'_>,
) -> Result<Vec<CandidateSource>, MatcherError> {
    if candidates.get_ref().is_empty() {
        return Err(resolve.out_of_range(
            "candidates",
            &Spanned::new(candidates.span(), 0),
            "at least one source",
        ));
    }
    let mut sources = Vec::new();
    for candidate in candidates.into_inner() {
        let name = candidate.signal.get_ref().clone();
        let searching = |signal: &&WeightedSignal| {
            matches!(signal.evidence, "shared" | "path" | "walk" | "filter" | "near" | "terms" | "custom")
        };
        let signal = signals.iter().position(|signal| signal.name == name && searching(&signal));
        if signal.is_none() && name != "all" {
            let fitting = signals.iter().filter(searching).map(|signal| signal.name.clone());
            return Err(resolve.unknown(
                "candidates.signal",
                &candidate.signal,
                fitting.chain(["all".to_string()]).collect(),
            ));
        }
        let cap = *candidate.cap.get_ref();
        if cap == 0 || cap > CAP_MAX {
            return Err(resolve.out_of_range("cap", &candidate.cap, &format!("1 to {CAP_MAX}")));
        }
        sources.push(CandidateSource { signal, name, cap });
    }
    Ok(sources)
}

fn resolve_exclusion(
    exclusion: Spanned<ExclusionToml>,
    resolve: &Resolve<'_>,
) -> Result<Exclusion, MatcherError> {
    let at = Spanned::new(exclusion.span(), exclusion.get_ref().rule.clone());
    let spec = exclusion.into_inner();
    let excludes = match (spec.steps, spec.same) {
        (Some(steps), None) => {
            let (mut kind, mut resolved) = (resolve.from, Vec::new());
            for step in steps {
                let (relation, to) = resolve.step("relation", &step.relation, step.reversed, kind)?;
                kind = to;
                let conditions = resolve.edge_conditions(step.conditions, relation)?;
                resolved.push(ExclusionStep { relation, reversed: step.reversed, conditions });
            }
            if kind != resolve.to || resolved.is_empty() {
                let name = &resolve.schema.kinds()[resolve.to.index()].name;
                return Err(resolve.out_of_range("steps", &at, &format!("steps that lead to {name}")));
            }
            ExclusionRule::Reached(resolved)
        }
        (None, Some(same)) => {
            let category = [AttributeType::Category];
            let source = spec.source_attribute.as_ref().unwrap_or(&same);
            ExclusionRule::Same {
                attribute: resolve.attribute("same", &same, resolve.to, &category)?.0,
                source_attribute: resolve.attribute("source_attribute", source, resolve.from, &category)?.0,
            }
        }
        _ => return Err(resolve.out_of_range("exclusions", &at, "exactly one of: steps, same")),
    };
    Ok(Exclusion { rule: spec.rule, excludes })
}

fn resolve_diversity(
    diversity: Spanned<DiversityToml>,
    resolve: &Resolve<'_>,
) -> Result<Diversity, MatcherError> {
    let at = Spanned::new(diversity.span(), ());
    let spec = diversity.into_inner();
    let (by, name) = match (&spec.attribute, &spec.space) {
        (Some(name), None) => {
            let types = [AttributeType::Category, AttributeType::Tags];
            (Similar::Attribute(resolve.attribute("attribute", name, resolve.to, &types)?.0), name)
        }
        (None, Some(name)) => (Similar::Space(resolve.space("space", name, resolve.to)?), name),
        _ => return Err(resolve.out_of_range("diversity", &at, "exactly one of: attribute, space")),
    };
    Ok(Diversity {
        by,
        name: name.get_ref().clone(),
        strength: resolve.positive("strength", &spec.strength, 1.0)?,
        window: at_most(resolve, "window", spec.window, WINDOW_DEFAULT, 50)?,
    })
}

fn resolve_probability(
    probability: Option<ProbabilityToml>,
    resolve: &Resolve<'_>,
) -> Result<Option<ProbabilityCurve>, MatcherError> {
    let Some(ProbabilityToml { points }) = probability else { return Ok(None) };
    if points.get_ref().is_empty() {
        return Ok(None);
    }
    let expected = "[score, probability] pairs in [0, 1], scores rising, probabilities not falling";
    let curve = ProbabilityCurve::new(points.get_ref().clone());
    curve.map(Some).ok_or_else(|| resolve.out_of_range("points", &points, expected))
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
