//! What a matcher says of a `filter` signal, checked and completed by the defaults of its model.

use serde::Deserialize;
use toml::Spanned;

use super::filter::Filter;
use super::filter_model::{FilterParams, FilterRequest};
use super::item_links::{ItemLinks, LINK_STEPS_MAX};
use super::neighbors::{Likeness, PropagationParams};
use super::resolve::{MatcherError, Name, Resolve};
use crate::filtering::{LocalEaseParams, LowPassParams, RANK_MAX, RowScale, Rp3Params};

/// Neighbors of a model at most.
const NEIGHBORS_MAX: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Model {
    LocalEase,
    Rp3,
    LowPass,
    Propagation,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilterToml {
    relation: Name,
    #[serde(default)]
    reversed: bool,
    model: Spanned<Model>,
    /// Whether an edge counts its weight instead of 1, in the fit and in the query.
    #[serde(default)]
    weighted: bool,
    /// The score is divided by the number of the source's items to this power.
    source_power: Option<Spanned<f64>>,
    neighbors: Option<Spanned<usize>>,
    ridge: Option<Spanned<f64>>,
    relative_ridge: Option<Spanned<f64>>,
    user_power: Option<Spanned<f64>>,
    item_power: Option<Spanned<f64>>,
    alpha: Option<Spanned<f64>>,
    beta: Option<Spanned<f64>>,
    /// Rows are divided by the past item's popularity to this power instead of by their sums.
    past_power: Option<Spanned<f64>>,
    /// The space in which propagation compares items, of vectors or of terms.
    space: Option<Name>,
    /// Instead of a space: the relation between items over which propagation walks, in both directions.
    along: Option<Name>,
    /// What walks of 1, 2, ... steps count.
    steps: Option<Spanned<Vec<f64>>>,
    /// A similarity counts to this power.
    similarity_power: Option<Spanned<f64>>,
    /// Whether vectors are compared without the mean of the items with a past.
    centered: Option<Spanned<bool>>,
    rank: Option<Spanned<usize>>,
    linear: Option<Spanned<f64>>,
    ideal: Option<Spanned<f64>>,
    exponent: Option<Spanned<f64>>,
    sharpening: Option<Spanned<f64>>,
}

impl FilterToml {
    pub(crate) fn resolve(self, resolve: &Resolve<'_>) -> Result<Filter, MatcherError> {
        let (relation, leads_to) = resolve.step("relation", &self.relation, self.reversed, resolve.from)?;
        if leads_to != resolve.to {
            let kind = &resolve.schema.kinds()[resolve.to.index()].name;
            let expected = format!("a relation that leads to {kind}");
            return Err(resolve.out_of_range("relation", &self.relation, &expected));
        }
        let request = FilterRequest {
            relation,
            reversed: self.reversed,
            weighted: self.weighted,
            params: self.params(resolve)?,
        };
        let source_power = number(resolve, ("source_power", 2.0), self.source_power.as_ref(), 0.0)?;
        Ok(Filter { request, source_power })
    }

    fn params(&self, resolve: &Resolve<'_>) -> Result<FilterParams, MatcherError> {
        let model = *self.model.get_ref();
        let fields = [
            ("ridge", &self.ridge, Model::LocalEase),
            ("relative_ridge", &self.relative_ridge, Model::LocalEase),
            ("user_power", &self.user_power, Model::LocalEase),
            ("item_power", &self.item_power, Model::LocalEase),
            ("alpha", &self.alpha, Model::Rp3),
            ("beta", &self.beta, Model::Rp3),
            ("past_power", &self.past_power, Model::Rp3),
            ("similarity_power", &self.similarity_power, Model::Propagation),
            ("linear", &self.linear, Model::LowPass),
            ("ideal", &self.ideal, Model::LowPass),
            ("exponent", &self.exponent, Model::LowPass),
            ("sharpening", &self.sharpening, Model::LowPass),
        ];
        let stray = fields.into_iter().find(|(_, given, of)| given.is_some() && *of != model);
        if let Some((field, Some(given), _)) = stray {
            return Err(resolve.out_of_range(field, given, "a field of the signal's model"));
        }
        if let Some(rank) = self.rank.as_ref().filter(|_| model != Model::LowPass) {
            return Err(resolve.out_of_range("rank", rank, "a field of the signal's model"));
        }
        if let Some(space) = self.space.as_ref().filter(|_| model != Model::Propagation) {
            return Err(resolve.out_of_range("space", space, "a field of the signal's model"));
        }
        if let Some(along) = self.along.as_ref().filter(|_| model != Model::Propagation) {
            return Err(resolve.out_of_range("along", along, "a field of the signal's model"));
        }
        if let Some(steps) = self.steps.as_ref().filter(|_| self.along.is_none()) {
            return Err(resolve.out_of_range("steps", steps, "none without `along`"));
        }
        if let Some(centered) = self.centered.as_ref().filter(|_| model != Model::Propagation) {
            return Err(resolve.out_of_range("centered", centered, "a field of the signal's model"));
        }
        let up_to = |field, max: usize, given: &Option<Spanned<usize>>, default| match given {
            Some(given) if *given.get_ref() == 0 || *given.get_ref() > max => {
                Err(resolve.out_of_range(field, given, &format!("1 to {max}")))
            }
            given => Ok(given.as_ref().map_or(default, |given| *given.get_ref())),
        };
        let neighbors = |default| up_to("neighbors", NEIGHBORS_MAX, &self.neighbors, default);
        let number = |field, given: &Option<_>, default| number(resolve, field, given.as_ref(), default);
        Ok(match model {
            Model::LocalEase => {
                let standard = LocalEaseParams::STANDARD;
                // Whoever gives one ridge means only that one.
                let relative = if self.ridge.is_some() { 0.0 } else { standard.relative_ridge };
                let params = LocalEaseParams {
                    neighbors: neighbors(standard.neighbors)?,
                    ridge: number(("ridge", 1e9), &self.ridge, standard.ridge)?,
                    relative_ridge: number(("relative_ridge", 1e6), &self.relative_ridge, relative)?,
                    user_power: number(("user_power", 2.0), &self.user_power, standard.user_power)?,
                    item_power: number(("item_power", 2.0), &self.item_power, standard.item_power)?,
                };
                if params.ridge + params.relative_ridge <= 0.0 {
                    let at = Spanned::new(self.model.span(), 0.0);
                    return Err(resolve.out_of_range("ridge", &at, "a ridge above 0"));
                }
                FilterParams::LocalEase(params)
            }
            Model::Rp3 => FilterParams::Rp3(Rp3Params {
                neighbors: neighbors(Rp3Params::STANDARD.neighbors)?,
                alpha: number(("alpha", 4.0), &self.alpha, Rp3Params::STANDARD.alpha)?,
                beta: number(("beta", 4.0), &self.beta, Rp3Params::STANDARD.beta)?,
                rows: match &self.past_power {
                    None => RowScale::Sum,
                    given => RowScale::Popularity(number(("past_power", 4.0), given, 0.0)?),
                },
            }),
            Model::Propagation => {
                let likeness = self.likeness(resolve)?;
                let standard = likeness.similarity_power();
                FilterParams::Propagation(PropagationParams {
                    likeness,
                    neighbors: neighbors(PropagationParams::NEIGHBORS)?,
                    similarity_power: number(("similarity_power", 8.0), &self.similarity_power, standard)?,
                })
            }
            Model::LowPass => FilterParams::LowPass(LowPassParams {
                neighbors: neighbors(LowPassParams::STANDARD.neighbors)?,
                rank: up_to("rank", RANK_MAX, &self.rank, LowPassParams::STANDARD.rank)?,
                linear: number(("linear", 100.0), &self.linear, LowPassParams::STANDARD.linear)?,
                ideal: number(("ideal", 100.0), &self.ideal, LowPassParams::STANDARD.ideal)?,
                exponent: number(("exponent", 2.0), &self.exponent, LowPassParams::STANDARD.exponent)?,
                sharpening: number(
                    ("sharpening", 10.0),
                    &self.sharpening,
                    LowPassParams::STANDARD.sharpening,
                )?,
            }),
        })
    }

    fn likeness(&self, resolve: &Resolve<'_>) -> Result<Likeness, MatcherError> {
        let name = match (&self.space, &self.along) {
            (Some(name), None) => name,
            (None, Some(along)) => return self.links(along, resolve).map(Likeness::Links),
            _ => {
                let at = Spanned::new(self.model.span(), "propagation");
                return Err(resolve.out_of_range("model", &at, "either a `space` or `along` beside it"));
            }
        };
        let centered = self.centered.as_ref().filter(|centered| *centered.get_ref());
        match (resolve.schema.term_space(name.get_ref()), centered) {
            (Some(_), Some(centered)) => {
                Err(resolve.out_of_range("centered", centered, "false for a space of terms"))
            }
            (Some(_), None) => Ok(Likeness::Terms(resolve.term_space("space", name, resolve.to)?)),
            (None, centered) => {
                let space = resolve.space("space", name, resolve.to)?;
                Ok(Likeness::Vectors { space, centered: centered.is_some() })
            }
        }
    }

    fn links(&self, along: &Name, resolve: &Resolve<'_>) -> Result<ItemLinks, MatcherError> {
        if let Some(centered) = &self.centered {
            return Err(resolve.out_of_range("centered", centered, "none beside `along`"));
        }
        let (relation, leads_to) = resolve.step("along", along, false, resolve.to)?;
        if leads_to != resolve.to {
            let kind = &resolve.schema.kinds()[resolve.to.index()].name;
            return Err(resolve.out_of_range("along", along, &format!("a relation that leads to {kind}")));
        }
        let mut coefficients = ItemLinks::COEFFICIENTS;
        if let Some(steps) = &self.steps {
            let given = steps.get_ref();
            let are_in_range = given.iter().all(|coefficient| (0.0..=1.0).contains(coefficient));
            let counts = given.last().is_some_and(|last| *last > 0.0) && given.len() <= coefficients.len();
            if !are_in_range || !counts {
                let expected = format!("1 to {LINK_STEPS_MAX} numbers from 0 to 1, the last one above 0");
                return Err(resolve.out_of_range("steps", steps, &expected));
            }
            coefficients.fill(0.0);
            coefficients[..given.len()].copy_from_slice(given);
        }
        Ok(ItemLinks { relation, coefficients })
    }
}

/// The number given, or the default; from 0 to `max`.
fn number(
    resolve: &Resolve<'_>,
    (field, max): (&'static str, f64),
    given: Option<&Spanned<f64>>,
    default: f64,
) -> Result<f64, MatcherError> {
    match given {
        Some(given) if !(0.0..=max).contains(given.get_ref()) => {
            Err(resolve.out_of_range(field, given, &format!("a number from 0 to {max}")))
        }
        given => Ok(given.map_or(default, |given| *given.get_ref())),
    }
}
