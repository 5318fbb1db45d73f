//! `latent`: the probability that the source likes the candidate, from known decisions of both and of others.
//!
//! Source: logistic regression with crossed random effects, as Rasch, "Probabilistic Models for Some Intelligence and
//! Attainment Tests", 1960, for persons and items, and Kenny & La Voie, "The social relations model", Advances in
//! Experimental Social Psychology 18, 1984, for people who judge each other: `logit p = baseline + selectivity of the
//! source + attractiveness of the target + affinity of their attributes`.

use serde::Deserialize;
use toml::Spanned;

use super::accumulator::Scratch;
use super::context::Context;
use super::evidence::{Evidence, EvidenceList};
use super::latent_model::{LatentModel, LatentRequest};
use super::latent_terms::{LatentTerm, LatentTermToml};
use super::models::ModelRequest;
use super::resolve::{MatcherError, Name, Resolve};
use super::signal::{Reading, Signal};
use crate::graph::{AttributeType, Condition, NodeId};

/// Terms of a model at most.
const TERMS_MAX: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LatentToml {
    /// From those who decide to those who are decided on.
    relation: Name,
    /// The edge attribute that holds the decision; the weight when not given.
    value: Option<Name>,
    /// The value that is a full yes.
    scale: Option<Spanned<f64>>,
    #[serde(default, rename = "where")]
    conditions: Vec<Spanned<Condition>>,
    /// Inverse variance of the effects; cross-validated on the decisions when not given.
    ridge: Option<Spanned<f64>>,
    #[serde(default)]
    terms: Vec<Spanned<LatentTermToml>>,
}

/// A calibrated probability, in (0, 1).
#[derive(Clone, Debug)]
pub(crate) struct Latent {
    request: LatentRequest,
}

impl LatentToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Latent, MatcherError> {
        let (relation, to) = resolve.step("relation", &self.relation, false, resolve.from)?;
        if to != resolve.to {
            let kind = &resolve.schema.kinds()[resolve.to.index()].name;
            let expected = format!("a relation that leads to {kind}");
            return Err(resolve.out_of_range("relation", &self.relation, &expected));
        }
        let attributes = &resolve.schema.relations()[relation.index()].attributes;
        let value = match &self.value {
            None => None,
            Some(name) => match attributes.find(name.get_ref()) {
                Some((id, AttributeType::Number)) => Some(id),
                _ => {
                    let numbers = attributes.entries().iter().filter(|(_, of)| *of == AttributeType::Number);
                    let allowed = numbers.map(|(name, _)| name.clone()).collect();
                    return Err(resolve.unknown("value", name, allowed));
                }
            },
        };
        if self.terms.len() > TERMS_MAX {
            let at = Spanned::new(self.relation.span(), self.terms.len());
            return Err(resolve.out_of_range("terms", &at, &format!("at most {TERMS_MAX} terms")));
        }
        let mut terms: Vec<LatentTerm> = Vec::with_capacity(self.terms.len());
        for term in self.terms {
            let at = Spanned::new(term.span(), ());
            let term = LatentTermToml::resolve(term, resolve)?;
            if terms.iter().any(|before| before.name == term.name) {
                let at = Spanned::new(at.span(), term.name);
                return Err(resolve.out_of_range("terms", &at, "a name that no other term has"));
            }
            terms.push(term);
        }
        let scale = self.scale.map_or(Ok(1.0), |scale| resolve.positive("scale", &scale, 1e12))?;
        let conditions = resolve.edge_conditions(self.conditions, relation)?;
        let ridge = self.ridge.map(|ridge| resolve.positive("ridge", &ridge, 1e6)).transpose()?;
        let described: Vec<&str> = terms.iter().map(|term| term.described.as_str()).collect();
        let name = format!(
            "{}.{}/{scale} where {} by {} with ridge {ridge:?}",
            self.relation.get_ref(),
            self.value.as_ref().map_or("weight", |value| value.get_ref()),
            serde_json::to_string(&conditions).unwrap_or_default(),
            described.join("; "),
        );
        Ok(Latent {
            request: LatentRequest {
                name,
                relation,
                value,
                scale,
                conditions,
                ridge,
                from: resolve.from,
                to: resolve.to,
                terms,
            },
        })
    }
}

impl Latent {
    pub(crate) fn model_requests(&self) -> Vec<ModelRequest> {
        vec![ModelRequest::Latent(self.request.clone())]
    }
}

struct LatentReading<'q> {
    terms: &'q [LatentTerm],
    context: Context<'q>,
    /// `None` when none has been fitted, or there was no decision to fit it to.
    model: Option<&'q LatentModel>,
    /// Of the source; 0 when it has decided nothing yet.
    selectivity: f64,
}

impl Signal for Latent {
    fn read<'q>(&'q self, context: Context<'q>, _: &mut Scratch) -> Box<dyn Reading + 'q> {
        let model = context.models.latent(&self.request).filter(|model| model.decisions > 0);
        let known = |model: &LatentModel| context.source.node.map(|_| model.selectivity(&context.source.key));
        let selectivity = model.and_then(known).unwrap_or(0.0);
        Box::new(LatentReading { terms: &self.request.terms, context, model, selectivity })
    }
}

impl LatentReading<'_> {
    /// The summands of the log-odds, in the order in which they are summed.
    fn log_odds(&self, model: &LatentModel, candidate: NodeId, mut each: impl FnMut(&str, f64)) {
        let key = self.context.graph.nodes(self.context.to).key(candidate);
        each("baseline", model.baseline);
        each("selectivity", self.selectivity);
        each("attractiveness", model.attractiveness(key));
        let source =
            |attribute: crate::graph::AttributeId| self.context.source.cells[attribute.index()].clone();
        let target = |attribute| self.context.target_cell(candidate, attribute);
        for (term, fitted) in self.terms.iter().zip(&model.terms) {
            each(&term.name, fitted.log_odds(term, &source, &target));
        }
    }
}

impl Reading for LatentReading<'_> {
    fn measure(&self, candidates: &[NodeId], raw: &mut [f64]) {
        let Some(model) = self.model else { return };
        for (candidate, raw) in candidates.iter().zip(raw) {
            let mut sum = 0.0;
            self.log_odds(model, *candidate, |_, value| sum += value);
            *raw = super::latent_model::logistic(sum);
        }
    }

    /// Terms of the log-odds; those that the limit leaves out come last, as one.
    fn evidence(&self, candidate: NodeId, limit: usize) -> EvidenceList {
        let Some(model) = self.model else { return EvidenceList::default() };
        let mut items = Vec::new();
        self.log_odds(model, candidate, |term, value| {
            if value != 0.0 {
                items.push((term.to_string(), value));
            }
        });
        items.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then_with(|| a.0.cmp(&b.0)));
        let left_out = if items.len() > limit { items.len() - limit.saturating_sub(1) } else { 0 };
        let rest: f64 = items.iter().rev().take(left_out).map(|(_, value)| value).sum();
        items.truncate(items.len() - left_out);
        if left_out > 0 && limit > 0 {
            items.push(("other terms".to_string(), rest));
        }
        let items = items.into_iter().map(|(term, log_odds)| Evidence::LogOdds { term, log_odds });
        EvidenceList { items: items.collect(), left_out }
    }
}
